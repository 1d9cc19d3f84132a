//! Walks a repository and brings the index into step with it: reads only what changed, on every core, in batches that
//! each commit, so that an interrupted run goes on where it was.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nootropic_core::{Error, Result, Store, StoreExt};
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::analyze::{Analyzed, Job, Outcome, analyze};
use super::batch::{Applied, Batch, compact};
use super::rebuild::drop_other_version;
use super::record::{FileRecord, IndexMeta};
use crate::syntax::ChunkOptions;
use crate::walk::{self, FileStamp, Found, Reader, RelPath, SkipReason, WalkOptions};

/// How to index.
#[derive(Debug, Clone)]
pub struct UpdateOptions {
    /// Which files to read.
    pub walk: WalkOptions,
    /// How to cut them.
    pub chunks: ChunkOptions,
    /// Threads that read and parse; 0 for one a core.
    pub threads: usize,
    /// Bytes of text that are committed together, at most about.
    pub batch_bytes: usize,
    /// Read every file again, whatever its stamp says.
    pub rehash: bool,
}

impl Default for UpdateOptions {
    fn default() -> Self {
        Self {
            walk: WalkOptions::default(),
            chunks: ChunkOptions::default(),
            threads: 0,
            batch_bytes: 12 << 20,
            rehash: false,
        }
    }
}

/// How far an update has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Files found so far.
    pub found: u64,
    /// Of those, files that had to be read.
    pub queued: u64,
    /// Files read and analysed.
    pub done: u64,
    /// Bytes of text in them.
    pub bytes: u64,
    /// Whether the walk is over, so that `queued` is final.
    pub walked: bool,
}

/// What an update did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct UpdateReport {
    /// Files in the index now.
    pub files: u64,
    /// Chunks in the index now.
    pub chunks: u64,
    /// Bytes of text in the index now.
    pub bytes: u64,
    /// Files that were new or changed.
    pub indexed: u64,
    /// Files taken out because they are gone.
    pub removed: u64,
    /// Files that had not changed.
    pub unchanged: u64,
    /// Files that are not indexed, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// How long it took.
    pub seconds: f64,
    /// The state the index is in now, if there is one.
    pub snapshot: Option<String>,
}

/// Called now and then with how far the update has come.
pub type OnProgress<'p> = dyn FnMut(Progress) + 'p;
/// Says whether to stop; asked often.
pub type Cancel<'c> = dyn Fn() -> bool + Sync + 'c;

/// The longest that finished work waits for its transaction.
const COMMIT_EVERY: Duration = Duration::from_secs(2);
const MAX_BATCH_FILES: usize = 4096;

struct Known {
    stamp: FileStamp,
    hash: [u8; 16],
    skipped: Option<SkipReason>,
}

type KnownFiles = FxHashMap<Vec<u8>, Known>;

/// What the walk found besides jobs.
#[derive(Default)]
struct Walked {
    gone: Vec<RelPath>,
    found: u64,
    unchanged: u64,
    skipped: BTreeMap<&'static str, u64>,
}

/// Brings the index of `root` in `store` into step with the files. An index that another version made is built anew.
///
/// # Errors
/// `Cancelled` when `cancel` says so: what was committed by then stays, and the next update goes on from there. Whatever
/// the store or the walk of the root itself returns.
pub fn update(
    store: &dyn Store,
    root: &Path,
    options: &UpdateOptions,
    on_progress: &mut OnProgress<'_>,
    cancel: &Cancel<'_>,
) -> Result<UpdateReport> {
    let begun = Instant::now();
    drop_other_version(store)?;
    let known = known_files(store)?;
    let reader = Reader::new(root, &options.walk)?;
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let progress = Mutex::new(Progress::default());
    let (job_sender, jobs) = sync_channel::<Job>(4096);
    // Each side hangs up when the other is gone, for whatever reason: the walk once no worker is left to take jobs, the
    // workers once nobody takes what they made.
    let jobs = Arc::new(Mutex::new(jobs));
    let (walked, applied, mut skipped) = std::thread::scope(|scope| {
        let (sender, analyzed) = sync_channel::<Analyzed>(4 * threads);
        let progress_of_walk = &progress;
        let walker = scope.spawn(move || find_jobs(root, options, known, &job_sender, progress_of_walk, cancel));
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (sender, jobs) = (sender.clone(), Arc::clone(&jobs));
                let reader = &reader;
                scope.spawn(move || work(reader, options, &jobs, &sender, cancel))
            })
            .collect();
        drop((sender, jobs));
        let written = write(store, &analyzed, options, &progress, on_progress, cancel);
        drop(analyzed);
        workers.into_iter().for_each(|worker| rejoin(worker.join()));
        let walked = rejoin(walker.join());
        written.and_then(|(applied, skipped)| Ok((walked?, applied, skipped)))
    })?;
    if cancel() {
        return Err(Error::Cancelled);
    }
    let removed = remove(store, walked.gone)?;
    compact(store, false)?;
    for (reason, n) in walked.skipped {
        *skipped.entry(reason).or_default() += n;
    }
    let mut report = UpdateReport {
        indexed: applied.indexed.into(),
        removed: u64::from(applied.removed) + u64::from(removed.removed),
        unchanged: walked.unchanged,
        skipped,
        seconds: begun.elapsed().as_secs_f64(),
        ..UpdateReport::default()
    };
    describe(store, &mut report)?;
    Ok(report)
}

/// Brings single files into step; for watching. Files that are gone are taken out.
///
/// # Errors
/// As [`update`]; [`IndexVersion`](crate::Error::IndexVersion) if another version made the index, which only [`update`]
/// builds anew.
pub fn update_files(
    store: &dyn Store,
    root: &Path,
    options: &UpdateOptions,
    paths: &[RelPath],
) -> Result<UpdateReport> {
    let begun = Instant::now();
    let reader = Reader::new(root, &options.walk)?;
    store.read_with(|txn| IndexMeta::read(txn))?;
    let mut batch = Batch::default();
    for path in paths {
        let known = store.read_with(|txn| FileRecord::read(txn, path.as_bytes()))?;
        let known = known.filter(|k| k.skipped.is_none()).map(|k| k.hash);
        let file = analyze(&reader, Job { path: path.clone(), known }, &options.chunks);
        match file.outcome {
            Outcome::Skipped(SkipReason::Vanished | SkipReason::NotRegular | SkipReason::Symlink) => {
                batch.remove(file.path)
            }
            _ => batch.push(file),
        }
    }
    let (applied, _) = batch.commit(store)?;
    compact(store, false)?;
    let mut report = UpdateReport {
        indexed: applied.indexed.into(),
        removed: applied.removed.into(),
        seconds: begun.elapsed().as_secs_f64(),
        ..UpdateReport::default()
    };
    describe(store, &mut report)?;
    Ok(report)
}

fn describe(store: &dyn Store, report: &mut UpdateReport) -> Result<()> {
    store.read_with(|txn| {
        if let Some(meta) = IndexMeta::read(txn)? {
            report.files = meta.files.into();
            report.chunks = meta.chunks.into();
            report.bytes = meta.bytes;
            report.snapshot = Some(txn.snapshot().to_string());
        }
        Ok(())
    })
}

fn known_files(store: &dyn Store) -> Result<KnownFiles> {
    store.read_with(|txn| {
        let mut known = KnownFiles::default();
        FileRecord::each(txn, &mut |FileRecord { stamp, hash, skipped, path, .. }| {
            known.insert(path, Known { stamp, hash, skipped });
            Ok(())
        })?;
        Ok(known)
    })
}

fn find_jobs(
    root: &Path,
    options: &UpdateOptions,
    mut known: KnownFiles,
    jobs: &SyncSender<Job>,
    progress: &Mutex<Progress>,
    cancel: &Cancel<'_>,
) -> Result<Walked> {
    let mut walked = Walked::default();
    let mut queued = 0;
    walk::walk(root, &options.walk, cancel, &mut |found| {
        match found {
            Found::Skipped { path, reason } => {
                *walked.skipped.entry(reason.as_str()).or_default() += 1;
                if reason.is_passing() {
                    // It may be there still: what is indexed of it, and below it, stays until it can be read again.
                    let below = [path.as_bytes(), b"/"].concat();
                    known.retain(|known, _| known != path.as_bytes() && !known.starts_with(&below));
                }
            }
            Found::File { path, stamp } => {
                walked.found += 1;
                match known.remove(path.as_bytes()) {
                    Some(old) if old.stamp == stamp && !options.rehash => match old.skipped {
                        Some(reason) => *walked.skipped.entry(reason.as_str()).or_default() += 1,
                        None => walked.unchanged += 1,
                    },
                    old => {
                        queued += 1;
                        let known = old.filter(|old| old.skipped.is_none()).map(|old| old.hash);
                        // Nobody takes jobs after an error.
                        let _ = jobs.send(Job { path, known });
                    }
                }
            }
        }
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        (progress.found, progress.queued) = (walked.found, queued);
    })?;
    progress.lock().unwrap_or_else(PoisonError::into_inner).walked = true;
    walked.gone = known.into_keys().filter_map(RelPath::new).collect();
    Ok(walked)
}

fn work(
    reader: &Reader,
    options: &UpdateOptions,
    jobs: &Mutex<Receiver<Job>>,
    out: &SyncSender<Analyzed>,
    cancel: &Cancel<'_>,
) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if cancel() || out.send(analyze(reader, job, &options.chunks)).is_err() {
            return;
        }
    }
}

fn write(
    store: &dyn Store,
    analyzed: &Receiver<Analyzed>,
    options: &UpdateOptions,
    progress: &Mutex<Progress>,
    on_progress: &mut OnProgress<'_>,
    cancel: &Cancel<'_>,
) -> Result<(Applied, BTreeMap<&'static str, u64>)> {
    let (mut total, mut skipped) = (Applied::default(), BTreeMap::new());
    let (mut batch, mut last) = (Batch::default(), Instant::now());
    let mut add = |applied: Applied| {
        total.indexed += applied.indexed;
        total.removed += applied.removed;
        total.chunks += applied.chunks;
        total.bytes += applied.bytes;
    };
    while let Ok(file) = analyzed.recv() {
        if cancel() {
            break;
        }
        let now = {
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.done += 1;
            match &file.outcome {
                Outcome::Text(text) => progress.bytes += u64::from(text.bytes),
                Outcome::Skipped(reason) => *skipped.entry(reason.as_str()).or_default() += 1,
                Outcome::Same(_) => {}
            }
            *progress
        };
        on_progress(now);
        batch.push(file);
        if batch.bytes() >= options.batch_bytes || batch.len() >= MAX_BATCH_FILES || last.elapsed() > COMMIT_EVERY {
            add(std::mem::take(&mut batch).commit(store)?.0);
            last = Instant::now();
        }
    }
    // Also when cancelled: what was analysed need not be done again.
    add(batch.commit(store)?.0);
    Ok((total, skipped))
}

fn remove(store: &dyn Store, gone: Vec<RelPath>) -> Result<Applied> {
    let mut batch = Batch::default();
    gone.into_iter().for_each(|path| batch.remove(path));
    Ok(batch.commit(store)?.0)
}

fn rejoin<T>(result: std::thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
