//! Calls of tools, in the dialect of a model.

use nootropic_core::ToolSpec;
use serde_json::{Value, json};

use super::answer::{Rules, quoted};
use super::{Grammar, xml};
use crate::tokens::{FENCE, ToolDialect};
use crate::{Error, Result};

/// How calls begin.
pub(super) struct Called {
    /// The mark that begins the first.
    pub(super) opening: &'static str,
    /// Whether calls may begin without it, at the beginning of the answer.
    pub(super) bare: bool,
}

/// Adds the rules of one or more calls: `calls`, `first_call`, which is `calls` without its first mark, and `bare_calls` where there
/// are such.
pub(super) fn rules(rules: &mut Rules<'_>, dialect: ToolDialect, tools: &[ToolSpec]) -> Result<Called> {
    for (index, tool) in tools.iter().enumerate() {
        rules.part(&format!("input_{index}"), Grammar::json(&input(tool)?));
    }
    let opening = match dialect {
        ToolDialect::Gemma => "```json",
        _ => dialect.openings().first().copied().unwrap_or_default(),
    };
    let mark = rules.mark(opening);
    rules.add(&format!("calls: {mark} first_call"));
    let key = match dialect {
        ToolDialect::Llama3 | ToolDialect::Gemma => "parameters",
        _ => "arguments",
    };
    match dialect {
        ToolDialect::Hermes | ToolDialect::QwenXml => tagged(rules, dialect, tools),
        ToolDialect::Llama3 => {
            let objects = objects(rules, tools, key);
            rules.add(&format!("call: {objects}"));
            rules.add("first_call: call (/[ \\n]{0,4};[ \\n]{0,4}/ call)*");
            rules.add("bare_calls: first_call");
        }
        ToolDialect::Mistral => mistral(rules, tools, key),
        ToolDialect::Gemma => {
            let objects = objects(rules, tools, key);
            rules.add(&format!("END: W {}", quoted(FENCE)));
            rules.add(&format!("first_call: WS? ({objects}) END (WS? calls)?"));
        }
    }
    Ok(Called { opening, bare: dialect == ToolDialect::Llama3 })
}

/// A tool's schema, of objects only: nothing else is an input.
fn input(tool: &ToolSpec) -> Result<Value> {
    let mut schema = match tool.input.as_value() {
        Value::Bool(true) => json!({}),
        other => other.clone(),
    };
    let objects = match schema.get("type") {
        None => true,
        Some(Value::Array(types)) => types.iter().any(|kind| kind == "object"),
        Some(kind) => kind == "object",
    };
    match schema.as_object_mut().filter(|_| objects) {
        Some(fields) => fields.insert("type".into(), "object".into()),
        None => {
            let name = crate::error::printable(&tool.name);
            return Err(Error::Grammar { problem: format!("the input of tool {name} is never an object") });
        }
    };
    Ok(schema)
}

/// The alternatives of a call as a JSON object, name first.
fn objects(rules: &mut Rules<'_>, tools: &[ToolSpec], key: &str) -> String {
    rules.add("OBJECT_END: W \"}\"");
    let mut alternatives = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        rules.add(&head(index, tool, key));
        alternatives.push(format!("HEAD_{index} @input_{index} OBJECT_END"));
    }
    alternatives.join(" | ")
}

/// A terminal: a call up to its input.
fn head(index: usize, tool: &ToolSpec, key: &str) -> String {
    let name = quoted(&Value::from(tool.name.as_str()).to_string());
    let key = quoted(&Value::from(key).to_string());
    format!("HEAD_{index}: \"{{\" W \"\\\"name\\\"\" W \":\" W {name} W \",\" W {key} W \":\" W")
}

/// Between `<tool_call>` and `</tool_call>`.
fn tagged(rules: &mut Rules<'_>, dialect: ToolDialect, tools: &[ToolSpec]) {
    const END: &str = "</tool_call>";
    rules.add(&format!("END: W {}", quoted(END)));
    let end = match rules.control(END) {
        Some(token) => format!("(END | WS? {token})"),
        None => "END".into(),
    };
    rules.add(&format!("OBJECT_END: W \"}}\" W {}", quoted(END)));
    let object_end = match rules.control(END) {
        Some(token) => {
            rules.add("OBJECT_OPEN_END: W \"}\" W");
            format!("(OBJECT_END | OBJECT_OPEN_END {token})")
        }
        None => "OBJECT_END".into(),
    };
    let mut alternatives = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        if dialect == ToolDialect::QwenXml
            && let Some(function) = xml::function(rules, index, tool)
        {
            alternatives.push(format!("{function} {end}"));
        } else {
            rules.add(&head(index, tool, "arguments"));
            alternatives.push(format!("HEAD_{index} @input_{index} {object_end}"));
        }
    }
    rules.add(&format!("first_call: WS? ({}) (WS? calls)?", alternatives.join(" | ")));
}

/// A list of objects after one mark, or a mark, a name and an object for each.
fn mistral(rules: &mut Rules<'_>, tools: &[ToolSpec], key: &str) {
    let objects = objects(rules, tools, key);
    rules.add(&format!("object: {objects}"));
    rules.add("LIST_BEGIN: W \"[\" W");
    rules.add("COMMA: W \",\" W");
    rules.add("LIST_END: W \"]\"");
    let mut alternatives = vec!["LIST_BEGIN object (COMMA object)* LIST_END".to_owned()];
    for (index, tool) in tools.iter().enumerate().filter(|(_, tool)| is_plain(&tool.name)) {
        rules.add(&format!("NAMED_{index}: {} \"[ARGS]\"", quoted(&tool.name)));
        alternatives.push(format!("NAMED_{index} @input_{index} calls?"));
        if let Some(token) = rules.control("[ARGS]") {
            alternatives.push(format!("{} {token} @input_{index} calls?", quoted(&tool.name)));
        }
    }
    rules.add(&format!("first_call: {}", alternatives.join(" | ")));
}

/// Whether a name can stand outside of quotes.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte))
}
