//! Vectors of passages, made while their files are read.

use std::fmt;
use std::sync::{Arc, OnceLock};

use nootropic_core::{EmbedRole, Embedder, Result, Store, StoreExt};

use super::record::Outline;
use crate::vectors::{EncodedVector, Kept, VectorTable};

/// An embedder that works [inline](Embedder::inline), and where its vectors are kept: an update that has it makes the vectors of
/// what it reads, and commits them together with the rest.
#[derive(Clone)]
pub struct InlineVectors {
    open: Arc<dyn Fn() -> Option<Opened> + Send + Sync>,
    opened: Arc<OnceLock<Option<Opened>>>,
}

#[derive(Debug, Clone)]
struct Opened {
    table: VectorTable,
    embedder: Arc<dyn Embedder>,
}

impl InlineVectors {
    /// `None` if the embedder is not one that works inline. One that is new is registered in the store.
    ///
    /// # Errors
    /// As the store's; `InvalidInput` if an embedder of this identity made vectors of other dimensions before.
    pub fn open(store: &dyn Store, embedder: Arc<dyn Embedder>) -> Result<Option<Self>> {
        let opened = Opened::new(store, embedder)?;
        Ok(opened.map(|opened| Self { open: Arc::new(|| None), opened: Arc::new(OnceLock::from(Some(opened))) }))
    }

    /// The same of an embedder that is only opened once there is something to embed. If it cannot be, no vectors are made: whoever embeds
    /// what has none says why.
    pub fn lazy(
        store: Arc<dyn Store>,
        embedder: impl Fn() -> Result<Arc<dyn Embedder>> + Send + Sync + 'static,
    ) -> Self {
        let open = move || embedder().and_then(|embedder| Opened::new(&*store, embedder)).ok().flatten();
        Self { open: Arc::new(open), opened: Arc::default() }
    }

    /// Where vectors were put so far, if any were made.
    pub(super) fn table(&self) -> Option<&VectorTable> {
        Some(&self.opened.get()?.as_ref()?.table)
    }

    /// The vectors of a file's passages, or none if one of them cannot be made: whoever embeds what has no vector says why.
    pub(super) fn of(&self, outline: &Outline, text: &str) -> Vec<EncodedVector> {
        let opened = self.opened.get_or_init(|| (self.open)()).as_ref();
        let inline = opened.and_then(|opened| Some((&opened.table, opened.embedder.inline()?)));
        let Some((table, inline)) = inline else { return Vec::new() };
        let vector = |text: String| table.encode_embedding(inline.embed_inline(&text, EmbedRole::Document)?);
        outline.embedded(text).map(vector).collect::<crate::Result<_>>().unwrap_or_default()
    }
}

impl Opened {
    fn new(store: &dyn Store, embedder: Arc<dyn Embedder>) -> Result<Option<Self>> {
        match embedder.inline() {
            None => Ok(None),
            Some(_) => Ok(Some(Self { table: table_of(store, &*embedder)?, embedder })),
        }
    }
}

impl fmt::Debug for InlineVectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineVectors").field("opened", &self.opened).finish_non_exhaustive()
    }
}

/// The place of an embedder's vectors, made if it has none; one that is known needs no store that can be written. Of one that
/// works inline, codes alone are kept: it is asked for what is quick and small.
///
/// # Errors
/// As the store's; `InvalidInput` if an embedder of this identity made vectors of other dimensions before.
pub(crate) fn table_of(store: &dyn Store, embedder: &dyn Embedder) -> Result<VectorTable> {
    if let Some(known) = store.read_with(|txn| Ok(VectorTable::find(txn, embedder.info())?))? {
        return Ok(known);
    }
    let kept = if embedder.inline().is_some() { Kept::Codes } else { Kept::Vectors };
    Ok(store.write_with(|txn| Ok(VectorTable::register(txn, embedder.info(), kept)?))?.0)
}
