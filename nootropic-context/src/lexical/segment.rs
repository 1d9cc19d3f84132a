//! A segment: the inverted index of one batch, written once and merged later.
//!
//! A list is stored at `segment ++ kind ++ term` with chunk numbers relative to the segment's first chunk, so that
//! terms arrive in key order and a changed file costs one small segment, not a thousand scattered pages.

use std::ops::ControlFlow;

use nootropic_core::{Error, KeyRange, ReadTxn, Result, Table, WriteTxn};

use super::posting::{self, Posting};
use super::words::{FileWords, Terms};
use crate::codec::{Decoded, Reader, put_varint};

/// Catalogue of segments: `segment` (u32, big-endian) → [`SegmentInfo`].
pub const SEGMENTS: Table = Table::new("segments");
/// Posting lists: `segment` (u32, big-endian) `++ kind ++ term` → list.
pub const POSTINGS: Table = Table::new("postings");

/// What the catalogue says of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number; later segments have higher ones.
    pub id: u32,
    /// The first chunk it may hold.
    pub first: u32,
    /// One past the last chunk it may hold.
    pub end: u32,
    /// Bytes of its lists and terms.
    pub bytes: u64,
    /// Chunks that were removed since it was written.
    pub dead: u32,
}

impl SegmentInfo {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for value in [u64::from(self.first), u64::from(self.end), self.bytes, u64::from(self.dead)] {
            put_varint(&mut out, value);
        }
        out
    }

    fn decode(id: u32, bytes: &[u8]) -> Decoded<Self> {
        let mut r = Reader::new(bytes);
        let info = Self { id, first: r.u32()?, end: r.u32()?, bytes: r.varint()?, dead: r.u32()? };
        r.end()?;
        Ok(info)
    }

    /// How many chunk numbers it spans.
    pub const fn len(&self) -> u32 {
        self.end - self.first
    }

    /// Whether it spans none.
    pub const fn is_empty(&self) -> bool {
        self.end == self.first
    }
}

/// Every segment, oldest chunks first.
///
/// # Errors
/// As [`ReadTxn::scan`].
pub fn segments(txn: &dyn ReadTxn) -> Result<Vec<SegmentInfo>> {
    let mut out = Vec::new();
    txn.scan(SEGMENTS, &KeyRange::all(), &mut |key, value| {
        let id = key.try_into().map(u32::from_be_bytes).map_err(|_| Error::corrupt(SEGMENTS, key, "bad key"))?;
        out.push(SegmentInfo::decode(id, value).map_err(|e| Error::corrupt(SEGMENTS, key, e.0))?);
        Ok(ControlFlow::Continue(()))
    })?;
    out.sort_by_key(|info| info.first);
    Ok(out)
}

pub(crate) fn put_info(txn: &mut dyn WriteTxn, info: &SegmentInfo) -> Result<()> {
    txn.put(SEGMENTS, &info.id.to_be_bytes(), &info.encode())
}

/// Writes the lists of one segment, in term order.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    id: u32,
    key: Vec<u8>,
    bytes: u64,
}

impl SegmentWriter {
    pub(crate) fn new(id: u32) -> Self {
        Self { id, key: id.to_be_bytes().to_vec(), bytes: 0 }
    }

    pub(crate) fn put(&mut self, txn: &mut dyn WriteTxn, term: &[u8], list: &[u8]) -> Result<()> {
        self.key.truncate(4);
        self.key.extend_from_slice(term);
        self.bytes += (term.len() + list.len()) as u64;
        txn.put(POSTINGS, &self.key, list)
    }

    /// Enters the segment, of chunks `first..end`, in the catalogue.
    pub(crate) fn finish(self, txn: &mut dyn WriteTxn, first: u32, end: u32) -> Result<()> {
        put_info(txn, &SegmentInfo { id: self.id, first, end, bytes: self.bytes, dead: 0 })
    }
}

/// The encoded lists of a batch, in term order.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    /// Where a term begins in `bytes`, and where its list does.
    entries: Vec<(usize, usize)>,
    bytes: Vec<u8>,
}

impl Lists {
    fn push(&mut self, term: &[u8], postings: &[Posting]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(term);
        self.entries.push((start, self.bytes.len()));
        posting::encode(postings, &mut self.bytes);
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().enumerate().map(|(i, &(start, middle))| {
            let end = self.entries.get(i + 1).map_or(self.bytes.len(), |next| next.0);
            (&self.bytes[start..middle], &self.bytes[middle..end])
        })
    }

    /// Writes the lists as segment `id`, of chunks `first..end`.
    pub(crate) fn write(&self, txn: &mut dyn WriteTxn, id: u32, first: u32, end: u32) -> Result<()> {
        let mut writer = SegmentWriter::new(id);
        for (term, list) in self.iter() {
            writer.put(txn, term, list)?;
        }
        writer.finish(txn, first, end)
    }
}

/// Gathers the words of the files of one batch.
#[derive(Debug, Default)]
pub(crate) struct SegmentBuilder {
    terms: Terms,
    postings: Vec<(u32, Posting)>,
    chunks: u32,
}

impl SegmentBuilder {
    /// Appends a file; its chunks follow those already there. Returns the number of its first chunk in the batch.
    pub(crate) fn add(&mut self, words: &FileWords) -> u32 {
        let first = self.chunks;
        let ids: Vec<u32> = (0..words.terms.len() as u32).map(|id| self.terms.intern(words.terms.get(id))).collect();
        self.postings.extend(
            words
                .counts
                .iter()
                .map(|count| (ids[count.term as usize], Posting { chunk: first + count.piece, freq: count.freq })),
        );
        self.chunks += words.lengths.len() as u32;
        first
    }

    /// How many chunks it holds.
    pub(crate) fn chunks(&self) -> u32 {
        self.chunks
    }

    /// Sorts and encodes everything.
    pub(crate) fn finish(self) -> Lists {
        let Self { terms, postings, .. } = self;
        let n = terms.len();
        // A counting sort by term; within a term the chunks already ascend.
        let mut starts = vec![0usize; n + 1];
        for (term, _) in &postings {
            starts[*term as usize + 1] += 1;
        }
        for i in 0..n {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let empty = Posting { chunk: 0, freq: posting::Frequencies::default() };
        let mut sorted = vec![empty; postings.len()];
        for (term, posting) in &postings {
            let at = &mut next[*term as usize];
            sorted[*at] = *posting;
            *at += 1;
        }
        drop(postings); // before there is as much again
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_unstable_by(|a, b| terms.get(*a).cmp(terms.get(*b)));
        let mut lists = Lists::default();
        for term in order {
            let range = starts[term as usize]..starts[term as usize + 1];
            lists.push(terms.get(term), &sorted[range]);
        }
        lists
    }
}
