//! Tokens that are looked for before a text is split: control tokens and those that users added.

use std::ops::Range;

use super::trie::Trie;
use super::vocabulary::{TokenKind, Vocabulary};
use crate::{Error, Place, Result};

/// Longer tokens are refused: looking for them at every place would take too long.
const LONGEST: usize = 1024;

/// A token that is looked for as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct AddedToken {
    pub(crate) id: u32,
    /// What is looked for; usually the token's text.
    pub(crate) content: String,
    /// Only between characters that are not part of words.
    pub(crate) single_word: bool,
    /// Takes the white space before it along.
    pub(crate) strip_left: bool,
    /// Takes the white space after it along.
    pub(crate) strip_right: bool,
}

/// Finds added tokens.
#[derive(Debug, Default)]
pub(crate) struct Added {
    trie: Trie,
    tokens: Vec<AddedToken>,
}

/// What may be found in a text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Allowed<'a> {
    /// Everything.
    All,
    /// All but control tokens.
    NoControl,
    /// Control tokens only where none of these places, ascending, lies within.
    NoControlAcross(&'a [usize]),
}

impl Allowed<'_> {
    fn allows(self, kind: TokenKind, range: &Range<usize>) -> bool {
        match self {
            _ if !matches!(kind, TokenKind::Control | TokenKind::Unknown) => true,
            Self::All => true,
            Self::NoControl => false,
            Self::NoControlAcross(places) => {
                let next = places.partition_point(|place| *place <= range.start);
                places.get(next).is_none_or(|place| *place >= range.end)
            }
        }
    }
}

impl Added {
    /// # Errors
    /// [`Error::OverLimit`] for a token of more than 1 KiB.
    pub(crate) fn new(tokens: Vec<AddedToken>, file: &str, key: &str) -> Result<Self> {
        if let Some(token) = tokens.iter().find(|token| token.content.len() > LONGEST) {
            return Err(Error::OverLimit {
                file: file.into(),
                place: Place::key(key),
                what: "bytes of a special token",
                got: token.content.len() as u64,
                max: LONGEST as u64,
            });
        }
        let trie = Trie::new(tokens.iter().zip(0..).map(|(token, at)| (token.content.as_str(), at)));
        Ok(Self { trie, tokens })
    }

    /// Whether one of them is looked for whose text is so.
    pub(crate) fn any(&self, is_so: impl Fn(&str) -> bool) -> bool {
        self.tokens.iter().any(|token| is_so(&token.content))
    }

    /// Splits `text` at the tokens found in it, of overlapping ones the leftmost, of those the longest. Calls `emit` with each
    /// part that is not empty, and its token.
    pub(crate) fn split(
        &self,
        text: &str,
        vocabulary: &Vocabulary,
        allowed: Allowed<'_>,
        mut emit: impl FnMut(Range<usize>, Option<u32>) -> Result<()>,
    ) -> Result<()> {
        let (mut done, mut at) = (0, 0);
        while !self.trie.is_empty() && at < text.len() {
            let Some((found, token)) = self.at(text, at, vocabulary, allowed) else {
                at += 1;
                continue;
            };
            at = found.end;
            let before = |c: Option<char>| c.is_some_and(is_word_character);
            let (left, right) =
                (text.get(..found.start).unwrap_or_default(), text.get(found.end..).unwrap_or_default());
            if token.single_word && (before(left.chars().next_back()) || before(right.chars().next())) {
                continue;
            }
            let start = if token.strip_left { left.trim_end().len().max(done) } else { found.start };
            let end = if token.strip_right { text.len() - right.trim_start().len() } else { found.end };
            if done < start {
                emit(done..start, None)?;
            }
            emit(start..end, Some(token.id))?;
            (done, at) = (end, end);
        }
        if done < text.len() { emit(done..text.len(), None) } else { Ok(()) }
    }

    /// The longest token that may stand at a place.
    fn at(
        &self,
        text: &str,
        at: usize,
        vocabulary: &Vocabulary,
        allowed: Allowed<'_>,
    ) -> Option<(Range<usize>, &AddedToken)> {
        let rest = text.as_bytes().get(at..)?;
        if !self.trie.begins(*rest.first()?) {
            return None;
        }
        let found = self.trie.prefixes(rest).filter_map(|(length, index)| {
            let (range, token) = (at..at + length, self.tokens.get(index as usize)?);
            allowed.allows(vocabulary.kind(token.id), &range).then_some((range, token))
        });
        found.last()
    }
}

fn is_word_character(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
