//! Lists a tree with several threads.

use std::collections::BTreeMap;
use std::fs::{DirEntry, FileType};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::filter::Filter;
use super::names::{self, skip_by_name};
use super::open::read_small;
use super::path::{join, to_bytes};
use super::rules::{Marks, Rules};
use super::{FileStamp, RelPath, SkipReason, WalkOptions};
use crate::{Error, Result};

/// Something a walk came across.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file that looks worth reading.
    File {
        /// Where, relative to the root.
        path: RelPath,
        /// What to compare with the stamp of the last time.
        stamp: FileStamp,
    },
    /// A file or folder left out.
    Skipped {
        /// Where, relative to the root.
        path: RelPath,
        /// Why.
        reason: SkipReason,
    },
}

impl Found {
    /// Where it is, relative to the root.
    pub fn path(&self) -> &RelPath {
        match self {
            Self::File { path, .. } | Self::Skipped { path, .. } => path,
        }
    }
}

/// What a walk came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalkSummary {
    /// Files that look worth reading.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Folders listed, the root included.
    pub folders: u64,
    /// Files and folders left out, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Files and folders that ignore files, globs or hidden names excluded; what lies below them is not counted.
    pub ignored: u64,
}

/// Lists what is worth reading below `root`, sorted by path.
///
/// Ignore files count as they do for git, in and below `root` whether or not it is a repository: `.gitignore`, `.ignore`
/// and `.nootropicignore` (which decides first), `.git/info/exclude`, the user's global excludes, and those of the folders
/// between `root` and the top of the repository it lies in. Version control's folders and ours are never entered.
/// `cancel` is asked from several threads, often.
///
/// # Errors
/// [`Error::Io`] if `root` cannot be listed; `invalid_input` for a glob that is none; `cancelled`. What cannot be read
/// below the root is reported as [`Found::Skipped`].
pub fn walk(
    root: &Path,
    options: &WalkOptions,
    cancel: &(dyn Fn() -> bool + Sync),
    each: &mut dyn FnMut(Found),
) -> Result<WalkSummary> {
    let listing = list(&Filter::new(root, options)?, cancel)?;
    let mut summary =
        WalkSummary { folders: listing.folders.len() as u64, ignored: listing.ignored, ..WalkSummary::default() };
    for found in listing.found {
        match &found {
            Found::File { stamp, .. } => {
                summary.files += 1;
                summary.bytes += stamp.size;
            }
            Found::Skipped { reason, .. } => *summary.skipped.entry(*reason).or_default() += 1,
        }
        each(found);
    }
    Ok(summary)
}

/// What lies below a root.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Sorted by path.
    pub(super) found: Vec<Found>,
    /// Every folder listed and its rules, in no order.
    pub(super) folders: Vec<(Vec<u8>, Arc<Rules>)>,
    pub(super) ignored: u64,
}

/// Lists a tree with as many threads as the options say.
pub(super) fn list(filter: &Filter, cancel: &(dyn Fn() -> bool + Sync)) -> Result<Listing> {
    let threads = match filter.options.threads {
        0 => std::thread::available_parallelism().map_or(1, |n| n.get().min(8)),
        n => n,
    };
    let queue = Queue::default();
    queue.push(vec![Task { path: Vec::new(), parent: None }]);
    let crawl = Crawl { filter, cancel, queue: &queue };
    let parts = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| crawl.work())).collect();
        let mut parts = vec![crawl.work()];
        for other in others {
            parts.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        parts
    });
    let mut all = Listing::default();
    for part in parts {
        let part = part?;
        all.found.extend(part.found);
        all.folders.extend(part.folders);
        all.ignored += part.ignored;
    }
    if cancel() {
        return Err(nootropic_core::Error::Cancelled.into());
    }
    all.found.sort_unstable_by(|a, b| a.path().cmp(b.path()));
    Ok(all)
}

/// A folder to list.
struct Task {
    path: Vec<u8>,
    /// The rules of the folder it lies in; none for the root.
    parent: Option<Arc<Rules>>,
}

/// Folders to list, shared by the threads.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    tasks: Vec<Task>,
    /// Threads that hold a task and may push more.
    busy: usize,
    stopped: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, tasks: Vec<Task>) {
        if !tasks.is_empty() {
            self.lock().tasks.extend(tasks);
            self.changed.notify_all();
        }
    }

    /// Waits for a task; `None` once there is none and none can come. The guard says when it is done.
    fn next(&self) -> Option<(Task, Busy<'_>)> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(task) = state.tasks.pop() {
                state.busy += 1;
                return Some((task, Busy(self)));
            }
            if state.busy == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }
}

/// Held while a task is worked on, so that a thread that panics does not leave the others waiting.
struct Busy<'q>(&'q Queue);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.busy -= 1;
        if state.busy == 0 && state.tasks.is_empty() {
            self.0.changed.notify_all();
        }
    }
}

/// What the threads share.
struct Crawl<'a> {
    filter: &'a Filter,
    cancel: &'a (dyn Fn() -> bool + Sync),
    queue: &'a Queue,
}

impl Crawl<'_> {
    /// Lists folders until none is left.
    fn work(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        while let Some((task, _busy)) = self.queue.next() {
            if (self.cancel)() {
                self.queue.stop();
                break;
            }
            let is_root = task.path.is_empty();
            match self.folder(&task, &mut listing) {
                Ok(folders) => self.queue.push(folders),
                Err(source) if is_root => {
                    self.queue.stop();
                    return Err(Error::Io { op: "walk", path: self.filter.root.clone(), source });
                }
                Err(error) => listing.skip(task.path, SkipReason::of(&error)),
            }
        }
        Ok(listing)
    }

    /// Lists one folder and returns those in it.
    fn folder(&self, task: &Task, listing: &mut Listing) -> std::io::Result<Vec<Task>> {
        let at = self.filter.at(&task.path);
        let mut entries = Vec::new();
        let (mut marks, mut is_cache) = (Marks::default(), false);
        for entry in std::fs::read_dir(&at)? {
            let entry = entry?;
            let name = entry.file_name();
            marks.see(&name);
            is_cache |= name == names::CACHE_TAG;
            entries.push((name, entry));
        }
        let rules = match &task.parent {
            None => self.filter.root_rules(marks),
            Some(_) if is_cache && has_cache_tag(&at) => {
                listing.skip(task.path.clone(), SkipReason::Cache);
                return Ok(Vec::new());
            }
            Some(parent) => self.filter.rules(parent, &task.path, marks),
        };
        let mut folders = Vec::new();
        for (done, (name, entry)) in entries.iter().enumerate() {
            if done % 1024 == 1023 && (self.cancel)() {
                self.queue.stop();
                break;
            }
            let path = join(&task.path, to_bytes(name));
            match entry.file_type() {
                Ok(kind) if !self.filter.wants(&rules, &path, kind.is_dir()) => listing.ignored += 1,
                Ok(kind) if kind.is_dir() && names::is_vendored(to_bytes(name)) => {
                    listing.skip(path, SkipReason::Vendored);
                }
                Ok(kind) if kind.is_dir() => folders.push(Task { path, parent: Some(Arc::clone(&rules)) }),
                Ok(kind) => self.file(path, to_bytes(name), kind, entry, listing),
                Err(error) => listing.skip(path, SkipReason::of(&error)),
            }
        }
        listing.folders.push((task.path.clone(), rules));
        Ok(folders)
    }

    /// Takes note of what is not a folder.
    fn file(&self, path: Vec<u8>, name: &[u8], kind: FileType, entry: &DirEntry, listing: &mut Listing) {
        let reason = if kind.is_symlink() {
            SkipReason::Symlink
        } else if !kind.is_file() {
            SkipReason::NotRegular
        } else if let Some(reason) = skip_by_name(name, self.filter.options.generated) {
            reason
        } else {
            match entry.metadata() {
                Ok(metadata) if metadata.len() > self.filter.options.largest() => SkipReason::TooLarge,
                Ok(metadata) if metadata.is_file() => {
                    if let Some(path) = RelPath::new(path) {
                        listing.found.push(Found::File { path, stamp: FileStamp::of(&metadata) });
                    }
                    return;
                }
                Ok(_) => SkipReason::NotRegular,
                Err(error) => SkipReason::of(&error),
            }
        };
        listing.skip(path, reason);
    }
}

impl Listing {
    fn skip(&mut self, path: Vec<u8>, reason: SkipReason) {
        // The operating system gives no name that `RelPath` refuses.
        if let Some(path) = RelPath::new(path) {
            self.found.push(Found::Skipped { path, reason });
        }
    }
}

fn has_cache_tag(folder: &Path) -> bool {
    read_small(&folder.join(names::CACHE_TAG), 64).is_ok_and(|head| head.starts_with(names::CACHE_TAG_HEAD))
}
