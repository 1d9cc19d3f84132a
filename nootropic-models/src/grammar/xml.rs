//! Calls as Qwen3-Coder writes them: a tag for each parameter, strings as they are and anything else as JSON.

use nootropic_core::ToolSpec;
use serde_json::{Map, Value};

use super::Grammar;
use super::answer::{Rules, quoted};
use super::calls::is_plain;

/// What a schema may say beside its properties for its objects to be written so.
const OF_OBJECTS: [&str; 8] =
    ["type", "properties", "required", "additionalProperties", "title", "description", "$schema", "$id"];
/// What a property may say that does not narrow it.
const ANNOTATIONS: [&str; 5] = ["title", "description", "default", "examples", "deprecated"];

/// The alternative of a rule for a call of `tool`, up to `</function>`; none if its input cannot always be written so.
pub(super) fn function(rules: &mut Rules<'_>, index: usize, tool: &ToolSpec) -> Option<String> {
    let schema = tool.input.as_value().as_object()?;
    if !is_plain(&tool.name) || !schema.keys().all(|key| OF_OBJECTS.contains(&key.as_str())) {
        return None;
    }
    let none = Map::new();
    let properties = schema.get("properties").map_or(Some(&none), Value::as_object)?;
    let required: Vec<&str> = match schema.get("required") {
        None => Vec::new(),
        Some(names) => names.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?,
    };
    if !required.iter().all(|name| properties.contains_key(*name)) {
        return None;
    }
    let written: Vec<(&String, Written)> = properties
        .iter()
        .map(|(name, property)| Some((name, written(property)?)).filter(|_| is_plain(name)))
        .collect::<Option<_>>()?;
    let mut parts = vec![format!("FUNCTION_{index}")];
    rules.add(&format!("FUNCTION_{index}: {} W", quoted(&format!("<function={}>", tool.name))));
    for (number, (name, value)) in written.into_iter().enumerate() {
        let id = format!("{index}_{number}");
        rules.add(&format!("PARAMETER_{id}: {}", quoted(&format!("<parameter={name}>\n"))));
        let value = value.rule(rules, &id);
        let option = if required.contains(&name.as_str()) { "" } else { "?" };
        parts.push(format!("(PARAMETER_{id} {value} WS?){option}"));
    }
    parts.push("\"</function>\"".into());
    Some(parts.join(" "))
}

const END: &str = "\n</parameter>";

/// How a value is written.
enum Written {
    /// Any text that does not end its tag.
    Text,
    /// One of these texts.
    OneOf(Vec<String>),
    /// JSON of a schema, without strings in it that could end the tag.
    Json(Value),
}

fn written(property: &Value) -> Option<Written> {
    let fields = property.as_object()?;
    let narrowing: Vec<&str> =
        fields.keys().map(String::as_str).filter(|key| !ANNOTATIONS.contains(key) && *key != "type").collect();
    match (fields.get("type").and_then(Value::as_str)?, narrowing.as_slice()) {
        ("string", []) => Some(Written::Text),
        ("string", ["enum"]) => {
            let texts = fields.get("enum")?.as_array()?.iter().map(|text| text.as_str().map(str::to_owned));
            let texts: Vec<String> = texts.collect::<Option<_>>()?;
            (!texts.is_empty() && texts.iter().all(|text| is_plain(text))).then_some(Written::OneOf(texts))
        }
        ("integer" | "number" | "boolean" | "null", _) => Some(Written::Json(property.clone())),
        _ => None,
    }
}

impl Written {
    fn rule(self, rules: &mut Rules<'_>, id: &str) -> String {
        let end = quoted(END);
        match self {
            Self::Text => {
                let tag = "\"</parameter>\"";
                rules.add(&format!("VALUE_{id}: (ANY {end}) & ~(ANY {tag} SOME) & ~(ANY \"</tool_call>\" ANY)"));
                rules.exit(END);
                format!("VALUE_{id}")
            }
            Self::OneOf(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| quoted(&format!("{text}{END}"))).collect();
                format!("({})", texts.join(" | "))
            }
            Self::Json(schema) => {
                rules.part(&format!("value_{id}"), Grammar::json(&schema));
                format!("@value_{id} {end}")
            }
        }
    }
}
