//! Places that are full, read-only, forbidden, or shared with another process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod store_support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nootropic_context::store::{LmdbStore, StoreOptions, VerifierCommand, verify, verify_mapped};
use nootropic_core::{ErrorKind, Store, StoreExt};
use store_support::{A, B, can_mount, child, options, prefixed, role, run};

/// In a filesystem of a few megabytes: writes until it is full, loses nothing, goes on once there is room.
fn fill(place: &Path) {
    let ballast = place.join("ballast");
    fs::write(&ballast, vec![0; 300 << 10]).unwrap();
    let store = LmdbStore::open(&place.join("store"), &options()).unwrap();
    let mut written = 0_u32;
    let error = loop {
        let result = store.write(&mut |txn| {
            (0..20).try_for_each(|n| txn.put(A, &(written + n).to_be_bytes(), &vec![n as u8; 3_000]))
        });
        match result {
            Ok(_) => written += 20,
            Err(error) => break error,
        }
    };
    assert!(written > 0);
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
    assert!(error.hint().is_some());
    let full = |store: &LmdbStore| assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), u64::from(written));
    full(&store);
    drop(store);
    assert!(verify(&place.join("store")).unwrap().is_clean());
    let store = LmdbStore::open(&place.join("store"), &options()).unwrap();
    full(&store);
    fs::remove_file(&ballast).unwrap();
    store.write(&mut |txn| txn.put(B, b"room", b"again")).unwrap();
    drop(store);
    assert!(verify(&place.join("store")).unwrap().is_clean());
}

#[test]
fn a_full_disk_is_an_error_that_loses_nothing() {
    if let Some((_, place)) = role() {
        return fill(&place);
    }
    if !can_mount() {
        return;
    }
    for kib in (768..4096).step_by(512) {
        let dir = tempfile::tempdir().unwrap();
        let mount = format!("mount -t tmpfs -o size={kib}k tmpfs '{}' && exec \"$0\" \"$@\"", dir.path().display());
        let prefix = ["unshare", "-Urm", "sh", "-c", &mount];
        run(prefixed(&prefix, "a_full_disk_is_an_error_that_loses_nothing", "fill", dir.path()));
    }
}

/// On a filesystem without a free byte, with and without the lock file that LMDB maps.
fn open_full(place: &Path) {
    let dir = place.join("store");
    let store = LmdbStore::open(&dir, &options()).unwrap();
    store.write(&mut |txn| txn.put(A, b"k", b"v")).unwrap();
    drop(store);
    let fill = || {
        let mut ballast = fs::File::options().append(true).create(true).open(place.join("ballast")).unwrap();
        while std::io::Write::write_all(&mut ballast, &[0; 4096]).is_ok() {}
    };
    fill();
    let store = LmdbStore::open(&dir, &options()).unwrap();
    assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 1);
    drop(store);
    fs::remove_file(dir.join("lock.mdb")).unwrap();
    fill();
    for full in [&dir, &place.join("another")] {
        let error = LmdbStore::open(full, &options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
        assert!(error.hint().is_some());
    }
    fs::remove_file(place.join("ballast")).unwrap();
    let store = LmdbStore::open(&dir, &options()).unwrap();
    assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 1);
}

#[test]
fn a_full_disk_is_no_reason_to_die_while_opening() {
    if let Some((_, place)) = role() {
        return open_full(&place);
    }
    if !can_mount() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=1m tmpfs '{}' && exec \"$0\" \"$@\"", dir.path().display());
    let prefix = ["unshare", "-Urm", "sh", "-c", &mount];
    run(prefixed(&prefix, "a_full_disk_is_no_reason_to_die_while_opening", "fill", dir.path()));
}

#[test]
fn nearly_full_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let careful = StoreOptions { min_free_bytes: u64::MAX, ..options() };
    let store = LmdbStore::open(&dir.path().join("store"), &careful).unwrap();
    let error = store.write(&mut |txn| txn.put(A, b"k", b"v")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 0);
}

#[test]
fn a_place_that_cannot_be_written_is_opened_for_reading() {
    if let Some((_, place)) = role() {
        let store = LmdbStore::open(&place, &options()).unwrap();
        assert!(store.is_read_only());
        assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 1);
        let error = store.write(&mut |txn| txn.put(A, b"k", b"v")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnly);
        drop(store);
        let absent = place.with_file_name("absent");
        let error = LmdbStore::open(&absent, &options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
        assert!(error.hint().is_some());
        return;
    }
    if !can_mount() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("store");
    let store = LmdbStore::open(&place, &options()).unwrap();
    store.write(&mut |txn| txn.put(A, b"k", b"v")).unwrap();
    drop(store);
    let path = dir.path().display();
    let mount = format!("mount --bind '{path}' '{path}' && mount -o remount,bind,ro '{path}' && exec \"$0\" \"$@\"");
    let test = "a_place_that_cannot_be_written_is_opened_for_reading";
    run(prefixed(&["unshare", "-Urm", "sh", "-c", &mount], test, "read", &place));
    // Without the files that only a writer makes, as on a medium that was written elsewhere.
    fs::remove_file(place.join("lock.mdb")).unwrap();
    fs::remove_file(dir.path().join("store.lock")).unwrap();
    run(prefixed(&["unshare", "-Urm", "sh", "-c", &mount], test, "read", &place));
}

#[test]
fn a_forbidden_place_is_a_permission_error() {
    if let Some((_, place)) = role() {
        let error = LmdbStore::open(&place, &options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.hint().is_some());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("store");
    drop(LmdbStore::open(&place, &options()).unwrap());
    if !rustix_is_root() {
        permit(dir.path(), 0o000);
    }
    run_as_nobody(child("a_forbidden_place_is_a_permission_error", "open", &place));
    permit(dir.path(), 0o700);
}

#[test]
fn a_store_whose_readers_cannot_be_told_is_refused_by_name() {
    if let Some((_, place)) = role() {
        for options in [options(), StoreOptions { read_only: true, ..options() }] {
            let error = LmdbStore::open(&place, &options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.path().is_some_and(|path| path.ends_with("lock.mdb")), "{error}");
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("store");
    drop(LmdbStore::open(&place, &options()).unwrap());
    // As `chmod -R a-w` leaves it.
    for file in fs::read_dir(&place).unwrap().flatten() {
        permit(&file.path(), 0o444);
    }
    permit(&dir.path().join("store.lock"), 0o444);
    for folder in [dir.path(), &place] {
        permit(folder, 0o555);
    }
    run_as_nobody(child("a_store_whose_readers_cannot_be_told_is_refused_by_name", "open", &place));
    for folder in [dir.path(), &place] {
        permit(folder, 0o700);
    }
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// Runs this program as somebody who may not do everything: root may.
fn run_as_nobody(command: Command) {
    if !rustix_is_root() {
        return run(command);
    }
    // Nobody may not even look where this program lies.
    let program = tempfile::tempdir().unwrap();
    let copy = program.path().join("test");
    fs::copy(command.get_program(), &copy).unwrap();
    permit(program.path(), 0o755);
    permit(&copy, 0o755);
    let mut by_nobody = Command::new(copy);
    by_nobody.args(command.get_args()).envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    by_nobody.uid(65_534).gid(65_534).current_dir("/");
    run(by_nobody);
}

fn rustix_is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

#[test]
fn two_processes_write_one_after_the_other() {
    const EACH: u64 = 60;
    if let Some((role, place)) = role() {
        let store = LmdbStore::open(&place, &options()).unwrap();
        for n in 0..EACH {
            store
                .write(&mut |txn| {
                    let count = txn.get(A, b"count")?.map_or(0, |count| u64::from_be_bytes(count.try_into().unwrap()));
                    txn.put(A, b"count", &(count + 1).to_be_bytes())?;
                    txn.put(B, format!("{role} {n}").as_bytes(), &vec![n as u8; 5_000])
                })
                .unwrap();
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("store");
    let test = "two_processes_write_one_after_the_other";
    // None of them finds a store: one makes it, the others wait and join.
    let spawn = |role| child(test, role, &place).stdout(Stdio::null()).spawn().unwrap();
    let children: Vec<_> = ["one", "two", "three"].into_iter().map(spawn).collect();
    for mut process in children {
        assert!(process.wait().unwrap().success());
    }
    let store = LmdbStore::open(&place, &options()).unwrap();
    let count = store.read_with(|txn| Ok(u64::from_be_bytes(txn.get(A, b"count")?.unwrap().try_into().unwrap())));
    assert_eq!(count.unwrap(), 3 * EACH);
    assert_eq!(store.read_with(|txn| txn.count(B)).unwrap(), 3 * EACH);
    drop(store);
    assert!(verify(&place).unwrap().is_clean());
}

#[test]
fn a_store_that_another_process_grew_is_followed() {
    if let Some((_, place)) = role() {
        let store = LmdbStore::open(&place, &options()).unwrap();
        store.write(&mut |txn| (0..4_000_u32).try_for_each(|n| txn.put(A, &n.to_be_bytes(), &[1; 1_000]))).unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("store");
    let small = LmdbStore::open(&place, &StoreOptions { map_size: 1 << 20, ..options() }).unwrap();
    run(child("a_store_that_another_process_grew_is_followed", "grow", &place));
    assert_eq!(small.read_with(|txn| txn.count(A)).unwrap(), 4_000);
    small.write(&mut |txn| txn.put(B, b"k", b"v")).unwrap();
    assert!(small.compact().is_ok(), "the other process is gone");
}

#[test]
fn a_store_that_others_have_open_is_not_replaced() {
    if let Some((role, place)) = role() {
        let store = LmdbStore::open(&place, &options()).unwrap();
        if role == "compact" {
            assert_eq!(store.compact().unwrap_err().kind(), ErrorKind::Busy);
        }
        store.write(&mut |txn| txn.put(A, b"child", b"v")).unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("store");
    let store = LmdbStore::open(&place, &options()).unwrap();
    run(child("a_store_that_others_have_open_is_not_replaced", "compact", &place));
    assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 1);
    store.compact().unwrap();
    run(child("a_store_that_others_have_open_is_not_replaced", "write", &place));
    assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 1, "both still look at the same file");
}

#[test]
fn a_reader_that_was_killed_holds_nothing_back() {
    if let Some((_, place)) = role() {
        let store = LmdbStore::open(&place, &options()).unwrap();
        store
            .read(&mut |_| {
                println!("\ninside");
                loop {
                    std::thread::park();
                }
            })
            .unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("store");
    let rewrite = |store: &LmdbStore| {
        for n in 0..100_u8 {
            store.write(&mut |txn| (0..10).try_for_each(|key| txn.put(A, &[key], &vec![n; 8_000]))).unwrap();
        }
        store.stats().unwrap().growth
    };
    let store = LmdbStore::open(&place, &options()).unwrap();
    rewrite(&store);
    let mut command = child("a_reader_that_was_killed_holds_nothing_back", "read", &place);
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(process.stdout.take().unwrap()));
    assert!(lines.any(|line| line.is_ok_and(|line| line == "inside")));
    process.kill().unwrap();
    process.wait().unwrap();
    drop(store);
    let store = LmdbStore::open(&place, &options()).unwrap();
    let growth = rewrite(&store);
    assert!(growth < 4.0, "{growth}");
}

#[test]
fn an_address_space_limit_is_lived_with() {
    if let Some((_, place)) = role() {
        let store = LmdbStore::open(&place, &options()).unwrap();
        assert!(store.stats().unwrap().map_bytes < 1 << 30);
        store.write(&mut |txn| txn.put(A, b"k", b"v")).unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let prefix = ["sh", "-c", "ulimit -v 1500000 && exec \"$0\" \"$@\""];
    run(prefixed(&prefix, "an_address_space_limit_is_lived_with", "open", &dir.path().join("store")));
}

#[test]
fn a_forked_child_may_not_use_its_parents_store() {
    #[expect(unsafe_code, reason = "there is no safe fork")]
    unsafe extern "C" {
        fn fork() -> i32;
        fn _exit(code: i32) -> !;
        fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    }
    if let Some((_, place)) = role() {
        let store = LmdbStore::open(&place, &options()).unwrap();
        #[expect(unsafe_code, reason = "there is no safe fork")]
        // SAFETY: the child only calls into the store, which refuses before it takes a lock, and leaves by `_exit`.
        let code = unsafe {
            let pid = fork();
            if pid == 0 {
                let refused = store.read(&mut |_| Ok(())).is_err_and(|error| error.kind() == ErrorKind::Unsupported);
                _exit(if refused { 0 } else { 1 });
            }
            let mut status = -1;
            assert_eq!(waitpid(pid, &mut status, 0), pid);
            status
        };
        assert_eq!(code, 0);
        store.write(&mut |txn| txn.put(A, b"k", b"v")).unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    run(child("a_forked_child_may_not_use_its_parents_store", "fork", &dir.path().join("store")));
}

#[test]
fn after_an_unclean_shutdown_a_process_of_its_own_checks_the_store() {
    if let Some((_, place)) = role() {
        // The verifier: a test binary takes no folder as an argument, so it comes by the environment.
        assert!(verify_mapped(&place).unwrap().is_clean());
        fs::write(place.with_file_name("checked"), b"").unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("store");
    drop(LmdbStore::open(&place, &options()).unwrap());
    let verifier = |script: &str| {
        let exe = std::env::current_exe().unwrap();
        let test = "after_an_unclean_shutdown_a_process_of_its_own_checks_the_store";
        let args = ["-c".into(), script.into(), exe.into_os_string(), test.into()];
        StoreOptions { verifier: Some(VerifierCommand { program: "sh".into(), args: args.into() }), ..options() }
    };
    let run_role = "NOOTROPIC_TEST_ROLE=verify NOOTROPIC_TEST_PLACE=\"$2\" exec \"$0\" \"$1\" --exact --nocapture";
    drop(LmdbStore::open(&place, &verifier(run_role)).unwrap());
    assert!(!dir.path().join("checked").exists(), "it was closed in order: nothing to check");
    for (script, sound) in [(run_role, true), ("exit 1", false), ("kill -SEGV $$", false), (run_role, true)] {
        fs::write(place.join("unclean-test"), b"").unwrap();
        let opened = LmdbStore::open(&place, &verifier(script));
        assert_eq!(opened.is_ok(), sound, "{script}: {opened:?}");
        assert!(opened.is_ok() || opened.is_err_and(|error| error.kind() == ErrorKind::Corrupt));
        assert_eq!(place.join("unclean-test").exists(), !sound);
    }
    assert!(dir.path().join("checked").exists());
}
