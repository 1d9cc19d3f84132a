//! Reads a header front to back, from a source of known length, into memory of its own.

use std::io::{self, Read};
use std::ops::Range;

use super::{Budget, Fault};

/// How much is read at once, at least.
const CHUNK: u64 = 1 << 20;

/// Reads a header front to back.
///
/// Nothing is read past what the source is known to hold, and nothing is trusted that was not compared with what is left. The
/// bytes read stay in memory: a file may change under a map, a copy does not.
#[derive(Debug)]
pub(crate) struct Cursor<R> {
    source: R,
    /// Length of the source.
    len: u64,
    /// What was read so far; may run past `at`.
    bytes: Vec<u8>,
    at: usize,
    /// Most bytes a header may have.
    longest: u64,
    pub(crate) budget: Budget,
}

impl<R: Read> Cursor<R> {
    /// Reads from the front of `source`, which holds `len` bytes, no more than `longest` of them.
    pub(crate) fn new(source: R, len: u64, longest: u64, budget: Budget) -> Self {
        Self { source, len, bytes: Vec::new(), at: 0, longest, budget }
    }

    /// Bytes from the start of the file to the next one to be read.
    pub(crate) fn position(&self) -> u64 {
        self.at as u64
    }

    pub(crate) fn left(&self) -> u64 {
        self.len.saturating_sub(self.position())
    }

    /// Fails unless `count` things of at least `size` bytes each can follow.
    pub(crate) fn can_follow(&self, count: u64, size: u64) -> Result<(), Fault> {
        let left = self.left();
        match count.checked_mul(size) {
            Some(needed) if needed <= left => Ok(()),
            needed => Err(Fault::Truncated { needed: needed.unwrap_or(u64::MAX), left }),
        }
    }

    /// The next `count` bytes, as a range of what [`into_bytes`](Self::into_bytes) will give.
    pub(crate) fn take(&mut self, count: u64) -> Result<Range<usize>, Fault> {
        self.can_follow(count, 1)?;
        let end = self.position() + count; // at most `len`
        if end > self.longest {
            return Err(Fault::OverLimit { what: "bytes of header", got: end, max: self.longest });
        }
        if end > self.bytes.len() as u64 {
            self.load(end)?;
        }
        let from = self.at;
        self.at = usize::try_from(end).map_err(|_| Fault::Memory { bytes: end })?;
        Ok(from..self.at)
    }

    /// Reads on until `end` bytes are there, in chunks that grow with the header.
    fn load(&mut self, end: u64) -> Result<(), Fault> {
        let had = self.bytes.len();
        let target = end.max((had as u64).saturating_mul(2)).max(CHUNK);
        let target = if target.saturating_add(CHUNK) >= self.len { self.len } else { target };
        let target = usize::try_from(target).map_err(|_| Fault::Memory { bytes: target })?;
        self.budget.reserve(&mut self.bytes, target - had)?;
        self.bytes.resize(target, 0);
        self.source.read_exact(self.bytes.get_mut(had..).unwrap_or_default()).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::Changed,
            _ => Fault::Io(error),
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let range = self.take(N as u64)?;
        let bytes = self.bytes.get(range).and_then(<[u8]>::first_chunk);
        bytes.copied().ok_or(Fault::Changed) // `take` gave what is not there: cannot be
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    /// A fixed-size value of `size` bytes, at most 8, padded with zeros.
    pub(crate) fn padded(&mut self, size: usize) -> Result<[u8; 8], Fault> {
        let range = self.take(size as u64)?;
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(self.slice(range)) {
            *to = *from;
        }
        Ok(bytes)
    }

    /// Bytes that were read.
    pub(crate) fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Everything that was read, cut to what was taken.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.at);
        self.bytes
    }
}
