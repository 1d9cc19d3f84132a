//! Grammars.

use llguidance::api::TopLevelGrammar;
use serde_json::{Map, Value, json};

/// A grammar that answers obey.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grammar {
    /// In llguidance's dialect of Lark.
    lark: String,
}

impl Grammar {
    /// In llguidance's dialect of Lark, with a rule `start`.
    pub(crate) fn lark(lark: impl Into<String>) -> Self {
        Self { lark: lark.into() }
    }

    #[cfg_attr(not(test), expect(dead_code, reason = "requests cannot ask for one yet"))]
    /// Texts that match a regular expression as a whole, in the syntax of the `regex` crate.
    pub(crate) fn regex(pattern: &str) -> Self {
        Self::lark(format!("start: /{}/", llguidance::regex_to_lark(pattern, "")))
    }

    /// JSON that a schema allows.
    pub(crate) fn json(schema: &Value) -> Self {
        Self::lark(format!("start: {}", json_rule(schema)))
    }

    pub(super) fn compile(&self) -> TopLevelGrammar {
        TopLevelGrammar::from_lark(self.lark.clone())
    }
}

/// A rule's body that is JSON of a schema, with white space as people write it, but not without end, and with numbers that every
/// reader of JSON can hold.
pub(crate) fn json_rule(schema: &Value) -> String {
    let schema = &bounded(schema);
    let options = json!({ "whitespace_pattern": r"[\x20\x0A\x0D\x09]{1,40}" });
    let with_options = match schema {
        Value::Object(fields) => {
            let mut fields: Map<String, Value> = fields.clone();
            fields.insert("x-guidance".into(), options);
            Value::Object(fields)
        }
        Value::Bool(true) => json!({ "x-guidance": options }),
        other => json!({ "allOf": [other], "x-guidance": options }),
    };
    format!("%json {with_options}")
}

/// The same schema, with bounds for numbers that have none, because an exponent may otherwise be drawn that no `f64` has; and with
/// times in capitals and without leap seconds: RFC 3339 allows both, and many validators do not.
fn bounded(schema: &Value) -> Value {
    const LARGEST: f64 = 1e15;
    match schema {
        Value::Array(items) => Value::Array(items.iter().map(bounded).collect()),
        Value::Object(fields) => {
            // What stands here are values, not schemas.
            let inner = |(key, value): (&String, &Value)| match key.as_str() {
                "const" | "enum" | "default" | "examples" => (key.clone(), value.clone()),
                _ => (key.clone(), bounded(value)),
            };
            let mut fields: Map<String, Value> = fields.iter().map(inner).collect();
            let bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
            if fields.get("type") == Some(&json!("number")) && !bounds.iter().any(|bound| fields.contains_key(*bound)) {
                fields.insert("minimum".into(), json!(-LARGEST));
                fields.insert("maximum".into(), json!(LARGEST));
            }
            let time = matches!(fields.get("format").and_then(Value::as_str), Some("date-time" | "time"));
            if time && !fields.contains_key("pattern") {
                fields.insert("pattern".into(), json!(r"^[0-9T:-]*:[0-5][0-9](\.[0-9]+)?(Z|[+-][0-9:]+)$"));
            }
            Value::Object(fields)
        }
        other => other.clone(),
    }
}
