//! WordPiece: the longest token that fits, again and again.

use super::vocabulary::Vocabulary;

/// BERT's way to split words.
#[derive(Debug)]
pub(crate) struct WordPiece {
    pub(crate) unknown: u32,
    /// Before every token but a word's first, `##`.
    pub(crate) prefix: String,
    /// A longer word is unknown; in characters.
    pub(crate) longest_word: usize,
}

impl WordPiece {
    pub(crate) fn encode(&self, vocabulary: &Vocabulary, word: &str, out: &mut Vec<u32>) {
        let before = out.len();
        if word.chars().nth(self.longest_word).is_some() || !self.pieces(vocabulary, word, out) {
            out.truncate(before);
            out.push(self.unknown);
        }
    }

    /// Whether the whole word could be split.
    fn pieces(&self, vocabulary: &Vocabulary, word: &str, out: &mut Vec<u32>) -> bool {
        let mut start = 0;
        let mut candidate = String::new();
        while start < word.len() {
            candidate.clear();
            if start > 0 {
                candidate.push_str(&self.prefix);
            }
            let prefix = candidate.len();
            let mut end = word.len().min(start + vocabulary.longest());
            while !word.is_char_boundary(end) {
                end -= 1; // 0 is a boundary
            }
            candidate.push_str(word.get(start..end).unwrap_or_default());
            let id = loop {
                if candidate.len() <= prefix {
                    return false;
                }
                if let Some(id) = vocabulary.text_id(&candidate) {
                    break id;
                }
                candidate.pop();
            };
            out.push(id);
            start += candidate.len() - prefix;
        }
        true
    }
}
