//! Grammars.

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use serde_json::{Map, Value, json};

use super::samples;

/// A grammar that answers obey.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grammar {
    /// Where it starts.
    start: Source,
    /// What the start refers to, as `@name`.
    parts: Vec<(String, Source)>,
    /// Texts that may end what else goes on and on, for steering.
    exits: Vec<String>,
}

/// One grammar.
#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// In llguidance's dialect of Lark.
    Lark(String),
    /// JSON of a schema.
    Json(Value),
}

impl Grammar {
    /// In llguidance's dialect of Lark, with a rule `start`.
    pub(crate) fn lark(lark: impl Into<String>) -> Self {
        Self { start: Source::Lark(lark.into()), parts: Vec::new(), exits: Vec::new() }
    }

    /// Texts that match a regular expression as a whole, in the syntax of the `regex` crate.
    pub(crate) fn regex(pattern: &str) -> Self {
        let exits = samples::of_pattern(pattern).into_iter().collect();
        Self { exits, ..Self::lark(format!("start: /{}/", llguidance::regex_to_lark(pattern, ""))) }
    }

    /// JSON that a schema allows.
    pub(crate) fn json(schema: &Value) -> Self {
        Self { start: Source::Json(with_options(schema)), parts: Vec::new(), exits: samples::of_schema(schema) }
    }

    /// Makes `part` known under a name, with which rules refer to it as `@name`.
    pub(super) fn with_part(mut self, name: &str, part: Self) -> Self {
        self.parts.push((name.to_owned(), part.start));
        self.parts.extend(part.parts);
        self.exits.extend(part.exits);
        self
    }

    /// Adds a text that ends what else might go on forever.
    pub(super) fn with_exit(mut self, exit: &str) -> Self {
        if !self.exits.iter().any(|known| known == exit) {
            self.exits.push(exit.to_owned());
        }
        self
    }

    pub(super) fn exits(&self) -> &[String] {
        &self.exits
    }

    /// Whether any of it is JSON.
    pub(super) fn has_json(&self) -> bool {
        let is_json = |source: &Source| matches!(source, Source::Json(_));
        is_json(&self.start) || self.parts.iter().any(|(_, part)| is_json(part))
    }

    pub(super) fn compile(&self) -> TopLevelGrammar {
        let source = |source: &Source| match source {
            Source::Lark(lark) => GrammarWithLexer { lark_grammar: Some(lark.clone()), ..Default::default() },
            Source::Json(schema) => GrammarWithLexer { json_schema: Some(schema.clone()), ..Default::default() },
        };
        let mut grammars = vec![source(&self.start)];
        grammars.extend(
            self.parts.iter().map(|(name, part)| GrammarWithLexer { name: Some(name.clone()), ..source(part) }),
        );
        TopLevelGrammar { grammars, max_tokens: None }
    }
}

/// A schema of JSON with white space as people write it, but not without end, and with numbers that every reader of JSON can hold.
fn with_options(schema: &Value) -> Value {
    let options = json!({ "whitespace_pattern": r"[\x20\x0A\x0D\x09]{1,40}" });
    match bounded(schema) {
        Value::Object(mut fields) => {
            fields.insert("x-guidance".into(), options);
            Value::Object(fields)
        }
        Value::Bool(true) => json!({ "x-guidance": options }),
        other => json!({ "allOf": [other], "x-guidance": options }),
    }
}

/// The same schema, with bounds for numbers that have none, because an exponent may otherwise be drawn that no `f64` has; and with
/// times in capitals and without leap seconds, and addresses of the lengths that RFC 5321 and 1123 allow: many validators want it so.
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
            let pattern = match fields.get("format").and_then(Value::as_str) {
                Some("date-time" | "time") => Some(r"^[0-9T:-]*:[0-5][0-9](\.[0-9]+)?(Z|[+-][0-9:]+)$"),
                Some("email") => Some(r"^[^@]{1,64}@[^@\[]{1,63}$"),
                Some("hostname") => Some("^.{1,253}$"),
                _ => None,
            };
            if let Some(pattern) = pattern.filter(|_| !fields.contains_key("pattern")) {
                fields.insert("pattern".into(), pattern.into());
            }
            Value::Object(fields)
        }
        other => other.clone(),
    }
}
