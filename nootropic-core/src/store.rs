//! Shared ground: transactions over several named tables.
//!
//! Siblings that never import each other commit together through [`Store`]: whatever belongs together
//! is written by one closure and becomes visible at once, or not at all.

use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use crate::{Capability, CapabilityKind, Error, Result};

/// The longest key, in bytes (LMDB's limit with 4 KiB pages).
pub const MAX_KEY_LEN: usize = 511;

/// Names one table. Tables are declared when a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Table(&'static str);

impl Table {
    /// A table of that name.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Which committed state an answer came from, written `store-commit`, e.g. `9f3c01aa-42`.
///
/// Commits of one store are numbered upward; two stores (a copy, a restored backup) differ in the first part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snapshot {
    /// Drawn at random when the store was made.
    pub store: u32,
    /// Number of the last commit seen.
    pub commit: u64,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.store, self.commit)
    }
}

/// A range of keys, compared as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Where to begin.
    pub start: Bound<Vec<u8>>,
    /// Where to end.
    pub end: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    pub const fn all() -> Self {
        Self { start: Bound::Unbounded, end: Bound::Unbounded }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        let end = match end.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(end)
            }
            None => Bound::Unbounded,
        };
        Self { start: Bound::Included(prefix.to_vec()), end }
    }

    /// Every key at or after `start`.
    pub fn from(start: &[u8]) -> Self {
        Self { start: Bound::Included(start.to_vec()), end: Bound::Unbounded }
    }

    /// The bounds, borrowed, in the form that sorted maps take.
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.start.as_ref().map(Vec::as_slice), self.end.as_ref().map(Vec::as_slice))
    }
}

/// What [`ReadTxn::scan`] calls for each entry, in key order.
pub type Visit<'v, 't> = dyn FnMut(&'t [u8], &'t [u8]) -> Result<ControlFlow<()>> + 'v;

/// One consistent view of all tables.
pub trait ReadTxn {
    /// The committed state this view shows. Inside a write, the state it started from.
    fn snapshot(&self) -> Snapshot;

    /// The value at `key`, if there is one. A key that [`WriteTxn::put`] would refuse is not there.
    ///
    /// # Errors
    /// [`Error::UnknownTable`], [`Error::Corrupt`] if the record fails its checksum.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>>;

    /// Visits the entries of `range` in key order until `visit` breaks. A range that ends before it starts is empty;
    /// its bounds may be longer than any key, and may be empty.
    ///
    /// # Errors
    /// As [`get`](Self::get), and whatever `visit` returns.
    fn scan<'t>(&'t self, table: Table, range: &KeyRange, visit: &mut Visit<'_, 't>) -> Result<()>;

    /// How many entries a table holds.
    ///
    /// # Errors
    /// [`Error::UnknownTable`].
    fn count(&self, table: Table) -> Result<u64>;
}

/// A view that can also change what it sees; it sees its own changes.
pub trait WriteTxn: ReadTxn {
    /// Sets `key` to `value`, replacing what was there.
    ///
    /// # Errors
    /// [`Error::KeyLength`] unless the key has 1 to [`MAX_KEY_LEN`] bytes; [`Error::UnknownTable`];
    /// an error of kind `StorageFull` if there is no room.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<()>;

    /// Removes `key`; says whether it was there.
    ///
    /// # Errors
    /// [`Error::UnknownTable`].
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool>;

    /// Removes every key of `range`; says how many.
    ///
    /// # Errors
    /// [`Error::UnknownTable`].
    fn delete_range(&mut self, table: Table, range: &KeyRange) -> Result<u64>;
}

/// Keeps bytes, durably and in transactions.
///
/// # Contract
/// - A write commits when its body returns `Ok`, and is durable once [`write`](Self::write) has returned. If the body
///   returns an error or panics, nothing of it is seen, ever.
/// - Writes run one after another. A body may be run again from the start (after the store had to grow, say):
///   it must not do anything outside the transaction that it cannot do twice.
/// - A read sees one commit for its whole length, and never waits for a writer. A write waits for readers only where the
///   store has to grow.
/// - Neither body may call into the same store again, nor hold a transaction across an `.await`.
/// - [`Snapshot::commit`] grows with every commit that changed something; the snapshot that a write returns is the one
///   that a read sees next, unless another write came between.
///
/// `testing::store_suite` checks all of it (feature `testing`); `testing::durable_store_suite` checks what must be found
/// again after closing and opening.
pub trait Store: fmt::Debug + Send + Sync {
    /// Runs `body` on a consistent view.
    ///
    /// # Errors
    /// Whatever `body` returns, or why no view could be had.
    fn read(&self, body: &mut dyn FnMut(&dyn ReadTxn) -> Result<()>) -> Result<()>;

    /// Runs `body` as the only writer and commits; returns the new state.
    ///
    /// # Errors
    /// Whatever `body` returns, or why the commit failed; either way nothing was changed.
    fn write(&self, body: &mut dyn FnMut(&mut dyn WriteTxn) -> Result<()>) -> Result<Snapshot>;

    /// How it describes itself. It is no call with JSON: both schemas are those of nothing.
    fn describe(&self) -> Capability {
        Capability::new::<(), ()>(CapabilityKind::Store, "store", "Keeps bytes, in transactions over several tables")
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn read(&self, body: &mut dyn FnMut(&dyn ReadTxn) -> Result<()>) -> Result<()> {
        (**self).read(body)
    }

    fn write(&self, body: &mut dyn FnMut(&mut dyn WriteTxn) -> Result<()>) -> Result<Snapshot> {
        (**self).write(body)
    }

    fn describe(&self) -> Capability {
        (**self).describe()
    }
}

/// Conveniences; nobody implements these.
pub trait StoreExt: Store {
    /// [`Store::read`] that returns what `body` returns.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn read_with<T>(&self, mut body: impl FnMut(&dyn ReadTxn) -> Result<T>) -> Result<T> {
        let mut out = None;
        self.read(&mut |txn| {
            out = Some(body(txn)?);
            Ok(())
        })?;
        out.ok_or_else(no_body)
    }

    /// [`Store::write`] that also returns what `body` returned the time it was committed.
    ///
    /// # Errors
    /// As [`Store::write`].
    fn write_with<T>(&self, mut body: impl FnMut(&mut dyn WriteTxn) -> Result<T>) -> Result<(T, Snapshot)> {
        let mut out = None;
        let snapshot = self.write(&mut |txn| {
            out = Some(body(txn)?);
            Ok(())
        })?;
        Ok((out.ok_or_else(no_body)?, snapshot))
    }
}
impl<S: Store + ?Sized> StoreExt for S {}

fn no_body() -> Error {
    Error::failed("transaction", crate::ErrorKind::Internal, "the store did not run the body")
}

const _: fn(&dyn Store, &dyn ReadTxn, &mut dyn WriteTxn) = |_, _, _| {}; // siblings hold `Arc<dyn Store>`
