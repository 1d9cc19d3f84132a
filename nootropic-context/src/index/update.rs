//! Walks a repository and brings the index into step with it: reads only what changed, on every core, in batches that
//! each commit, so that an interrupted run goes on where it was.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use nootropic_core::{Error, Result, Store, StoreExt};
use serde::Serialize;

use super::analyze::{Analyzed, Job, Outcome, analyze};
use super::batch::{Applied, Batch};
use super::embed::InlineVectors;
use super::fingerprint::{Fingerprint, adopt};
use super::jobs::{Survey, survey};
use super::join::compact;
use super::rebuild::drop_other_version;
use super::record::{FileRecord, IndexMeta};
use super::team::Team;
use crate::syntax::ChunkOptions;
use crate::walk::{Reader, RelPath, SkipReason, WalkOptions};

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
    /// Makes a vector of every passage that is read.
    pub vectors: Option<InlineVectors>,
}

impl Default for UpdateOptions {
    fn default() -> Self {
        Self {
            walk: WalkOptions::default(),
            chunks: ChunkOptions::default(),
            threads: 0,
            batch_bytes: 12 << 20,
            rehash: false,
            vectors: None,
        }
    }
}

/// How far an update has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Files found.
    pub found: u64,
    /// Of those, files that have to be read.
    pub queued: u64,
    /// Files read and analysed.
    pub done: u64,
    /// Bytes of text in them.
    pub bytes: u64,
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
    /// Indexed files taken out because they are gone.
    pub removed: u64,
    /// Files that are indexed as they are. Every file looked at counts as one of indexed, unchanged and skipped, or as removed
    /// if it went meanwhile; `files` is the sum of indexed and unchanged, and of those indexed before that cannot be read now.
    pub unchanged: u64,
    /// Files and folders that are not indexed, or cannot be read now, by reason.
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
    let made_with = Fingerprint::of(options);
    drop_other_version(store)?;
    adopt(store, made_with)?;
    let Survey { jobs, gone, found, unchanged, skipped } = survey(store, root, options, cancel)?;
    let mut progress = Progress { found, queued: jobs.len() as u64, ..Progress::default() };
    on_progress(progress);
    let mut writer = Writer::new(store, made_with, options);
    if !jobs.is_empty() {
        let reader = Reader::new(root, &options.walk)?;
        let team = Team::new(&reader, options, jobs, cancel);
        team.analyze(&mut |file| {
            progress.done += 1;
            if let Outcome::Text(text) = &file.outcome {
                progress.bytes += u64::from(text.bytes);
            }
            on_progress(progress);
            writer.push(file)
        })?;
    }
    // Also when cancelled: what was analysed need not be done again.
    writer.commit()?;
    if cancel() {
        return Err(Error::Cancelled);
    }
    gone.into_iter().for_each(|path| writer.batch.remove(path, None));
    writer.commit()?;
    compact(store, cancel)?;
    begin_if_empty(store)?;
    writer.total.unchanged += unchanged;
    writer.total.skipped.add(&skipped);
    report(store, writer.total, begun)
}

/// Brings single files into step; for watching. Files that are gone are taken out. The report counts these files alone.
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
    let made_with = Fingerprint::of(options);
    let first = store.read_with(|txn| {
        IndexMeta::read(txn)?;
        Ok(Fingerprint::read(txn)?.is_none())
    })?;
    if first {
        adopt(store, made_with)?;
    }
    let mut writer = Writer::new(store, made_with, options);
    for path in paths {
        let known = store.read_with(|txn| FileRecord::read(txn, path.as_bytes()))?;
        let known = known.filter(|k| k.skipped.is_none()).map(|k| k.hash);
        let job = Job { path: path.clone(), size: 0, known };
        let file = analyze(&reader, job, &options.chunks, options.vectors.as_ref());
        match file.outcome {
            Outcome::Skipped(reason @ (SkipReason::Vanished | SkipReason::NotRegular | SkipReason::Symlink)) => {
                writer.batch.remove(file.path, Some(reason));
            }
            _ => writer.push(file)?,
        }
    }
    writer.commit()?;
    compact(store, &|| false)?;
    report(store, writer.total, begun)
}

/// What was done since `begun`, and what the index holds now.
fn report(store: &dyn Store, total: Applied, begun: Instant) -> Result<UpdateReport> {
    let mut report = UpdateReport {
        indexed: total.indexed,
        removed: total.removed,
        unchanged: total.unchanged,
        skipped: total.skipped.by_name(),
        seconds: begun.elapsed().as_secs_f64(),
        ..UpdateReport::default()
    };
    store.read_with(|txn| {
        if let Some(meta) = IndexMeta::read(txn)? {
            report.files = meta.files.into();
            report.chunks = meta.chunks.into();
            report.bytes = meta.bytes;
            report.snapshot = Some(txn.snapshot().to_string());
        }
        Ok(())
    })?;
    Ok(report)
}

/// An index of nothing is an index: who asks it gets an empty answer.
fn begin_if_empty(store: &dyn Store) -> Result<()> {
    if store.read_with(|txn| IndexMeta::read(txn))?.is_none() {
        store.write_with(|txn| match IndexMeta::read(txn)? {
            None => IndexMeta::empty().write(txn),
            Some(_) => Ok(()),
        })?;
    }
    Ok(())
}

/// Gathers files and commits them a batch at a time.
struct Writer<'s> {
    store: &'s dyn Store,
    made_with: Fingerprint,
    options: &'s UpdateOptions,
    batch: Batch,
    last: Instant,
    total: Applied,
}

impl<'s> Writer<'s> {
    fn new(store: &'s dyn Store, made_with: Fingerprint, options: &'s UpdateOptions) -> Self {
        let (batch, last) = (Batch::new(made_with), Instant::now());
        Self { store, made_with, options, batch, last, total: Applied::default() }
    }

    fn push(&mut self, file: Analyzed) -> Result<()> {
        self.batch.push(file);
        let full = self.batch.bytes() >= self.options.batch_bytes || self.batch.len() >= MAX_BATCH_FILES;
        if full || self.last.elapsed() > COMMIT_EVERY { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<()> {
        let batch = std::mem::replace(&mut self.batch, Batch::new(self.made_with));
        let (applied, _) = batch.commit(self.store, self.options.vectors.as_ref())?;
        self.total.add(&applied);
        self.last = Instant::now();
        Ok(())
    }
}
