//! What needs a look inside: formats, growth, the walker, and what opening does with damage.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nootropic_core::{ErrorKind, KeyRange, Store, StoreExt, Table};

use super::layout::Metas;
use super::migrate::{Plan, Step};
use super::*;
use crate::Error;

const A: Table = Table::new("a");
const B: Table = Table::new("b");

fn options() -> StoreOptions {
    StoreOptions { min_free_bytes: 0, ..StoreOptions::with_tables(&[A, B]) }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    (dir, store)
}

fn open_planned(dir: &Path, options: &StoreOptions, plan: &Plan) -> Result<LmdbStore> {
    let shared = open::open(dir, options, plan)?;
    Ok(LmdbStore { read_only: shared.read_only, shared })
}

/// A store with small, large and deleted values, closed in order.
fn filled(dir: &Path) {
    let store = LmdbStore::open(dir, &options()).unwrap();
    for round in 0..4_u32 {
        store
            .write(&mut |txn| {
                for n in 0..400_u32 {
                    let value = vec![n as u8; (n as usize * 7 + round as usize) % 300];
                    txn.put(A, &(n.wrapping_mul(2_654_435_761)).to_be_bytes(), &value)?;
                }
                for n in 0..4_u32 {
                    txn.put(B, format!("long {n}").as_bytes(), &vec![round as u8; 3_000 + 9_000 * n as usize])?;
                }
                txn.delete_range(A, &KeyRange::prefix(&[round as u8 * 16]))?;
                Ok(())
            })
            .unwrap();
    }
}

const TO_1: Step = Step {
    from: 0,
    tables: |old| old.iter().map(|name| if name == "old" { "a".to_owned() } else { name.clone() }).collect(),
    run: |old, target| old.each("old", &mut |key, value| target.put("a", key, &value[frame::FRAME_LEN..])),
};

#[test]
fn an_older_store_is_migrated_whole_and_keeps_its_numbers() {
    const OLD: Table = Table::new("old");
    let (_guard, dir) = place();
    let v0 = Plan { format: 0, steps: &[] };
    let old =
        open_planned(&dir, &StoreOptions { min_free_bytes: 0, ..StoreOptions::with_tables(&[OLD]) }, &v0).unwrap();
    let mut before = old.snapshot().unwrap();
    for n in 0..5_u8 {
        before = old.write(&mut |txn| txn.put(OLD, &[n], &vec![n; 5_000])).unwrap();
    }
    drop(old);

    let no_way = open_planned(&dir, &options(), &migrate::PLAN).unwrap_err();
    assert!(matches!(no_way, Error::OlderFormat { found: 0, supported: 1, .. }), "{no_way}");
    assert_eq!(no_way.kind(), ErrorKind::UnsupportedVersion);

    let v1 = Plan { format: 1, steps: &[TO_1] };
    let read_only = StoreOptions { read_only: true, ..options() };
    assert!(matches!(open_planned(&dir, &read_only, &v1), Err(Error::OlderFormat { .. })));

    let new = open_planned(&dir, &options(), &v1).unwrap();
    assert_eq!(new.snapshot().unwrap().store, before.store);
    assert!(new.snapshot().unwrap().commit >= before.commit, "commits are numbered upward");
    let value = new.read_with(|txn| Ok(txn.get(A, &[3])?.map(<[u8]>::to_vec))).unwrap();
    assert_eq!(value, Some(vec![3; 5_000]));
    drop(new);
    assert_eq!(fs::read_dir(dir.parent().unwrap()).unwrap().count(), 2, "the store and its lock, nothing else");
    assert!(verify(&dir).unwrap().is_clean());
}

#[test]
fn a_failed_migration_leaves_the_old_store() {
    let (_guard, dir) = place();
    let v0 = Plan { format: 0, steps: &[] };
    drop(open_planned(&dir, &options(), &v0).unwrap());
    let failing = Step { run: |_, _| Err(Error::Closed { path: PathBuf::new() }), ..TO_1 };
    let steps: &'static [Step] = Box::leak(Box::new([failing]));
    assert!(matches!(open_planned(&dir, &options(), &Plan { format: 1, steps }), Err(Error::Closed { .. })));
    assert!(open_planned(&dir, &options(), &v0).is_ok());
    assert_eq!(fs::read_dir(dir.parent().unwrap()).unwrap().count(), 2);
}

#[test]
fn a_newer_store_is_refused_with_both_numbers() {
    let (_guard, dir) = place();
    drop(open_planned(&dir, &options(), &Plan { format: 7, steps: &[] }).unwrap());
    let error = LmdbStore::open(&dir, &options()).unwrap_err();
    assert!(matches!(error, Error::NewerFormat { found: 7, supported: 1, .. }), "{error}");
    assert!(matches!(verify(&dir), Err(Error::NewerFormat { found: 7, .. })));
}

#[test]
fn a_map_that_is_full_grows_and_the_body_runs_again() {
    let (_guard, dir) = place();
    let store = LmdbStore::open(&dir, &StoreOptions { map_size: 1 << 20, ..options() }).unwrap();
    let mut runs = 0;
    store
        .write(&mut |txn| {
            runs += 1;
            for n in 0..5_000_u32 {
                txn.put(A, &n.to_be_bytes(), &[7; 1_000])?;
            }
            Ok(())
        })
        .unwrap();
    assert!(runs > 1, "a map of 1 MiB does not hold 5 MB");
    assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 5_000);
    assert!(store.stats().unwrap().map_bytes > 5_000_000);
}

#[test]
fn the_walker_counts_what_lmdb_counts() {
    let (_guard, dir) = place();
    filled(&dir);
    let report = verify(&dir).unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
    assert_eq!(report.leaked_pages, 0);
    let store = LmdbStore::open(&dir, &options()).unwrap();
    for table in [A, B] {
        let (mut entries, mut bytes) = (0, 0);
        store
            .read(&mut |txn| {
                txn.scan(table, &KeyRange::all(), &mut |key, value| {
                    entries += 1;
                    bytes += (key.len() + value.len()) as u64;
                    Ok(std::ops::ControlFlow::Continue(()))
                })
            })
            .unwrap();
        let walked = report.tables.iter().find(|walked| walked.name == table.name()).unwrap();
        assert_eq!((walked.entries, walked.bytes), (entries, bytes), "{table}");
    }
    assert_eq!(report.snapshot, Some(store.snapshot().unwrap().to_string()));
}

/// Flips bits all over the file: each flip is reported, or lies where nothing that is in use can see it.
#[test]
fn the_walker_survives_every_flip_and_misses_none_that_matters() {
    let (_guard, dir) = place();
    filled(&dir);
    let path = dir.join(DATA_FILE);
    let clean = fs::read(&path).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let reference = contents(&clean_copy(&clean));
    let (mut reported, mut silent) = (0, 0);
    // Anywhere, and above all in the headers, which LMDB trusts.
    let anywhere = (0..clean.len()).step_by(clean.len() / 400);
    let headers = (0..clean.len()).step_by(4096).enumerate().map(|(page, start)| start + page % 24);
    for at in anywhere.chain(headers) {
        let bit = 1 << (at % 7);
        file.write_all_at(&[clean[at] ^ bit], at as u64).unwrap();
        match verify(&dir) {
            Ok(report) if report.is_clean() => {
                silent += 1;
                // What the walker passes, LMDB reads, and reads as it was.
                let copy = clean_copy(&fs::read(&path).unwrap());
                assert_eq!(contents(&copy), reference, "silent damage at byte {at}");
            }
            _ => reported += 1,
        }
        file.write_all_at(&[clean[at]], at as u64).unwrap();
    }
    assert!(reported > 100, "{reported} reported, {silent} in unused places");
}

fn clean_copy(bytes: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("store")).unwrap();
    fs::write(dir.path().join("store").join(DATA_FILE), bytes).unwrap();
    dir
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn contents(dir: &tempfile::TempDir) -> Vec<Entries> {
    entries(&dir.path().join("store"))
}

fn entries(store: &Path) -> Vec<Entries> {
    let read_only = StoreOptions { read_only: true, ..options() };
    let store = LmdbStore::open(store, &read_only).unwrap();
    let all = |table| {
        store.read_with(|txn| {
            let mut entries = Entries::new();
            txn.scan(table, &KeyRange::all(), &mut |key, value| {
                entries.push((key.to_vec(), value.to_vec()));
                Ok(std::ops::ControlFlow::Continue(()))
            })?;
            Ok(entries)
        })
    };
    vec![all(A).unwrap(), all(B).unwrap()]
}

#[test]
fn a_file_that_went_back_is_noticed() {
    let (_guard, dir) = place();
    filled(&dir);
    let path = dir.join(DATA_FILE);
    let old = fs::read(&path).unwrap();
    let store = LmdbStore::open(&dir, &options()).unwrap();
    for n in 0..3_u8 {
        store.write(&mut |txn| txn.put(A, &[n], b"later")).unwrap();
    }
    drop(store);
    fs::write(&path, old).unwrap();
    let error = LmdbStore::open(&dir, &options()).unwrap_err();
    assert!(matches!(error, Error::RolledBack { expected, found, .. } if expected == found + 3), "{error}");
}

#[test]
fn a_changed_meta_page_is_noticed_or_makes_no_difference() {
    let (_guard, dir) = place();
    filled(&dir);
    let path = dir.join(DATA_FILE);
    let clean = fs::read(&path).unwrap();
    let newest = Metas::read(&File::open(&path).unwrap()).unwrap().newest.txn;
    let reference = entries(&dir);
    for page in 0..2 {
        for byte in 16..152 {
            let mut bad = clean.clone();
            bad[4096 * page + byte] ^= 1;
            fs::write(&path, &bad).unwrap();
            match LmdbStore::open(&dir, &StoreOptions { read_only: true, ..options() }) {
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {byte} of meta page {page}: {error}"),
                Ok(_) => {
                    assert_ne!(newest & 1, page as u64, "byte {byte} of the newest meta page");
                    assert_eq!(entries(&dir), reference, "byte {byte} of meta page {page}");
                }
            }
        }
    }
}

#[test]
fn a_store_cut_short_anywhere_is_refused() {
    let (_guard, dir) = place();
    filled(&dir);
    let path = dir.join(DATA_FILE);
    let clean = fs::read(&path).unwrap();
    for n in 0..200 {
        let len = clean.len() * n / 200;
        fs::write(&path, &clean[..len]).unwrap();
        let error = LmdbStore::open(&dir, &options()).unwrap_err();
        assert!(matches!(error, Error::Truncated { found, .. } if found == len as u64), "{len} bytes: {error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("restore")));
    }
}

#[test]
fn what_a_failed_commit_left_at_the_end_may_be_lost() {
    let (_guard, dir) = place();
    let store = LmdbStore::open(&dir, &options()).unwrap();
    store.write(&mut |txn| txn.put(A, b"k", b"v")).unwrap();
    let path = dir.join(DATA_FILE);
    let len = fs::metadata(&path).unwrap().len();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(len + (64 << 10)).unwrap();
    drop(store);
    file.set_len(len).unwrap(); // a power cut
    let store = LmdbStore::open(&dir, &options()).unwrap();
    assert_eq!(store.read_with(|txn| txn.count(A)).unwrap(), 1);
}

#[test]
fn a_mark_left_behind_means_a_check_and_damage_is_then_found() {
    let (_guard, dir) = place();
    filled(&dir);
    fs::write(dir.join("unclean-0"), b"").unwrap();
    drop(LmdbStore::open(&dir, &options()).unwrap());
    assert!(!dir.join("unclean-0").exists(), "a store found whole is clean again");

    damage_long_value(&dir);
    fs::write(dir.join("unclean-0"), b"").unwrap();
    let error = LmdbStore::open(&dir, &options()).unwrap_err();
    assert!(matches!(error, Error::Damaged { count: 1, .. }), "{error}");
    assert!(dir.join("unclean-0").exists(), "a damaged store stays marked");
}

#[test]
fn a_damaged_record_is_an_error_and_ends_writing() {
    let (_guard, dir) = place();
    filled(&dir);
    let store = LmdbStore::open(&dir, &options()).unwrap();
    damage_long_value(&dir); // while it is open: nobody walks it now
    let read =
        store.read(&mut |txn| txn.scan(B, &KeyRange::all(), &mut |_, _| Ok(std::ops::ControlFlow::Continue(()))));
    assert!(matches!(&read, Err(nootropic_core::Error::Corrupt { table, .. }) if table == "b"), "{read:?}");
    let write = store.write(&mut |txn| txn.put(A, b"k", b"v")).unwrap_err();
    assert_eq!(write.kind(), ErrorKind::Corrupt);
    assert!(write.hint().is_some());
    drop(store);
    // The next one, which may write before it reads the record, learns of it.
    let error = LmdbStore::open(&dir, &options()).unwrap_err();
    assert!(matches!(error, Error::Damaged { count: 1, .. }), "{error}");
}

/// Changes a bit inside a live long value.
fn damage_long_value(dir: &Path) {
    let path = dir.join(DATA_FILE);
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(64).rposition(|window| window == [3; 64]).unwrap() + 32;
    std::thread::sleep(std::time::Duration::from_millis(20)); // older kernels tell times of files apart by ticks
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[bytes[at] ^ 4], at as u64).unwrap();
}

#[test]
fn a_store_that_was_closed_in_order_and_then_touched_is_walked() {
    let (_guard, dir) = place();
    filled(&dir);
    let anchor = || fs::read(dir.join(shutdown::ANCHOR_FILE)).unwrap();
    let noted = anchor();
    drop(LmdbStore::open(&dir, &options()).unwrap());
    assert_eq!(anchor(), noted, "opening and closing changes nothing");

    // A copy with the same bytes is whole, and known from then on.
    let path = dir.join(DATA_FILE);
    fs::write(&path, fs::read(&path).unwrap()).unwrap();
    drop(LmdbStore::open(&dir, &options()).unwrap());
    assert_ne!(anchor(), noted);

    damage_long_value(&dir);
    let error = LmdbStore::open(&dir, &options()).unwrap_err();
    assert!(matches!(error, Error::Damaged { count: 1, .. }), "{error}");
}

#[test]
fn damage_done_while_a_store_is_open_is_found_by_the_next_opener() {
    let (_guard, dir) = place();
    filled(&dir);
    let store = LmdbStore::open(&dir, &options()).unwrap();
    damage_long_value(&dir);
    drop(store); // without having read it
    let error = LmdbStore::open(&dir, &options()).unwrap_err();
    assert!(matches!(error, Error::Damaged { count: 1, .. }), "{error}");
}

#[test]
fn backups_that_were_cut_off_are_removed_by_the_next_backup() {
    let (guard, dir) = place();
    filled(&dir);
    let store = LmdbStore::open(&dir, &options()).unwrap();
    let at = |name: &str| guard.path().join(name);
    let dead = at("monday.tmp-0badcafe");
    let alive = at("tuesday.tmp-0badcafe");
    let foreign = at("photos.tmp-0badcafe");
    for draft in [&dead, &alive, &foreign] {
        fs::create_dir(draft).unwrap();
        fs::write(draft.join(DATA_FILE), b"half").unwrap();
    }
    fs::write(foreign.join("cat.jpg"), b"not ours").unwrap();
    let claim = File::open(&alive).unwrap();
    claim.lock().unwrap();
    store.backup(&at("wednesday")).unwrap();
    assert!(!dead.exists(), "what a killed process left");
    assert!(alive.exists(), "someone works on it");
    assert!(foreign.exists(), "only looks like one of ours");
}

#[test]
fn leftovers_of_a_crash_are_removed_and_a_half_done_swap_is_undone() {
    let (_guard, dir) = place();
    filled(&dir);
    let leftover = files::sibling(&dir, ".tmp-0badcafe");
    fs::create_dir(&leftover).unwrap();
    fs::write(leftover.join(DATA_FILE), b"torn").unwrap();
    fs::rename(&dir, files::sibling(&dir, ".old")).unwrap();
    let store = LmdbStore::open(&dir, &options()).unwrap();
    assert!(store.read_with(|txn| txn.count(B)).unwrap() > 0);
    assert!(!leftover.exists());
}

#[test]
fn no_flag_that_trades_safety_for_speed_is_set() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let forbidden = ["NO_SYNC", "NO_META_SYNC", "MAP_ASYNC", "WRITE_MAP", "NO_LOCK", "NO_MEM_INIT"];
    let mut seen = 0;
    for entry in fs::read_dir(here).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            seen += usize::from(line.contains("EnvFlags::READ_ONLY"));
            let flag = forbidden.iter().find(|flag| line.contains(&format!("EnvFlags::{flag}")));
            assert_eq!(flag, None, "in {}: {line}", entry.path().display());
        }
    }
    assert!(seen > 0, "the one flag that is set was not found: does this test still read the right files?");
}
