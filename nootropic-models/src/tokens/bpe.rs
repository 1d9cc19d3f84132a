//! Byte-pair encoding: by a list of merges, or by the scores of what comes out (SentencePiece's).

use super::merge::{Merge, Symbol, merge};
use super::vocabulary::Vocabulary;

/// Which pairs of tokens merge into which, in the order of their ranks.
#[derive(Debug, Default)]
pub(crate) struct Merges {
    /// Where the merges of each left token start in `pairs`; one more at the end.
    starts: Vec<u32>,
    /// By left token, then by right one.
    pairs: Vec<Pair>,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    right: u32,
    rank: u32,
    id: u32,
}

impl Merges {
    /// `merges` are left and right token and what they become, in the order of the file, for a vocabulary of `tokens`. Of a
    /// pair that stands twice the last counts, as in the reference.
    pub(crate) fn new(tokens: usize, merges: &[(u32, u32, u32)]) -> Self {
        let mut sorted: Vec<(u32, u32, u32, u32)> =
            (0..).zip(merges).map(|(rank, (left, right, id))| (*left, *right, rank, *id)).collect();
        sorted.sort_unstable_by_key(|(left, right, rank, _)| (*left, *right, std::cmp::Reverse(*rank)));
        sorted.dedup_by_key(|(left, right, ..)| (*left, *right));
        let mut starts = Vec::with_capacity(tokens + 1);
        for (at, (left, ..)) in sorted.iter().enumerate() {
            while starts.len() <= *left as usize {
                starts.push(at as u32);
            }
        }
        starts.resize(tokens.max(starts.len()) + 1, sorted.len() as u32);
        let pairs = sorted.into_iter().map(|(_, right, rank, id)| Pair { right, rank, id }).collect();
        Self { starts, pairs }
    }

    fn get(&self, left: u32, right: u32) -> Option<Merge> {
        let (start, end) = (self.starts.get(left as usize)?, self.starts.get(left as usize + 1)?);
        let of_left = self.pairs.get(*start as usize..*end as usize)?;
        let found = of_left.binary_search_by_key(&right, |pair| pair.right).ok()?;
        of_left.get(found).map(|pair| (pair.rank, pair.id))
    }
}

/// Byte-pair encoding by a list of merges.
#[derive(Debug)]
pub(crate) struct Bpe {
    pub(crate) merges: Merges,
    pub(crate) unknown: Option<u32>,
    /// Neighbouring unknown characters become one token.
    pub(crate) fuse_unknown: bool,
    /// A token for each byte, for characters without one.
    pub(crate) bytes: Option<Box<[u32; 256]>>,
    /// A word that is a token becomes that token at once.
    pub(crate) ignore_merges: bool,
    /// Before every character but a word's first.
    pub(crate) prefix: String,
    /// After a word's last character.
    pub(crate) suffix: String,
}

impl Bpe {
    pub(crate) fn encode(&self, vocabulary: &Vocabulary, word: &str, out: &mut Vec<u32>) {
        if self.ignore_merges
            && let Some(id) = vocabulary.text_id(word)
        {
            out.push(id);
            return;
        }
        let mut symbols = self.symbols(vocabulary, word);
        merge(&mut symbols, |left, right| self.merges.get(left.id, right.id));
        out.extend(symbols.iter().map(|symbol| symbol.id));
    }

    /// A symbol for each character.
    fn symbols(&self, vocabulary: &Vocabulary, word: &str) -> Vec<Symbol> {
        let mut symbols = Vec::with_capacity(word.len());
        let mut unknown: Option<Symbol> = None;
        let mut edited = String::new();
        for (at, c) in word.char_indices() {
            let range = at..at + c.len_utf8();
            let (first, last) = (at == 0, range.end == word.len());
            let mut text = word.get(range.clone()).unwrap_or_default();
            if (!first && !self.prefix.is_empty()) || (last && !self.suffix.is_empty()) {
                edited.clear();
                edited.push_str(if first { "" } else { &self.prefix });
                edited.push(c);
                edited.push_str(if last { &self.suffix } else { "" });
                text = &edited;
            }
            let symbol = |id| Symbol { id, start: range.start as u32, end: range.end as u32 };
            if let Some(id) = vocabulary.text_id(text) {
                symbols.extend(unknown.take());
                symbols.push(symbol(id));
            } else if let Some(bytes) = &self.bytes {
                symbols.extend(unknown.take());
                push_bytes(text, bytes, symbol(0), &mut symbols);
            } else if let Some(id) = self.unknown {
                match &mut unknown {
                    Some(before) if self.fuse_unknown => before.end = range.end as u32,
                    _ => symbols.extend(unknown.replace(symbol(id))),
                }
            }
        }
        symbols.extend(unknown);
        symbols
    }
}

/// The tokens of the bytes of `text`. They share out the range of `whole`, so that none is empty if it has as many bytes.
fn push_bytes(text: &str, bytes: &[u32; 256], whole: Symbol, symbols: &mut Vec<Symbol>) {
    let ids = text.bytes().filter_map(|byte| bytes.get(usize::from(byte)));
    for (start, id) in (whole.start..).zip(ids) {
        symbols.push(Symbol { id: *id, start, end: start + 1 });
    }
}

/// Byte-pair encoding by scores: of all pairs that together are a token, the one with the highest score merges first.
///
/// Source: SentencePiece, `bpe_model.cc`.
#[derive(Debug)]
pub(crate) struct ScoredBpe {
    /// The order of each token's score: the higher the score, the smaller the number.
    pub(crate) priorities: Vec<u32>,
    pub(crate) unknown: Option<u32>,
    pub(crate) bytes: Option<Box<[u32; 256]>>,
}

/// Not the number of any token: a character without one.
const NO_TOKEN: u32 = u32::MAX;

impl ScoredBpe {
    pub(crate) fn encode(&self, vocabulary: &Vocabulary, word: &str, out: &mut Vec<u32>) {
        let symbol = |(at, c): (usize, char)| {
            let end = at + c.len_utf8();
            let id = word.get(at..end).and_then(|text| vocabulary.text_id(text)).unwrap_or(NO_TOKEN);
            Symbol { id, start: at as u32, end: end as u32 }
        };
        let mut symbols: Vec<Symbol> = word.char_indices().map(symbol).collect();
        merge(&mut symbols, |left, right| {
            let range = left.start as usize..right.end as usize;
            if range.len() > vocabulary.longest() {
                return None;
            }
            let id = vocabulary.text_id(word.get(range)?)?;
            Some((*self.priorities.get(id as usize)?, id))
        });
        for symbol in symbols {
            match (symbol.id, &self.bytes) {
                (NO_TOKEN, Some(bytes)) => {
                    let text = word.get(symbol.range()).unwrap_or_default();
                    out.extend(text.bytes().filter_map(|byte| bytes.get(usize::from(byte))));
                }
                (NO_TOKEN, None) => out.extend(self.unknown),
                (id, _) => out.push(id),
            }
        }
    }

    /// Numbers in the order of scores, highest first. Equal scores get equal numbers.
    pub(crate) fn priorities(scores: &[f32]) -> Vec<u32> {
        // The bits of a float, as a number that grows with it.
        let key = |score: f32| {
            let bits = (score + 0.0).to_bits(); // -0 becomes 0
            if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
        };
        scores.iter().map(|score| !key(*score)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_are_found_by_their_pair() {
        let merges = Merges::new(5, &[(3, 1, 4), (0, 1, 2), (0, 0, 3), (0, 1, 4)]);
        assert_eq!(merges.get(3, 1), Some((0, 4)));
        assert_eq!(merges.get(0, 1), Some((3, 4)), "the last of two counts");
        assert_eq!(merges.get(0, 0), Some((2, 3)));
        assert_eq!((merges.get(1, 0), merges.get(4, 4), merges.get(9, 9)), (None, None, None));
        assert_eq!(Merges::new(0, &[]).get(0, 0), None);
    }

    #[test]
    fn higher_scores_come_first() {
        let priorities = ScoredBpe::priorities(&[0.0, -1.0, -0.0, 2.5, -1e9, f32::INFINITY]);
        let mut order: Vec<usize> = (0..6).collect();
        order.sort_by_key(|i| priorities[*i]);
        assert_eq!(order, [5, 3, 0, 2, 1, 4]);
        assert_eq!(priorities[0], priorities[2]);
    }
}
