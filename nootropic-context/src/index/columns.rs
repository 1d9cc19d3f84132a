//! A few bytes about every chunk, kept together so that scoring never leaves memory.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use nootropic_core::{Error, KeyRange, ReadTxn, Result, Table, WriteTxn};
use rustc_hash::FxHashMap;

use super::class::PathClass;

/// Page number (u32, big-endian) → 256 records of 12 bytes.
pub const COLUMNS: Table = Table::new("columns");

/// Chunks a page.
pub(crate) const PAGE: u32 = 256;
/// Bytes a record.
const RECORD: usize = 12;
const LIVE: u8 = 1;

/// What scoring knows of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHead {
    /// The file it belongs to.
    pub file: u32,
    /// Its place among the chunks of that file.
    pub ordinal: u16,
    /// Words in it, saturating.
    pub words: u16,
    /// What its path says.
    pub class: PathClass,
    /// [`Language::code`](crate::syntax::Language::code), 0 for none.
    pub language: u8,
    /// [`SymbolKind::code`](nootropic_core::SymbolKind::code) of the definition it begins, 0 for none.
    pub kind: u8,
}

impl ChunkHead {
    fn encode(&self) -> [u8; RECORD] {
        let mut out = [0; RECORD];
        out[..4].copy_from_slice(&self.file.to_le_bytes());
        out[4..6].copy_from_slice(&self.ordinal.to_le_bytes());
        out[6..8].copy_from_slice(&self.words.to_le_bytes());
        out[8] = self.class as u8;
        out[9] = self.language;
        out[10] = self.kind;
        out[11] = LIVE;
        out
    }

    fn decode(bytes: &[u8; RECORD]) -> Option<Self> {
        let [f0, f1, f2, f3, o0, o1, w0, w1, class, language, kind, flags] = *bytes;
        (flags & LIVE != 0).then(|| Self {
            file: u32::from_le_bytes([f0, f1, f2, f3]),
            ordinal: u16::from_le_bytes([o0, o1]),
            words: u16::from_le_bytes([w0, w1]),
            class: PathClass::from_code(class),
            language,
            kind,
        })
    }
}

impl ChunkHead {
    /// That of one chunk, without reading those of all others; `None` if it was removed.
    pub(crate) fn read(txn: &dyn ReadTxn, chunk: u32) -> Result<Option<Self>> {
        let key = (chunk / PAGE).to_be_bytes();
        let Some(page) = txn.get(COLUMNS, &key)? else { return Ok(None) };
        let (records, _) = page.as_chunks::<RECORD>();
        let record = records.get((chunk % PAGE) as usize);
        record.map(Self::decode).ok_or_else(|| Error::corrupt(COLUMNS, &key, "page of another length"))
    }
}

/// Pages that a transaction changes; each is read and written once.
#[derive(Debug, Default)]
pub(crate) struct ColumnEdits {
    pages: BTreeMap<u32, Vec<u8>>,
}

impl ColumnEdits {
    fn record(&mut self, txn: &dyn ReadTxn, chunk: u32) -> Result<&mut [u8]> {
        let number = chunk / PAGE;
        let page = match self.pages.entry(number) {
            std::collections::btree_map::Entry::Occupied(page) => page.into_mut(),
            std::collections::btree_map::Entry::Vacant(slot) => {
                let mut page = txn.get(COLUMNS, &number.to_be_bytes())?.map(<[u8]>::to_vec).unwrap_or_default();
                page.resize(PAGE as usize * RECORD, 0);
                slot.insert(page)
            }
        };
        let at = (chunk % PAGE) as usize * RECORD;
        Ok(&mut page[at..at + RECORD])
    }

    pub(crate) fn set(&mut self, txn: &dyn ReadTxn, chunk: u32, head: &ChunkHead) -> Result<()> {
        self.record(txn, chunk)?.copy_from_slice(&head.encode());
        Ok(())
    }

    pub(crate) fn kill(&mut self, txn: &dyn ReadTxn, chunk: u32) -> Result<()> {
        self.record(txn, chunk)?.fill(0);
        Ok(())
    }

    /// Writes the pages back; one without a live chunk is dropped.
    pub(crate) fn flush(self, txn: &mut dyn WriteTxn) -> Result<()> {
        for (number, page) in self.pages {
            if page.iter().all(|b| *b == 0) {
                txn.delete(COLUMNS, &number.to_be_bytes())?;
            } else {
                txn.put(COLUMNS, &number.to_be_bytes(), &page)?;
            }
        }
        Ok(())
    }
}

/// Which chunks of a range can be found.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// By page, a bit for each chunk.
    pages: FxHashMap<u32, [u64; PAGE as usize / 64]>,
}

impl Live {
    /// Reads those from `first` up to before `end`, and perhaps a few beside them.
    pub(crate) fn load(txn: &dyn ReadTxn, first: u32, end: u32) -> Result<Self> {
        let mut live = Self::default();
        let end = (end.div_ceil(PAGE)).to_be_bytes();
        let range = KeyRange {
            start: Bound::Included((first / PAGE).to_be_bytes().to_vec()),
            end: Bound::Excluded(end.to_vec()),
        };
        txn.scan(COLUMNS, &range, &mut |key, page| {
            let (number, records) = records(key, page)?;
            let bits = live.pages.entry(number).or_default();
            for (at, record) in records.iter().enumerate() {
                bits[at / 64] |= u64::from(record[RECORD - 1] & LIVE) << (at % 64);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(live)
    }

    pub(crate) fn contains(&self, chunk: u32) -> bool {
        let at = (chunk % PAGE) as usize;
        self.pages.get(&(chunk / PAGE)).is_some_and(|bits| bits[at / 64] >> (at % 64) & 1 == 1)
    }
}

/// A page's number and its records.
fn records<'p>(key: &[u8], page: &'p [u8]) -> Result<(u32, &'p [[u8; RECORD]])> {
    let number = key.try_into().map(u32::from_be_bytes).map_err(|_| Error::corrupt(COLUMNS, key, "bad key"))?;
    match page.as_chunks::<RECORD>() {
        (records, []) if records.len() == PAGE as usize && number <= u32::MAX / PAGE => Ok((number, records)),
        _ => Err(Error::corrupt(COLUMNS, key, "page of another length")),
    }
}

/// Every chunk's head, as one snapshot shows it.
#[derive(Debug, Default)]
pub struct Columns {
    /// Page number to its first slot, `u32::MAX` for a page without live chunks.
    pages: Vec<u32>,
    heads: Vec<Option<ChunkHead>>,
    first: Vec<u32>,
    files: Vec<FileHead>,
    /// For each slot, the place of its file in `files`; `u32::MAX` for a chunk that was removed.
    file_of: Vec<u32>,
}

/// What scoring knows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHead {
    /// Its number.
    pub id: u32,
    /// Words in all its chunks.
    pub words: u32,
    /// What its path says.
    pub class: PathClass,
    /// The slot of its first chunk.
    pub first_slot: u32,
}

impl Columns {
    /// Reads them all: about 12 bytes a chunk.
    ///
    /// # Errors
    /// As [`ReadTxn::scan`].
    pub fn load(txn: &dyn ReadTxn) -> Result<Self> {
        let mut columns = Self::default();
        txn.scan(COLUMNS, &KeyRange::all(), &mut |key, page| {
            let (number, records) = records(key, page)?;
            columns.pages.resize(number as usize + 1, u32::MAX);
            columns.pages[number as usize] = columns.heads.len() as u32;
            columns.first.push(number * PAGE);
            columns.heads.extend(records.iter().map(ChunkHead::decode));
            Ok(ControlFlow::Continue(()))
        })?;
        columns.number_files();
        Ok(columns)
    }

    /// The chunks of a file follow each other, so a change of file begins a new one.
    fn number_files(&mut self) {
        self.file_of = vec![u32::MAX; self.heads.len()];
        let mut last = None;
        for (slot, head) in self.heads.iter().enumerate() {
            let Some(head) = head else { continue };
            if last != Some(head.file) {
                last = Some(head.file);
                let first_slot = slot as u32;
                self.files.push(FileHead { id: head.file, words: 0, class: head.class, first_slot });
            }
            if let Some(file) = self.files.last_mut() {
                file.words = file.words.saturating_add(head.words.into());
            }
            self.file_of[slot] = self.files.len() as u32 - 1;
        }
    }

    /// Every file with live chunks.
    pub fn files(&self) -> &[FileHead] {
        &self.files
    }

    /// The slots of each file, in the order of [`files`](Self::files); some may be of passages that were removed.
    pub(crate) fn file_slots(&self) -> impl Iterator<Item = std::ops::Range<u32>> {
        let ends = self.files.iter().skip(1).map(|file| file.first_slot).chain([self.slots() as u32]);
        self.files.iter().zip(ends).map(|(file, end)| file.first_slot..end)
    }

    /// The place in [`files`](Self::files) of the file of a slot; `u32::MAX` if the chunk was removed.
    #[inline]
    pub fn file_of(&self, slot: usize) -> u32 {
        self.file_of.get(slot).copied().unwrap_or(u32::MAX)
    }

    /// Slots: dense numbers for the chunks of pages that have live ones.
    pub fn slots(&self) -> usize {
        self.heads.len()
    }

    /// The slot of a chunk, if its page has one.
    #[inline]
    pub fn slot(&self, chunk: u32) -> Option<usize> {
        match self.pages.get((chunk / PAGE) as usize) {
            Some(&base) if base != u32::MAX => Some(base as usize + (chunk % PAGE) as usize),
            _ => None,
        }
    }

    /// The chunk in a slot.
    pub fn chunk(&self, slot: usize) -> u32 {
        self.first.get(slot / PAGE as usize).map_or(u32::MAX, |first| first + (slot % PAGE as usize) as u32)
    }

    /// What is known of the chunk in a slot; `None` if it was removed.
    #[inline]
    pub fn head(&self, slot: usize) -> Option<&ChunkHead> {
        self.heads.get(slot).and_then(Option::as_ref)
    }

    /// Whether a chunk can be found.
    pub fn is_live(&self, chunk: u32) -> bool {
        self.slot(chunk).is_some_and(|slot| self.heads[slot].is_some())
    }

    /// Every live chunk.
    pub fn live(&self) -> impl Iterator<Item = (u32, &ChunkHead)> {
        self.heads.iter().enumerate().filter_map(|(slot, head)| head.as_ref().map(|head| (self.chunk(slot), head)))
    }
}
