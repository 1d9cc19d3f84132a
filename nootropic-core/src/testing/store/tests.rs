//! The suite passes on a store that keeps the contract and fails on stores that break one clause each.

use std::ops::Deref;
use std::sync::{Mutex, RwLock};

use super::*;
use crate::reference::MemoryStore;
use crate::store::Visit;
use crate::testing::failure_of;

fn memory() -> MemoryStore {
    MemoryStore::new(TABLES)
}

#[test]
fn the_reference_keeps_the_contract() {
    store_suite(|| Box::new(memory()));
}

#[test]
fn a_shared_store_is_found_again() {
    let place = Arc::new(memory());
    durable_store_suite(|| Box::new(Arc::clone(&place)));
}

#[test]
fn forgetting_at_close_is_noticed() {
    let failure = failure_of(|| durable_store_suite(|| Box::new(memory())));
    assert!(failure.contains("found again after closing"), "{failure}");
}

#[test]
fn a_write_inside_a_write_is_refused_not_stuck() {
    let store = memory();
    let result = store.write(&mut |_| store.write(&mut |_| Ok(())).map(drop));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// One clause broken at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    CommitsErrors,
    CommitsPanics,
    MovesUnderReaders,
    BlocksReaders,
    TornTables,
    WritesInterleave,
    BackwardScan,
    ScanIgnoresBreak,
    MakesTables,
    CutsKeys,
    CountsWrong,
    SnapshotStuck,
    DeletesOneTooMany,
    SameIdentity,
}

#[derive(Debug)]
struct Flawed {
    inner: MemoryStore,
    flaw: Flaw,
    gate: RwLock<()>,
    interleaved: Mutex<()>,
}

fn flawed(flaw: Flaw) -> Box<dyn Store> {
    Box::new(Flawed { inner: memory(), flaw, gate: RwLock::new(()), interleaved: Mutex::new(()) })
}

/// A transaction that misbehaves as told.
struct Bent<P> {
    txn: P,
    flaw: Flaw,
}

/// A read that looks up the newest commit at each call.
struct Moving<'s>(&'s MemoryStore);

impl Store for Flawed {
    fn read(&self, body: &mut dyn FnMut(&dyn ReadTxn) -> Result<()>) -> Result<()> {
        if self.flaw == Flaw::BlocksReaders {
            let _held = self.gate.read().unwrap();
            return self.inner.read(body);
        }
        if self.flaw == Flaw::MovesUnderReaders {
            return body(&Moving(&self.inner));
        }
        let flaw = self.flaw;
        self.inner.read(&mut |txn| body(&Bent { txn, flaw }))
    }

    fn write(&self, body: &mut dyn FnMut(&mut dyn WriteTxn) -> Result<()>) -> Result<Snapshot> {
        let flaw = self.flaw;
        let mut failed = Ok(());
        let snapshot = match flaw {
            Flaw::CommitsErrors => self.inner.write(&mut |txn| {
                failed = body(txn);
                Ok(())
            }),
            Flaw::CommitsPanics => self.inner.write(&mut |txn| {
                catch_unwind(AssertUnwindSafe(|| body(txn)))
                    .unwrap_or_else(|_| Err(Error::Cancelled))
                    .or_else(|error| if matches!(error, Error::Cancelled) { Ok(()) } else { Err(error) })
            }),
            Flaw::BlocksReaders => {
                let _held = self.gate.write().unwrap();
                self.inner.write(body)
            }
            Flaw::TornTables => self.torn(body),
            Flaw::WritesInterleave => self.lost_update(body),
            _ => self.inner.write(&mut |txn| body(&mut Bent { txn, flaw })),
        };
        failed.and(snapshot).map(|snapshot| self.shown(snapshot))
    }
}

impl Flawed {
    fn shown(&self, snapshot: Snapshot) -> Snapshot {
        Snapshot { store: if self.flaw == Flaw::SameIdentity { 7 } else { snapshot.store }, ..snapshot }
    }

    /// Commits each table on its own.
    fn torn(&self, body: &mut dyn FnMut(&mut dyn WriteTxn) -> Result<()>) -> Result<Snapshot> {
        let _one_writer = self.interleaved.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let trial = copy_of(&self.inner);
        trial.write(body)?;
        copy_table(&trial, &self.inner, A)?;
        thread::sleep(Duration::from_millis(1));
        copy_table(&trial, &self.inner, B)
    }

    /// Reads in one transaction and writes in another.
    fn lost_update(&self, body: &mut dyn FnMut(&mut dyn WriteTxn) -> Result<()>) -> Result<Snapshot> {
        let trial = copy_of(&self.inner);
        trial.write(body)?;
        thread::sleep(Duration::from_micros(200));
        copy_table(&trial, &self.inner, A)?;
        copy_table(&trial, &self.inner, B)
    }
}

fn copy_of(store: &MemoryStore) -> MemoryStore {
    let copy = memory();
    for table in TABLES {
        copy_table(store, &copy, table).unwrap();
    }
    copy
}

/// Makes `table` in `to` what it is in `from`, writing only if they differ.
fn copy_table(from: &MemoryStore, to: &MemoryStore, table: Table) -> Result<Snapshot> {
    let all = |store: &MemoryStore| {
        store.read_with(|txn| {
            let mut entries = Vec::new();
            txn.scan(table, &KeyRange::all(), &mut |k, v| {
                entries.push((k.to_vec(), v.to_vec()));
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(entries)
        })
    };
    let (source, target) = (all(from)?, all(to)?);
    to.write(&mut |txn| {
        if source != target {
            txn.delete_range(table, &KeyRange::all())?;
            source.iter().try_for_each(|(k, v)| txn.put(table, k, v))?;
        }
        Ok(())
    })
}

impl<P> Bent<P> {
    fn table(&self, table: Table) -> Table {
        if self.flaw == Flaw::MakesTables && table == UNDECLARED { B } else { table }
    }
}

impl<P: Deref<Target: ReadTxn>> ReadTxn for Bent<P> {
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.txn.snapshot();
        match self.flaw {
            Flaw::SnapshotStuck => snapshot.commit = 0,
            Flaw::SameIdentity => snapshot.store = 7,
            _ => {}
        }
        snapshot
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>> {
        self.txn.get(self.table(table), key)
    }

    fn scan<'t>(&'t self, table: Table, range: &KeyRange, visit: &mut Visit<'_, 't>) -> Result<()> {
        let table = self.table(table);
        match self.flaw {
            Flaw::ScanIgnoresBreak => self.txn.scan(table, range, &mut |k, v| {
                let _ignored = visit(k, v)?;
                Ok(ControlFlow::Continue(()))
            }),
            Flaw::BackwardScan => {
                let mut entries = Vec::new();
                self.txn.scan(table, range, &mut |k, v| {
                    entries.push((k, v));
                    Ok(ControlFlow::Continue(()))
                })?;
                let _all = entries.into_iter().rev().try_for_each(|(k, v)| match visit(k, v) {
                    Ok(ControlFlow::Continue(())) => Ok(()),
                    other => Err(other),
                });
                Ok(())
            }
            _ => self.txn.scan(table, range, visit),
        }
    }

    fn count(&self, table: Table) -> Result<u64> {
        let count = self.txn.count(self.table(table))?;
        Ok(if self.flaw == Flaw::CountsWrong { count.min(4) } else { count })
    }
}

impl WriteTxn for Bent<&mut (dyn WriteTxn + '_)> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<()> {
        let key = if self.flaw == Flaw::CutsKeys { &key[..key.len().min(MAX_KEY_LEN)] } else { key };
        self.txn.put(self.table(table), key, value)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool> {
        self.txn.delete(self.table(table), key)
    }

    fn delete_range(&mut self, table: Table, range: &KeyRange) -> Result<u64> {
        let mut range = range.clone();
        if let (Flaw::DeletesOneTooMany, Bound::Excluded(end)) = (self.flaw, &range.end) {
            range.end = Bound::Included(end.clone());
        }
        self.txn.delete_range(self.table(table), &range)
    }
}

impl ReadTxn for Moving<'_> {
    fn snapshot(&self) -> Snapshot {
        self.0.read_with(|txn| Ok(txn.snapshot())).unwrap()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>> {
        let value = self.0.read_with(|txn| Ok(txn.get(table, key)?.map(<[u8]>::to_vec)))?;
        Ok(value.map(|value| &*value.leak()))
    }

    fn scan<'t>(&'t self, table: Table, range: &KeyRange, visit: &mut Visit<'_, 't>) -> Result<()> {
        let mut entries = Vec::new();
        self.0.read(&mut |txn| {
            txn.scan(table, range, &mut |k, v| {
                entries.push((k.to_vec(), v.to_vec()));
                Ok(ControlFlow::Continue(()))
            })
        })?;
        for (key, value) in entries {
            if visit(key.leak(), value.leak())?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn count(&self, table: Table) -> Result<u64> {
        self.0.read_with(|txn| txn.count(table))
    }
}

#[track_caller]
fn fails_with(flaw: Flaw, clause: &str) {
    let failure = failure_of(|| store_suite(|| flawed(flaw)));
    assert!(failure.contains(clause), "{flaw:?} failed with another clause: {failure}");
}

/// For flaws that are made so crudely that another clause would catch them first.
#[track_caller]
fn fails_at(part: fn(Arc<dyn Store>), flaw: Flaw, clause: &str) {
    let failure = failure_of(|| part(flawed(flaw).into()));
    assert!(failure.contains(clause), "{flaw:?} failed with another clause: {failure}");
}

#[test]
fn committing_after_an_error_is_noticed() {
    fails_with(Flaw::CommitsErrors, "whose body fails");
}

#[test]
fn committing_after_a_panic_is_noticed() {
    fails_with(Flaw::CommitsPanics, "a panic of a body");
}

#[test]
fn a_view_that_moves_is_noticed() {
    fails_with(Flaw::MovesUnderReaders, "one commit for its whole length");
}

#[test]
fn a_reader_that_waits_is_noticed() {
    fails_at(reads_without_waiting, Flaw::BlocksReaders, "a read never waits");
}

#[test]
fn a_writer_that_waits_for_readers_is_noticed() {
    fails_at(reads_one_commit, Flaw::BlocksReaders, "a write does not wait");
}

#[test]
fn tables_committed_apart_are_noticed() {
    fails_at(commits_tables_together, Flaw::TornTables, "tables change together");
}

#[test]
fn lost_updates_are_noticed() {
    fails_at(writes_in_turn, Flaw::WritesInterleave, "one after another");
}

#[test]
fn wrong_scans_are_noticed() {
    fails_with(Flaw::BackwardScan, "in the order of their bytes");
    fails_with(Flaw::ScanIgnoresBreak, "stops when told");
    fails_with(Flaw::DeletesOneTooMany, "delete_range");
}

#[test]
fn wrong_keys_and_tables_are_noticed() {
    fails_with(Flaw::MakesTables, "not declared");
    fails_with(Flaw::CutsKeys, "longer than the longest");
    fails_with(Flaw::CountsWrong, "counts its keys");
}

#[test]
fn wrong_snapshots_are_noticed() {
    fails_with(Flaw::SnapshotStuck, "snapshot");
    fails_with(Flaw::SameIdentity, "different identities");
}
