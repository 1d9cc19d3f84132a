//! Search by meaning beside search by words, once there is an embedder.

#[cfg(feature = "arroy")]
use std::path::Path;
use std::sync::Arc;
#[cfg(feature = "arroy")]
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use nootropic_core::{ChunkId, EmbedRole, Embedder, Embedding, Error, Result, Store, StoreExt};
use rayon::prelude::*;

use super::engine::{Answer, Engine, Near, SearchOptions};
use super::queries::RecentQueries;
use super::query::Query;
use crate::index::{Cancel, ChunkHead, Columns, IndexMeta, Outline, read_text, table_of};
#[cfg(feature = "arroy")]
use crate::vectors::Rebuild;
use crate::vectors::{EncodedVector, VectorSearch};

/// Passages that are embedded and committed together.
const BATCH: usize = 64;
/// The same of an embedder that works inline.
const INLINE_BATCH: usize = 4096;

/// Passages and their vectors.
type Encoded = Vec<(ChunkId, EncodedVector)>;

/// An embedder and the vectors it made of one index.
///
/// Vectors of different embedders stand apart in the store and are never compared.
#[derive(Debug)]
pub struct Semantic {
    store: Arc<dyn Store>,
    embedder: Arc<dyn Embedder>,
    vectors: VectorSearch,
    recent: RecentQueries,
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
        let table = table_of(&*store, &*embedder)?;
        Ok(Self {
            store,
            embedder,
            vectors: VectorSearch::new(table),
            recent: RecentQueries::default(),
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
    /// Whatever the embedder or the store returns, once all other passages have their vectors; `Cancelled` when `cancel` says so, what is
    /// committed stays.
    pub async fn embed_missing(
        &self,
        on_progress: &mut (dyn FnMut(u64, u64) + Send),
        cancel: &Cancel<'_>,
    ) -> Result<u64> {
        let missing = self.missing()?;
        let (mut done, mut failed) = (0, None);
        let batch = if self.embedder.inline().is_some() { INLINE_BATCH } else { BATCH };
        for batch in missing.chunks(batch) {
            if cancel() {
                return Err(Error::Cancelled);
            }
            let (made, problem) = self.embed_passages(&passages(&*self.store, batch)?).await?;
            failed = failed.or(problem);
            self.store.write_with(|txn| {
                // Passages that were removed meanwhile must not come back as vectors.
                let mut live = Vec::with_capacity(made.len());
                for (id, vector) in &made {
                    if ChunkHead::read(txn, id.0)?.is_some() {
                        live.push((*id, vector));
                    }
                }
                Ok(self.vectors.table().put_encoded(txn, live)?)
            })?;
            done += batch.len() as u64;
            on_progress(done, missing.len() as u64);
        }
        #[cfg(feature = "arroy")]
        self.build_if_due()?;
        failed.map_or(Ok(done), Err)
    }

    /// The vectors of passages, and why some have none, if that is so.
    async fn embed_passages(&self, passages: &[(ChunkId, String)]) -> Result<(Encoded, Option<Error>)> {
        match self.embed_batch(passages).await {
            Ok(made) => return Ok((made, None)),
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(_) => {}
        }
        let (mut made, mut failed) = (Vec::new(), None);
        for passage in passages {
            match self.embed_batch(std::slice::from_ref(passage)).await {
                Ok(one) => made.extend(one),
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Ok((made, failed))
    }

    async fn embed_batch(&self, passages: &[(ChunkId, String)]) -> Result<Encoded> {
        let table = self.vectors.table();
        if let Some(inline) = self.embedder.inline() {
            let encoded = passages.par_iter().map(|(id, text)| {
                let vector = inline.embed_inline(text, EmbedRole::Document)?;
                Ok((*id, table.encode_embedding(vector)?))
            });
            return encoded.collect();
        }
        let texts: Vec<&str> = passages.iter().map(|(_, text)| text.as_str()).collect();
        let vectors = self.embedder.embed(&texts, EmbedRole::Document).await?;
        let encoded = passages.iter().zip(vectors).map(|((id, _), vector)| Ok((*id, table.encode_embedding(vector)?)));
        encoded.collect()
    }

    /// How many passages have no vector yet.
    ///
    /// # Errors
    /// As the store's.
    pub fn count_missing(&self) -> Result<u64> {
        self.store.read_with(|txn| {
            let chunks = IndexMeta::read(txn)?.map_or(0, |meta| meta.chunks);
            Ok(u64::from(chunks).saturating_sub(self.vectors.table().len(txn)?))
        })
    }

    fn missing(&self) -> Result<Vec<ChunkId>> {
        if self.count_missing()? == 0 {
            return Ok(Vec::new()); // vectors go with their passages, so none are missing where there are as many
        }
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
        let begun = Instant::now();
        let Query { words, .. } = Query::parse(question);
        if words.is_empty() {
            return engine.search(question, options);
        }
        let query = self.query(&words).await?;
        let near = query.as_ref().map(|query| Near {
            vectors: &self.vectors,
            question: query.as_slice(),
            least_cosine: self.embedder.least_cosine(),
        });
        let answer = engine.search_near(question, near, options)?;
        Ok(Answer { took_ms: begun.elapsed().as_secs_f64() * 1e3, ..answer })
    }

    async fn query(&self, words: &str) -> Result<Option<Embedding>> {
        if let Some(inline) = self.embedder.inline() {
            return inline.embed_inline(words, EmbedRole::Query).map(Some);
        }
        if let Some(known) = self.recent.get(words) {
            return Ok(Some(known));
        }
        let query = self.embedder.embed(&[words], EmbedRole::Query).await?.pop();
        if let Some(query) = &query {
            self.recent.keep(words, query);
        }
        Ok(query)
    }
}

/// What an embedder reads of each passage.
fn passages(store: &dyn Store, chunks: &[ChunkId]) -> Result<Vec<(ChunkId, String)>> {
    store.read_with(|txn| {
        let mut out = Vec::with_capacity(chunks.len());
        let mut held: Option<(u32, u32, Vec<String>)> = None;
        for id in chunks {
            let Some(head) = ChunkHead::read(txn, id.0)? else { continue };
            if held.as_ref().is_none_or(|(file, ..)| *file != head.file) {
                let (outline, text) = (Outline::read(txn, head.file)?, read_text(txn, head.file)?);
                held = Some((head.file, outline.first_chunk, outline.embedded(&text).collect()));
            }
            if let Some((_, first, texts)) = &mut held
                && let Some(text) = id.0.checked_sub(*first).and_then(|at| texts.get_mut(at as usize))
            {
                out.push((*id, std::mem::take(text)));
            }
        }
        Ok(out)
    })
}
