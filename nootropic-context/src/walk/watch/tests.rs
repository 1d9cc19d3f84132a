//! Real folders and real events.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nootropic_core::ErrorKind;
use notify::{RecursiveMode, Watcher, WatcherKind};

use super::*;

/// How long a test waits for news before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn quick(backend: WatchBackend) -> WatchOptions {
    let short = Duration::from_millis(30);
    WatchOptions { debounce: short, backend, poll_interval: short }
}

/// Runs `test` beside a watch whose first batch has come.
fn watching(root: &Path, backend: WatchBackend, test: impl FnOnce(&Receiver<WatchBatch>)) {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    let (sender, batches) = channel();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let cancel = || stop.load(Ordering::Relaxed);
            watch(root, &WalkOptions::default(), &quick(backend), &cancel, &mut |batch| sender.send(batch).unwrap())
        });
        let stopping = Stop(&stop); // even if the test fails
        let first = batches.recv_timeout(PATIENCE).unwrap();
        assert!(first.rescan && first.polling == (backend == WatchBackend::Poll));
        test(&batches);
        drop(stopping);
        watcher.join().unwrap().unwrap();
    });
}

/// Gathers news until `path` is among them; whether a rescan was asked for, and the other paths.
fn until(batches: &Receiver<WatchBatch>, path: &str) -> (bool, Vec<String>) {
    let (mut rescan, mut seen) = (false, Vec::new());
    let deadline = Instant::now() + PATIENCE;
    while !seen.iter().any(|other| other == path) {
        let left = deadline.saturating_duration_since(Instant::now());
        let batch = batches.recv_timeout(left).unwrap_or_else(|_| panic!("no news of {path}, only of {seen:?}"));
        rescan |= batch.rescan;
        seen.extend(batch.changed.iter().map(ToString::to_string));
    }
    seen.retain(|other| other != path);
    (rescan, seen)
}

/// Writes a file again and again until there is news of it: its folder is so new that it may not be watched yet.
fn put_until_seen(root: &Path, batches: &Receiver<WatchBatch>, path: &str) {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = false;
    while !seen {
        assert!(Instant::now() < deadline, "no news of {path}");
        put(root, path, "again");
        while let Ok(batch) = batches.recv_timeout(Duration::from_millis(300)) {
            seen |= batch.changed.iter().any(|other| other.as_bytes() == path.as_bytes());
        }
    }
}

fn until_rescan(batches: &Receiver<WatchBatch>) {
    while !batches.recv_timeout(PATIENCE).unwrap().rescan {}
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn files_made_changed_renamed_and_deleted_are_seen() {
    for backend in [WatchBackend::Auto, WatchBackend::Events, WatchBackend::Poll] {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "src/a.rs", "one");
        watching(dir.path(), backend, |batches| {
            put(dir.path(), "src/a.rs", "one and two");
            assert!(!until(batches, "src/a.rs").0);
            put(dir.path(), "src/b.rs", "new");
            until(batches, "src/b.rs");
            fs::rename(dir.path().join("src/b.rs"), dir.path().join("c.rs")).unwrap();
            let (_, others) = until(batches, "c.rs");
            if others.is_empty() {
                until(batches, "src/b.rs");
            } else {
                assert!(others.iter().all(|path| path == "src/b.rs"), "{others:?}");
            }
            fs::remove_file(dir.path().join("c.rs")).unwrap();
            until(batches, "c.rs");
        });
    }
}

#[test]
fn an_editor_that_replaces_a_file_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "a.rs", "one");
    watching(dir.path(), WatchBackend::Events, |batches| {
        put(dir.path(), ".a.rs.swap", "two");
        fs::rename(dir.path().join(".a.rs.swap"), dir.path().join("a.rs")).unwrap();
        assert_eq!(until(batches, "a.rs"), (false, vec![]));
    });
}

#[test]
fn folders_that_come_and_are_renamed_ask_for_a_rescan_and_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "old/deep/a.rs", "one");
    watching(dir.path(), WatchBackend::Events, |batches| {
        put(dir.path(), "new/deep/b.rs", "two");
        until_rescan(batches);
        put_until_seen(dir.path(), batches, "new/deep/b.rs");
        fs::rename(dir.path().join("old"), dir.path().join("moved")).unwrap();
        until_rescan(batches);
        put_until_seen(dir.path(), batches, "moved/deep/a.rs");
        put(dir.path(), "moved/deep/a.rs", "five");
        assert_eq!(until(batches, "moved/deep/a.rs"), (false, vec![]));
        fs::remove_dir_all(dir.path().join("moved")).unwrap();
        until_rescan(batches);
    });
}

#[test]
fn what_a_walk_leaves_out_is_no_news() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), ".gitignore", "target/\n*.log\n");
    for folder in ["target/debug", ".git/objects", ".nootropic/store", "node_modules/x"] {
        put(dir.path(), &format!("{folder}/x.rs"), "one");
    }
    watching(dir.path(), WatchBackend::Events, |batches| {
        for folder in
            ["target/debug", "target/new", ".git/objects", ".nootropic/store", ".nootropic-cache", "node_modules/x"]
        {
            put(dir.path(), &format!("{folder}/x.rs"), "two");
        }
        for name in ["a.log", "Cargo.lock", "logo.png", ".env"] {
            put(dir.path(), name, "two");
        }
        fs::read(dir.path().join(".gitignore")).unwrap();
        put(dir.path(), "last.rs", "");
        assert_eq!(until(batches, "last.rs"), (false, vec![]));
    });
}

#[test]
fn a_changed_ignore_file_asks_for_a_rescan_and_counts_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "gen/a.rs", "one");
    watching(dir.path(), WatchBackend::Events, |batches| {
        put(dir.path(), ".gitignore", "gen/\n");
        until_rescan(batches);
        put(dir.path(), "gen/a.rs", "two");
        put(dir.path(), "last.rs", "");
        assert!(until(batches, "last.rs").1.is_empty());
        fs::remove_file(dir.path().join(".gitignore")).unwrap();
        until_rescan(batches);
        put(dir.path(), "gen/a.rs", "three");
        until(batches, "gen/a.rs");
    });
}

#[test]
fn more_news_than_a_busy_caller_can_be_kept_becomes_a_rescan() {
    let dir = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let cancel = || stop.load(Ordering::Relaxed);
    let mut batches = Vec::new();
    watch(dir.path(), &WalkOptions::default(), &quick(WatchBackend::Events), &cancel, &mut |batch| {
        match batches.len() {
            0 => (0..3 * MAX_CHANGED).for_each(|i| put(dir.path(), &format!("f{i}.rs"), "")),
            _ => stop.store(true, Ordering::Relaxed),
        }
        batches.push(batch);
    })
    .unwrap();
    assert!(batches[1].rescan && batches[1].changed.is_empty());
    let many = (0..=MAX_CHANGED).map(|i| RelPath::new(i.to_string()).unwrap());
    assert_eq!(batch(many, false, false), WatchBatch { rescan: true, ..WatchBatch::default() });
}

#[test]
fn a_root_that_is_deleted_ends_the_watch_with_an_error() {
    for backend in [WatchBackend::Events, WatchBackend::Poll] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        put(&root, "sub/a.rs", "");
        let mut batches = 0;
        let error = watch(&root, &WalkOptions::default(), &quick(backend), &|| false, &mut |_| {
            batches += 1;
            if batches == 1 {
                fs::remove_dir_all(&root).unwrap();
            }
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

/// A system that has run out of watches.
#[derive(Debug)]
struct Exhausted;

impl Watcher for Exhausted {
    fn new<F: notify::EventHandler>(_: F, _: notify::Config) -> notify::Result<Self> {
        Ok(Self)
    }
    fn watch(&mut self, _: &Path, _: RecursiveMode) -> notify::Result<()> {
        Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch))
    }
    fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
        Ok(())
    }
    fn kind() -> WatcherKind {
        WatcherKind::NullWatcher
    }
}

#[test]
fn the_limit_on_watches_is_an_error_with_a_hint_or_leads_to_polling() {
    let dir = tempfile::tempdir().unwrap();
    let start = |_| Ok(Box::new(Exhausted) as Box<dyn Watcher>);
    let stop = AtomicBool::new(false);
    let cancel = || stop.load(Ordering::Relaxed);
    let filter = Filter::new(dir.path(), &WalkOptions::default()).unwrap();
    let job = Job { filter: &filter, how: &quick(WatchBackend::Auto), cancel: &cancel };

    let error = events::run(&job, &start, &mut |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.hint().unwrap().contains("max_user_watches"));

    let mut batches = Vec::new();
    job.with_fallback(&start, &mut |batch| {
        match batches.len() {
            0 => put(dir.path(), "a.rs", ""),
            _ => stop.store(true, Ordering::Relaxed),
        }
        batches.push(batch);
    })
    .unwrap();
    assert!(batches.iter().all(|batch| batch.polling) && batches[0].rescan);
    assert_eq!(batches[1].changed, [RelPath::new("a.rs").unwrap()]);
}
