//! What anyone may rely on: transactions, snapshots, several handles, many readers, backups.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod store_support;

use std::ops::{Bound, ControlFlow};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use nootropic_context::Error as ContextError;
use nootropic_context::store::{
    LmdbStore, SetAside, StoreOptions, quarantine, read_manifest, remove_replaced, restore, retire, set_aside, verify,
};
use nootropic_core::{Error, ErrorKind, KeyRange, MAX_KEY_LEN, ReadTxn, Result, Store, StoreExt, Table, testing};
use store_support::{A, B, options};

fn open() -> (tempfile::TempDir, LmdbStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(&dir.path().join("store"), &options()).unwrap();
    (dir, store)
}

#[test]
fn the_contract_holds() {
    let dir = tempfile::tempdir().unwrap();
    let tables = StoreOptions { min_free_bytes: 0, ..StoreOptions::with_tables(&testing::TABLES) };
    let made = std::cell::Cell::new(0);
    testing::store_suite(|| {
        made.set(made.get() + 1);
        Box::new(LmdbStore::open(&dir.path().join(made.get().to_string()), &tables).unwrap())
    });
    testing::durable_store_suite(|| Box::new(LmdbStore::open(&dir.path().join("durable"), &tables).unwrap()));
    // A map that is too small at first runs bodies twice.
    let small = StoreOptions { map_size: 1 << 20, ..tables.clone() };
    testing::store_suite(|| {
        made.set(made.get() + 1);
        Box::new(LmdbStore::open(&dir.path().join(made.get().to_string()), &small).unwrap())
    });
}

fn keys(store: &LmdbStore, range: &KeyRange) -> Vec<Vec<u8>> {
    store.read_with(|txn| keys_in(txn, range)).unwrap()
}

fn keys_in(txn: &dyn ReadTxn, range: &KeyRange) -> Result<Vec<Vec<u8>>> {
    let mut keys = Vec::new();
    txn.scan(A, range, &mut |key, _| {
        keys.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(keys)
}

#[test]
fn a_write_is_seen_whole_or_not_at_all() {
    let (_dir, store) = open();
    let before = store.snapshot().unwrap();
    let after = store
        .write(&mut |txn| {
            assert_eq!(txn.snapshot(), before, "inside a write: the state it started from");
            txn.put(A, b"k", b"1")?;
            txn.put(B, b"k", b"2")?;
            assert_eq!(txn.get(A, b"k")?, Some(&b"1"[..]), "it sees its own changes");
            Ok(())
        })
        .unwrap();
    assert!(after > before);
    assert_eq!(store.snapshot().unwrap(), after);

    let failed = store.write(&mut |txn| {
        txn.put(A, b"k", b"changed")?;
        Err(Error::Cancelled)
    });
    assert!(matches!(failed, Err(Error::Cancelled)));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write(&mut |txn| {
            txn.put(A, b"k", b"changed")?;
            panic!("in the middle")
        })
    }));
    assert!(panicked.is_err());
    let values = store.read_with(|txn| Ok((txn.get(A, b"k")?.map(<[u8]>::to_vec), txn.count(B)?))).unwrap();
    assert_eq!(values, (Some(b"1".to_vec()), 1));
    assert_eq!(store.snapshot().unwrap(), after);
    assert!(store.write(&mut |txn| txn.put(A, b"k", b"3")).unwrap() > after, "the store goes on after a panic");
}

#[test]
fn ranges_are_what_they_say() {
    let (_dir, store) = open();
    let all: Vec<&[u8]> = vec![b"a", b"ab", b"b", b"b\xff", b"b\xff\xff", b"c"];
    store.write(&mut |txn| all.iter().try_for_each(|key| txn.put(A, key, b""))).unwrap();
    let range = |start, end| KeyRange { start, end };
    let owned = |key: &[u8]| key.to_vec();
    assert_eq!(keys(&store, &KeyRange::all()), all);
    assert_eq!(keys(&store, &KeyRange::prefix(b"")), all);
    assert_eq!(keys(&store, &KeyRange::prefix(b"b\xff")), [&b"b\xff"[..], b"b\xff\xff"]);
    assert_eq!(keys(&store, &KeyRange::from(b"b\xff\xff")), [&b"b\xff\xff"[..], b"c"]);
    assert_eq!(keys(&store, &range(Bound::Excluded(owned(b"a")), Bound::Excluded(owned(b"b")))), [b"ab"]);
    assert_eq!(keys(&store, &range(Bound::Excluded(owned(b"")), Bound::Included(owned(b"a")))), [b"a"]);
    for nothing in [
        range(Bound::Unbounded, Bound::Included(vec![])),
        range(Bound::Included(owned(b"c")), Bound::Included(owned(b"a"))),
        range(Bound::Excluded(owned(b"b")), Bound::Excluded(owned(b"b"))),
        KeyRange::from(&[b'c'; 600]),
    ] {
        assert_eq!(keys(&store, &nothing), Vec::<Vec<u8>>::new(), "{nothing:?}");
    }
    let mut met = 0;
    store
        .read(&mut |txn| {
            txn.scan(A, &KeyRange::all(), &mut |_, _| {
                met += 1;
                Ok(if met == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
        })
        .unwrap();
    assert_eq!(met, 2);
    let deleted = store.write_with(|txn| txn.delete_range(A, &KeyRange::prefix(b"b"))).unwrap().0;
    assert_eq!(deleted, 3);
    assert_eq!(store.write_with(|txn| txn.delete_range(A, &KeyRange::all())).unwrap().0, 3);
    assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 0);
}

#[test]
fn keys_values_and_tables_have_limits_that_are_told() {
    const OTHER: Table = Table::new("other");
    let (_dir, store) = open();
    let longest = [7; MAX_KEY_LEN];
    let too_long = [7; MAX_KEY_LEN + 1];
    let big = vec![9; 5_000_000];
    store
        .write(&mut |txn| {
            txn.put(A, &longest, b"")?;
            txn.put(A, b"big", &big)?;
            for key in [&b""[..], &too_long] {
                assert!(matches!(txn.put(A, key, b""), Err(Error::KeyLength { got, max: 511 }) if got == key.len()));
                assert_eq!(txn.get(A, key)?, None);
                assert!(!txn.delete(A, key)?);
            }
            assert!(matches!(txn.put(OTHER, b"k", b""), Err(Error::UnknownTable(OTHER))));
            assert!(matches!(txn.count(OTHER), Err(Error::UnknownTable(OTHER))));
            Ok(())
        })
        .unwrap();
    assert!(store.read_with(|txn| Ok(txn.get(A, b"big")? == Some(&big))).unwrap());
    assert_eq!(store.read_with(|txn| Ok(txn.get(A, &longest)?.map(<[u8]>::len))).unwrap(), Some(0));
    for name in ["", "with space", "nootropic"] {
        let dir = tempfile::tempdir().unwrap();
        let named = StoreOptions::with_tables(&[Table::new(Box::leak(name.to_owned().into_boxed_str()))]);
        let error = LmdbStore::open(&dir.path().join("store"), &named).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
    }
}

/// Ascending keys are appended, others inserted, and deletions come between: the order is right all the same.
#[test]
fn any_order_of_puts_and_deletes_gives_the_same_table() {
    let (_dir, store) = open();
    let mut random = store_support::Random::seeded();
    let mut model = std::collections::BTreeMap::new();
    for _ in 0..20 {
        let mut ascending = model.len() as u64 * 1_000;
        let steps: Vec<(u64, Vec<u8>)> = (0..200)
            .map(|_| {
                ascending += random.below(5_000);
                let n = if random.below(3) == 0 { random.below(1_000_000) } else { ascending };
                (random.below(4), n.to_be_bytes()[3..].to_vec())
            })
            .collect();
        store
            .write(&mut |txn| {
                for (what, key) in &steps {
                    if *what == 0 {
                        txn.delete(A, key)?;
                    } else {
                        txn.put(A, key, key)?;
                    }
                }
                Ok(())
            })
            .unwrap();
        for (what, key) in steps {
            if what == 0 {
                model.remove(&key);
            } else {
                model.insert(key.clone(), key);
            }
        }
    }
    assert_eq!(keys(&store, &KeyRange::all()), model.into_keys().collect::<Vec<_>>());
}

#[test]
fn a_reader_keeps_its_snapshot_and_never_waits_for_a_writer() {
    let (_dir, store) = open();
    store.write(&mut |txn| txn.put(A, b"k", b"old")).unwrap();
    let (inside, written) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            store
                .read(&mut |txn| {
                    let before = txn.snapshot();
                    inside.wait();
                    written.wait();
                    assert_eq!(txn.get(A, b"k")?, Some(&b"old"[..]));
                    assert_eq!(txn.snapshot(), before);
                    Ok(())
                })
                .unwrap();
        });
        inside.wait();
        store.write(&mut |txn| txn.put(A, b"k", b"new")).unwrap();
        // A writer in the middle of its body does not keep readers out either.
        store
            .write(&mut |txn| {
                txn.put(A, b"k", b"newer")?;
                std::thread::scope(|scope| {
                    let read = scope.spawn(|| store.read_with(|txn| Ok(txn.get(A, b"k")?.map(<[u8]>::to_vec))));
                    assert_eq!(read.join().unwrap().unwrap(), Some(b"new".to_vec()));
                });
                Ok(())
            })
            .unwrap();
        written.wait();
    });
}

#[test]
fn hundreds_of_readers_at_once_each_see_one_state() {
    const THREADS: usize = 300;
    let (_dir, store) = open();
    store.write(&mut |txn| txn.put(A, b"a", b"0").and_then(|()| txn.put(B, b"b", b"0"))).unwrap();
    let (all_in, stop) = (Barrier::new(THREADS + 1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                store
                    .read(&mut |txn| {
                        all_in.wait();
                        assert_eq!(txn.get(A, b"a")?, txn.get(B, b"b")?);
                        Ok(())
                    })
                    .unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let (a, b) = store
                        .read_with(|txn| Ok((txn.get(A, b"a")?.map(Vec::from), txn.get(B, b"b")?.map(Vec::from))))
                        .unwrap();
                    assert_eq!(a, b);
                    std::thread::yield_now();
                }
            });
        }
        all_in.wait();
        for n in 0..50_u32 {
            store
                .write(&mut |txn| txn.put(A, b"a", &n.to_be_bytes()).and_then(|()| txn.put(B, b"b", &n.to_be_bytes())))
                .unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(store.stats().unwrap().reader_slots >= THREADS as u32);
}

#[test]
fn what_a_long_reader_holds_back_is_used_again_when_it_ends() {
    let (_dir, store) = open();
    let rewrite = |times: u32| {
        for n in 0..times {
            store.write(&mut |txn| (0..10_u8).try_for_each(|key| txn.put(A, &[key], &vec![n as u8; 8_000]))).unwrap();
        }
        store.stats().unwrap()
    };
    rewrite(10);
    let (inside, done) = (Barrier::new(2), Barrier::new(2));
    let held = std::thread::scope(|scope| {
        scope.spawn(|| {
            store
                .read(&mut |_| {
                    inside.wait();
                    done.wait();
                    Ok(())
                })
                .unwrap();
        });
        inside.wait();
        let held = rewrite(100);
        done.wait();
        held
    });
    assert!(held.growth > 10.0, "100 versions are kept for the reader: {}", held.growth);
    let after = rewrite(100);
    assert_eq!(after.file_bytes, held.file_bytes, "room is used again");
    store.compact().unwrap();
    let compacted = store.stats().unwrap();
    assert!(compacted.growth < 1.5, "{}", compacted.growth);
    assert_eq!(compacted.snapshot, after.snapshot, "compacting is no commit");
    assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 10);
    assert!(rewrite(1).snapshot > after.snapshot);
}

#[test]
fn a_store_opened_twice_under_two_names_is_one_store() {
    let (dir, store) = open();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(store.path(), &link).unwrap();
    let again = LmdbStore::open(&link, &options()).unwrap();
    store.write(&mut |txn| txn.put(A, b"k", b"v")).unwrap();
    assert_eq!(again.read_with(|txn| txn.count(A)).unwrap(), 1);
    assert_eq!(again.snapshot().unwrap(), store.snapshot().unwrap());
    drop(store);
    again.write(&mut |txn| txn.put(A, b"k2", b"v")).unwrap();

    const C: Table = Table::new("c");
    let more = LmdbStore::open(&link, &StoreOptions::with_tables(&[A, B, C])).unwrap_err();
    assert!(matches!(more, ContextError::Core(Error::UnknownTable(C))), "tables are opened once, at the start");
    drop(again);
    let more = LmdbStore::open(&link, &StoreOptions::with_tables(&[A, B, C])).unwrap();
    assert_eq!(more.read_with(|txn| Ok((txn.count(A)?, txn.count(C)?))).unwrap(), (2, 0));
}

#[test]
fn opening_and_closing_over_and_over_leaks_nothing() {
    let (dir, store) = open();
    drop(store);
    let path = dir.path().join("store");
    let descriptors = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let before = descriptors();
    for n in 0..50_u32 {
        let store = LmdbStore::open(&path, &options()).unwrap();
        store.write(&mut |txn| txn.put(A, &n.to_be_bytes(), b"")).unwrap();
    }
    assert!(descriptors() <= before + 40, "tests run beside each other, but not fifty times over");
    assert!(verify(&path).unwrap().is_clean());
}

#[test]
fn a_transaction_inside_another_is_refused_instead_of_waiting_forever() {
    let (_dir, store) = open();
    store
        .write(&mut |_| {
            let inner = store.write(&mut |_| Ok(())).unwrap_err();
            assert_eq!(inner.kind(), ErrorKind::InvalidInput);
            assert!(store.read(&mut |_| Ok(())).is_err());
            Ok(())
        })
        .unwrap();
    let (_other_dir, other) = open();
    store.read(&mut |_| other.write(&mut |txn| txn.put(A, b"k", b"v")).map(drop)).unwrap();
}

#[test]
fn a_missing_store_is_only_made_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/er/store");
    for unasked in [StoreOptions { create: false, ..options() }, StoreOptions { read_only: true, ..options() }] {
        let error = LmdbStore::open(&path, &unasked).unwrap_err();
        assert!(matches!(error, ContextError::StoreMissing { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert!(!dir.path().join("deep").exists());
    assert!(LmdbStore::open(&path, &options()).is_ok());

    let foreign = dir.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("letter.txt"), "dear").unwrap();
    assert!(matches!(LmdbStore::open(&foreign, &options()), Err(ContextError::NotAStore { .. })));
    std::fs::write(foreign.join("data.mdb"), vec![0; 65_536]).unwrap();
    assert!(matches!(LmdbStore::open(&foreign, &options()), Err(ContextError::NotAStore { .. })));
    assert!(foreign.join("letter.txt").exists());
}

#[test]
fn a_read_only_handle_reads_and_says_why_it_does_not_write() {
    let (dir, store) = open();
    store.write(&mut |txn| txn.put(A, b"k", b"v")).unwrap();
    let read_only = StoreOptions { read_only: true, ..options() };
    let shared = LmdbStore::open(store.path(), &read_only).unwrap();
    assert!(shared.is_read_only() && !store.is_read_only());
    drop((store, shared));
    let path = dir.path().join("store");
    let alone = LmdbStore::open(&path, &read_only).unwrap();
    assert_eq!(alone.read_with(|txn| txn.count(A)).unwrap(), 1);
    let error = alone.write(&mut |txn| txn.put(A, b"k", b"v2")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert!(error.hint().is_some());
    assert!(alone.compact().is_err());
    assert!(matches!(LmdbStore::open(&path, &options()), Err(ContextError::ReadOnlyStore { .. })));
}

#[test]
fn a_backup_comes_back_as_another_store_with_the_same_contents() {
    let (dir, store) = open();
    store.write(&mut |txn| (0..3_000_u32).try_for_each(|n| txn.put(A, &n.to_be_bytes(), &[n as u8; 40]))).unwrap();
    let at = store.snapshot().unwrap();
    let backup = dir.path().join("backups").join("one");
    std::fs::create_dir(dir.path().join("backups")).unwrap();
    let manifest = store.backup(&backup).unwrap();
    assert_eq!(manifest.snapshot, at.to_string());
    assert_eq!(read_manifest(&backup).unwrap(), manifest);
    assert!(matches!(store.backup(&backup), Err(ContextError::Exists { .. })));

    store.write(&mut |txn| txn.delete_range(A, &KeyRange::all()).map(drop)).unwrap();
    assert!(matches!(restore(&backup, store.path(), &options()), Err(ContextError::InUse { .. })), "we have it open");
    let path = store.path().to_owned();
    drop(store);
    restore(&backup, &path, &options()).unwrap();
    let store = LmdbStore::open(&path, &options()).unwrap();
    assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 3_000);
    assert_ne!(store.snapshot().unwrap().store, at.store, "its snapshots are its own");
    let fresh = dir.path().join("elsewhere");
    restore(&backup, &fresh, &options()).unwrap();
    assert!(verify(&fresh).unwrap().is_clean());
}

#[test]
fn a_damaged_backup_replaces_nothing() {
    let (dir, store) = open();
    store.write(&mut |txn| txn.put(A, b"k", b"v")).unwrap();
    let backup = dir.path().join("backup");
    store.backup(&backup).unwrap();
    let path = store.path().to_owned();
    drop(store);
    let data = backup.join("data.mdb");
    let clean = std::fs::read(&data).unwrap();
    for at in [0, 5_000, clean.len() - 1] {
        let mut bytes = clean.clone();
        bytes[at] ^= 1;
        std::fs::write(&data, bytes).unwrap();
        let error = restore(&backup, &path, &options()).unwrap_err();
        assert!(matches!(error, ContextError::BadBackup { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    std::fs::remove_file(backup.join("manifest.json")).unwrap();
    assert!(matches!(restore(&backup, &path, &options()), Err(ContextError::NotABackup { .. })));
    let store = LmdbStore::open(&path, &options()).unwrap();
    assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 1);
}

#[test]
fn quarantine_moves_and_never_deletes() {
    let (dir, store) = open();
    let path = store.path().to_owned();
    assert!(matches!(quarantine(&path), Err(ContextError::InUse { .. })));
    drop(store);
    assert_eq!(quarantine(&path).unwrap(), dir.path().canonicalize().unwrap().join("store.damaged-1"));
    drop(LmdbStore::open(&path, &options()).unwrap());
    assert!(quarantine(&path).unwrap().ends_with("store.damaged-2"));
    assert!(verify(&dir.path().join("store.damaged-1")).unwrap().is_clean());
}

#[test]
fn a_retired_store_is_kept_until_its_successor_is_complete() {
    let (dir, store) = open();
    let path = store.path().to_owned();
    assert!(matches!(retire(&path), Err(ContextError::InUse { .. })));
    drop(store);
    assert!(retire(&path).unwrap().ends_with("store.replaced-1"));
    drop(LmdbStore::open(&path, &options()).unwrap());
    assert!(quarantine(&path).unwrap().ends_with("store.damaged-1"));
    for other in ["store.replaced-x", "store.replaced-", "other.replaced-1", "store.replaced-1.bak"] {
        std::fs::create_dir(dir.path().join(other)).unwrap();
    }
    let names = |old: &[SetAside]| -> Vec<_> {
        old.iter().map(|old| (old.path.file_name().unwrap().to_str().unwrap().to_owned(), old.damaged)).collect()
    };
    let old = set_aside(&path).unwrap();
    assert_eq!(names(&old), [("store.damaged-1".into(), true), ("store.replaced-1".into(), false)]);
    assert!(old.iter().all(|old| old.bytes > 4096));
    remove_replaced(&path).unwrap();
    assert_eq!(names(&set_aside(&path).unwrap()), [("store.damaged-1".into(), true)]);
    assert!(dir.path().join("other.replaced-1").exists() && dir.path().join("store.replaced-x").exists());
    assert_eq!(set_aside(&dir.path().join("nowhere/store")).unwrap(), []);
}
