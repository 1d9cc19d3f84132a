//! Disks that fill up, files that are not what they seem, programs that get in each other's way: an index stays whole,
//! and goes on once it can.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use nootropic_context::index::{self, Outline, UpdateOptions, UpdateTurn, read_text};
use nootropic_context::search::{Engine, SearchOptions};
use nootropic_context::store::{LmdbStore, StoreOptions};
use nootropic_context::walk::RelPath;
use nootropic_context::{TABLES, index::FileRecord};
use nootropic_core::{ErrorKind, ReadTxn, Result, Snapshot, Store, StoreExt, WriteTxn};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use support::rng::{Rng, from_env, seed};
use support::spy::{Log, Spy, apply, records};
use support::view::{View, assert_like_fresh, view};
use support::{assert_consistent, child, fast_dir, open, repo, small_batches, store_options, update};

fn try_update(store: &dyn Store, root: &Path) -> Result<index::UpdateReport> {
    index::update(store, root, &small_batches(), &mut |_| {}, &|| false)
}

fn indexed(store: &dyn Store) -> Vec<String> {
    view(store)
        .into_iter()
        .filter(|(_, v)| matches!(v, View::Indexed { .. }))
        .map(|(path, _)| path.to_string())
        .collect()
}

/// Indexes a repository while `squeeze` leaves ever less room, and again once `relax` gave it back.
fn fill_up(dir: &Path, store: &Path, squeeze: &dyn Fn(u64), relax: &dyn Fn()) {
    let (root, log) = (dir.join("repo"), dir.join("log"));
    let mut rng = Rng::new(from_env("NOOTROPIC_SEED", 7));
    repo::generate(&root, 150, &mut rng);
    let store: Arc<dyn Store> = Arc::new(Spy::new(open(store), &log));
    update(&*store, &root);
    let mut failures = 0;
    for left in [0u64, 8 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10] {
        let mut expected = records(&*store);
        fs::write(&log, "").unwrap();
        repo::edits(&root, 40, &mut rng);
        squeeze(left);
        let result = try_update(&*store, &root);
        let log = Log::read(&log);
        log.acknowledged.iter().for_each(|changes| apply(&mut expected, changes));
        assert!(records(&*store) == expected, "{left} bytes left: not the last acknowledged state");
        assert_consistent(&*store, &format!("{left} bytes left"));
        if let Err(error) = result {
            failures += 1;
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
            assert!(error.hint().is_some(), "{error:?}");
        }
        let engine = Engine::new(Arc::clone(&store));
        assert!(!engine.search("parse token", &SearchOptions::default()).unwrap().hits.is_empty());
        relax();
        update(&*store, &root);
    }
    assert!(failures > 0, "the disk was never full");
    assert_like_fresh(store, &root, "after the disk had been full");
}

#[test]
fn a_file_that_may_not_grow_is_a_full_disk() {
    if let Some(dir) = child::folder() {
        let data = dir.join("store/data.mdb");
        let limit = |current| setrlimit(Resource::Fsize, Rlimit { current, ..getrlimit(Resource::Fsize) }).unwrap();
        return fill_up(
            &dir,
            &dir.join("store"),
            &|left| limit(Some(fs::metadata(&data).unwrap().len() + left)),
            &|| limit(None),
        );
    }
    let dir = fast_dir();
    // The signal that goes with this limit would end the process.
    let own = child::command("a_file_that_may_not_grow_is_a_full_disk", dir.path());
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(own.get_program()).args(own.get_args());
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("NOOTROPIC_SEED", seed("full disk").to_string());
    child::expect_success(command);
}

#[test]
fn a_full_disk_is_survived() {
    if let Some(dir) = child::folder() {
        let disk = dir.join("disk");
        let filler = disk.join("filler");
        let squeeze = |left: u64| {
            let mut file = File::create(&filler).unwrap();
            while file.write_all(&[1; 4096]).is_ok() {}
            file.set_len(file.metadata().unwrap().len().saturating_sub(left)).unwrap();
        };
        fill_up(&dir, &disk.join("store"), &squeeze, &|| fs::remove_file(&filler).unwrap());
        // With the usual options nothing is even begun on a disk that is nearly full.
        let store = LmdbStore::open(&disk.join("other"), &StoreOptions::with_tables(&TABLES)).unwrap();
        let error = try_update(&store, &dir.join("repo")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        return;
    }
    let dir = fast_dir();
    fs::create_dir(dir.path().join("disk")).unwrap();
    let own = child::command("a_full_disk_is_survived", dir.path());
    // A small file system of our own, in a name space of our own.
    let flags = if rustix::process::geteuid().is_root() { "-m" } else { "-Urm" };
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=6m nootropic \"$1\" || exit 99; shift; exec \"$@\"";
    command.args([flags, "sh", "-c", script, "sh"]).arg(dir.path().join("disk"));
    command.arg(own.get_program()).args(own.get_args());
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("NOOTROPIC_SEED", seed("full disk").to_string());
    let allowed = Command::new("unshare").args([flags, "sh", "-c", "mount -t tmpfs nootropic /mnt"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return support::not_run::not_run(
            "file systems cannot be mounted here, and the limit on file size stands in for it",
        );
    }
    child::expect_success(command);
}

#[test]
fn what_may_not_be_written_or_read_is_said_and_kept() {
    if let Some(dir) = child::folder() {
        return without_permission(&dir);
    }
    let dir = fast_dir();
    let (command, _program) = child::unprivileged("what_may_not_be_written_or_read_is_said_and_kept", dir.path());
    child::expect_success(command);
}

fn without_permission(dir: &Path) {
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let (root, place) = (dir.join("repo"), dir.join("store"));
    for name in ["a.rs", "b.rs", "inner/c.rs", "inner/d.rs"] {
        repo::write(&root.join(name), format!("fn in_{}() {{}}\n", name.replace(['/', '.'], "_")));
    }
    let store: Arc<dyn Store> = Arc::new(open(&place));
    update(&*store, &root);
    let all = ["a.rs", "b.rs", "inner/c.rs", "inner/d.rs"];
    assert_eq!(indexed(&*store), all);

    // A file and a folder that cannot be read for a while: what is known of them stays.
    repo::write(&root.join("a.rs"), "fn changed() {}\n");
    repo::write(&root.join("inner/c.rs"), "fn changed() {}\n");
    mode(&root.join("a.rs"), 0o000);
    mode(&root.join("inner"), 0o000);
    let report = update(&*store, &root);
    assert_eq!(report.skipped.get("permission_denied"), Some(&2), "{report:?}");
    assert_eq!(indexed(&*store), all);
    let path = RelPath::new("a.rs").unwrap();
    index::update_files(&*store, &root, &small_batches(), &[path]).unwrap();
    assert_eq!(indexed(&*store), all);
    assert_consistent(&*store, "unreadable");
    mode(&root.join("a.rs"), 0o644);
    mode(&root.join("inner"), 0o755);
    assert_eq!(update(&*store, &root).indexed, 2);
    assert_like_fresh_small(&store, &root);

    // A new file that cannot be read is not known, and found once it can.
    repo::write(&root.join("e.rs"), "fn late() {}\n");
    mode(&root.join("e.rs"), 0o000);
    assert_eq!(update(&*store, &root).files, 4);
    mode(&root.join("e.rs"), 0o644);
    assert_eq!(update(&*store, &root).files, 5);

    // A repository that cannot be written is indexed all the same.
    mode(&root, 0o555);
    assert_eq!(update(&*store, &root).files, 5);
    mode(&root, 0o755);

    // A store that cannot be written answers, and says that it cannot.
    drop(store);
    let files: Vec<PathBuf> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.iter().filter(|path| !path.ends_with("lock.mdb")).for_each(|path| mode(path, 0o444));
    mode(&place, 0o555);
    let store: Arc<dyn Store> = Arc::new(open(&place));
    repo::write(&root.join("f.rs"), "fn never() {}\n");
    let error = try_update(&*store, &root).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error:?}");
    assert!(error.hint().is_some());
    let engine = Engine::new(Arc::clone(&store));
    assert_eq!(engine.search("late", &SearchOptions::default()).unwrap().hits.len(), 1);
    drop((engine, store));
    mode(&place.join("lock.mdb"), 0o444);
    let error = LmdbStore::open(&place, &store_options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert!(error.hint().is_some());
    mode(&place, 0o755);
    files.iter().for_each(|path| mode(path, 0o644));
    assert_eq!(update(&open(&place), &root).files, 6);

    // No place for a store at all.
    fs::create_dir(dir.join("shut")).unwrap();
    mode(&dir.join("shut"), 0o555);
    let error = LmdbStore::open(&dir.join("shut/store"), &store_options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    // A turn is had all the same: it only saves work.
    let turn = UpdateTurn::take(&dir.join("shut/index.lock"), Duration::ZERO, &|| false).unwrap();
    assert!(turn.is_some());
}

/// As [`assert_like_fresh`], for a repository too small to ask it much.
fn assert_like_fresh_small(store: &Arc<dyn Store>, root: &Path) {
    let dir = fast_dir();
    let fresh = open(&dir.path().join("store"));
    update(&fresh, root);
    assert_consistent(&**store, "like fresh");
    assert_eq!(view(&**store), view(&fresh));
}

#[test]
fn two_processes_index_one_repository() {
    const NAME: &str = "two_processes_index_one_repository";
    if let Some(dir) = child::folder() {
        let store = open(&dir.join("store"));
        let mut rounds = 0;
        while !dir.join("stop").exists() || rounds < 3 {
            try_update(&store, &dir.join("repo")).unwrap();
            assert_consistent(&store, "between two");
            if rounds % 5 == 4 {
                index::optimize(&store).unwrap();
            }
            rounds += 1;
        }
        return;
    }
    let mut rng = Rng::new(seed("two processes"));
    let dir = fast_dir();
    let root = dir.path().join("repo");
    repo::generate(&root, 120, &mut rng);
    let two: Vec<_> = (0..2)
        .map(|_| {
            let command = child::command(NAME, dir.path());
            std::thread::spawn(move || child::expect_success(command))
        })
        .collect();
    for _ in 0..60 {
        repo::edits(&root, 8, &mut rng);
        std::thread::sleep(Duration::from_millis(10));
    }
    fs::write(dir.path().join("stop"), "").unwrap();
    two.into_iter().for_each(|child| child.join().unwrap());
    let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    update(&*store, &root);
    assert_like_fresh(store, &root, "after two processes");
}

#[test]
fn a_cancelled_run_goes_on_where_it_was() {
    let mut rng = Rng::new(seed("cancel"));
    let dir = fast_dir();
    let root = dir.path().join("repo");
    repo::generate(&root, 200, &mut rng);
    std::thread::sleep(Duration::from_millis(150)); // until stamps are older than the clock is coarse
    let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    let before = index::update(&*store, &root, &small_batches(), &mut |_| {}, &|| true).unwrap_err();
    assert_eq!(before.kind(), ErrorKind::Cancelled);
    for enough in [10, 60, 100] {
        let done = AtomicU32::new(0);
        let known = records(&*store).len();
        let result = index::update(
            &*store,
            &root,
            &small_batches(),
            &mut |_| done.store(done.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
            &|| done.load(Ordering::Relaxed) >= enough,
        );
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::Cancelled);
        }
        assert_consistent(&*store, "cancelled");
        assert!(records(&*store).len() > known, "what was read is kept");
    }
    let known = records(&*store).len() as u64;
    let report = update(&*store, &root);
    assert_eq!(report.unchanged + report.skipped.values().sum::<u64>(), known, "nothing is read twice: {report:?}");
    assert_like_fresh(store, &root, "after cancelling");
}

/// A store whose writes fail.
#[derive(Debug)]
struct Failing(LmdbStore, AtomicU32);

impl Store for Failing {
    fn read(&self, body: &mut dyn FnMut(&dyn ReadTxn) -> Result<()>) -> Result<()> {
        self.0.read(body)
    }

    fn write(&self, body: &mut dyn FnMut(&mut dyn WriteTxn) -> Result<()>) -> Result<Snapshot> {
        if self.1.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(nootropic_core::Error::failed("write", ErrorKind::Unavailable, "not now"));
        }
        self.0.write(body)
    }
}

#[test]
fn failures_and_panics_end_a_run_that_has_much_left_to_do() {
    let dir = fast_dir();
    let root = dir.path().join("repo");
    for i in 0..6000 {
        // More than wait between the walk and the threads that read.
        repo::write(&root.join(format!("{:02}/{i}.txt", i % 50)), format!("number {i}\n"));
    }
    let failing = Failing(open(&dir.path().join("store")), AtomicU32::new(2));
    let error =
        index::update(&failing, &root, &UpdateOptions { batch_bytes: 100, ..small_batches() }, &mut |_| {}, &|| false);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
    let store: Arc<dyn Store> = Arc::new(failing.0);
    assert_consistent(&*store, "after a failure");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        index::update(&*store, &root, &small_batches(), &mut |progress| assert!(progress.done < 20, "tired"), &|| false)
    }));
    assert!(panicked.is_err());
    assert_consistent(&*store, "after a panic");
    let report = index::update(&*store, &root, &UpdateOptions::default(), &mut |_| {}, &|| false).unwrap();
    assert_eq!(report.files, 6000);
    assert_consistent(&*store, "in the end");
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
}

#[test]
fn files_become_other_things_and_come_back() {
    let dir = fast_dir();
    let root = dir.path().join("repo");
    let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    let text = "fn zebra() {}\n";
    let file = root.join("it.rs");
    repo::write(&root.join("other.rs"), "fn other() {}\n");
    let become_thing: [(&str, &dyn Fn()); 7] = [
        ("gone", &|| {}),
        ("a FIFO", &|| fifo(&file)),
        ("a socket", &|| drop(std::os::unix::net::UnixListener::bind(&file).unwrap())),
        ("a link", &|| symlink("other.rs", &file).unwrap()),
        ("a folder", &|| repo::write(&file.join("below.rs"), "fn below() {}\n")),
        ("binary", &|| repo::write(&file, b"\0\x01\0\x02\0\x03\0")),
        ("too large", &|| File::create(&file).unwrap().set_len(2 << 30).unwrap()),
    ];
    for by_update_files in [false, true] {
        for (what, become_it) in &become_thing {
            let step = || {
                if by_update_files {
                    let paths = ["it.rs", "it.rs/below.rs"].map(|path| RelPath::new(path).unwrap());
                    index::update_files(&*store, &root, &small_batches(), &paths).unwrap();
                } else {
                    update(&*store, &root);
                }
                assert_consistent(&*store, what);
            };
            repo::write(&file, text);
            update(&*store, &root);
            assert_eq!(indexed(&*store), ["it.rs", "other.rs"]);
            fs::remove_file(&file).unwrap();
            become_it();
            step();
            let expected: &[&str] = if *what == "a folder" { &["it.rs/below.rs", "other.rs"] } else { &["other.rs"] };
            assert_eq!(indexed(&*store), expected, "{what}");
            if file.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                fs::remove_dir_all(&file).unwrap();
            } else if file.symlink_metadata().is_ok() {
                fs::remove_file(&file).unwrap();
            }
            repo::write(&file, text);
            step();
            assert_eq!(indexed(&*store), ["it.rs", "other.rs"], "back from {what}");
            update(&*store, &root);
            assert_like_fresh_small(&store, &root);
        }
    }
}

#[test]
fn odd_repositories_are_indexed() {
    let dir = fast_dir();
    let root = dir.path().join("repo");
    fs::create_dir(&root).unwrap();
    let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    let report = update(&*store, &root);
    assert_eq!((report.files, report.chunks), (0, 0), "an empty repository");
    assert_consistent(&*store, "empty");
    let engine = Engine::new(Arc::clone(&store));
    assert!(engine.search("anything", &SearchOptions::default()).unwrap().hits.is_empty());

    repo::write(&root.join("only.py"), "def only():\n    pass\n");
    assert_eq!(update(&*store, &root).files, 1);

    // Links in a circle, things that are not files, a file larger than memory, and names and contents in no encoding.
    repo::write(&root.join("a/b/c.rs"), "fn in_a_circle() {}\n");
    symlink("../..", root.join("a/b/up")).unwrap();
    symlink("self", root.join("self")).unwrap();
    symlink("/", root.join("everything")).unwrap();
    fifo(&root.join("pipe.rs"));
    let _listener = std::os::unix::net::UnixListener::bind(root.join("socket.rs")).unwrap();
    File::create(root.join("sparse.rs")).unwrap().set_len(2 << 30).unwrap();
    let odd = root.join(std::ffi::OsStr::from_bytes(b"caf\xe9 \n \x1b[31m.rs"));
    repo::write(&odd, b"fn latin() { /* caf\xe9 au lait */ }\n");
    repo::write(
        &root.join("wide.txt"),
        "\u{feff}sixteen bits".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
    );
    repo::write(&root.join("noise.txt"), [b"noise \xff\xfe\xfd ".repeat(20), b"\n".to_vec()].concat());
    let long = format!("{}/{}.rs", vec!["d".repeat(200); 4].join("/"), "n".repeat(200));
    repo::write(&root.join(&long), "fn at_the_end_of_a_long_path() {}\n");
    let report = update(&*store, &root);
    assert_consistent(&*store, "odd");
    assert_eq!(report.skipped.get("symlink"), Some(&3), "{report:?}");
    assert_eq!(report.skipped.get("not_regular"), Some(&2), "{report:?}");
    assert_eq!(report.skipped.get("too_large"), Some(&1), "{report:?}");
    let hit =
        |question: &str| engine.search(question, &SearchOptions::default()).unwrap().hits.into_iter().next().unwrap();
    assert!(hit("latin").path_is_lossy && hit("latin").chunk.text.contains("café"));
    assert_eq!(hit("sixteen bits").chunk.path, "wide.txt");
    assert_eq!(hit("end of a long path").chunk.path, long);
    assert_eq!(hit("in_a_circle").chunk.path, "a/b/c.rs");
    fs::remove_file(&odd).unwrap();
    fs::remove_file(root.join(&long)).unwrap();
    assert_eq!(update(&*store, &root).removed, 2);
    assert_like_fresh_small(&store, &root);
}

#[test]
fn a_root_that_is_no_folder_removes_nothing() {
    let dir = fast_dir();
    let root = dir.path().join("repo");
    repo::write(&root.join("a.rs"), "fn zebra() {}\n");
    let store = open(&dir.path().join("store"));
    update(&store, &root);
    let away = dir.path().join("away");
    fs::rename(&root, &away).unwrap();
    assert_eq!(try_update(&store, &root).unwrap_err().kind(), ErrorKind::NotFound);
    fs::write(&root, "a file").unwrap();
    assert!(try_update(&store, &root).is_err());
    let path = RelPath::new("a.rs").unwrap();
    assert!(index::update_files(&store, &root, &small_batches(), &[path]).is_err());
    assert_eq!(indexed(&store), ["a.rs"]);
}

#[test]
fn a_file_that_changes_while_it_is_read_ends_as_it_is() {
    let dir = fast_dir();
    let root = dir.path().join("repo");
    let versions: Vec<String> = ["antelope", "buffalo", "cheetah"]
        .iter()
        .enumerate()
        .map(|(i, name)| format!("fn {name}() {{ let {name} = 1; }}\n").repeat(2000 + 700 * i))
        .collect();
    repo::write(&root.join("busy.rs"), &versions[0]);
    repo::write(&root.join("calm.rs"), "fn calm() {}\n");
    let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    update(&*store, &root);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut i = 0;
            while !stop.load(Ordering::Relaxed) {
                // In place, in pieces, so that a reader can see the middle of it.
                let mut file = File::create(root.join("busy.rs")).unwrap();
                for piece in versions[i % 3].as_bytes().chunks(9000) {
                    file.write_all(piece).unwrap();
                }
                i += 1;
            }
        });
        for _ in 0..25 {
            update(&*store, &root);
            assert_consistent(&*store, "busy");
            assert!(indexed(&*store).contains(&"calm.rs".to_owned()));
        }
        stop.store(true, Ordering::Relaxed);
    });
    update(&*store, &root);
    let (hash, text) = store
        .read_with(|txn| {
            let record = FileRecord::read(txn, b"busy.rs")?.unwrap();
            assert_eq!(Outline::read(txn, record.id)?.path, "busy.rs");
            Ok((record.hash, read_text(txn, record.id)?))
        })
        .unwrap();
    let now = fs::read_to_string(root.join("busy.rs")).unwrap();
    assert!(text == now && hash == blake3::hash(now.as_bytes()).as_bytes()[..16], "the last version");
}
