//! Requests as tokens.

use std::sync::Arc;

use nootropic_core::{GenerateRequest, Prompt};

use super::sequence::Reader;
use crate::tokens::{ChatTemplate, DecodeStream, Infill, RenderOptions, Special, TokenId, Tokenizer, ToolParser};
use crate::{Error, Result};

/// What turns requests into tokens.
#[derive(Debug)]
pub(super) struct Prompts {
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) template: Option<ChatTemplate>,
    pub(super) infill: Option<Infill>,
}

impl Prompts {
    /// The tokens of a request that was checked.
    pub(super) fn encode(&self, request: &GenerateRequest) -> Result<Vec<u32>> {
        let missing =
            |what: &str| Error::Invalid { what: "request".into(), problem: format!("the model has no {what}") };
        let tokens = match &request.prompt {
            Prompt::Chat(messages) => {
                let template = self.template.as_ref().ok_or_else(|| missing("template for conversations"))?;
                let rendered = template.render(messages, &request.tools, &RenderOptions::default())?;
                self.tokenizer.encode_prompt(&rendered)?
            }
            Prompt::Text(text) => self.begin(self.tokenizer.encode(text, Special::AsText)?),
            Prompt::Infill { prefix, suffix } => {
                let infill = self.infill.ok_or_else(|| missing("tokens for infill"))?;
                infill.encode(&self.tokenizer, prefix, suffix)?
            }
            _ => return Err(missing("such prompts")),
        };
        // A model goes on from something.
        let tokens = if tokens.is_empty() { self.tokenizer.bos().into_iter().collect() } else { tokens };
        match tokens.is_empty() {
            true => Err(Error::Invalid { what: "request".into(), problem: "the prompt is empty".into() }),
            false => Ok(tokens.into_iter().map(|token| token.0).collect()),
        }
    }

    /// What tokens of the answer become.
    pub(super) fn reader(&self, request: &GenerateRequest) -> Reader {
        let parser = match (&request.prompt, &self.template) {
            (Prompt::Chat(_), Some(template)) => Some(ToolParser::new(template.dialect(), Vec::new(), 0)),
            _ => None,
        };
        Reader { decode: DecodeStream::continuing(), parser }
    }

    /// A text with the token that begins texts, if they begin with one; without one that would end it.
    fn begin(&self, tokens: Vec<TokenId>) -> Vec<TokenId> {
        let count = tokens.len();
        let mut whole = self.tokenizer.with_ends(tokens.clone());
        let first = whole.windows(count.max(1)).position(|window| window == tokens.as_slice()).unwrap_or(0);
        whole.truncate(first + count);
        whole
    }
}
