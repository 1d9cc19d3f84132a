//! Follows the operating system's events.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Instant;

use notify::event::{AccessKind, AccessMode};
use notify::{ErrorKind, Event, EventKind, RecursiveMode, Watcher};

use super::super::RelPath;
use super::super::crawl::list;
use super::super::names::{CACHE_TAG, is_private, is_vendored, skip_by_name};
use super::super::path::from_path;
use super::super::rules::{Marks, Rules};
use super::{Job, MAX_CHANGED, TICK, WatchBatch, batch};
use crate::{Error, Result};

/// News waiting for a caller that is busy; more asks for a rescan.
const MAX_WAITING: usize = 4 * MAX_CHANGED;
/// Where the system watches single folders, only those that are wanted are watched, as each costs it memory.
const BY_FOLDER: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Takes events from the system, on a thread of its own.
pub(super) type Handler = Box<dyn FnMut(notify::Result<Event>) + Send>;
/// Makes a watcher that watches nothing yet.
pub(super) type Start = dyn Fn(Handler) -> notify::Result<Box<dyn Watcher>>;

/// The system's own watcher.
pub(super) fn system(handler: Handler) -> notify::Result<Box<dyn Watcher>> {
    let config = notify::Config::default().with_follow_symlinks(false);
    Ok(Box::new(notify::RecommendedWatcher::new(handler, config)?))
}

/// Watches by events until cancelled.
pub(super) fn run(job: &Job<'_>, start: &Start, each: &mut dyn FnMut(WatchBatch)) -> Result<()> {
    let (sender, news) = sync_channel::<PathBuf>(MAX_WAITING);
    let overflow = Arc::new(AtomicBool::new(false));
    let lost = Arc::clone(&overflow);
    let handler = Box::new(move |event: notify::Result<Event>| match event {
        Ok(event) if event.need_rescan() => lost.store(true, Ordering::Release),
        Ok(event) if is_reading(event.kind) => {}
        Ok(event) => {
            for path in event.paths {
                if sender.try_send(path).is_err() {
                    lost.store(true, Ordering::Release);
                }
            }
        }
        Err(_) => lost.store(true, Ordering::Release),
    });
    let watcher = start(handler).map_err(|error| failed(error, &job.filter.root, 0))?;
    let mut watched = Watched { job, watcher, folders: HashMap::new() };
    watched.sync()?;
    each(batch([], true, false));
    while let Some(paths) = next(job, &news, &overflow)? {
        let mut changed = HashSet::new();
        let mut rescan = overflow.swap(false, Ordering::AcqRel);
        for path in paths {
            match watched.judge(&path) {
                News::Nothing => {}
                News::File(path) => {
                    changed.insert(path);
                }
                News::Anything => rescan = true,
                News::Folder(path) => {
                    watched.forget(path.as_bytes());
                    rescan = true;
                }
            }
        }
        if rescan {
            watched.sync()?;
        }
        if rescan || !changed.is_empty() {
            each(batch(changed, rescan, false));
        }
    }
    Ok(())
}

/// Whether an event only tells that somebody looked.
fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write))
}

/// Waits for news and then until they stop coming; `None` once cancelled.
fn next(job: &Job<'_>, news: &Receiver<PathBuf>, overflow: &AtomicBool) -> Result<Option<HashSet<PathBuf>>> {
    let mut paths = HashSet::new();
    let mut first = None;
    let mut last = Instant::now();
    loop {
        if (job.cancel)() {
            return Ok(None);
        }
        match news.recv_timeout(job.how.debounce.min(TICK)) {
            Ok(path) => {
                last = Instant::now();
                first.get_or_insert(last);
                if paths.len() <= MAX_WAITING {
                    paths.insert(path);
                }
            }
            Err(RecvTimeoutError::Timeout) if overflow.load(Ordering::Acquire) => {
                first.get_or_insert(last);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let source = "the system's watcher ended".into();
                return Err(Error::Watch { path: job.filter.root.clone(), source });
            }
        }
        let over = |first: Instant| last.elapsed() >= job.how.debounce || first.elapsed() >= job.how.debounce * 10;
        if first.is_some_and(over) {
            return Ok(Some(paths));
        }
    }
}

/// What an event comes to.
enum News {
    /// Nothing that a walk would find.
    Nothing,
    /// This file may have changed.
    File(RelPath),
    /// Folders or rules changed.
    Anything,
    /// Something became of a folder that is watched, or another one took its place.
    Folder(RelPath),
}

/// The folders watched, and the rules of each.
struct Watched<'a> {
    job: &'a Job<'a>,
    watcher: Box<dyn Watcher>,
    folders: HashMap<Vec<u8>, Arc<Rules>>,
}

impl Watched<'_> {
    /// Walks, and watches the folders that walk lists and no others.
    fn sync(&mut self) -> Result<()> {
        let filter = self.job.filter;
        if !BY_FOLDER && self.folders.is_empty() {
            let watching = self.watcher.watch(&filter.root, RecursiveMode::Recursive);
            watching.map_err(|error| failed(error, &filter.root, 0))?;
        }
        loop {
            let now: HashMap<_, _> = list(filter, self.job.cancel)?.folders.into_iter().collect();
            let mut fresh = false;
            if BY_FOLDER {
                for gone in self.folders.keys().filter(|&folder| !now.contains_key(folder)) {
                    // Often the system knows already that it is gone.
                    let _ = self.watcher.unwatch(&filter.at(gone));
                }
                for folder in now.keys().filter(|&folder| !self.folders.contains_key(folder)) {
                    let at = filter.at(folder);
                    match self.watcher.watch(&at, RecursiveMode::NonRecursive) {
                        Ok(()) => fresh = true,
                        Err(error) if is_limit(&error) => return Err(failed(error, &at, self.folders.len())),
                        // Gone again, or not for us to see; its parent tells of what happens to it.
                        Err(_) => {}
                    }
                }
            }
            self.folders = now;
            // What was made in a folder before it was watched shows in the next walk.
            if !fresh {
                return Ok(());
            }
        }
    }

    /// Gives up the watches of a folder and those in it, so that the next walk makes them anew.
    ///
    /// A folder that was renamed keeps its watch under the old name until the news of that are worked off; a watch made
    /// under the new name before is the same one to the system and goes with it.
    fn forget(&mut self, folder: &[u8]) {
        let is_inside =
            |path: &[u8]| path.strip_prefix(folder).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')));
        for (path, _) in self.folders.extract_if(|path, _| is_inside(path)) {
            if BY_FOLDER {
                let _ = self.watcher.unwatch(&self.job.filter.at(&path));
            }
        }
    }

    /// What a change of `path` comes to.
    fn judge(&self, path: &Path) -> News {
        let Ok(path) = path.strip_prefix(&self.job.filter.root) else { return News::Nothing };
        let Some(path) = RelPath::new(from_path(path)) else { return News::Nothing };
        let whole = path.as_bytes();
        let ends = whole.iter().enumerate().filter(|&(_, &b)| b == b'/').map(|(at, _)| at);
        let mut folder: &[u8] = b"";
        for end in ends {
            let part = &whole[..end];
            if !self.folders.contains_key(part) {
                return if self.wants(folder, part, true) { News::Anything } else { News::Nothing };
            }
            folder = part;
        }
        if is_private(path.name()) && path.name() != b".git" {
            return News::Nothing;
        }
        if Marks::is_mark(path.name()) || path.name() == CACHE_TAG.as_bytes() {
            return News::Anything;
        }
        let is_folder = std::fs::symlink_metadata(self.job.filter.at(whole)).is_ok_and(|metadata| metadata.is_dir());
        match (self.folders.contains_key(whole), is_folder) {
            (true, _) => News::Folder(path),
            (false, true) if self.wants(folder, whole, true) => News::Anything,
            (false, false) if self.wants(folder, whole, false) => News::File(path),
            _ => News::Nothing,
        }
    }

    /// Whether a walk would look at an entry of a folder it lists.
    fn wants(&self, folder: &[u8], path: &[u8], is_folder: bool) -> bool {
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
        let by_name = match is_folder {
            true => !is_vendored(name),
            false => skip_by_name(name, self.job.filter.options.generated).is_none(),
        };
        by_name && self.folders.get(folder).is_some_and(|rules| self.job.filter.wants(rules, path, is_folder))
    }
}

/// Whether the system has no more watches, or no more watchers, to give.
fn is_limit(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOSPC)),
        _ => false,
    }
}

// The same numbers on every Unix.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

fn failed(error: notify::Error, path: &Path, folders: usize) -> Error {
    let path = path.to_owned();
    if is_limit(&error) {
        return Error::WatchLimit { path, folders, source: Box::new(error) };
    }
    Error::Watch { path, source: Box::new(error) }
}
