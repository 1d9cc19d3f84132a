//! Messages and tools in the form that chat templates expect, that of OpenAI's chat completions.

use std::collections::HashMap;

use minijinja::Value;
use nootropic_core::{Message, ToolCall, ToolSpec};
use serde_json::Value as Json;

use super::prompt::Marker;

/// Keys of JSON schemas in the order in which people write them; others follow.
const ORDER: [&str; 8] = ["type", "title", "name", "description", "enum", "items", "properties", "required"];

/// Values for a template, with names of control tokens marked.
pub(super) struct Values<'a> {
    pub(super) marker: &'a Marker,
    /// Whether call ids are made nine letters and digits long, as Mistral's templates demand.
    pub(super) nine_letter_ids: bool,
}

impl Values<'_> {
    pub(super) fn messages(&self, messages: &[Message]) -> Value {
        let mut names: HashMap<&str, &str> = HashMap::new();
        let mut out = Vec::with_capacity(messages.len());
        for message in messages {
            let mut entries = vec![("role", Value::from(role(message))), ("content", self.text(message.text()))];
            match message {
                Message::Assistant { tool_calls, .. } if !tool_calls.is_empty() => {
                    names.extend(tool_calls.iter().map(|call| (call.id.as_str(), call.name.as_str())));
                    let calls: Value = tool_calls.iter().map(|call| self.call(call)).collect();
                    entries.push(("tool_calls", calls));
                }
                Message::Tool { call_id, .. } => {
                    entries.push(("tool_call_id", self.id(call_id)));
                    if let Some(name) = names.get(call_id.as_str()) {
                        entries.push(("name", self.text(name)));
                    }
                }
                _ => {}
            }
            out.push(Value::from_pairs(entries));
        }
        Value::from(out)
    }

    fn call(&self, call: &ToolCall) -> Value {
        let function = Value::from_pairs([("name", self.text(&call.name)), ("arguments", self.json(&call.input))]);
        Value::from_pairs([("id", self.id(&call.id)), ("type", Value::from("function")), ("function", function)])
    }

    /// `none` without tools, as templates expect.
    pub(super) fn tools(&self, tools: &[ToolSpec]) -> Value {
        if tools.is_empty() {
            return Value::from(());
        }
        tools.iter().map(|tool| self.tool(tool)).collect()
    }

    fn tool(&self, tool: &ToolSpec) -> Value {
        let function = Value::from_pairs([
            ("name", self.text(&tool.name)),
            ("description", self.text(&tool.description)),
            ("parameters", self.schema(tool.input.as_value())),
        ]);
        Value::from_pairs([("type", Value::from("function")), ("function", function)])
    }

    pub(super) fn text(&self, text: &str) -> Value {
        Value::from(self.marker.marked(text))
    }

    fn json(&self, value: &Json) -> Value {
        self.value(value, false)
    }

    /// A JSON schema, its keys in the usual order: models have seen `type` first.
    fn schema(&self, value: &Json) -> Value {
        self.value(value, true)
    }

    fn value(&self, value: &Json, schema: bool) -> Value {
        match value {
            Json::Null => Value::from(()),
            Json::Bool(value) => Value::from(*value),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Value::from(number),
                (_, Some(number)) => Value::from(number),
                _ => Value::from(number.as_f64().unwrap_or_default()),
            },
            Json::String(text) => self.text(text),
            Json::Array(items) => items.iter().map(|item| self.value(item, schema)).collect(),
            Json::Object(entries) => {
                let mut sorted: Vec<_> = entries.iter().collect();
                if schema {
                    let rank = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
                    sorted.sort_by_key(|(key, _)| rank(key)); // stable
                }
                // Below `properties` stand names, not keywords, but their order means nothing either.
                let pairs = sorted.into_iter().map(|(key, item)| (self.marker.marked(key), self.value(item, schema)));
                Value::from_pairs(pairs)
            }
        }
    }

    fn id(&self, id: &str) -> Value {
        let fits = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !self.nine_letter_ids || fits {
            return self.text(id);
        }
        // The same id always becomes the same one: FNV-1a, written in base 36.
        let mut hash = id
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        let mut letters = String::new();
        for _ in 0..9 {
            letters.extend(char::from_digit((hash % 36) as u32, 36));
            hash /= 36;
        }
        Value::from(letters)
    }
}

pub(super) fn role(message: &Message) -> &'static str {
    match message {
        Message::System { .. } => "system",
        Message::User { .. } => "user",
        Message::Assistant { .. } => "assistant",
        Message::Tool { .. } => "tool",
        _ => "user",
    }
}

/// Every text of a conversation that a user, a tool or a model wrote.
pub(super) fn texts<'a>(messages: &'a [Message], tools: &'a [ToolSpec]) -> Vec<&'a str> {
    let mut texts = Vec::new();
    for message in messages {
        texts.push(message.text());
        match message {
            Message::Assistant { tool_calls, .. } => {
                for call in tool_calls {
                    texts.extend([call.id.as_str(), call.name.as_str()]);
                    json_texts(&call.input, &mut texts);
                }
            }
            Message::Tool { call_id, .. } => texts.push(call_id),
            _ => {}
        }
    }
    for tool in tools {
        texts.extend([tool.name.as_str(), tool.description.as_str()]);
        json_texts(tool.input.as_value(), &mut texts);
    }
    texts
}

fn json_texts<'a>(value: &'a Json, out: &mut Vec<&'a str>) {
    match value {
        Json::String(text) => out.push(text),
        Json::Array(items) => items.iter().for_each(|item| json_texts(item, out)),
        Json::Object(entries) => entries.iter().for_each(|(key, item)| {
            out.push(key);
            json_texts(item, out);
        }),
        _ => {}
    }
}
