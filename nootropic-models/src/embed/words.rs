//! The tokens of code: of each identifier the words that people read in it, and of nothing else.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use nootropic_core::words::{identifiers, parts};

use crate::Result;
use crate::tokens::{Special, TokenId, TokenKind, Tokenizer};

/// Longer identifiers are no names but data: hashes, base64.
const LONGEST: usize = 64;

/// Identifiers whose tokens are remembered; code says the same ones again and again.
const REMEMBERED: usize = 1 << 15;

/// Identifiers and their tokens.
type Memo = HashMap<Box<str>, Box<[u32]>>;

/// Cuts code into tokens: `HTTPServer2`, `http_server_2` and “http server 2” are the same ones.
#[derive(Debug, Default)]
pub(super) struct WordTokens {
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
            if !memo.contains_key(word.text) {
                if memo.len() == REMEMBERED {
                    memo.clear();
                }
                match tokens_of(tokenizer, word.text) {
                    Ok(tokens) => _ = memo.insert(word.text.into(), tokens),
                    Err(error) => return problem = Some(error),
                }
            }
            for token in memo.get(word.text).into_iter().flatten().take(left) {
                visit(*token);
                left -= 1;
            }
        });
        self.memos.lock().unwrap_or_else(PoisonError::into_inner).push(memo);
        problem.map_or(Ok(()), Err)
    }
}

fn tokens_of(tokenizer: &Tokenizer, identifier: &str) -> Result<Box<[u32]>> {
    let mut words = Vec::new();
    parts(identifier, |part| words.push(part.to_lowercase()));
    let mut tokens = Vec::new();
    for word in words {
        let spelled = tokenizer.encode(&word, Special::AsText)?;
        tokens.extend(spelled.into_iter().filter(|t| tokenizer.kind(*t) != TokenKind::Unknown).map(|TokenId(t)| t));
    }
    Ok(tokens.into())
}
