//! What an answer may be: thinking first, then calls of tools, or a text.

use nootropic_core::ToolSpec;

use super::{Grammar, calls, text};
use crate::Result;
use crate::tokens::ToolDialect;

/// What an answer may be. Whatever a model makes of it is read by a [`ToolParser`](crate::ToolParser) as sound calls or as text.
pub(crate) struct Answer<'a> {
    /// How the model calls tools.
    pub(crate) dialect: ToolDialect,
    /// Tools that may be called.
    pub(crate) tools: &'a [ToolSpec],
    /// The text that may stand in place of calls.
    pub(crate) text: Text,
    /// The thinking that may come first.
    pub(crate) thinking: Thinking,
    /// The control token of a name, where the vocabulary has one.
    pub(crate) control: &'a dyn Fn(&str) -> Option<u32>,
}

/// The text that may stand in place of calls.
pub(crate) enum Text {
    /// None: there is a call.
    No,
    /// Any in which nothing begins as a call does; calls may follow it.
    Free,
    /// One of a grammar.
    Held(Grammar),
}

/// The thinking that may come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    No,
    /// There may be, between these marks.
    May(&'static str, &'static str),
    /// The prompt began it; this mark ends it.
    Begun(&'static str),
}

impl Answer<'_> {
    /// The grammar of such answers.
    ///
    /// # Errors
    /// [`Error::Grammar`](crate::Error::Grammar) for a tool whose input can be no object.
    pub(crate) fn grammar(self) -> Result<Grammar> {
        if let (Text::Held(grammar), true, Thinking::No) = (&self.text, self.tools.is_empty(), self.thinking) {
            return Ok(grammar.clone());
        }
        let mut rules = Rules { lark: String::new(), parts: Vec::new(), exits: Vec::new(), control: self.control };
        rules.add("W: /[ \\t\\r\\n]{0,8}/");
        rules.add("WS: /[ \\t\\r\\n]{1,8}/");
        rules.add("ANY: /(?s:.*)/");
        rules.add("SOME: /(?s:.+)/");
        let start = match self.thinking {
            Thinking::No => "start: answer",
            Thinking::May(..) => "start: (think_begin thought)? answer",
            Thinking::Begun(_) => "start: thought answer",
        };
        rules.add(start);
        rules.thinking(self.thinking);
        let called = match self.tools {
            [] => None,
            tools => Some(calls::rules(&mut rules, self.dialect, tools)?),
        };
        let mut alternatives = Vec::new();
        match self.text {
            Text::Free => {
                text::rules(&mut rules, self.dialect, called.as_ref());
                alternatives.push("free");
            }
            Text::Held(grammar) => {
                rules.parts.push(("text".into(), grammar));
                alternatives.push("@text");
                alternatives.extend(called.map(|_| "calls"));
            }
            Text::No => {
                alternatives.push("calls");
                alternatives.extend(called.and_then(|called| called.bare.then_some("bare_calls")));
            }
        }
        rules.add(&format!("answer: {}", alternatives.join(" | ")));
        Ok(rules.finish())
    }
}

/// Rules under construction.
pub(super) struct Rules<'a> {
    lark: String,
    parts: Vec<(String, Grammar)>,
    exits: Vec<String>,
    control: &'a dyn Fn(&str) -> Option<u32>,
}

impl Rules<'_> {
    /// Adds a rule, or a terminal.
    pub(super) fn add(&mut self, line: &str) {
        self.lark.push_str(line);
        self.lark.push('\n');
    }

    /// Adds a grammar that rules refer to as `@name`.
    pub(super) fn part(&mut self, name: &str, grammar: Grammar) {
        self.parts.push((name.to_owned(), grammar));
    }

    /// Adds a text that ends what else might go on forever.
    pub(super) fn exit(&mut self, text: &str) {
        self.exits.push(text.to_owned());
    }

    /// A control token as a rule's symbol.
    pub(super) fn control(&self, mark: &str) -> Option<String> {
        (self.control)(mark).map(|token| format!("<[{token}]>"))
    }

    /// A mark in a rule: as text, and as a control token where there is one.
    pub(super) fn mark(&self, mark: &str) -> String {
        match self.control(mark) {
            Some(token) => format!("({} | {token})", quoted(mark)),
            None => quoted(mark),
        }
    }

    fn thinking(&mut self, thinking: Thinking) {
        let end = match thinking {
            Thinking::No => return,
            Thinking::May(begin, end) => {
                let begin = self.mark(begin);
                self.add(&format!("think_begin: {begin}"));
                end
            }
            Thinking::Begun(end) => end,
        };
        let mark = quoted(end);
        self.add(&format!("THOUGHT: (ANY {mark}) & ~(ANY {mark} SOME)"));
        match self.control(end) {
            Some(token) => {
                self.add(&format!("UNENDED: ANY & ~(ANY {mark} ANY)"));
                self.add(&format!("thought: (THOUGHT | UNENDED {token} | {token}) WS?"));
            }
            None => self.add("thought: THOUGHT WS?"),
        }
        self.exit(end);
    }

    fn finish(self) -> Grammar {
        let grammar = Grammar::lark(self.lark);
        let grammar = self.exits.iter().fold(grammar, |grammar, exit| grammar.with_exit(exit));
        self.parts.into_iter().fold(grammar, |grammar, (name, part)| grammar.with_part(&name, part))
    }
}

/// A text as a literal of Lark.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
