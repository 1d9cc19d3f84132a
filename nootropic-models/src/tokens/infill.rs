//! Prompts that ask a model to fill a gap in a text.

use super::decode::Start;
use super::{Special, TokenId, Tokenizer};
use crate::Result;

/// How a model is asked to fill a gap: by tokens before the text in front of the gap, the text behind it, and the answer.
///
/// Qwen2.5-Coder, StarCoder 2, DeepSeek-Coder, CodeLlama and CodeGemma read what is in front first; Codestral, which has no token
/// for the answer, reads what is behind first.
///
/// Source: Bavarian et al., *Efficient Training of Language Models to Fill in the Middle*, arXiv:2207.14255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Infill {
    prefix: TokenId,
    suffix: TokenId,
    middle: Option<TokenId>,
}

impl Infill {
    /// What a vocabulary has for it, by what its file says or by the names of tokens; `None` if the model cannot.
    pub fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let tokens = tokenizer.special().infill;
        Some(Self {
            prefix: TokenId(tokens.prefix?),
            suffix: TokenId(tokens.suffix?),
            middle: tokens.middle.map(TokenId),
        })
    }

    /// The tokens of a prompt for the gap between two texts. Neither text becomes control tokens.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode(&self, tokenizer: &Tokenizer, prefix: &str, suffix: &str) -> Result<Vec<TokenId>> {
        let mut tokens = tokenizer.parts.ends.0.iter().copied().map(TokenId).collect::<Vec<_>>();
        match self.middle {
            Some(middle) => {
                tokens.push(self.prefix);
                tokens.extend(tokenizer.encode(prefix, Special::AsText)?);
                tokens.push(self.suffix);
                tokens.extend(continued(tokenizer, suffix)?);
                tokens.push(middle);
            }
            None => {
                tokens.push(self.suffix);
                tokens.extend(continued(tokenizer, suffix)?);
                tokens.push(self.prefix);
                tokens.extend(tokenizer.encode(prefix, Special::AsText)?);
            }
        }
        Ok(tokens)
    }
}

/// The tokens of a text that goes on, without the space that some vocabularies put before every text.
fn continued(tokenizer: &Tokenizer, text: &str) -> Result<Vec<TokenId>> {
    if tokenizer.decoding().start == Start::Keep || text.is_empty() {
        return tokenizer.encode(text, Special::AsText);
    }
    // As CodeLlama's own code does it: with a character in front that merges with nothing.
    const HEAD: &str = "☺";
    let (head, mut whole) =
        (tokenizer.encode(HEAD, Special::AsText)?, tokenizer.encode(&format!("{HEAD}{text}"), Special::AsText)?);
    if whole.starts_with(&head) {
        whole.drain(..head.len());
        return Ok(whole);
    }
    tokenizer.encode(text, Special::AsText)
}
