//! Transactions as the contract has them, on LMDB's.

use std::ops::Bound;
use std::sync::atomic::Ordering;

use heed::{MdbError, PutFlags, RoTxn, RwTxn, WithoutTls};
use nootropic_core::{Error, KeyRange, MAX_KEY_LEN, ReadTxn, Result, Snapshot, Table, Visit, WriteTxn};

use super::env;
use super::frame::FRAME_LEN;
use super::shared::Shared;
use super::tables::{Handle, Opened};

/// What both kinds of transaction read with.
#[derive(Clone, Copy)]
struct Reader<'a> {
    shared: &'a Shared,
    opened: &'a Opened,
}

impl<'a> Reader<'a> {
    fn get<'t>(self, txn: &'t RoTxn<'_>, table: Table, key: &[u8]) -> Result<Option<&'t [u8]>> {
        let (_, handle) = self.opened.table(table)?;
        let Some(db) = handle.db.filter(|_| is_key(key)) else { return Ok(None) };
        match db.get(txn, key) {
            Ok(Some(value)) => self.payload(table, handle, key, value).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    fn scan<'t>(self, txn: &'t RoTxn<'_>, table: Table, range: &KeyRange, visit: &mut Visit<'_, 't>) -> Result<()> {
        let (_, handle) = self.opened.table(table)?;
        let (Some(db), Some(bounds)) = (handle.db, bounds(range)) else { return Ok(()) };
        let entries = db.range(txn, &bounds).map_err(|error| self.failed("read", error))?;
        for entry in entries {
            let (key, value) = entry.map_err(|error| self.failed("read", error))?;
            let payload = self.payload(table, handle, key, value)?;
            if visit(key, payload)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn count(self, txn: &RoTxn<'_>, table: Table) -> Result<u64> {
        let (_, handle) = self.opened.table(table)?;
        handle.db.map_or(Ok(0), |db| db.len(txn).map_err(|error| self.failed("read", error)))
    }

    fn payload<'v>(self, table: Table, handle: &Handle, key: &[u8], value: &'v [u8]) -> Result<&'v [u8]> {
        handle.frame.open(key, value).map_err(|error| {
            self.shared.damaged.store(true, Ordering::Relaxed);
            Error::corrupt(table, key, error.to_string())
        })
    }

    fn failed(self, op: &'static str, error: heed::Error) -> Error {
        self.shared.failed(op, error).into()
    }
}

/// A view of one snapshot.
pub(super) struct View<'a> {
    reader: Reader<'a>,
    txn: RoTxn<'a, WithoutTls>,
    snapshot: Snapshot,
}

impl<'a> View<'a> {
    pub(super) fn new(shared: &'a Shared, opened: &'a Opened, txn: RoTxn<'a, WithoutTls>) -> Self {
        let snapshot = shared.snapshot(opened, txn.id() as u64);
        Self { reader: Reader { shared, opened }, txn, snapshot }
    }
}

impl ReadTxn for View<'_> {
    fn snapshot(&self) -> Snapshot {
        self.snapshot
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>> {
        self.reader.get(&self.txn, table, key)
    }

    fn scan<'t>(&'t self, table: Table, range: &KeyRange, visit: &mut Visit<'_, 't>) -> Result<()> {
        self.reader.scan(&self.txn, table, range, visit)
    }

    fn count(&self, table: Table) -> Result<u64> {
        self.reader.count(&self.txn, table)
    }
}

/// The one writer.
pub(super) struct Writer<'a> {
    reader: Reader<'a>,
    txn: RwTxn<'a>,
    snapshot: Snapshot,
    /// No smaller than each table's last key, once known.
    last: Vec<Option<Vec<u8>>>,
    framed: Vec<u8>,
    /// Something was written.
    pub(super) changed: bool,
    /// LMDB ran out of address space: grow, and run the body again.
    pub(super) full: bool,
    /// LMDB failed: nothing of this may be kept, whatever the body makes of it.
    broken: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(shared: &'a Shared, opened: &'a Opened, txn: RwTxn<'a>) -> Self {
        // LMDB numbers a write transaction by what it will commit.
        let snapshot = shared.snapshot(opened, (txn.id() as u64).wrapping_sub(1));
        let last = vec![None; opened.tables.len()];
        let reader = Reader { shared, opened };
        Self { reader, txn, snapshot, last, framed: Vec::new(), changed: false, full: false, broken: false }
    }

    /// Commits; gives the new state.
    pub(super) fn commit(self) -> Result<Snapshot, heed::Error> {
        if self.broken {
            return Err(heed::Error::Mdb(MdbError::BadTxn));
        }
        if !self.changed {
            return Ok(self.snapshot);
        }
        self.txn.commit()?;
        Ok(Snapshot { commit: self.snapshot.commit.wrapping_add(1), ..self.snapshot })
    }

    fn failed(&mut self, op: &'static str, error: heed::Error) -> Error {
        self.full |= env::is_map_full(&error);
        self.broken = true;
        self.reader.failed(op, error)
    }

    /// Whether `key` comes after every key of the table, so that it can be appended: LMDB then fills its pages.
    fn is_last(&mut self, index: usize, db: env::Db, key: &[u8]) -> Result<bool> {
        let Some(slot) = self.last.get_mut(index) else { return Ok(false) };
        if slot.is_none() {
            let last = db.last(&self.txn).map_err(|error| self.reader.failed("read", error))?;
            *slot = Some(last.map(|(key, _)| key.to_vec()).unwrap_or_default());
        }
        let Some(last) = slot else { return Ok(false) };
        if key <= last.as_slice() {
            return Ok(false);
        }
        last.clear();
        last.extend_from_slice(key);
        Ok(true)
    }
}

impl ReadTxn for Writer<'_> {
    fn snapshot(&self) -> Snapshot {
        self.snapshot
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>> {
        self.reader.get(&self.txn, table, key)
    }

    fn scan<'t>(&'t self, table: Table, range: &KeyRange, visit: &mut Visit<'_, 't>) -> Result<()> {
        self.reader.scan(&self.txn, table, range, visit)
    }

    fn count(&self, table: Table) -> Result<u64> {
        self.reader.count(&self.txn, table)
    }
}

impl WriteTxn for Writer<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<()> {
        let opened = self.reader.opened;
        let (index, handle) = opened.table(table)?;
        if !is_key(key) {
            return Err(Error::KeyLength { got: key.len(), max: MAX_KEY_LEN });
        }
        if u32::try_from(value.len() + FRAME_LEN).is_err() {
            return Err(Error::invalid("value", format!("{} bytes; values have less than 4 GiB", value.len())));
        }
        let Some(db) = handle.db else { return Err(Error::UnknownTable(table)) };
        let flags = if self.is_last(index, db, key)? { PutFlags::APPEND } else { PutFlags::empty() };
        handle.frame.seal(key, value, &mut self.framed);
        self.changed = true;
        match db.put_with_flags(&mut self.txn, flags, key, &self.framed) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed("write to", error)),
        }
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool> {
        let (_, handle) = self.reader.opened.table(table)?;
        let Some(db) = handle.db.filter(|_| is_key(key)) else { return Ok(false) };
        match db.delete(&mut self.txn, key) {
            Ok(there) => {
                self.changed |= there;
                Ok(there)
            }
            Err(error) => Err(self.failed("delete from", error)),
        }
    }

    fn delete_range(&mut self, table: Table, range: &KeyRange) -> Result<u64> {
        let (_, handle) = self.reader.opened.table(table)?;
        let (Some(db), Some(bounds)) = (handle.db, bounds(range)) else { return Ok(0) };
        let deleted = match bounds {
            (Bound::Unbounded, Bound::Unbounded) => db.len(&self.txn).and_then(|count| {
                db.clear(&mut self.txn)?;
                Ok(count)
            }),
            bounds => db.delete_range(&mut self.txn, &bounds).map(|count| count as u64),
        };
        match deleted {
            Ok(count) => {
                self.changed |= count > 0;
                Ok(count)
            }
            Err(error) => Err(self.failed("delete from", error)),
        }
    }
}

/// Whether LMDB can hold such a key; it fails on others even when only asked for them.
fn is_key(key: &[u8]) -> bool {
    (1..=MAX_KEY_LEN).contains(&key.len())
}

type Bounds<'r> = (Bound<&'r [u8]>, Bound<&'r [u8]>);

/// The range as LMDB takes it, which knows no empty key; `None` if nothing can lie in it.
fn bounds(range: &KeyRange) -> Option<Bounds<'_>> {
    let (start, end) = range.bounds();
    let start = match start {
        Bound::Included([]) | Bound::Excluded([]) => Bound::Unbounded,
        other => other,
    };
    let (Bound::Included(last) | Bound::Excluded(last)) = end else { return Some((start, end)) };
    let empty = match start {
        Bound::Unbounded => last.is_empty(),
        Bound::Included(first) => last.is_empty() || first > last,
        Bound::Excluded(first) => last.is_empty() || first >= last,
    };
    (!empty).then_some((start, end))
}
