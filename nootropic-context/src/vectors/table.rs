//! The truth: unit vectors in a table of the store, apart for every embedder.

mod format;

use std::ops::ControlFlow;
use std::sync::Arc;

use nootropic_core::{ChunkId, EmbedderInfo, Embedding, Error as CoreError, KeyRange, ReadTxn, Table, WriteTxn};

use super::rotate::Rotation;
use super::{Cosine, MAX_DIM, Rows, check_dim, code, unit};
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
    kept: Kept,
    embedder: Arc<str>,
    rotation: Arc<Rotation>,
}

/// What is kept of each vector. The numbers are those of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Itself, four bytes a dimension, and its code.
    Vectors = 1,
    /// Its code, a byte a dimension: cosines are off by a thousandth or two at the usual hundreds of dimensions.
    Codes = 2,
}

/// A vector as a [`VectorTable`] keeps it.
#[derive(Debug, Clone)]
pub struct EncodedVector {
    /// Nothing where codes alone are kept.
    row: Vec<u8>,
    code: Vec<u8>,
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
    /// The place of an embedder's vectors, made if it has none; then `kept` says what is to be kept of them.
    ///
    /// # Errors
    /// [`Error::EmbedderChanged`] if its vectors had another dimension before, an invalid input if it has an empty name
    /// or a dimension that is not 1 to [`MAX_DIM`], and whatever the store returns.
    pub fn register(txn: &mut dyn WriteTxn, embedder: &EmbedderInfo, kept: Kept) -> Result<Self> {
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
        let info = Info { dim: embedder.dim, kept, embedder: embedder.id.clone() };
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
        Self { slot, dim: info.dim, kept: info.kept, embedder: info.embedder.into(), rotation }
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

    /// Whether the two are one place.
    pub(crate) fn is(&self, other: &Self) -> bool {
        (self.slot, &self.embedder) == (other.slot, &other.embedder)
    }

    /// What is kept of each vector.
    pub fn kept(&self) -> Kept {
        self.kept
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

    /// A chunk's vector, of unit length, as precise as it is [kept](Self::kept).
    ///
    /// # Errors
    /// Whatever the store returns; [`Corrupt`](CoreError::Corrupt) if it is of another length.
    pub fn get(&self, txn: &dyn ReadTxn, id: ChunkId) -> Result<Option<Vec<f32>>> {
        let key = self.kept.kind().key_of(self.slot, id);
        Ok(txn.get(VECTORS, &key)?.map(|bytes| self.decode(&key, bytes)).transpose()?)
    }

    /// Sets the vectors of chunks. They need not have unit length; they are stored so.
    ///
    /// # Errors
    /// As [`encode`](Self::encode) for one of them: then none was written. Whatever the store returns.
    pub fn put(&self, txn: &mut dyn WriteTxn, vectors: &[(ChunkId, &[f32])]) -> Result<()> {
        let encoded = vectors.iter().map(|(id, v)| Ok((*id, self.encode(v)?))).collect::<Result<Vec<_>>>()?;
        self.put_encoded(txn, encoded.iter().map(|(id, vector)| (*id, vector)))
    }

    /// A vector as it is stored: what is slow about [`put`](Self::put), and needs no transaction.
    ///
    /// # Errors
    /// [`Dimension`](CoreError::Dimension) if it is of another dimension, [`NoDirection`](CoreError::NoDirection) if it is zero or
    /// not finite.
    pub fn encode(&self, vector: &[f32]) -> Result<EncodedVector> {
        Ok(self.encode_unit(unit(vector, self.dim)?))
    }

    /// The same of an embedding, which has unit length already.
    ///
    /// # Errors
    /// [`Dimension`](CoreError::Dimension) if it is of another dimension.
    pub fn encode_embedding(&self, vector: Embedding) -> Result<EncodedVector> {
        if vector.dim() != self.dim {
            return Err(CoreError::Dimension { got: vector.dim(), expected: self.dim }.into());
        }
        Ok(self.encode_unit(vector.into_vec()))
    }

    fn encode_unit(&self, mut vector: Vec<f32>) -> EncodedVector {
        let row = match self.kept {
            Kept::Vectors => row_bytes(&vector),
            Kept::Codes => Vec::new(),
        };
        self.rotation.apply(&mut vector);
        let mut code = Vec::with_capacity(self.dim);
        let scale = code::encode(&vector, &mut code);
        EncodedVector { row, code: Code { scale, code: &code }.to_bytes() }
    }

    /// Sets the vectors of chunks, which this table [encoded](Self::encode).
    ///
    /// # Errors
    /// Whatever the store returns.
    pub fn put_encoded<'v>(
        &self,
        txn: &mut dyn WriteTxn,
        vectors: impl IntoIterator<Item = (ChunkId, &'v EncodedVector)>,
    ) -> Result<()> {
        let mut change = Change::begin(self.state(&*txn)?);
        for (id, EncodedVector { row, code }) in vectors {
            change.len += u64::from(!self.contains(&*txn, id)?);
            if self.kept == Kept::Vectors {
                txn.put(VECTORS, &Kind::Row.key_of(self.slot, id), row)?;
            }
            txn.put(VECTORS, &Kind::Code.key_of(self.slot, id), code)?;
            change.note(id, code);
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
        let kind = self.kept.kind();
        let mut range = KeyRange::prefix(&kind.key(self.slot));
        range.start = std::ops::Bound::Included(kind.key_of(self.slot, start).to_vec());
        let mut page = Vec::new();
        txn.scan(VECTORS, &range, &mut |key, bytes| {
            if page.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            page.push((format::id_of(key)?, self.decode(key, bytes)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(page)
    }

    /// The vector of a row's or code's entry, whichever is [kept](Self::kept).
    fn decode(&self, key: &[u8], bytes: &[u8]) -> nootropic_core::Result<Vec<f32>> {
        match self.kept {
            Kept::Vectors => {
                let (numbers, _) = self.checked_row(key, bytes)?.as_chunks::<4>();
                Ok(numbers.iter().map(|x| f32::from_le_bytes(*x)).collect())
            }
            Kept::Codes => {
                let mut buffer = Vec::with_capacity(self.dim);
                let Code { scale, code } = Code::from_bytes(key, bytes, self.dim, &mut buffer)?;
                let mut vector = code.iter().map(|x| scale * f32::from(*x)).collect::<Vec<_>>();
                self.rotation.undo(&mut vector);
                Ok(vector)
            }
        }
    }

    /// Calls `visit` with the code of one vector, if it is there.
    pub(super) fn with_code(&self, txn: &dyn ReadTxn, id: ChunkId, visit: impl FnOnce(Option<Code<'_>>)) -> Result<()> {
        let key = Kind::Code.key_of(self.slot, id);
        let mut buffer = Vec::new();
        let bytes = txn.get(VECTORS, &key)?;
        visit(bytes.map(|bytes| Code::from_bytes(&key, bytes, self.dim, &mut buffer)).transpose()?);
        Ok(())
    }

    fn checked_row<'t>(&self, key: &[u8], bytes: &'t [u8]) -> nootropic_core::Result<&'t [u8]> {
        if bytes.len() == 4 * self.dim { Ok(bytes) } else { Err(format::bad_length(key, bytes.len())) }
    }

    /// A query as codes are: rotated.
    pub(super) fn rotated(&self, query: &[f32]) -> Vec<f32> {
        let mut rotated = query.to_vec();
        self.rotation.apply(&mut rotated);
        rotated
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
    fn cosine<'a>(&'a self, query: &'a [f32]) -> Cosine<'a> {
        let Self { table, txn } = *self;
        match table.kept {
            Kept::Vectors => Box::new(move |id| {
                let key = Kind::Row.key_of(table.slot, id);
                let row = txn.get(VECTORS, &key)?.map(|bytes| table.checked_row(&key, bytes)).transpose()?;
                Ok(row.map(|row| code::dot_bytes(row, query)))
            }),
            Kept::Codes => {
                let query = table.rotated(query);
                Box::new(move |id| {
                    let mut cosine = None;
                    table.with_code(txn, id, |code| {
                        cosine = code.map(|Code { scale, code }| scale * code::dot_code(code, &query));
                    })?;
                    Ok(cosine)
                })
            }
        }
    }
}

impl Kept {
    /// Which entries say most.
    fn kind(self) -> Kind {
        match self {
            Self::Vectors => Kind::Row,
            Self::Codes => Kind::Code,
        }
    }
}

#[cfg(test)]
mod tests;
