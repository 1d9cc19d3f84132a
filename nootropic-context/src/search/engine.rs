//! Snapshot, search, hydrate: the way from a question to passages.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nootropic_core::{Chunk, ChunkId, ReadTxn, Result, Snapshot, Store, StoreExt, Symbol};

use super::explain::{Signal, explain};
use super::filter::allowed;
use super::query::Query;
use super::rank::{Candidate, Neighborhood, Ranker};
use super::ranking::{NEIGHBORS, Ranking};
use super::score::{LiveSegment, Norms, Scorer, Scores};
use crate::index::{Asked, Columns, Outline};
use crate::lexical::words::TermKind;
use crate::lexical::{fold_name, segments};
use crate::vectors::{Accept, VectorSearch};

/// How to search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchOptions {
    /// The most hits to return.
    pub limit: usize,
    /// Say what each signal added.
    pub explain: bool,
    /// How signals are weighed.
    pub ranking: Ranking,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { limit: 10, explain: false, ranking: Ranking::default() }
    }
}

/// A question's vector, and what it is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Near<'a> {
    /// Vectors of passages.
    pub vectors: &'a VectorSearch,
    /// Of as many dimensions.
    pub question: &'a [f32],
    /// As [`Embedder::least_cosine`](nootropic_core::Embedder::least_cosine) has it.
    pub least_cosine: Option<f32>,
}

impl Near<'_> {
    fn search(&self, txn: &dyn ReadTxn, may_be_found: Accept<'_>) -> Result<Neighborhood> {
        let Self { vectors, question, least_cosine } = *self;
        let mut nearest = vectors.search(txn, question, NEIGHBORS, Some(may_be_found))?;
        let farthest = nearest.last().map_or(0.0, |last| last.score);
        // Where these are all there are, the farthest may be near as well.
        let edge = least_cosine.filter(|_| nearest.len() < NEIGHBORS).map_or(farthest, |least| farthest.min(least));
        nearest.retain(|neighbor| least_cosine.is_none_or(|least| neighbor.score >= least));
        Ok(Neighborhood { nearest, edge })
    }
}

/// A passage that answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The passage.
    pub chunk: Chunk,
    /// Higher is better; comparable within one answer.
    pub score: f32,
    /// Whether the path is not UTF-8 and shown lossily.
    pub path_is_lossy: bool,
    /// What made the score, if asked for.
    pub signals: Vec<Signal>,
}

/// What a question found.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The state of the index that was searched.
    pub snapshot: Snapshot,
    /// Best first.
    pub hits: Vec<Hit>,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
}

/// A snapshot's columns, kept until the index changes.
#[derive(Debug)]
struct View {
    snapshot: Snapshot,
    columns: Columns,
    norms: Norms,
    segments: Vec<LiveSegment>,
}

/// Searches one index. Cheap to share. Concurrent searches wait for each other only where the index changed since the last
/// one, or is weighed otherwise: while one of them loads its columns, which the others then use as well.
#[derive(Debug)]
pub struct Engine {
    store: Arc<dyn Store>,
    view: Mutex<Option<Arc<View>>>,
    spare: Mutex<Vec<Scores>>,
}

impl Engine {
    /// Over the index in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, view: Mutex::new(None), spare: Mutex::new(Vec::new()) }
    }

    /// The store searched.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The state a search would see now.
    ///
    /// # Errors
    /// As the store's.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.store.read_with(|txn| Ok(txn.snapshot()))
    }

    /// Ranked passages for a question.
    ///
    /// # Errors
    /// As the store's, and `InvalidInput` for a filter that cannot be understood; no hit is an empty answer.
    pub fn search(&self, question: &str, options: &SearchOptions) -> Result<Answer> {
        self.search_near(question, None, options)
    }

    /// Ranked passages for a question, those nearest to its vector counted in. See [`Semantic`](super::Semantic).
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_near(&self, question: &str, near: Option<Near<'_>>, options: &SearchOptions) -> Result<Answer> {
        let begun = Instant::now();
        let mut scores = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let found = self.store.read_with(|txn| {
            let view = self.view(txn, &options.ranking)?;
            let View { snapshot, columns, norms, segments } = &*view;
            let scorer = Scorer { txn, columns, norms, segments, ranking: &options.ranking };
            let query = Query::parse_by(question, |term| scorer.rarity(term))?;
            Ok((*snapshot, find(&scorer, &query, near, options, &mut scores)?))
        });
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(scores);
        let (snapshot, hits) = found?;
        Ok(Answer { snapshot, hits, took_ms: begun.elapsed().as_secs_f64() * 1e3 })
    }

    /// The passages of these chunks, in the order given; those that are gone are left out.
    ///
    /// # Errors
    /// As the store's.
    pub fn hydrate(&self, chunks: &[ChunkId]) -> Result<Vec<Chunk>> {
        self.store.read_with(|txn| {
            let view = self.view(txn, &Ranking::default())?;
            let mut out = Vec::with_capacity(chunks.len());
            for id in chunks {
                if let Some((chunk, _)) = passage(txn, &view.columns, *id, &|_, _| false)? {
                    out.push(chunk);
                }
            }
            Ok(out)
        })
    }

    fn view(&self, txn: &dyn ReadTxn, ranking: &Ranking) -> Result<Arc<View>> {
        let mut held = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = held.as_ref().filter(|v| v.snapshot == txn.snapshot() && v.norms.suit(ranking)) {
            return Ok(Arc::clone(view));
        }
        let columns = Columns::load(txn)?;
        let norms = Norms::of(&columns, ranking);
        let (snapshot, segments) = (txn.snapshot(), LiveSegment::of(&segments(txn)?, &columns));
        let view = Arc::new(View { snapshot, segments, columns, norms });
        *held = Some(Arc::clone(&view));
        Ok(view)
    }
}

fn find(
    scorer: &Scorer<'_>,
    query: &Query,
    near: Option<Near<'_>>,
    options: &SearchOptions,
    scores: &mut Scores,
) -> Result<Vec<Hit>> {
    let Scorer { txn, columns, norms, ranking, .. } = *scorer;
    scorer.score(query, scores)?;
    let allowed = allowed(query, scorer)?;
    let may_be_found = |id: ChunkId| {
        columns.slot(id.0).is_some_and(|slot| {
            let file = columns.file_of(slot);
            file != u32::MAX && allowed.passes_file(file) && allowed.passes_slot(slot as u32)
        })
    };
    let near = near.map(|near| near.search(txn, &may_be_found)).transpose()?.unwrap_or_default();
    let mut ranked =
        Ranker { columns, query, scores, allowed: &allowed, near: &near, norms, ranking }.rank(options.limit);
    order_ties(txn, columns, &mut ranked)?;
    ranked.truncate(options.limit);
    let asked = |symbol: &Symbol, path: &str| is_asked(query, symbol, path);
    let mut hits = Vec::with_capacity(ranked.len());
    for candidate in &ranked {
        let id = ChunkId(columns.chunk(candidate.slot as usize));
        if let Some((chunk, path_is_lossy)) = passage(txn, columns, id, &asked)? {
            let signals = if options.explain { explain(scorer, query, candidate)? } else { Vec::new() };
            hits.push(Hit { chunk, score: candidate.score, path_is_lossy, signals });
        }
    }
    Ok(hits)
}

/// Whether the question asks for this definition: by `symbol:`, else by its name.
fn is_asked(query: &Query, symbol: &Symbol, path: &str) -> bool {
    if !query.names.is_empty() {
        return query.names.iter().any(|name| name.fit(symbol, path).is_some());
    }
    let mut folded = Vec::new();
    fold_name(&symbol.name, &mut folded);
    query.terms.iter().any(|term| term.kind == TermKind::Definition && term.term[1..] == folded[..])
}

fn passage(txn: &dyn ReadTxn, columns: &Columns, id: ChunkId, asked: &Asked<'_>) -> Result<Option<(Chunk, bool)>> {
    match columns.slot(id.0).and_then(|slot| columns.head(slot)) {
        Some(head) => Outline::read_chunk(txn, head.file, id.0, asked),
        None => Ok(None),
    }
}

/// Passages of equal score stand by path and line, so that the order does not hang on when a file was indexed.
fn order_ties(txn: &dyn ReadTxn, columns: &Columns, ranked: &mut [Candidate]) -> Result<()> {
    for tied in ranked.chunk_by_mut(|a, b| a.score == b.score).filter(|tied| tied.len() > 1) {
        let mut keyed = Vec::with_capacity(tied.len());
        for candidate in tied.iter() {
            let Some(head) = columns.head(candidate.slot as usize) else { continue };
            keyed.push((Outline::read_path(txn, head.file)?, head.ordinal, *candidate));
        }
        keyed.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        for (place, (_, _, candidate)) in tied.iter_mut().zip(keyed) {
            *place = candidate;
        }
    }
    Ok(())
}
