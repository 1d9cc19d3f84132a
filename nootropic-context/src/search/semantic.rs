//! Search by meaning beside search by words, once there is an embedder.

#[cfg(feature = "arroy")]
use std::path::Path;
use std::sync::Arc;
#[cfg(feature = "arroy")]
use std::sync::{Mutex, PoisonError};

use nootropic_core::{ChunkId, EmbedRole, Embedder, Embedding, Error, Result, Store, StoreExt};

use super::engine::{Answer, Engine, SearchOptions};
use super::query::Query;
use crate::index::{Cancel, ChunkHead, Columns, Outline, read_text};
#[cfg(feature = "arroy")]
use crate::vectors::Rebuild;
use crate::vectors::{VectorSearch, VectorTable};

/// Passages that are embedded and committed together.
const BATCH: usize = 64;

/// An embedder and the vectors it made of one index.
///
/// Vectors of different embedders stand apart in the store and are never compared.
#[derive(Debug)]
pub struct Semantic {
    store: Arc<dyn Store>,
    embedder: Arc<dyn Embedder>,
    vectors: VectorSearch,
    /// The build of the approximate index that is going on; dropped with this, it is cancelled.
    #[cfg(feature = "arroy")]
    building: Mutex<Option<Rebuild>>,
}

impl Semantic {
    /// Registers the embedder in `store`, where it is new; one that is known needs no store that can be written.
    ///
    /// # Errors
    /// As the store's; `InvalidInput` if an embedder of this identity made vectors of other dimensions before.
    pub fn open(store: Arc<dyn Store>, embedder: Arc<dyn Embedder>) -> Result<Self> {
        let known = store.read_with(|txn| Ok(VectorTable::find(txn, embedder.info())?))?;
        let table = match known {
            Some(table) => table,
            None => store.write_with(|txn| Ok(VectorTable::register(txn, embedder.info())?))?.0,
        };
        Ok(Self {
            store,
            embedder,
            vectors: VectorSearch::new(table),
            #[cfg(feature = "arroy")]
            building: Mutex::new(None),
        })
    }

    /// Keeps an approximate index in `folder`, which may be deleted at any time, and lets it take over where the exact
    /// one would take more than `memory` bytes (1 GiB if `None`). It is built in the background, when
    /// [`embed_missing`](Self::embed_missing) finds it due; until then the exact one answers.
    ///
    /// # Errors
    /// As [`VectorSearch::with_approximate`].
    #[cfg(feature = "arroy")]
    pub fn with_approximate(mut self, folder: impl AsRef<Path>, memory: Option<u64>) -> Result<Self> {
        self.vectors = self.vectors.with_approximate(folder, memory)?;
        Ok(self)
    }

    /// Whether the approximate index is being built.
    #[cfg(feature = "arroy")]
    pub fn is_building(&self) -> bool {
        let building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        building.as_ref().is_some_and(|build| !build.is_finished())
    }

    #[cfg(feature = "arroy")]
    fn build_if_due(&self) -> Result<()> {
        let Some(approximate) = self.vectors.approximate() else { return Ok(()) };
        let mut building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if building.as_ref().is_none_or(Rebuild::is_finished)
            && self.store.read_with(|txn| Ok(self.vectors.is_build_due(txn)?))?
        {
            *building = Some(approximate.rebuild_in_background(Arc::clone(&self.store))?);
        }
        Ok(())
    }

    /// Embeds the passages that have no vector yet; says how many. Calls `on_progress` with done and total.
    ///
    /// # Errors
    /// Whatever the embedder or the store returns; `Cancelled` when `cancel` says so, what is committed stays.
    pub async fn embed_missing(
        &self,
        on_progress: &mut (dyn FnMut(u64, u64) + Send),
        cancel: &Cancel<'_>,
    ) -> Result<u64> {
        let missing = self.missing()?;
        let mut done = 0;
        for batch in missing.chunks(BATCH) {
            if cancel() {
                return Err(Error::Cancelled);
            }
            let texts = passages(&*self.store, batch)?;
            let borrowed: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
            let vectors = self.embedder.embed(&borrowed, EmbedRole::Document).await?;
            let rows: Vec<(ChunkId, &[f32])> =
                texts.iter().zip(&vectors).map(|((id, _), vector)| (*id, vector.as_slice())).collect();
            self.store.write_with(|txn| {
                // Passages that were removed meanwhile must not come back as vectors.
                let mut live = Vec::with_capacity(rows.len());
                for row in &rows {
                    if ChunkHead::read(txn, row.0.0)?.is_some() {
                        live.push(*row);
                    }
                }
                Ok(self.vectors.table().put(txn, &live)?)
            })?;
            done += batch.len() as u64;
            on_progress(done, missing.len() as u64);
        }
        #[cfg(feature = "arroy")]
        self.build_if_due()?;
        Ok(done)
    }

    fn missing(&self) -> Result<Vec<ChunkId>> {
        self.store.read_with(|txn| {
            let mut missing = Vec::new();
            for (chunk, _) in Columns::load(txn)?.live() {
                if !self.vectors.table().contains(txn, ChunkId(chunk))? {
                    missing.push(ChunkId(chunk));
                }
            }
            Ok(missing)
        })
    }

    /// Ranked passages for a question, by words and by meaning. Filters say where to look and mean nothing themselves: the
    /// embedder is given the words beside them, and where there are none it is not asked.
    ///
    /// # Errors
    /// As [`Engine::search`], and whatever the embedder returns.
    pub async fn search(&self, engine: &Engine, question: &str, options: &SearchOptions) -> Result<Answer> {
        let Query { words, .. } = Query::parse(question);
        if words.is_empty() {
            return engine.search(question, options);
        }
        let query = self.embedder.embed(&[&words], EmbedRole::Query).await?;
        let near = query.first().map(|embedding: &Embedding| (&self.vectors, embedding.as_slice()));
        engine.search_near(question, near, options)
    }
}

/// What an embedder reads of each passage: where it stands, then its text.
fn passages(store: &dyn Store, chunks: &[ChunkId]) -> Result<Vec<(ChunkId, String)>> {
    store.read_with(|txn| {
        let mut out = Vec::with_capacity(chunks.len());
        let mut held: Option<(u32, Outline, String)> = None;
        for id in chunks {
            let Some(head) = ChunkHead::read(txn, id.0)? else { continue };
            if held.as_ref().is_none_or(|(file, ..)| *file != head.file) {
                held = Some((head.file, Outline::read(txn, head.file)?, read_text(txn, head.file)?));
            }
            if let Some((_, outline, text)) = &held
                && let Some(chunk) = outline.chunk(id.0, text)
            {
                let symbol = chunk.symbol.as_deref().unwrap_or_default();
                out.push((*id, format!("{}\n{symbol}\n{}", chunk.path, chunk.text)));
            }
        }
        Ok(out)
    })
}
