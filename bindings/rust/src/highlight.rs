//! Which words of a passage a question asks for.

use std::collections::HashSet;
use std::ops::Range;

use nootropic_context::lexical::{identifiers, is_stopword, normalize, parts};
use nootropic_context::search::is_filter;

/// Finds the words of a question in texts, as the index compares them: `committed` finds `commit` in `beginCommit`.
#[derive(Debug, Clone, Default)]
pub struct Highlighter {
    words: HashSet<Vec<u8>>,
}

impl Highlighter {
    /// For a question; filters such as `path:src` are no words.
    pub fn new(question: &str) -> Self {
        let plain = question.split_whitespace().filter(|word| !is_filter(word)).collect::<Vec<_>>().join(" ");
        let (mut content, mut all) = (HashSet::new(), HashSet::new());
        identifiers(&plain, |word| {
            let stop = is_stopword(&word.text.to_lowercase());
            parts(word.text, |part| {
                let mut term = Vec::new();
                if normalize(part, &mut term) {
                    if !stop {
                        content.insert(term.clone());
                    }
                    all.insert(term);
                }
            });
        });
        Self { words: if content.is_empty() { all } else { content } }
    }

    /// Where the words stand in `text`: byte ranges in order, and for each a number that is the same for the same word.
    pub fn find(&self, text: &str) -> Vec<(Range<usize>, u64)> {
        let mut found = Vec::new();
        let mut term = Vec::new();
        identifiers(text, |word| {
            parts(word.text, |part| {
                if normalize(part, &mut term) && self.words.contains(&term) {
                    // A part is a slice of the text.
                    let start = part.as_ptr() as usize - text.as_ptr() as usize;
                    let word = term.iter().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add((*byte).into()));
                    found.push((start..start + part.len(), word));
                }
            });
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'t>(question: &str, text: &'t str) -> Vec<&'t str> {
        Highlighter::new(question).find(text).into_iter().map(|(range, _)| &text[range]).collect()
    }

    #[test]
    fn words_are_found_as_the_index_compares_them() {
        assert_eq!(found("where is it committed?", "fn beginCommit() { self.commits += 1 }"), ["Commit", "commits"]);
        assert_eq!(found("path:src/lib.rs -lang:go lock", "lib src go lock"), ["lock"]);
        assert_eq!(found("panic in file:main.rs", "main file"), ["main", "file"], "no filter, but words");
        assert_eq!(found("where is it", "this is it"), ["is", "it"], "stop words count if there is nothing else");
        assert!(found("", "anything").is_empty());
    }
}
