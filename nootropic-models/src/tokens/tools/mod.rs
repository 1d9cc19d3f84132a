//! How models call tools: the ways in which families write calls, and reading them back as they come.

mod calls;
pub(crate) mod instructions;
mod json;
mod parser;
mod python;

pub use parser::ToolParser;

/// What begins and what ends a model's thinking.
pub(crate) const THINKING: [(&str, &str); 2] = [("<think>", "</think>"), ("[THINK]", "[/THINK]")];
/// What begins and ends a block of code, in which marks are text.
pub(crate) const FENCE: &str = "```";

/// The way in which a family of models writes calls of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ToolDialect {
    /// `<tool_call>{"name": …, "arguments": {…}}</tool_call>`: Hermes, Qwen, SmolLM and many more.
    Hermes,
    /// `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>`, or as Hermes: Qwen3-Coder.
    QwenXml,
    /// `{"name": …, "parameters": {…}}` as the whole answer, or after `<|python_tag|>`: Llama 3.
    Llama3,
    /// `[TOOL_CALLS][{"name": …, "arguments": {…}}]`, or `[TOOL_CALLS]name[ARGS]{…}`: Mistral.
    Mistral,
    /// A block of code marked `tool_code` with a call as in Python, or marked `json` with an object: Gemma.
    Gemma,
}

impl ToolDialect {
    /// The marks that begin a call. They are control tokens in some vocabularies, and text in others.
    pub(crate) fn openings(self) -> &'static [&'static str] {
        match self {
            Self::Hermes | Self::QwenXml => &["<tool_call>"],
            Self::Llama3 => &["<|python_tag|>"],
            Self::Mistral => &["[TOOL_CALLS]"],
            Self::Gemma => &["```tool_code", "```json"],
        }
    }

    /// The other marks of a call.
    pub(crate) fn inner_marks(self) -> &'static [&'static str] {
        match self {
            Self::Hermes | Self::QwenXml => &["</tool_call>"],
            Self::Mistral => &["[ARGS]", "[CALL_ID]"],
            Self::Llama3 | Self::Gemma => &[],
        }
    }

    /// The dialect that a template's source speaks; [`Hermes`](Self::Hermes) if it shows none.
    pub(crate) fn of_template(source: &str) -> Self {
        let signs = [
            ("<function=", Self::QwenXml),
            ("<tool_call>", Self::Hermes),
            ("[TOOL_CALLS]", Self::Mistral),
            ("<|python_tag|>", Self::Llama3),
            ("\"parameters\": dictionary", Self::Llama3),
            ("tool_code", Self::Gemma),
        ];
        signs.into_iter().find(|(sign, _)| source.contains(sign)).map_or(Self::Hermes, |(_, dialect)| dialect)
    }
}
