//! A store in memory.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use crate::store::{KeyRange, MAX_KEY_LEN, ReadTxn, Snapshot, Store, Table, Visit, WriteTxn};
use crate::{Error, Result};

type Entries = BTreeMap<Arc<[u8]>, Arc<[u8]>>;

/// A [`Store`] in memory: everything is gone when it is dropped.
///
/// A read holds the committed maps by reference count, so it never waits and never changes under its reader. The first
/// change a write makes to a table copies that table's map (keys and values are shared), so a write costs time linear in
/// the entries of the tables it touches: fine for tests, not for a large index.
///
/// ```
/// use nootropic_core::{StoreExt, Table, reference::MemoryStore};
///
/// const NOTES: Table = Table::new("notes");
/// let store = MemoryStore::new([NOTES]);
/// store.write_with(|txn| txn.put(NOTES, b"greeting", b"hello"))?;
/// let value = store.read_with(|txn| Ok(txn.get(NOTES, b"greeting")?.map(<[u8]>::to_vec)))?;
/// assert_eq!(value.as_deref(), Some(&b"hello"[..]));
/// # Ok::<(), nootropic_core::Error>(())
/// ```
pub struct MemoryStore {
    committed: Mutex<State>,
    /// Held for the length of a write.
    turn: Mutex<()>,
    /// Whose turn it is, so that a write inside a write is refused instead of waiting for itself.
    writing: Mutex<Option<ThreadId>>,
}

/// What one commit left behind.
#[derive(Clone)]
struct State {
    snapshot: Snapshot,
    tables: BTreeMap<Table, Arc<Entries>>,
}

impl MemoryStore {
    /// An empty store with these tables.
    pub fn new(tables: impl IntoIterator<Item = Table>) -> Self {
        let random = RandomState::new().hash_one(0_u8); // the standard library's only source of randomness
        let snapshot = Snapshot { store: (random >> 32) as u32, commit: 0 };
        let tables = tables.into_iter().map(|table| (table, Arc::default())).collect();
        Self { committed: Mutex::new(State { snapshot, tables }), turn: Mutex::new(()), writing: Mutex::new(None) }
    }

    fn committed(&self) -> State {
        // A lock is poisoned only if a panic hit between two statements that leave the state whole either way.
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, Option<ThreadId>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.committed();
        let counts: BTreeMap<_, _> = state.tables.iter().map(|(table, map)| (table.name(), map.len())).collect();
        f.debug_struct("MemoryStore").field("snapshot", &state.snapshot.to_string()).field("entries", &counts).finish()
    }
}

impl Store for MemoryStore {
    fn read(&self, body: &mut dyn FnMut(&dyn ReadTxn) -> Result<()>) -> Result<()> {
        body(&Txn { state: self.committed(), changed: false })
    }

    fn write(&self, body: &mut dyn FnMut(&mut dyn WriteTxn) -> Result<()>) -> Result<Snapshot> {
        if *self.writer() == Some(thread::current().id()) {
            return Err(Error::invalid("transaction", "a write began inside a write of the same store"));
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let _writing = Writing::begin(self);
        let mut txn = Txn { state: self.committed(), changed: false };
        body(&mut txn)?;
        if txn.changed {
            txn.state.snapshot.commit += 1;
        }
        let snapshot = txn.state.snapshot;
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = txn.state;
        Ok(snapshot)
    }
}

/// Clears the mark even if the body panics.
struct Writing<'s>(&'s MemoryStore);

impl<'s> Writing<'s> {
    fn begin(store: &'s MemoryStore) -> Self {
        *store.writer() = Some(thread::current().id());
        Self(store)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        *self.0.writer() = None;
    }
}

/// A private copy of the committed state; dropping it is the rollback.
struct Txn {
    state: State,
    changed: bool,
}

impl Txn {
    fn table(&self, table: Table) -> Result<&Entries> {
        self.state.tables.get(&table).map(Arc::as_ref).ok_or(Error::UnknownTable(table))
    }

    fn table_mut(&mut self, table: Table) -> Result<&mut Entries> {
        self.state.tables.get_mut(&table).map(Arc::make_mut).ok_or(Error::UnknownTable(table))
    }
}

impl ReadTxn for Txn {
    fn snapshot(&self) -> Snapshot {
        self.state.snapshot
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>> {
        Ok(self.table(table)?.get(key).map(Arc::as_ref))
    }

    fn scan<'t>(&'t self, table: Table, range: &KeyRange, visit: &mut Visit<'_, 't>) -> Result<()> {
        let entries = self.table(table)?;
        if is_empty(range) {
            return Ok(());
        }
        for (key, value) in entries.range::<[u8], _>(range.bounds()) {
            if visit(key, value)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn count(&self, table: Table) -> Result<u64> {
        Ok(self.table(table)?.len() as u64)
    }
}

impl WriteTxn for Txn {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<()> {
        if key.is_empty() || key.len() > MAX_KEY_LEN {
            return Err(Error::KeyLength { got: key.len(), max: MAX_KEY_LEN });
        }
        self.table_mut(table)?.insert(key.into(), value.into());
        self.changed = true;
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool> {
        if !self.table(table)?.contains_key(key) {
            return Ok(false); // before `table_mut`, which copies a shared map
        }
        self.changed = true;
        Ok(self.table_mut(table)?.remove(key).is_some())
    }

    fn delete_range(&mut self, table: Table, range: &KeyRange) -> Result<u64> {
        let entries = self.table(table)?;
        let mut keys = Vec::new();
        if !is_empty(range) {
            keys.extend(entries.range::<[u8], _>(range.bounds()).map(|(key, _)| Arc::clone(key)));
        }
        if !keys.is_empty() {
            self.changed = true;
            let entries = self.table_mut(table)?;
            keys.iter().for_each(|key| drop(entries.remove(key)));
        }
        Ok(keys.len() as u64)
    }
}

/// Whether no key can lie in `range`; sorted maps panic on some of these.
fn is_empty(range: &KeyRange) -> bool {
    match range.bounds() {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => start >= end,
    }
}
