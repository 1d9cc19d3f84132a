//! What a model wrote as a call, as a call: a known tool's name and an object.

use nootropic_core::ToolSpec;
use serde_json::{Map, Value};

use super::json::Keys;
use super::{json, python};

/// A call before it has an id.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) input: Map<String, Value>,
}

type Parsed<T> = Result<T, String>;

/// How calls are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallReader<'a> {
    /// Those that may be called.
    pub(super) tools: &'a [ToolSpec],
    pub(super) keys: Keys,
}

impl CallReader<'_> {
    /// One call, or a list of them.
    pub(super) fn of_json(&self, text: &str) -> Parsed<Vec<Call>> {
        match json::parse(text, self.keys)? {
            Value::Array(items) => items.into_iter().map(|item| self.of_value(item)).collect(),
            value => Ok(vec![self.of_value(value)?]),
        }
    }

    fn of_value(&self, value: Value) -> Parsed<Call> {
        let Value::Object(mut entries) = value else { return Err("a call is an object".into()) };
        if let Some(Value::Object(function)) = entries.remove("function") {
            entries = function; // as OpenAI nests it
        }
        let Some(Value::String(name)) = entries.remove("name") else { return Err("the call has no name".into()) };
        let input = match (entries.remove("arguments"), entries.remove("parameters")) {
            (Some(_), Some(_)) => return Err("the call has arguments and parameters".into()),
            (Some(input), None) | (None, Some(input)) => input,
            (None, None) => return Err("the call has no arguments".into()),
        };
        self.call(name, input)
    }

    /// Checks the name, and that the input is an object, or an object as text.
    pub(super) fn call(&self, name: String, input: Value) -> Parsed<Call> {
        let name = self.known(name)?;
        match input {
            Value::Object(input) => Ok(Call { name, input }),
            Value::Null => Ok(Call { name, input: Map::new() }),
            Value::String(text) => match json::parse(&text, self.keys)? {
                Value::Object(input) => Ok(Call { name, input }),
                _ => Err("the arguments are no object".into()),
            },
            _ => Err("the arguments are no object".into()),
        }
    }

    fn known(&self, name: String) -> Parsed<String> {
        match self.tools.iter().any(|tool| tool.name == name) {
            true => Ok(name),
            false => Err(format!("there is no tool {name:?}")),
        }
    }

    /// `name(key=value)`, one or a list of them, perhaps printed.
    pub(super) fn of_python(&self, text: &str) -> Parsed<Vec<Call>> {
        let text = text.trim();
        let text = text.strip_prefix("print(").and_then(|text| text.strip_suffix(')')).unwrap_or(text);
        let (name, input) = python::parse_call(text)?;
        Ok(vec![Call { name: self.known(name)?, input }])
    }

    /// `<function=name><parameter=key>value</parameter></function>`.
    pub(super) fn of_xml(&self, text: &str) -> Parsed<Vec<Call>> {
        let inner = text.trim().strip_prefix("<function=").ok_or("the call has no function")?;
        let (name, mut rest) = inner.split_once('>').ok_or("the function's name does not end")?;
        let name = self.known(name.trim().to_owned())?;
        let schema = self.tools.iter().find(|tool| tool.name == name).map(|tool| tool.input.as_value());
        let mut input = Map::new();
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix("</function>") {
                return match after.trim().is_empty() {
                    true => Ok(vec![Call { name, input }]),
                    false => Err("text follows the function".into()),
                };
            }
            let parameter =
                rest.strip_prefix("<parameter=").ok_or("neither a parameter nor the end of the function")?;
            let (key, after) = parameter.split_once('>').ok_or("the parameter's name does not end")?;
            let (value, after) = after.split_once("</parameter>").ok_or("the parameter does not end")?;
            let key = key.trim().to_owned();
            let value = value.strip_prefix('\n').unwrap_or(value);
            let value = value.strip_suffix('\n').unwrap_or(value);
            let kind = schema.and_then(|schema| schema.get("properties")?.get(&key)?.get("type"));
            let value = match kind.and_then(Value::as_str) {
                Some("string") => Value::from(value),
                // Numbers, objects and lists are written as JSON.
                _ => json::parse(value.trim(), self.keys).unwrap_or_else(|_| Value::from(value)),
            };
            if input.insert(key.clone(), value).is_some() {
                return Err(format!("the parameter {key:?} is there twice"));
            }
            rest = after;
        }
    }
}
