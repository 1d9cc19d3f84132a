//! Vectors of passages, made while their files are read.

use std::sync::Arc;

use nootropic_core::{EmbedRole, Embedder, Result, Store, StoreExt};

use super::record::Outline;
use crate::vectors::{EncodedVector, Kept, VectorTable};

/// An embedder that works [inline](Embedder::inline), and where its vectors are kept: an update that has it makes the vectors of
/// what it reads, and commits them together with the rest.
#[derive(Debug, Clone)]
pub struct InlineVectors {
    table: VectorTable,
    embedder: Arc<dyn Embedder>,
}

impl InlineVectors {
    /// `None` if the embedder is not one that works inline. One that is new is registered in the store.
    ///
    /// # Errors
    /// As [`table_of`].
    pub fn open(store: &dyn Store, embedder: Arc<dyn Embedder>) -> Result<Option<Self>> {
        match embedder.inline() {
            None => Ok(None),
            Some(_) => Ok(Some(Self { table: table_of(store, &*embedder)?, embedder })),
        }
    }

    pub(super) fn table(&self) -> &VectorTable {
        &self.table
    }

    /// The vectors of a file's passages, or none if one of them cannot be made: whoever embeds what has no vector says why.
    pub(super) fn of(&self, outline: &Outline, text: &str) -> Vec<EncodedVector> {
        let Some(inline) = self.embedder.inline() else { return Vec::new() };
        let vector = |text: String| {
            let vector = inline.embed_inline(&text, EmbedRole::Document)?;
            self.table.encode_embedding(vector)
        };
        outline.embedded(text).map(vector).collect::<crate::Result<_>>().unwrap_or_default()
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
