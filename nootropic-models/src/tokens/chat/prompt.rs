//! A conversation as one text, in which what users said is known from what the template says.

use crate::tokens::added::Allowed;
use crate::tokens::trie::Trie;
use crate::tokens::{TokenId, Tokenizer};
use crate::{Error, Result};

/// A conversation as one text.
///
/// Where users, tools or files wrote what is also the name of a control token, such as `<|im_end|>`, the text remembers it, and
/// [`Tokenizer::encode_prompt`] keeps it text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedPrompt {
    text: String,
    /// Offsets that no control token may span, ascending.
    places: Vec<usize>,
}

impl RenderedPrompt {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Tokenizer {
    /// The tokens of a conversation: control tokens where the template has them, and nowhere else.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_prompt(&self, prompt: &RenderedPrompt) -> Result<Vec<TokenId>> {
        let mut tokens = self.encode_allowed(&prompt.text, Allowed::NoControlAcross(&prompt.places))?;
        // Some templates begin with BOS, others leave it to the tokenizer.
        let first = &self.parts.ends.0;
        if tokens.first().is_none_or(|token| !first.contains(&token.0)) {
            tokens.splice(0..0, first.iter().copied().map(TokenId));
        }
        Ok(tokens)
    }
}

/// Marks control tokens' names in texts that go through a template, and takes the marks out again.
///
/// A mark stands behind the first character of each such name, so that texts which hold none go through the template untouched,
/// and templates that look at how a text begins or ends see what they expect.
#[derive(Debug)]
pub(super) struct Marker {
    names: std::sync::Arc<Trie>,
    mark: char,
}

impl Marker {
    /// Picks a mark that none of `texts` holds: one of the characters that Unicode sets aside for such uses.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the texts hold all of them.
    pub(super) fn new<'a>(names: std::sync::Arc<Trie>, texts: impl Iterator<Item = &'a str> + Clone) -> Result<Self> {
        let free = |mark: &char| texts.clone().all(|text| !text.contains(*mark));
        let mark = ('\u{FDD0}'..='\u{FDEF}').find(free).ok_or_else(|| Error::Invalid {
            what: "conversation".into(),
            problem: "its texts hold all of the noncharacters U+FDD0 to U+FDEF".into(),
        })?;
        Ok(Self { names, mark })
    }

    pub(super) fn marked(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            out.push(c);
            let rest = text.as_bytes().get(at..).unwrap_or_default();
            let names = rest.first().is_some_and(|byte| self.names.begins(*byte));
            if names && self.names.prefixes(rest).next().is_some() {
                out.push(self.mark);
            }
        }
        out
    }

    pub(super) fn unmarked(&self, text: &str) -> RenderedPrompt {
        let mut prompt = RenderedPrompt { text: String::with_capacity(text.len()), places: Vec::new() };
        for (index, part) in text.split(self.mark).enumerate() {
            if index > 0 {
                prompt.places.push(prompt.text.len());
            }
            prompt.text.push_str(part);
        }
        prompt
    }
}
