//! The approximate index: trees over the vectors, in a disposable folder.
//!
//! It is a cache and never trusted. A build is made aside, from short reads of the store, and moved into place whole;
//! it is named after the point in the table's history that it shows, and what changed since is found by an exact scan
//! of just that. A folder whose bytes are not those that were written is removed and built again.

mod build;
mod folder;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use arroy::Reader;
use nootropic_core::{BoxError, ChunkId, Error as CoreError, ErrorKind, ReadTxn, Store};

use super::exact::{ExactIndex, rescore};
use super::table::{Mark, VectorTable};
use super::{Accept, Neighbor, Rows, VectorIndex, unit};
use crate::{Error, Result};
use folder::Built;

/// Changes since a build that the exact scan takes over; more make a new build due.
const TAIL: usize = 16_384;

/// How much further than asked the trees are searched, as a multiple of arroy's default. Measured in
/// `docs/adr/0002-vector-index.md`.
const EFFORT: NonZeroUsize = NonZeroUsize::new(12).unwrap();

/// Builds approximate indexes of one embedder's vectors, and brings them to whatever state a transaction shows.
#[derive(Debug)]
pub struct ArroyCache {
    table: VectorTable,
    folder: PathBuf,
    state: Mutex<State>,
    building: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    built: Option<Arc<Built>>,
    /// What changed since, as far as it was last read.
    tail: Option<(Mark, Arc<Tail>)>,
}

/// What changed since a build.
#[derive(Debug, Clone)]
struct Tail {
    /// Set or removed: what the trees say of these is not to be believed.
    changed: BTreeSet<ChunkId>,
    /// Those of them that are there.
    present: ExactIndex,
}

impl ArroyCache {
    /// A cache in `folder`, which it shares with those of other embedders and may delete from. Takes up the newest build
    /// there, after checking every byte of it; removes what cannot be used.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be made or listed.
    pub fn open(folder: impl AsRef<Path>, table: VectorTable) -> Result<Self> {
        let folder = folder::of(folder.as_ref(), &table)?;
        let state = Mutex::new(State { built: folder::newest(&folder, &table)?, tail: None });
        Ok(Self { table, folder, state, building: AtomicBool::new(false) })
    }

    /// Whose vectors these are.
    pub fn table(&self) -> &VectorTable {
        &self.table
    }

    /// The index of exactly what `txn` shows; `None` if there is no build, or one of another history or too far behind.
    ///
    /// # Errors
    /// Whatever the store returns.
    pub fn at(&self, txn: &dyn ReadTxn) -> Result<Option<ArroyIndex>> {
        let (now, len) = (self.table.mark(txn)?, self.table.len(txn)?);
        let mut state = self.state();
        let Some(built) = state.built.clone().filter(|built| !built.broken()) else { return Ok(None) };
        let tail = match &state.tail {
            Some((mark, tail)) if *mark == now => tail.clone(),
            _ => match self.read_tail(txn, &built, state.tail.take())? {
                Some(tail) => Arc::new(tail),
                None => return Ok(None),
            },
        };
        if tail.changed.len() > TAIL {
            return Ok(None);
        }
        state.tail = Some((now, tail.clone()));
        Ok(Some(ArroyIndex { built, tail, dim: self.table.dim(), len: usize::try_from(len).unwrap_or(usize::MAX) }))
    }

    fn read_tail(&self, txn: &dyn ReadTxn, built: &Built, old: Option<(Mark, Arc<Tail>)>) -> Result<Option<Tail>> {
        if let Some((mark, tail)) = old
            && let Some(changed) = self.table.changed_since(txn, mark)?
        {
            return Ok(Some(self.grown(txn, (*tail).clone(), &changed)?));
        }
        let empty = Tail { changed: BTreeSet::new(), present: ExactIndex::new(self.table.dim())? };
        match self.table.changed_since(txn, built.mark)? {
            Some(changed) if changed.len() <= TAIL => Ok(Some(self.grown(txn, empty, &changed)?)),
            _ => Ok(None),
        }
    }

    fn grown(&self, txn: &dyn ReadTxn, mut tail: Tail, changed: &[ChunkId]) -> Result<Tail> {
        for &id in changed {
            tail.changed.insert(id);
            self.table.with_code(txn, id, |code| match code {
                Some(code) => tail.present.insert_code(id, code.scale, code.code),
                None => drop(tail.present.remove(id)),
            })?;
        }
        Ok(tail)
    }

    /// Whether a new build would help: there is none that can be used, or a good part of it has changed since.
    ///
    /// # Errors
    /// Whatever the store returns.
    pub fn is_due(&self, txn: &dyn ReadTxn) -> Result<bool> {
        Ok(self.at(txn)?.is_none_or(|index| index.tail.changed.len() > TAIL / 4))
    }

    /// Builds anew from the store and takes the build up; blocks until it is done. `false` if another thread or process
    /// was at it already.
    ///
    /// # Errors
    /// [`Cancelled`](CoreError::Cancelled) soon after `cancel` was set; [`Error::Approximate`] if the build fails, with
    /// nothing changed; whatever the store returns.
    pub fn rebuild(&self, store: &dyn Store, cancel: &AtomicBool) -> Result<bool> {
        if self.building.swap(true, Ordering::AcqRel) {
            return Ok(false);
        }
        let outcome = build::build(&self.folder, &self.table, store, cancel);
        self.building.store(false, Ordering::Release);
        let Some(built) = outcome? else { return Ok(false) };
        let kept = built.path.clone();
        *self.state() = State { built: Some(built), tail: None };
        folder::remove_others(&self.folder, &kept);
        Ok(true)
    }

    /// [`rebuild`](Self::rebuild) on a thread of its own. Dropping what it returns cancels and waits.
    ///
    /// # Errors
    /// [`Error::Approximate`] if no thread could be started.
    pub fn rebuild_in_background(self: &Arc<Self>, store: Arc<dyn Store>) -> Result<Rebuild> {
        let (cache, cancel) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let cancelled = cancel.clone();
        let run = move || cache.rebuild(&*store, &cancelled);
        let thread = std::thread::Builder::new().name("nootropic-ann".into()).spawn(run);
        let thread = thread.map_err(|error| failure("build", &self.folder, error))?;
        Ok(Rebuild { cancel, thread: Some(thread) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // it is replaced whole, never half
    }
}

/// A build going on.
#[derive(Debug)]
#[must_use = "dropping it cancels the build"]
pub struct Rebuild {
    cancel: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<bool>>>,
}

impl Rebuild {
    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the end; `false` if another was building already.
    ///
    /// # Errors
    /// As [`ArroyCache::rebuild`].
    pub fn wait(mut self) -> Result<bool> {
        let Some(thread) = self.thread.take() else { return Ok(false) };
        thread.join().unwrap_or_else(|_| {
            Err(CoreError::failed("building an approximate index", ErrorKind::Internal, "its thread panicked").into())
        })
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            drop(thread.join()); // how a cancelled build ended is of no interest
        }
    }
}

/// Trees over the vectors as they were, and an exact scan of what changed since.
#[derive(Debug, Clone)]
pub struct ArroyIndex {
    built: Arc<Built>,
    tail: Arc<Tail>,
    dim: usize,
    len: usize,
}

impl ArroyIndex {
    /// Vectors set or removed since the trees were built.
    pub fn changed(&self) -> usize {
        self.tail.changed.len()
    }

    /// At least `wanted` accepted candidates of the trees, or all there are.
    fn candidates(&self, unit: &[f32], wanted: usize, accept: Option<Accept<'_>>) -> Result<Vec<ChunkId>> {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.walk_trees(unit, wanted, accept)));
        let failed = match outcome {
            Ok(Ok(candidates)) => return Ok(candidates),
            Ok(Err(error)) => BoxError::from(error),
            Err(_) => "arroy panicked".into(),
        };
        self.built.give_up(); // the next view does without it, and a rebuild is due
        Err(failure("search", &self.built.path, failed))
    }

    fn walk_trees(&self, unit: &[f32], wanted: usize, accept: Option<Accept<'_>>) -> arroy::Result<Vec<ChunkId>> {
        let txn = self.built.env.read_txn()?;
        let reader = Reader::open(&txn, 0, self.built.database)?;
        let items = usize::try_from(reader.n_items()).unwrap_or(usize::MAX);
        let believed = |id: ChunkId| !self.tail.changed.contains(&id) && accept.is_none_or(|accept| accept(id));
        let mut count = wanted.saturating_mul(2).min(items);
        loop {
            let found = reader.nns(count).oversampling(EFFORT).by_vector(&txn, unit)?;
            let exhausted = found.len() < count || count == items;
            let kept: Vec<_> = found.into_iter().map(|(id, _)| ChunkId(id)).filter(|id| believed(*id)).collect();
            if kept.len() >= wanted || exhausted {
                return Ok(kept);
            }
            count = count.saturating_mul(8).min(items);
        }
    }
}

impl VectorIndex for ArroyIndex {
    fn dim(&self) -> usize {
        self.dim
    }

    fn len(&self) -> usize {
        self.len
    }

    fn search(&self, rows: &dyn Rows, query: &[f32], k: usize, accept: Option<Accept<'_>>) -> Result<Vec<Neighbor>> {
        let unit = unit(query, self.dim)?;
        if k == 0 {
            return Ok(Vec::new());
        }
        let mut candidates = self.candidates(&unit, k, accept)?;
        candidates.extend(self.tail.present.search(rows, query, k, accept)?.iter().map(|n| n.id));
        rescore(rows, &unit, k, candidates.into_iter())
    }
}

/// What arroy, LMDB or the file system could not do.
fn failure(op: &'static str, path: &Path, source: impl Into<BoxError>) -> Error {
    let source = source.into();
    let io = source.downcast_ref::<std::io::Error>().map(crate::error::io_kind);
    let kind = io.or_else(|| source.downcast_ref::<arroy::Error>().map(arroy_kind));
    Error::Approximate { op, path: path.to_owned(), kind: kind.unwrap_or(ErrorKind::Internal), source }
}

fn arroy_kind(error: &arroy::Error) -> ErrorKind {
    match error {
        arroy::Error::Heed(error) => heed_kind(error),
        arroy::Error::Io(error) => crate::error::io_kind(error),
        arroy::Error::BuildCancelled => ErrorKind::Cancelled,
        arroy::Error::MissingKey { .. } | arroy::Error::CannotDecodeKeyMode { .. } => ErrorKind::Corrupt,
        _ => ErrorKind::Internal,
    }
}

fn heed_kind(error: &heed::Error) -> ErrorKind {
    match error {
        heed::Error::Io(error) => crate::error::io_kind(error),
        heed::Error::Mdb(heed::MdbError::MapFull) => ErrorKind::StorageFull,
        heed::Error::Mdb(heed::MdbError::ReadersFull) => ErrorKind::Busy,
        heed::Error::Mdb(_) | heed::Error::Decoding(_) => ErrorKind::Corrupt,
        _ => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests;
