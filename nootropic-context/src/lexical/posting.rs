//! Posting lists: which chunks hold a term, and how often in each field.

use crate::codec::{Decoded, Malformed, Reader, put_varint};

/// How often a term occurs in each field of a chunk, saturating, packed in 16 bits:
/// body in bits 0..6, comments in 6..11, symbol names in 11..14, path in 14..16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frequencies(u16);

/// Where in a chunk a term was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Code.
    Body,
    /// Comments and doc strings.
    Comment,
    /// Names the chunk defines or lies in.
    Symbol,
    /// The path of its file.
    Path,
}

impl Field {
    const fn layout(self) -> (u32, u16) {
        match self {
            Self::Body => (0, 0x3f),
            Self::Comment => (6, 0x1f),
            Self::Symbol => (11, 0x07),
            Self::Path => (14, 0x03),
        }
    }
}

impl Frequencies {
    /// The packed form.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// From the packed form; every value is valid.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The count in one field.
    #[inline]
    pub const fn get(self, field: Field) -> u16 {
        let (shift, max) = field.layout();
        (self.0 >> shift) & max
    }

    /// The counts in code and comments: a number below [`RUNNING`](Self::RUNNING) that a table can be indexed by.
    #[inline]
    pub(crate) const fn running(self) -> usize {
        self.0 as usize % Self::RUNNING
    }

    /// The levels in symbol names and in the path, each in its own bits: a number below [`NAMES`](Self::NAMES).
    #[inline]
    pub(crate) const fn names(self) -> usize {
        self.0 as usize / Self::RUNNING
    }

    /// How many values [`running`](Self::running) takes.
    pub(crate) const RUNNING: usize = 1 << 11;
    /// How many values [`names`](Self::names) takes.
    pub(crate) const NAMES: usize = 1 << 5;

    /// The higher level of each of two [`names`](Self::names).
    #[inline]
    pub(crate) const fn highest(a: usize, b: usize) -> usize {
        const SYMBOL: usize = Field::Symbol.layout().1 as usize;
        let (symbol_a, symbol_b) = (a & SYMBOL, b & SYMBOL);
        let (path_a, path_b) = (a & !SYMBOL, b & !SYMBOL);
        (if symbol_a > symbol_b { symbol_a } else { symbol_b }) | (if path_a > path_b { path_a } else { path_b })
    }

    /// Counts `times` more occurrences.
    #[inline]
    pub fn add(&mut self, field: Field, times: u16) {
        let (shift, max) = field.layout();
        self.0 += times.min(max - self.get(field)) << shift;
    }
}

/// One entry of a posting list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The chunk.
    pub chunk: u32,
    /// How often, by field.
    pub freq: Frequencies,
}

/// The most common case takes one bit.
const ONCE_IN_BODY: u16 = 1;

/// Appends the encoding of a list whose chunks ascend.
///
/// ```text
/// varint count · for each: varint (chunk delta << 1 | more) · if more: varint packed frequencies
/// ```
pub(crate) fn encode(postings: &[Posting], out: &mut Vec<u8>) {
    put_varint(out, postings.len() as u64);
    let mut previous = 0;
    for posting in postings {
        let more = posting.freq.0 != ONCE_IN_BODY;
        put_varint(out, u64::from(posting.chunk - previous) << 1 | u64::from(more));
        if more {
            put_varint(out, u64::from(posting.freq.0));
        }
        previous = posting.chunk;
    }
}

/// How many entries an encoded list holds.
pub(crate) fn count(bytes: &[u8]) -> Decoded<u32> {
    Reader::new(bytes).u32()
}

/// Visits an encoded list in chunk order.
#[inline]
pub(crate) fn decode(bytes: &[u8], mut visit: impl FnMut(Posting)) -> Decoded<()> {
    let mut reader = Reader::new(bytes);
    let n = reader.count(1)?;
    let mut chunk = 0u32;
    for _ in 0..n {
        let head = reader.varint()?;
        let delta = u32::try_from(head >> 1).map_err(|_| Malformed("chunk out of range"))?;
        chunk = chunk.checked_add(delta).ok_or(Malformed("chunk out of range"))?;
        let freq = if head & 1 == 0 {
            ONCE_IN_BODY
        } else {
            u16::try_from(reader.varint()?).map_err(|_| Malformed("frequency out of range"))?
        };
        visit(Posting { chunk, freq: Frequencies(freq) });
    }
    reader.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_saturate_without_touching_their_neighbours() {
        let mut freq = Frequencies::default();
        for _ in 0..100 {
            freq.add(Field::Body, 1);
            freq.add(Field::Symbol, 2);
        }
        freq.add(Field::Path, 1);
        assert_eq!([Field::Body, Field::Comment, Field::Symbol, Field::Path].map(|f| freq.get(f)), [63, 0, 7, 1]);
    }

    #[test]
    fn both_halves_say_what_the_fields_say() {
        let of = |symbol: u16, path: u16| Frequencies::from_bits(5 | 3 << 6 | symbol << 11 | path << 14);
        let back = |names: usize| Frequencies::from_bits((names * Frequencies::RUNNING) as u16);
        assert_eq!(of(6, 2).running(), of(0, 0).running());
        let highest = back(Frequencies::highest(of(6, 1).names(), of(2, 3).names()));
        assert_eq!((highest.get(Field::Symbol), highest.get(Field::Path)), (6, 3));
    }

    #[test]
    fn lists_survive_encoding() {
        let list: Vec<_> = (0..300u32)
            .map(|i| Posting {
                chunk: i * i,
                freq: Frequencies::from_bits(if i % 3 == 0 { 1 } else { (i * 211) as u16 }),
            })
            .collect();
        let mut bytes = Vec::new();
        encode(&list, &mut bytes);
        assert_eq!(count(&bytes), Ok(300));
        let mut back = Vec::new();
        decode(&bytes, |p| back.push(p)).unwrap();
        assert_eq!(back, list);
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut], |_| {}).is_err(), "cut at {cut}");
        }
    }
}
