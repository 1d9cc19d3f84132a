//! Search by meaning beside search by words, once there is an embedder.

use std::sync::Arc;

use nootropic_core::{ChunkId, EmbedRole, Embedder, Embedding, Error, Result, Store, StoreExt};

use super::engine::{Answer, Engine, SearchOptions};
use crate::index::{Cancel, Columns, Outline, read_text};
use crate::vectors::{VectorSearch, VectorTable};

/// Passages that are embedded and committed together.
const BATCH: usize = 64;

/// An embedder and the vectors it made of one index.
///
/// Vectors of different embedders stand apart in the store and are never compared.
#[derive(Debug)]
pub struct Semantic {
    embedder: Arc<dyn Embedder>,
    vectors: VectorSearch,
}

impl Semantic {
    /// Registers the embedder in `store`, where it is new.
    ///
    /// # Errors
    /// As the store's; `InvalidInput` if an embedder of this identity made vectors of other dimensions before.
    pub fn open(store: &dyn Store, embedder: Arc<dyn Embedder>) -> Result<Self> {
        let (table, _) = store.write_with(|txn| Ok(VectorTable::register(txn, embedder.info())?))?;
        Ok(Self { embedder, vectors: VectorSearch::new(table) })
    }

    /// Embeds the passages that have no vector yet; says how many. Calls `on_progress` with done and total.
    ///
    /// # Errors
    /// Whatever the embedder or the store returns; `Cancelled` when `cancel` says so, what is committed stays.
    pub async fn embed_missing(
        &self,
        store: &dyn Store,
        on_progress: &mut (dyn FnMut(u64, u64) + Send),
        cancel: &Cancel<'_>,
    ) -> Result<u64> {
        let missing = self.missing(store)?;
        let mut done = 0;
        for batch in missing.chunks(BATCH) {
            if cancel() {
                return Err(Error::Cancelled);
            }
            let texts = passages(store, batch)?;
            let borrowed: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
            let vectors = self.embedder.embed(&borrowed, EmbedRole::Document).await?;
            let rows: Vec<(ChunkId, &[f32])> =
                texts.iter().zip(&vectors).map(|((id, _), vector)| (*id, vector.as_slice())).collect();
            store.write_with(|txn| {
                // Passages that were removed meanwhile must not come back as vectors.
                let live = Columns::load(txn)?;
                let rows: Vec<_> = rows.iter().copied().filter(|(id, _)| live.is_live(id.0)).collect();
                Ok(self.vectors.table().put(txn, &rows)?)
            })?;
            done += batch.len() as u64;
            on_progress(done, missing.len() as u64);
        }
        Ok(done)
    }

    fn missing(&self, store: &dyn Store) -> Result<Vec<ChunkId>> {
        store.read_with(|txn| {
            let mut missing = Vec::new();
            for (chunk, _) in Columns::load(txn)?.live() {
                if !self.vectors.table().contains(txn, ChunkId(chunk))? {
                    missing.push(ChunkId(chunk));
                }
            }
            Ok(missing)
        })
    }

    /// Ranked passages for a question, by words and by meaning.
    ///
    /// # Errors
    /// As [`Engine::search`], and whatever the embedder returns.
    pub async fn search(&self, engine: &Engine, question: &str, options: &SearchOptions) -> Result<Answer> {
        let query = self.embedder.embed(&[question], EmbedRole::Query).await?;
        let near = query.first().map(|embedding: &Embedding| (&self.vectors, embedding.as_slice()));
        engine.search_near(question, near, options)
    }
}

/// What an embedder reads of each passage: where it stands, then its text.
fn passages(store: &dyn Store, chunks: &[ChunkId]) -> Result<Vec<(ChunkId, String)>> {
    store.read_with(|txn| {
        let columns = Columns::load(txn)?;
        let mut out = Vec::with_capacity(chunks.len());
        let mut held: Option<(u32, Outline, String)> = None;
        for id in chunks {
            let Some(head) = columns.slot(id.0).and_then(|slot| columns.head(slot)) else { continue };
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
