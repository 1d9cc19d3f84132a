//! The truth: unit vectors in a table of the store, apart for every embedder.

mod format;

use std::ops::ControlFlow;
use std::sync::Arc;

use nootropic_core::{ChunkId, EmbedderInfo, Error as CoreError, KeyRange, ReadTxn, Table, WriteTxn};

use super::rotate::Rotation;
use super::{MAX_DIM, Rows, check_dim, code, unit};
use crate::{Error, Result};
use format::{Code, Info, Kind, NEXT_SLOT, State, row_bytes};

/// Where vectors are kept. A store that holds vectors declares it.
pub const VECTORS: Table = Table::new("vectors");

/// Changes that are remembered one by one; an index further behind is loaded anew.
const LOG: u64 = 4096;

/// The vectors that one embedder made.
///
/// A value names a place, it holds no data: every call reads or writes the transaction it is given. Vectors of
/// different embedders share the table and nothing else.
#[derive(Debug, Clone)]
pub struct VectorTable {
    slot: u16,
    dim: usize,
    embedder: Arc<str>,
    rotation: Arc<Rotation>,
}

/// A point in the history of one embedder's vectors.
///
/// The token is a hash of all that was done before, so that two histories which went apart (a write that was never
/// committed, a restored backup) are told apart where a number alone would not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub(super) seq: u64,
    pub(super) token: u64,
}

impl VectorTable {
    /// The place of an embedder's vectors, made if it has none.
    ///
    /// # Errors
    /// [`Error::EmbedderChanged`] if its vectors had another dimension before, an invalid input if it has an empty name
    /// or a dimension that is not 1 to [`MAX_DIM`], and whatever the store returns.
    pub fn register(txn: &mut dyn WriteTxn, embedder: &EmbedderInfo) -> Result<Self> {
        if let Some(found) = Self::find(&*txn, embedder)? {
            return Ok(found);
        }
        check_dim(embedder.dim)?;
        if embedder.id.is_empty() || embedder.id.len() > 4096 {
            return Err(CoreError::invalid("embedder identity", "must have 1 to 4096 bytes").into());
        }
        // Slots are not given out twice: a place that was forgotten never comes back under another embedder.
        let slot = match txn.get(VECTORS, &NEXT_SLOT)? {
            Some(bytes) => format::u16_at(&NEXT_SLOT, bytes)?,
            None => 0,
        };
        let next = slot.checked_add(1).filter(|&next| next < u16::MAX);
        let next =
            next.ok_or_else(|| CoreError::invalid("embedder", "65,534 were registered, there is no room left"))?;
        txn.put(VECTORS, &NEXT_SLOT, &next.to_le_bytes())?;
        let info = Info { dim: embedder.dim, embedder: embedder.id.clone() };
        txn.put(VECTORS, &Kind::Info.key(slot), &info.to_bytes())?;
        let token = format::hash(&[b"nootropic vectors", embedder.id.as_bytes()]);
        txn.put(VECTORS, &Kind::State.key(slot), &State { mark: Mark { seq: 0, token }, len: 0 }.to_bytes())?;
        Ok(Self::at(slot, info))
    }

    /// The place of an embedder's vectors, if it has one.
    ///
    /// # Errors
    /// [`Error::EmbedderChanged`] if its vectors had another dimension before, and whatever the store returns.
    pub fn find(txn: &dyn ReadTxn, embedder: &EmbedderInfo) -> Result<Option<Self>> {
        let found = Self::list(txn)?.into_iter().find(|table| *table.embedder == *embedder.id);
        match found {
            Some(table) if table.dim != embedder.dim => {
                Err(Error::EmbedderChanged { embedder: embedder.id.clone(), stored: table.dim, given: embedder.dim })
            }
            found => Ok(found),
        }
    }

    /// Every embedder's place, oldest first.
    ///
    /// # Errors
    /// Whatever the store returns; [`Corrupt`](CoreError::Corrupt) if an entry does not decode.
    pub fn list(txn: &dyn ReadTxn) -> Result<Vec<Self>> {
        let mut tables = Vec::new();
        let mut slot = 0_u16;
        loop {
            // The next slot that has an entry; its rows are skipped over, not read.
            let mut found = None;
            txn.scan(VECTORS, &KeyRange::from(&Kind::Info.key(slot)), &mut |key, bytes| {
                found = Some((key.to_vec(), bytes.to_vec()));
                Ok(ControlFlow::Break(()))
            })?;
            let Some((key, bytes)) = found.filter(|(key, _)| key.as_slice() < NEXT_SLOT.as_slice()) else {
                return Ok(tables);
            };
            slot = format::slot_of_info(&key)?;
            tables.push(Self::at(slot, Info::from_bytes(&key, &bytes)?));
            slot += 1; // below `u16::MAX`, since the key is below NEXT_SLOT's
        }
    }

    fn at(slot: u16, info: Info) -> Self {
        let rotation = Arc::new(Rotation::new(info.dim));
        Self { slot, dim: info.dim, embedder: info.embedder.into(), rotation }
    }

    /// Identity of the embedder.
    pub fn embedder(&self) -> &str {
        &self.embedder
    }

    /// Dimensions of its vectors, 1 to [`MAX_DIM`].
    pub fn dim(&self) -> usize {
        debug_assert!(self.dim <= MAX_DIM);
        self.dim
    }

    /// How many vectors there are.
    ///
    /// # Errors
    /// Whatever the store returns; [`NotFound`](CoreError::NotFound) if the embedder was forgotten.
    pub fn len(&self, txn: &dyn ReadTxn) -> Result<u64> {
        Ok(self.state(txn)?.len)
    }

    /// Whether there are none.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn is_empty(&self, txn: &dyn ReadTxn) -> Result<bool> {
        Ok(self.len(txn)? == 0)
    }

    /// Whether a chunk has a vector.
    ///
    /// # Errors
    /// Whatever the store returns.
    pub fn contains(&self, txn: &dyn ReadTxn, id: ChunkId) -> Result<bool> {
        Ok(txn.get(VECTORS, &Kind::Code.key_of(self.slot, id))?.is_some())
    }

    /// A chunk's vector, of unit length.
    ///
    /// # Errors
    /// Whatever the store returns; [`Corrupt`](CoreError::Corrupt) if it is of another length.
    pub fn get(&self, txn: &dyn ReadTxn, id: ChunkId) -> Result<Option<Vec<f32>>> {
        let Some(row) = self.row(txn, id)? else { return Ok(None) };
        let (numbers, _) = row.as_chunks::<4>();
        Ok(Some(numbers.iter().map(|x| f32::from_le_bytes(*x)).collect()))
    }

    /// Sets the vectors of chunks. They need not have unit length; they are stored so.
    ///
    /// # Errors
    /// [`Dimension`](CoreError::Dimension) if one is of another dimension, [`NoDirection`](CoreError::NoDirection) if one
    /// is zero or not finite: then none was written. Whatever the store returns.
    pub fn put(&self, txn: &mut dyn WriteTxn, vectors: &[(ChunkId, &[f32])]) -> Result<()> {
        let units = vectors.iter().map(|(id, v)| Ok((*id, unit(v, self.dim)?))).collect::<Result<Vec<_>>>()?;
        let mut change = Change::begin(self.state(&*txn)?);
        let mut code = Vec::with_capacity(self.dim);
        for (id, mut vector) in units {
            change.len += u64::from(!self.contains(&*txn, id)?);
            txn.put(VECTORS, &Kind::Row.key_of(self.slot, id), &row_bytes(&vector))?;
            self.rotation.apply(&mut vector);
            let scale = code::encode(&vector, &mut code);
            let bytes = Code { scale, code: &code }.to_bytes();
            txn.put(VECTORS, &Kind::Code.key_of(self.slot, id), &bytes)?;
            change.note(id, &bytes);
        }
        self.commit(txn, change)
    }

    /// Removes the vectors of chunks; says how many there were.
    ///
    /// # Errors
    /// Whatever the store returns.
    pub fn delete(&self, txn: &mut dyn WriteTxn, ids: &[ChunkId]) -> Result<usize> {
        let mut change = Change::begin(self.state(&*txn)?);
        for &id in ids {
            if txn.delete(VECTORS, &Kind::Code.key_of(self.slot, id))? {
                txn.delete(VECTORS, &Kind::Row.key_of(self.slot, id))?;
                change.len = change.len.saturating_sub(1);
                change.note(id, &[]);
            }
        }
        let count = change.ids.len();
        self.commit(txn, change)?;
        Ok(count)
    }

    /// Removes all its vectors, of whatever chunks; the embedder stays registered. Says how many there were.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn clear(&self, txn: &mut dyn WriteTxn) -> Result<u64> {
        let State { mark, len } = self.state(&*txn)?;
        for kind in [Kind::Row, Kind::Code, Kind::Log] {
            txn.delete_range(VECTORS, &KeyRange::prefix(&kind.key(self.slot)))?;
        }
        // Without an entry in the log every index over them is loaded anew.
        let token = format::hash(&[b"cleared", &mark.seq.to_le_bytes(), &mark.token.to_le_bytes()]);
        let state = State { mark: Mark { seq: mark.seq + 1, token }, len: 0 };
        txn.put(VECTORS, &Kind::State.key(self.slot), &state.to_bytes())?;
        Ok(len)
    }

    /// Removes the embedder and all its vectors; says how many entries that were.
    ///
    /// # Errors
    /// Whatever the store returns.
    pub fn forget(self, txn: &mut dyn WriteTxn) -> Result<u64> {
        Ok(txn.delete_range(VECTORS, &KeyRange::prefix(&self.slot.to_be_bytes()))?)
    }

    /// The stored vectors in one view, for an index to rescore with.
    pub fn rows<'a>(&'a self, txn: &'a dyn ReadTxn) -> TableRows<'a> {
        TableRows { table: self, txn }
    }

    /// Where the history stands.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn mark(&self, txn: &dyn ReadTxn) -> Result<Mark> {
        Ok(self.state(txn)?.mark)
    }

    /// Which vectors were set or removed since `mark`, in order of identity; `None` if that is not known (any more).
    pub(super) fn changed_since(&self, txn: &dyn ReadTxn, mark: Mark) -> Result<Option<Vec<ChunkId>>> {
        let now = self.mark(txn)?;
        if now == mark {
            return Ok(Some(Vec::new()));
        }
        if now.seq <= mark.seq {
            return Ok(None);
        }
        let mut ids = Vec::new();
        for seq in mark.seq + 1..=now.seq {
            let key = Kind::Log.key_at(self.slot, seq);
            let Some(bytes) = txn.get(VECTORS, &key)? else { return Ok(None) };
            let (before, changed) = format::log_entry(&key, bytes)?;
            if seq == mark.seq + 1 && before != mark.token {
                return Ok(None);
            }
            ids.extend(changed);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids))
    }

    /// Calls `visit` with the code of every vector, in order of identity.
    pub(super) fn scan_codes(&self, txn: &dyn ReadTxn, visit: &mut dyn FnMut(ChunkId, Code<'_>)) -> Result<()> {
        let mut buffer = Vec::with_capacity(self.dim);
        txn.scan(VECTORS, &KeyRange::prefix(&Kind::Code.key(self.slot)), &mut |key, bytes| {
            visit(format::id_of(key)?, Code::from_bytes(key, bytes, self.dim, &mut buffer)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(())
    }

    /// At most `limit` vectors from `start` on, in order of identity.
    #[cfg(feature = "arroy")]
    pub(super) fn page(&self, txn: &dyn ReadTxn, start: ChunkId, limit: usize) -> Result<Vec<(ChunkId, Vec<f32>)>> {
        let mut range = KeyRange::prefix(&Kind::Row.key(self.slot));
        range.start = std::ops::Bound::Included(Kind::Row.key_of(self.slot, start).to_vec());
        let mut page = Vec::new();
        txn.scan(VECTORS, &range, &mut |key, bytes| {
            if page.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            if bytes.len() != 4 * self.dim {
                return Err(format::bad_length(key, bytes.len()));
            }
            let (numbers, _) = bytes.as_chunks::<4>();
            page.push((format::id_of(key)?, numbers.iter().map(|x| f32::from_le_bytes(*x)).collect()));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(page)
    }

    /// Calls `visit` with the code of one vector, if it is there.
    pub(super) fn with_code(&self, txn: &dyn ReadTxn, id: ChunkId, visit: impl FnOnce(Option<Code<'_>>)) -> Result<()> {
        let key = Kind::Code.key_of(self.slot, id);
        let mut buffer = Vec::new();
        let bytes = txn.get(VECTORS, &key)?;
        visit(bytes.map(|bytes| Code::from_bytes(&key, bytes, self.dim, &mut buffer)).transpose()?);
        Ok(())
    }

    fn row<'t>(&self, txn: &'t dyn ReadTxn, id: ChunkId) -> Result<Option<&'t [u8]>> {
        let key = Kind::Row.key_of(self.slot, id);
        match txn.get(VECTORS, &key)? {
            Some(bytes) if bytes.len() != 4 * self.dim => Err(format::bad_length(&key, bytes.len()).into()),
            found => Ok(found),
        }
    }

    fn state(&self, txn: &dyn ReadTxn) -> Result<State> {
        let key = Kind::State.key(self.slot);
        let bytes = txn.get(VECTORS, &key)?;
        let bytes = bytes
            .ok_or_else(|| CoreError::NotFound { what: "vectors of embedder", name: self.embedder.to_string() })?;
        Ok(State::from_bytes(&key, bytes)?)
    }

    fn commit(&self, txn: &mut dyn WriteTxn, change: Change) -> Result<()> {
        if change.ids.is_empty() {
            return Ok(());
        }
        let (state, entry) = change.finish();
        let seq = state.mark.seq;
        txn.put(VECTORS, &Kind::Log.key_at(self.slot, seq), &entry)?;
        if let Some(old) = seq.checked_sub(LOG) {
            txn.delete(VECTORS, &Kind::Log.key_at(self.slot, old))?;
        }
        txn.put(VECTORS, &Kind::State.key(self.slot), &state.to_bytes())?;
        Ok(())
    }
}

/// What one call did, for the log.
struct Change {
    before: Mark,
    len: u64,
    ids: Vec<ChunkId>,
    history: blake3::Hasher,
}

impl Change {
    fn begin(state: State) -> Self {
        let mut history = blake3::Hasher::new();
        history.update(&state.mark.seq.to_le_bytes());
        history.update(&state.mark.token.to_le_bytes());
        Self { before: state.mark, len: state.len, ids: Vec::new(), history }
    }

    /// Notes that a vector now has this code, or none.
    fn note(&mut self, id: ChunkId, code: &[u8]) {
        self.ids.push(id);
        self.history.update(&id.0.to_le_bytes());
        self.history.update(&(code.len() as u64).to_le_bytes());
        self.history.update(code);
    }

    /// The state after it, and its entry in the log.
    fn finish(self) -> (State, Vec<u8>) {
        let mark = Mark { seq: self.before.seq + 1, token: format::first_word(&self.history.finalize()) };
        (State { mark, len: self.len }, format::log_bytes(self.before.token, &self.ids))
    }
}

/// One embedder's vectors in one view of the store.
#[derive(Clone, Copy)]
pub struct TableRows<'a> {
    table: &'a VectorTable,
    txn: &'a dyn ReadTxn,
}

impl std::fmt::Debug for TableRows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableRows").field("table", self.table).finish_non_exhaustive()
    }
}

impl Rows for TableRows<'_> {
    fn cosine(&self, id: ChunkId, query: &[f32]) -> Result<Option<f32>> {
        Ok(self.table.row(self.txn, id)?.map(|row| code::dot_bytes(row, query)))
    }
}

#[cfg(test)]
mod tests;
