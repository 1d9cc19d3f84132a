//! What every [`Store`] must do.

use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::store::{KeyRange, MAX_KEY_LEN, ReadTxn, Snapshot, Store, StoreExt, Table, WriteTxn};
use crate::{Error, ErrorKind, Result};

/// The tables that [`store_suite`] and [`durable_store_suite`] need declared.
pub const TABLES: [Table; 2] = [A, B];

const A: Table = Table::new("suite-a");
const B: Table = Table::new("suite-b");
const UNDECLARED: Table = Table::new("suite-undeclared");

/// How long one side of a race waits for the other before the suite calls it stuck.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 10 });

/// Checks a [`Store`] against its contract.
///
/// `make` gives a fresh, empty store with the tables [`TABLES`]; it is called once a clause. The stores may be larger than
/// 16 MiB for a moment, so a store of fixed size needs that much room.
///
/// # Panics
/// With the first clause that does not hold.
pub fn store_suite(make: impl Fn() -> Box<dyn Store>) {
    let clauses: &[fn(Arc<dyn Store>)] = &[
        starts_empty,
        keeps_what_is_put,
        refuses_bad_keys,
        refuses_unknown_tables,
        scans_in_key_order,
        scans_until_told,
        removes,
        sees_its_own_changes,
        forgets_failed_writes,
        forgets_panicked_writes,
        numbers_commits,
        reads_one_commit,
        reads_without_waiting,
        writes_in_turn,
        commits_tables_together,
        holds_many_entries,
    ];
    for clause in clauses {
        clause(make().into());
    }
    differs_from(&*make(), &*make());
}

/// Checks that a store finds again what was committed before it was closed.
///
/// `open` opens the same place each time, empty at first, with the tables [`TABLES`]; the store of the previous call has
/// been dropped by then.
///
/// # Panics
/// With the first clause that does not hold.
pub fn durable_store_suite(open: impl Fn() -> Box<dyn Store>) {
    let store = open();
    let written = put(&*store, A, b"kept", b"1");
    fail(&*store, |txn| txn.put(A, b"dropped", b"1"));
    drop(store);

    let store = open();
    let clause = "a committed write is found again after closing and opening";
    check(clause, get(&*store, A, b"kept") == Some(b"1".to_vec()), || "the value was not there".into());
    let clause = "a failed write is never seen, not even after closing and opening";
    check(clause, get(&*store, A, b"dropped").is_none(), || "its value was there".into());
    let clause = "a store is in the same state after closing and opening";
    let found = snapshot(&*store);
    check(clause, found == written, || format!("{written} before, {found} after"));
    let clause = "commits are numbered upward across opening";
    let next = put(&*store, A, b"kept", b"2");
    check(clause, next.store == written.store && next.commit > written.commit, || format!("{written}, then {next}"));
}

#[track_caller]
fn check(clause: &str, holds: bool, saw: impl FnOnce() -> String) {
    super::check("store", clause, holds, saw);
}

/// The value of something that the contract says succeeds.
#[track_caller]
fn ok<T>(result: Result<T>, what: &str) -> T {
    result.unwrap_or_else(|error| super::broken("store", &format!("{what} succeeds"), &format!("error: {error}")))
}

#[track_caller]
fn put(store: &dyn Store, table: Table, key: &[u8], value: &[u8]) -> Snapshot {
    ok(store.write(&mut |txn| txn.put(table, key, value)), "a write of one small value")
}

#[track_caller]
fn get(store: &dyn Store, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    ok(store.read_with(|txn| Ok(txn.get(table, key)?.map(<[u8]>::to_vec))), "reading a value")
}

#[track_caller]
fn count(store: &dyn Store, table: Table) -> u64 {
    ok(store.read_with(|txn| txn.count(table)), "counting a table")
}

#[track_caller]
fn snapshot(store: &dyn Store) -> Snapshot {
    ok(store.read_with(|txn| Ok(txn.snapshot())), "reading the snapshot")
}

/// Runs a write whose body ends in an error of the suite's own.
#[track_caller]
fn fail(store: &dyn Store, mut body: impl FnMut(&mut dyn WriteTxn) -> Result<()>) {
    let result = store.write(&mut |txn| {
        body(txn)?;
        Err(Error::failed("suite", ErrorKind::Timeout, "on purpose"))
    });
    let own = matches!(&result, Err(Error::Failed { op, kind: ErrorKind::Timeout, .. }) if op == "suite");
    check("the error of a body is returned as it is", own, || format!("{result:?}"));
}

fn keys(txn: &(impl ReadTxn + ?Sized), table: Table, range: &KeyRange) -> Result<Vec<Vec<u8>>> {
    let mut keys = Vec::new();
    txn.scan(table, range, &mut |key, _| {
        keys.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(keys)
}

fn starts_empty(store: Arc<dyn Store>) {
    let clause = "a fresh store is empty";
    for table in TABLES {
        check(clause, get(&*store, table, b"key").is_none(), || format!("{table} has a value"));
        check(clause, count(&*store, table) == 0, || format!("{table} has entries"));
        let found = ok(store.read_with(|txn| keys(txn, table, &KeyRange::all())), "scanning an empty table");
        check(clause, found.is_empty(), || format!("a scan of {table} found {found:?}"));
    }
}

fn keeps_what_is_put(store: Arc<dyn Store>) {
    let clause = "a committed value is read back byte for byte";
    let large: Vec<u8> = (0..4_u32 << 20).map(|i| ((i * 31) >> 3) as u8).collect();
    let longest = [0xff; MAX_KEY_LEN];
    let entries: [(&[u8], &[u8]); 5] =
        [(b"k", b"v"), (b"\0", b""), (&longest, b"\0\xff"), (b"large", &large), (b"replaced", b"old")];
    for (key, value) in entries {
        put(&*store, A, key, value);
    }
    put(&*store, A, b"replaced", b"new, and longer");
    for (key, value) in &entries[..4] {
        let found = get(&*store, A, key);
        check(clause, found.as_deref() == Some(value), || {
            format!(
                "key of {} bytes, value of {}: {:?} bytes came back",
                key.len(),
                value.len(),
                found.map(|v| v.len())
            )
        });
    }
    let found = get(&*store, A, b"replaced");
    check("a second put replaces the value", found.as_deref() == Some(b"new, and longer"), || format!("{found:?}"));
    check("a table counts its keys", count(&*store, A) == 5, || format!("{} instead of 5", count(&*store, A)));
    check("tables do not share keys", count(&*store, B) == 0, || "a key came up in another table".into());
}

fn refuses_bad_keys(store: Arc<dyn Store>) {
    for len in [0, MAX_KEY_LEN + 1] {
        let key = vec![b'k'; len];
        let result = store.write(&mut |txn| txn.put(A, &key, b"v"));
        let refused = matches!(result, Err(Error::KeyLength { got, max: MAX_KEY_LEN }) if got == len);
        let clause = "a key without bytes or longer than the longest is refused with both numbers";
        check(clause, refused, || format!("key of {len} bytes: {result:?}"));
        let clause = "a key that cannot be stored is not there";
        let found = store.read_with(|txn| Ok(txn.get(A, &key)?.is_none()));
        check(clause, matches!(found, Ok(true)), || format!("get of {len} bytes: {found:?}"));
        let removed = store.write_with(|txn| txn.delete(A, &key));
        check(clause, matches!(removed, Ok((false, _))), || format!("delete of {len} bytes: {removed:?}"));
    }
}

fn refuses_unknown_tables(store: Arc<dyn Store>) {
    let all = KeyRange::all();
    let results: [(&str, Result<()>); 6] = [
        ("get", store.read(&mut |txn| txn.get(UNDECLARED, b"k").map(drop))),
        ("scan", store.read(&mut |txn| keys(txn, UNDECLARED, &all).map(drop))),
        ("count", store.read(&mut |txn| txn.count(UNDECLARED).map(drop))),
        ("put", store.write(&mut |txn| txn.put(UNDECLARED, b"k", b"v")).map(drop)),
        ("delete", store.write(&mut |txn| txn.delete(UNDECLARED, b"k").map(drop)).map(drop)),
        ("delete_range", store.write(&mut |txn| txn.delete_range(UNDECLARED, &all).map(drop)).map(drop)),
    ];
    for (op, result) in results {
        let refused = matches!(result, Err(Error::UnknownTable(UNDECLARED)));
        check("a table that was not declared is refused", refused, || format!("{op}: {result:?}"));
    }
}

fn scans_in_key_order(store: Arc<dyn Store>) {
    let sorted: [&[u8]; 8] = [b"\0", b"a", b"a\0", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\xff\xff"];
    let put_all = |txn: &mut dyn WriteTxn| {
        [5, 2, 7, 0, 3, 6, 1, 4].into_iter().try_for_each(|i: usize| txn.put(A, sorted[i], &[i as u8]))
    };
    ok(store.write(&mut { put_all }), "a write of eight keys");
    let (incl, excl) = (|k: &[u8]| Bound::Included(k.to_vec()), |k: &[u8]| Bound::Excluded(k.to_vec()));
    let long = [b'a'; MAX_KEY_LEN + 9];
    let ranges = [
        ("all", KeyRange::all(), 0..8),
        ("prefix a", KeyRange::prefix(b"a"), 1..5),
        ("prefix a ff", KeyRange::prefix(b"a\xff"), 3..5),
        ("prefix ff", KeyRange::prefix(b"\xff"), 6..8),
        ("empty prefix", KeyRange::prefix(b""), 0..8),
        ("prefix of nothing", KeyRange::prefix(b"ab"), 0..0),
        ("from b", KeyRange::from(b"b"), 5..8),
        ("from nothing", KeyRange::from(b""), 0..8),
        ("from between two keys", KeyRange::from(b"aa"), 3..8),
        ("after a up to b", KeyRange { start: excl(b"a"), end: incl(b"b") }, 2..6),
        ("a up to before b", KeyRange { start: incl(b"a"), end: excl(b"b") }, 1..5),
        ("only a", KeyRange { start: incl(b"a"), end: incl(b"a") }, 1..2),
        ("after a, before a", KeyRange { start: excl(b"a"), end: excl(b"a") }, 0..0),
        ("b to a", KeyRange { start: incl(b"b"), end: incl(b"a") }, 0..0),
        ("up to the empty key", KeyRange { start: Bound::Unbounded, end: incl(b"") }, 0..0),
        ("a bound longer than any key", KeyRange::from(&long), 3..8),
        ("two bounds longer than any key", KeyRange::prefix(&long), 0..0),
    ];
    for (name, range, expected) in ranges {
        let found = ok(store.read_with(|txn| keys(txn, A, &range)), &format!("a scan of {name}"));
        let clause = "a scan visits every key of its range, in the order of their bytes";
        check(clause, found == sorted[expected], || format!("{name}: {found:?}"));
        let clause = "delete_range removes what a scan of the range visits";
        let removed = store.write_with(|txn| {
            let removed = txn.delete_range(A, &range)?;
            put_all(txn)?;
            Ok(removed)
        });
        check(clause, matches!(removed, Ok((n, _)) if n == found.len() as u64), || format!("{name}: {removed:?}"));
    }
}

fn scans_until_told(store: Arc<dyn Store>) {
    ok(store.write(&mut |txn| (0..9_u8).try_for_each(|i| txn.put(A, &[i], &[i, i]))), "a write of nine keys");
    let mut seen = Vec::new();
    let stopped = store.read(&mut |txn| {
        seen.clear();
        txn.scan(A, &KeyRange::from(&[2]), &mut |key, value| {
            seen.push((key.to_vec(), value.to_vec()));
            Ok(if key == [4] { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    });
    let expected: Vec<_> = (2..=4_u8).map(|i| (vec![i], vec![i, i])).collect();
    check("a scan stops when told to", stopped.is_ok() && seen == expected, || {
        format!("{stopped:?}, visited {seen:?}")
    });

    let mut visits = 0;
    let failed = store.read(&mut |txn| {
        visits = 0;
        txn.scan(A, &KeyRange::all(), &mut |_, _| {
            visits += 1;
            Err(Error::Cancelled)
        })
    });
    let clause = "an error of the visitor ends the scan and is returned";
    check(clause, matches!(failed, Err(Error::Cancelled)) && visits == 1, || {
        format!("{failed:?} after {visits} visits")
    });
}

fn removes(store: Arc<dyn Store>) {
    ok(store.write(&mut |txn| (0..9_u8).try_for_each(|i| txn.put(A, &[i], b"v"))), "a write of nine keys");
    let (first, _) = ok(store.write_with(|txn| txn.delete(A, &[3])), "a delete");
    let (second, _) = ok(store.write_with(|txn| txn.delete(A, &[3])), "a delete of what is not there");
    check("delete says whether the key was there", first && !second, || format!("{first}, then {second}"));
    let range = KeyRange { start: Bound::Included(vec![2]), end: Bound::Excluded(vec![6]) };
    let (removed, _) = ok(store.write_with(|txn| txn.delete_range(A, &range)), "a delete of a range");
    check("delete_range says how many keys it removed", removed == 3, || format!("{removed} instead of 3"));
    let left = ok(store.read_with(|txn| keys(txn, A, &KeyRange::all())), "a scan");
    let expected: Vec<_> = [0, 1, 6, 7, 8].map(|i: u8| vec![i]).into();
    check("what was deleted is gone, and only that", left == expected, || format!("{left:?} left"));
}

fn sees_its_own_changes(store: Arc<dyn Store>) {
    let before = put(&*store, A, b"a", b"old");
    let clause = "a write sees its own changes";
    let (inside, _) = ok(
        store.write_with(|txn| {
            txn.put(A, b"a", b"new")?;
            txn.put(A, b"b", b"new")?;
            txn.put(A, b"c", b"new")?;
            txn.delete(A, b"c")?;
            check(clause, txn.get(A, b"a")? == Some(b"new"), || "not the value just put".into());
            check(clause, txn.get(A, b"c")?.is_none(), || "a value just deleted".into());
            check(clause, txn.count(A)? == 2, || "count does not follow".into());
            check(clause, keys(txn, A, &KeyRange::all())? == [b"a", b"b"], || "a scan does not follow".into());
            Ok(txn.snapshot())
        }),
        "a write that reads",
    );
    let clause = "inside a write, the snapshot is the one it started from";
    check(clause, inside == before, || format!("started from {before}, says {inside}"));
}

fn forgets_failed_writes(store: Arc<dyn Store>) {
    put(&*store, A, b"a", b"old");
    let before = put(&*store, B, b"b", b"old");
    fail(&*store, |txn| {
        txn.put(A, b"a", b"new")?;
        txn.put(B, b"c", b"new")?;
        txn.delete_range(B, &KeyRange::prefix(b"b")).map(drop)
    });
    unchanged(&*store, before, "nothing of a write whose body fails is ever seen");
}

fn forgets_panicked_writes(store: Arc<dyn Store>) {
    put(&*store, A, b"a", b"old");
    let before = put(&*store, B, b"b", b"old");
    let result = catch_unwind(AssertUnwindSafe(|| {
        store.write(&mut |txn| {
            txn.put(A, b"a", b"new")?;
            txn.delete(B, b"b")?;
            std::panic::resume_unwind(Box::new("on purpose")) // without the panic hook's message
        })
    }));
    check("a panic of a body is not turned into a commit", !matches!(result, Ok(Ok(_))), || format!("{result:?}"));
    unchanged(&*store, before, "nothing of a write whose body panics is ever seen");
    put(&*store, A, b"a", b"newer"); // and the store goes on
}

fn unchanged(store: &dyn Store, before: Snapshot, clause: &str) {
    let after = (get(store, A, b"a"), get(store, B, b"b"), get(store, B, b"c"), snapshot(store));
    check(clause, after == (Some(b"old".to_vec()), Some(b"old".to_vec()), None, before), || format!("{after:?}"));
}

fn numbers_commits(store: Arc<dyn Store>) {
    let mut last = snapshot(&*store);
    for i in 0..3_u8 {
        let written = put(&*store, A, b"k", &[i]);
        let clause = "a write returns the state it left, numbered upward";
        let upward = written.store == last.store && written.commit > last.commit;
        check(clause, upward, || format!("{written} after {last}"));
        let read = snapshot(&*store);
        check(clause, read == written, || format!("wrote {written}, the next read saw {read}"));
        last = written;
    }
}

fn differs_from(one: &dyn Store, other: &dyn Store) {
    let (a, b) = (snapshot(one), snapshot(other));
    check("two stores have different identities", a.store != b.store, || format!("both are {:08x}", a.store));
}

/// Runs `job` on another thread and waits for it, but not for ever.
fn elsewhere(store: &Arc<dyn Store>, clause: &str, job: impl FnOnce(&dyn Store) + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let store = Arc::clone(store);
    thread::spawn(move || {
        job(&*store);
        let _ = done.send(()); // nobody listens after the patience ran out
    });
    let came = finished.recv_timeout(PATIENCE);
    check(clause, came.is_ok(), || "the other thread failed or did not come back".into());
}

fn reads_one_commit(store: Arc<dyn Store>) {
    let before = put(&*store, A, b"a", b"old");
    let writer = Arc::clone(&store);
    let view = store.read_with(|txn| {
        elsewhere(&writer, "a write does not wait for a reader", |store| {
            ok(store.write(&mut |txn| txn.put(A, b"a", b"new").and(txn.put(B, b"b", b"new"))), "a write beside a read");
        });
        Ok((txn.get(A, b"a")?.map(<[u8]>::to_vec), txn.count(B)?, txn.snapshot()))
    });
    let view = ok(view, "a read beside a write");
    let clause = "a read sees one commit for its whole length";
    check(clause, view == (Some(b"old".to_vec()), 0, before), || format!("{view:?}"));
    check(clause, get(&*store, A, b"a") == Some(b"new".to_vec()), || "the next read does not see the commit".into());
}

fn reads_without_waiting(store: Arc<dyn Store>) {
    put(&*store, A, b"a", b"old");
    let reader = Arc::clone(&store);
    let written = store.write(&mut |txn| {
        txn.put(A, b"a", b"new")?;
        elsewhere(&reader, "a read never waits for a writer", |store| {
            let found = get(store, A, b"a");
            check("what is not committed is not seen", found == Some(b"old".to_vec()), || format!("{found:?}"));
        });
        Ok(())
    });
    ok(written, "a write beside a read");
}

fn writes_in_turn(store: Arc<dyn Store>) {
    let add_one = |txn: &mut dyn WriteTxn| {
        let old = txn.get(A, b"n")?.map_or(0, |bytes| bytes.first().copied().unwrap_or_default());
        thread::yield_now();
        txn.put(A, b"n", &[old + 1])
    };
    let add_all = || (0..25).for_each(|_| _ = ok(store.write(&mut { add_one }), "one of several writers"));
    thread::scope(|scope| (0..4).for_each(|_| _ = scope.spawn(add_all)));
    let found = get(&*store, A, b"n");
    check("writes run one after another", found == Some(vec![100]), || format!("100 increments gave {found:?}"));
}

fn commits_tables_together(store: Arc<dyn Store>) {
    let finished = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for i in 1..=50_u8 {
                ok(store.write(&mut |txn| txn.put(A, b"n", &[i]).and(txn.put(B, b"n", &[i]))), "a write of two tables");
            }
            finished.store(true, Ordering::Release);
        });
        let mut last = None;
        while !finished.load(Ordering::Acquire) {
            let read = |txn: &dyn ReadTxn| {
                let a = txn.get(A, b"n")?.map(<[u8]>::to_vec);
                thread::yield_now();
                Ok((a, txn.get(B, b"n")?.map(<[u8]>::to_vec), txn.snapshot().commit))
            };
            let (a, b, commit) = ok(store.read_with(read), "a read beside writes");
            check("tables change together", a == b, || format!("{a:?} in one table, {b:?} in the other"));
            check("reads go forward", (commit, a.clone()) >= last.clone().unwrap_or_default(), || {
                format!("{last:?}, {a:?}")
            });
            last = Some((commit, a));
        }
    });
}

fn holds_many_entries(store: Arc<dyn Store>) {
    let clause = "a large write commits as a whole";
    let key = |i: u32| i.wrapping_mul(0x9e37_79b1).to_be_bytes(); // scattered, and different for each i
    let value = [7; 1024];
    let write = |txn: &mut dyn WriteTxn| (0..8_000).try_for_each(|i| txn.put(A, &key(i), &value));
    ok(store.write(&mut { write }), "a write of 8 MiB in 8,000 entries");
    check(clause, count(&*store, A) == 8_000, || format!("{} of 8000 entries", count(&*store, A)));
    let found = ok(store.read_with(|txn| keys(txn, A, &KeyRange::all())), "a scan of 8,000 entries");
    check(clause, found.len() == 8_000 && found.is_sorted(), || format!("{} keys in a scan", found.len()));
    let (removed, _) = ok(store.write_with(|txn| txn.delete_range(A, &KeyRange::all())), "a delete of 8,000 entries");
    check(clause, removed == 8_000 && count(&*store, A) == 0, || format!("{removed} removed"));
}

#[cfg(test)]
mod tests;
