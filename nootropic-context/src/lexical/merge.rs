//! Joins neighbouring segments into one. Of each only a stretch of lists is held at a time, so that the memory it takes
//! does not hang on how much there is to join.

use std::cmp::Ordering;
use std::ops::{Bound, ControlFlow, Range};

use nootropic_core::{Error, KeyRange, ReadTxn, Result, WriteTxn};

use super::posting::{self, Posting};
use super::segment::{POSTINGS, SEGMENTS, SegmentInfo, SegmentWriter};

/// Bytes of lists that are held at once, of all parts together.
const WINDOW: usize = 8 << 20;

/// Joins neighbouring segments into one of number `id`, later than theirs, leaving out chunks for which `live` is false.
///
/// # Errors
/// As the transaction's.
pub(crate) fn merge(txn: &mut dyn WriteTxn, parts: &[SegmentInfo], id: u32, live: &dyn Fn(u32) -> bool) -> Result<()> {
    merge_within(txn, parts, id, live, WINDOW)
}

fn merge_within(
    txn: &mut dyn WriteTxn,
    parts: &[SegmentInfo],
    id: u32,
    live: &dyn Fn(u32) -> bool,
    window: usize,
) -> Result<()> {
    let (Some(head), Some(tail)) = (parts.first(), parts.last()) else { return Ok(()) };
    let mut open: Vec<Part> = parts.iter().map(|info| Part::new(*info, window / parts.len())).collect();
    let mut writer = SegmentWriter::new(id);
    let (mut term, mut postings, mut list) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        for part in &mut open {
            part.fill(txn)?;
        }
        let Some(next) = open.iter().filter_map(Part::head).map(|(term, _)| term).min() else { break };
        term.clear();
        term.extend_from_slice(next);
        postings.clear();
        for part in &mut open {
            let of_term = part.head().filter(|(of, _)| of.cmp(&term.as_slice()) == Ordering::Equal);
            let Some((_, list)) = of_term else { continue };
            posting::decode(list, |p| {
                let chunk = part.info.first.wrapping_add(p.chunk);
                if live(chunk) {
                    postings.push(Posting { chunk: chunk.wrapping_sub(head.first), freq: p.freq });
                }
            })
            .map_err(|e| Error::corrupt(POSTINGS, &term, e.0))?;
            part.at += 1;
        }
        if !postings.is_empty() {
            list.clear();
            posting::encode(&postings, &mut list);
            writer.put(txn, &term, &list)?;
        }
    }
    for part in parts {
        txn.delete_range(POSTINGS, &KeyRange::prefix(&part.id.to_be_bytes()))?;
        txn.delete(SEGMENTS, &part.id.to_be_bytes())?;
    }
    writer.finish(txn, head.first, tail.end)
}

/// A segment that is read from its first term to its last.
struct Part {
    info: SegmentInfo,
    /// Where to read on; `None` once all of it was read.
    from: Option<Bound<Vec<u8>>>,
    window: usize,
    bytes: Vec<u8>,
    /// Where in `bytes` terms and their lists are.
    entries: Vec<(Range<usize>, Range<usize>)>,
    /// The entry that comes next.
    at: usize,
}

impl Part {
    fn new(info: SegmentInfo, window: usize) -> Self {
        let from = Some(KeyRange::prefix(&info.id.to_be_bytes()).start);
        Self { info, from, window, bytes: Vec::new(), entries: Vec::new(), at: 0 }
    }

    /// The term that comes next, and its list.
    fn head(&self) -> Option<(&[u8], &[u8])> {
        let (term, list) = self.entries.get(self.at)?;
        Some((&self.bytes[term.clone()], &self.bytes[list.clone()]))
    }

    /// Reads on, if all that was read is used up.
    fn fill(&mut self, txn: &dyn ReadTxn) -> Result<()> {
        if self.at < self.entries.len() {
            return Ok(());
        }
        self.bytes.clear();
        self.entries.clear();
        self.at = 0;
        let Some(start) = self.from.take() else { return Ok(()) };
        let range = KeyRange { start, ..KeyRange::prefix(&self.info.id.to_be_bytes()) };
        txn.scan(POSTINGS, &range, &mut |key, list| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(&key[4..]);
            let middle = self.bytes.len();
            self.bytes.extend_from_slice(list);
            self.entries.push((start..middle, middle..self.bytes.len()));
            if self.bytes.len() < self.window {
                return Ok(ControlFlow::Continue(()));
            }
            self.from = Some(Bound::Excluded(key.to_vec()));
            Ok(ControlFlow::Break(()))
        })
    }
}

#[cfg(test)]
mod tests {
    use nootropic_core::reference::MemoryStore;
    use nootropic_core::{Store, StoreExt};

    use super::*;
    use crate::lexical::posting::Frequencies;
    use crate::lexical::segment::segments;

    /// Chance that repeats itself.
    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    /// Every posting of every term, with the chunk's number in the index.
    fn all(store: &dyn Store) -> Vec<(Vec<u8>, u32, u16)> {
        store
            .read_with(|txn| {
                let infos = segments(txn)?;
                let mut out = Vec::new();
                txn.scan(POSTINGS, &KeyRange::all(), &mut |key, list| {
                    let id = u32::from_be_bytes(key[..4].try_into().unwrap());
                    let first = infos.iter().find(|info| info.id == id).unwrap().first;
                    posting::decode(list, |p| out.push((key[4..].to_vec(), first + p.chunk, p.freq.bits()))).unwrap();
                    Ok(ControlFlow::Continue(()))
                })?;
                out.sort();
                Ok(out)
            })
            .unwrap()
    }

    /// A store of `parts` segments of 50 chunks each.
    fn store(parts: u32, seed: &mut u64) -> MemoryStore {
        let store = MemoryStore::new(crate::TABLES);
        store
            .write_with(|txn| {
                for id in 0..parts {
                    let mut writer = SegmentWriter::new(id);
                    let mut terms: Vec<u64> = (0..next(seed) % 40).map(|_| next(seed) % 60).collect();
                    terms.sort_unstable();
                    terms.dedup();
                    for term in terms {
                        let chunks = (0..50).filter(|_| next(seed).is_multiple_of(3));
                        let chunks: Vec<u32> = chunks.collect();
                        let freq = Frequencies::from_bits((next(seed) % 60) as u16 + 1);
                        let postings: Vec<_> = chunks.into_iter().map(|chunk| Posting { chunk, freq }).collect();
                        let mut list = Vec::new();
                        posting::encode(&postings, &mut list);
                        writer.put(txn, format!("w{term:02}").as_bytes(), &list)?;
                    }
                    writer.finish(txn, id * 50, (id + 1) * 50)?;
                }
                Ok(())
            })
            .unwrap();
        store
    }

    #[test]
    fn what_is_joined_says_what_its_parts_said_however_little_is_held_at_once() {
        let mut seed = 3;
        for window in [1, 100, 1 << 20] {
            for parts in [1, 2, 7] {
                let store = store(parts, &mut seed);
                let (live, mut expected) = (|chunk: u32| !chunk.is_multiple_of(7), all(&store));
                expected.retain(|(_, chunk, _)| live(*chunk));
                store
                    .write_with(|txn| {
                        let infos = segments(txn)?;
                        merge_within(txn, &infos, parts, &live, window)
                    })
                    .unwrap();
                assert_eq!(all(&store), expected, "{parts} parts, {window} bytes");
                let infos = store.read_with(|txn| segments(txn)).unwrap();
                let [one] = infos[..] else { panic!("{infos:?}") };
                assert_eq!((one.id, one.first, one.end, one.dead), (parts, 0, parts * 50, 0));
            }
        }
    }
}
