//! The tokens of code: of each identifier the words that people read in it, and of nothing else.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use hashbrown::{DefaultHashBuilder, HashTable};
use nootropic_core::words::{identifiers, parts};

use crate::Result;
use crate::tokens::{Special, TokenId, TokenKind, Tokenizer};

/// Longer identifiers are no names but data: hashes, base64.
const LONGEST: usize = 64;

/// Identifiers whose tokens are remembered; code says the same ones again and again.
const REMEMBERED: usize = 1 << 15;

/// Cuts code into tokens: `HTTPServer2`, `http_server_2` and “http server 2” are the same ones.
#[derive(Debug, Default)]
pub(super) struct WordTokens {
    /// One for each thread that was at it at once.
    memos: Mutex<Vec<Memo>>,
}

impl WordTokens {
    /// Visits the first `most` tokens of a text. Words that the vocabulary cannot spell are left out.
    pub(super) fn visit(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
        most: usize,
        mut visit: impl FnMut(u32),
    ) -> Result<()> {
        let mut memo = self.memos.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let (mut left, mut problem) = (most, None);
        identifiers(text, |word| {
            if left == 0 || problem.is_some() || word.text.len() > LONGEST {
                return;
            }
            match memo.tokens_of(tokenizer, word.text) {
                Ok(tokens) => {
                    tokens.iter().take(left).for_each(|token| visit(*token));
                    left = left.saturating_sub(tokens.len());
                }
                Err(error) => problem = Some(error),
            }
        });
        self.memos.lock().unwrap_or_else(PoisonError::into_inner).push(memo);
        problem.map_or(Ok(()), Err)
    }
}

/// Identifiers and their tokens, one after the other: there are too many to keep each somewhere of its own.
#[derive(Debug, Default)]
struct Memo {
    index: HashTable<Entry>,
    hasher: DefaultHashBuilder,
    names: String,
    tokens: Vec<u32>,
    /// Room for one word.
    word: String,
}

/// Where an identifier and its tokens stand.
#[derive(Debug)]
struct Entry {
    name: Range<u32>,
    tokens: Range<u32>,
}

impl Memo {
    fn tokens_of(&mut self, tokenizer: &Tokenizer, identifier: &str) -> Result<&[u32]> {
        let hash = self.hasher.hash_one(identifier);
        let name_of = |names: &str, entry: &Entry| part(names.as_bytes(), &entry.name) == identifier.as_bytes();
        let known = self.index.find(hash, |entry| name_of(&self.names, entry)).map(|entry| entry.tokens.clone());
        let tokens = match known {
            Some(tokens) => tokens,
            None => self.learn(tokenizer, identifier, hash)?,
        };
        Ok(part(&self.tokens, &tokens))
    }

    fn learn(&mut self, tokenizer: &Tokenizer, identifier: &str, hash: u64) -> Result<Range<u32>> {
        if self.index.len() == REMEMBERED {
            self.index.clear();
            self.names.clear();
            self.tokens.clear();
        }
        let start = self.tokens.len();
        if let Err(error) = spell(tokenizer, identifier, &mut self.word, &mut self.tokens) {
            self.tokens.truncate(start);
            return Err(error);
        }
        let name = self.names.len() as u32..(self.names.len() + identifier.len()) as u32;
        self.names.push_str(identifier);
        let tokens = start as u32..self.tokens.len() as u32;
        let Self { index, hasher, names, .. } = self;
        let entry = Entry { name, tokens: tokens.clone() };
        index.insert_unique(hash, entry, |entry| hasher.hash_one(names_of(names, entry)));
        Ok(tokens)
    }
}

fn names_of<'n>(names: &'n str, entry: &Entry) -> &'n str {
    names.get(entry.name.start as usize..entry.name.end as usize).unwrap_or_default()
}

fn part<'t, T>(all: &'t [T], range: &Range<u32>) -> &'t [T] {
    all.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// Adds the tokens of an identifier's words. `word` is room for one.
fn spell(tokenizer: &Tokenizer, identifier: &str, word: &mut String, out: &mut Vec<u32>) -> Result<()> {
    let mut problem = None;
    parts(identifier, |part| {
        word.clear();
        match part.is_ascii() {
            true => word.extend(part.chars().map(|c| c.to_ascii_lowercase())),
            false => *word = part.to_lowercase(),
        }
        if let Some(TokenId(token)) = tokenizer.whole_word(word) {
            return out.push(token);
        }
        match tokenizer.encode(word, Special::AsText) {
            Ok(tokens) => out.extend(
                tokens.into_iter().filter(|token| tokenizer.kind(*token) != TokenKind::Unknown).map(|TokenId(t)| t),
            ),
            Err(error) => problem = problem.take().or(Some(error)),
        }
    });
    problem.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::built_in;

    fn tokens(words: &WordTokens, tokenizer: &Tokenizer, text: &str, most: usize) -> Vec<u32> {
        let mut tokens = Vec::new();
        words.visit(tokenizer, text, most, |token| tokens.push(token)).unwrap();
        tokens
    }

    #[test]
    fn whole_words_have_the_tokens_that_encoding_gives() {
        let (table, _) = built_in::read().unwrap();
        let tokenizer = table.tokenizer();
        let mut whole = 0;
        for token in 0..tokenizer.len() as u32 {
            let text = tokenizer.token_text(TokenId(token));
            if let Some(found) = tokenizer.whole_word(text) {
                assert_eq!(tokenizer.encode(text, Special::AsText).unwrap(), [found], "{text}");
                whole += 1;
            }
        }
        assert!(whole > 20_000, "{whole}");
        for text in ["", "[UNK]", "##ing", "Lock", "naïve", "two words"] {
            assert_eq!(tokenizer.whole_word(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_remembered_is_what_was_learned() {
        let (table, _) = built_in::read().unwrap();
        let (words, tokenizer) = (WordTokens::default(), table.tokenizer());
        let text: String = (0..REMEMBERED + 500).map(|i| format!("name{i} lock_{} ", i % 700)).collect();
        let first = tokens(&words, tokenizer, &text, usize::MAX);
        assert_eq!(first, tokens(&words, tokenizer, &text, usize::MAX));
        assert_eq!(first, tokens(&WordTokens::default(), tokenizer, &text, usize::MAX));
        assert_eq!(tokens(&words, tokenizer, &text, 7), first[..7]);
        assert!(tokens(&words, tokenizer, &"a".repeat(LONGEST + 1), 7).is_empty());
    }
}
