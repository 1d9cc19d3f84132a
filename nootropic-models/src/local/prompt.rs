//! Requests as tokens.

use std::sync::Arc;

use nootropic_core::{GenerateRequest, Message, Prompt, ResponseGrammar, ToolChoice, ToolSpec};

use super::sequence::Reader;
use crate::grammar::{Answer, Grammar, Text, Thinking};
use crate::tokens::{
    ChatTemplate, DecodeStream, Infill, RenderOptions, Special, THINKING, TokenId, TokenKind, Tokenizer, ToolDialect,
    ToolParser,
};
use crate::{Error, Result};

/// What turns requests into tokens.
#[derive(Debug)]
pub(super) struct Prompts {
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) template: Option<ChatTemplate>,
    pub(super) infill: Option<Infill>,
}

/// A request's prompt.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) tokens: Vec<u32>,
    /// What thinking the answer may begin with.
    pub(super) thinking: Thinking,
}

impl Prompts {
    /// The prompt of a request that was checked.
    pub(super) fn encode(&self, request: &GenerateRequest) -> Result<Encoded> {
        let missing =
            |what: &str| Error::Invalid { what: "request".into(), problem: format!("the model has no {what}") };
        let mut thinking = Thinking::No;
        let tokens = match &request.prompt {
            Prompt::Chat(messages) => {
                let template = self.template.as_ref().ok_or_else(|| missing("template for conversations"))?;
                let rendered = template.render(messages, &request.tools, &RenderOptions::default())?;
                let begun = |(begin, _): &(&str, &str)| rendered.text().trim_end().ends_with(begin);
                thinking = match (template.thinking(), THINKING.iter().find(|marks| begun(marks))) {
                    (_, Some((_, end))) => Thinking::Begun(end),
                    (Some((begin, end)), None) => Thinking::May(begin, end),
                    (None, None) => Thinking::No,
                };
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
            false => Ok(Encoded { tokens: tokens.into_iter().map(|token| token.0).collect(), thinking }),
        }
    }

    /// The grammar that the answer obeys, if anything is asked of it.
    pub(super) fn grammar(&self, request: &GenerateRequest, thinking: Thinking) -> Result<Option<Grammar>> {
        let held = match (&request.response_schema, &request.response_grammar) {
            (Some(schema), _) => Some(Grammar::json(schema.as_value())),
            (None, Some(ResponseGrammar::Regex(pattern))) => Some(Grammar::regex(pattern)),
            (None, Some(ResponseGrammar::Lark(lark))) => Some(Grammar::lark(lark)),
            (None, Some(_)) => return Err(Error::Grammar { problem: "it is of an unknown kind".into() }),
            (None, None) => None,
        };
        if held.is_none() && request.tools.is_empty() {
            return Ok(None);
        }
        let tools = callable(request);
        let text = match (&request.tool_choice, held) {
            (ToolChoice::Required | ToolChoice::Named(_), _) => Text::No,
            (_, Some(grammar)) => Text::Held(grammar),
            (_, None) => Text::Free,
        };
        let control = |mark: &str| self.control(mark).map(|token| token.0);
        let answer = Answer { dialect: self.dialect(), tools: &tools, text, thinking, control: &control };
        answer.grammar().map(Some)
    }

    /// What tokens of the answer become.
    pub(super) fn reader(&self, request: &GenerateRequest, thinking: Thinking) -> Reader {
        let mut shown: Vec<&str> = Vec::new();
        let chat = matches!(request.prompt, Prompt::Chat(_));
        let parser = (chat || !request.tools.is_empty()).then(|| {
            let tools = callable(request);
            shown.extend(THINKING.iter().flat_map(|(begin, end)| [*begin, *end]));
            if !tools.is_empty() {
                shown.extend(self.dialect().openings().iter().chain(self.dialect().inner_marks()));
            }
            let mut parser = ToolParser::new(self.dialect(), tools, calls_before(&request.prompt)).held();
            if let Thinking::Begun(end) = thinking {
                parser = parser.thinking_until(end);
            }
            if may_be_held(request) { parser.strict() } else { parser }
        });
        let shown = shown.into_iter().filter_map(|mark| self.control(mark)).collect();
        Reader { decode: DecodeStream::continuing().showing(shown), parser }
    }

    fn dialect(&self) -> ToolDialect {
        self.template.as_ref().map_or(ToolDialect::Hermes, ChatTemplate::dialect)
    }

    /// The control token of a name.
    fn control(&self, mark: &str) -> Option<TokenId> {
        self.tokenizer.find(mark).filter(|token| self.tokenizer.kind(*token) == TokenKind::Control)
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

/// Whether a text would be held to a schema or a grammar.
fn may_be_held(request: &GenerateRequest) -> bool {
    let text = matches!(request.tool_choice, ToolChoice::Auto | ToolChoice::None);
    text && (request.response_schema.is_some() || request.response_grammar.is_some())
}

/// The tools that may be called.
fn callable(request: &GenerateRequest) -> Vec<ToolSpec> {
    let may = |tool: &&ToolSpec| match &request.tool_choice {
        ToolChoice::Auto | ToolChoice::Required => true,
        ToolChoice::None => false,
        ToolChoice::Named(name) => tool.name == *name,
    };
    request.tools.iter().filter(may).cloned().collect()
}

/// How many calls there were in the conversation.
fn calls_before(prompt: &Prompt) -> usize {
    let Prompt::Chat(messages) = prompt else { return 0 };
    let calls =
        |message: &Message| if let Message::Assistant { tool_calls, .. } = message { tool_calls.len() } else { 0 };
    messages.iter().map(calls).sum()
}
