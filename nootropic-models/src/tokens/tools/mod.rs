//! How models call tools: the ways in which families write calls, and reading them back as they come.

mod calls;
pub(crate) mod instructions;
mod json;
mod parser;
mod python;

pub use parser::ToolParser;

/// The way in which a family of models writes calls of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ToolDialect {
    /// `<tool_call>{"name": …, "arguments": {…}}</tool_call>`: Hermes, Qwen, SmolLM and many more.
    Hermes,
    /// `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>`: Qwen3-Coder.
    QwenXml,
    /// `{"name": …, "parameters": {…}}` as the whole answer, or after `<|python_tag|>`: Llama 3.
    Llama3,
    /// `[TOOL_CALLS][{"name": …, "arguments": {…}}]`, or `[TOOL_CALLS]name[ARGS]{…}`: Mistral.
    Mistral,
    /// A block of code marked `tool_code` with a call as in Python, or marked `json` with an object: Gemma.
    Gemma,
}

impl ToolDialect {
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
