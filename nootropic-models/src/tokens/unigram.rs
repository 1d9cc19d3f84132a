//! Unigram: the likeliest of all ways to split a word into tokens.

use super::trie::Trie;
use super::vocabulary::{TokenKind, Vocabulary};

/// How much less likely than the least likely token an unknown character is, as a logarithm.
const UNKNOWN_PENALTY: f64 = 10.0;

/// Not the number of any token.
const NO_TOKEN: u32 = u32::MAX;

/// A unigram language model over tokens.
///
/// Source: Kudo 2018, *Subword Regularization*, arXiv:1804.10959.
#[derive(Debug)]
pub(crate) struct Unigram {
    trie: Trie,
    /// The logarithm of each token's probability.
    scores: Vec<f64>,
    unknown: u32,
    unknown_score: f64,
    /// A token for each byte, for characters without one.
    bytes: Option<Box<[u32; 256]>>,
}

/// The best way to get to a place in a word.
#[derive(Clone, Copy)]
struct Best {
    score: f64,
    from: usize,
    id: u32,
}

impl Unigram {
    /// `scores` has one finite number for each token of `vocabulary`.
    pub(crate) fn new(
        vocabulary: &Vocabulary,
        scores: Vec<f64>,
        unknown: Option<u32>,
        bytes: Option<Box<[u32; 256]>>,
    ) -> Self {
        let usable = |id: &u32| !matches!(vocabulary.kind(*id), TokenKind::Control | TokenKind::Unknown);
        let tokens = (0..vocabulary.len() as u32).filter(usable);
        let trie = Trie::new(tokens.map(|id| (vocabulary.text(id), id)));
        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let unknown_score = if least.is_finite() { least - UNKNOWN_PENALTY } else { -UNKNOWN_PENALTY };
        Self { trie, scores, unknown: unknown.unwrap_or(NO_TOKEN), unknown_score, bytes }
    }

    pub(crate) fn encode(&self, word: &str, out: &mut Vec<u32>) {
        let best = self.best_ways(word);
        let (mut path, mut end) = (Vec::new(), word.len());
        while let Some(Some(way)) = best.get(end).filter(|_| end > 0) {
            path.push((way.id, way.from..end));
            end = way.from;
        }
        path.reverse();
        // Neighbouring unknown characters count as one.
        for group in path.chunk_by(|a, b| a.0 == self.unknown && b.0 == self.unknown) {
            let (Some((id, first)), Some((_, last))) = (group.first(), group.last()) else { continue };
            match &self.bytes {
                Some(bytes) if *id == self.unknown => {
                    let text = word.get(first.start..last.end).unwrap_or_default();
                    out.extend(text.bytes().filter_map(|byte| bytes.get(usize::from(byte))));
                }
                _ if *id == NO_TOKEN => {} // left out, for want of any token
                _ => out.push(*id),
            }
        }
    }

    /// For each byte of `word`, and its end, the best way to get there.
    fn best_ways(&self, word: &str) -> Vec<Option<Best>> {
        let mut best: Vec<Option<Best>> = vec![None; word.len() + 1];
        for (start, c) in word.char_indices() {
            let here = best.get(start).copied().flatten().map_or(0.0, |way| way.score);
            let rest = word.as_bytes().get(start..).unwrap_or_default();
            let mut known = false;
            for (length, id) in self.trie.prefixes(rest) {
                let score = here + self.scores.get(id as usize).copied().unwrap_or(self.unknown_score);
                improve(&mut best, start + length, Best { score, from: start, id });
                known |= length == c.len_utf8();
            }
            if !known {
                let score = here + self.unknown_score;
                improve(&mut best, start + c.len_utf8(), Best { score, from: start, id: self.unknown });
            }
        }
        best
    }
}

fn improve(best: &mut [Option<Best>], end: usize, way: Best) {
    if let Some(slot) = best.get_mut(end)
        && slot.is_none_or(|before| way.score > before.score)
    {
        *slot = Some(way);
    }
}
