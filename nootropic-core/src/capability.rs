//! How everything describes itself.

use std::fmt;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{EffectKind, Error, Result};

/// What kind of thing a capability is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CapabilityKind {
    /// Something a person, script or host program asks for: a subcommand, a method of the bindings.
    Command,
    /// Something an agent may call.
    Tool,
    /// A [`Model`](crate::Model).
    Model,
    /// An [`Embedder`](crate::Embedder).
    Embedder,
    /// A [`Reranker`](crate::Reranker).
    Reranker,
    /// A [`Store`](crate::Store).
    Store,
    /// An [`Agent`](crate::Agent).
    Agent,
    /// A [`Planner`](crate::Planner).
    Planner,
}

impl CapabilityKind {
    /// Every kind, in the order of documents.
    pub const ALL: [Self; 8] = [
        Self::Command,
        Self::Tool,
        Self::Model,
        Self::Embedder,
        Self::Reranker,
        Self::Store,
        Self::Agent,
        Self::Planner,
    ];

    /// The stable name, as in JSON: `command`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Tool => "tool",
            Self::Model => "model",
            Self::Embedder => "embedder",
            Self::Reranker => "reranker",
            Self::Store => "store",
            Self::Agent => "agent",
            Self::Planner => "planner",
        }
    }
}

impl fmt::Display for CapabilityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a capability is, takes, gives and does: all that help, completions, documents, bindings and agents are made from.
///
/// # Input schemas
/// The input is a plain struct that derives [`Deserialize`] and [`JsonSchema`]; its doc comments are the help, serde's defaults
/// are the defaults. Where a command line needs more than names, fields carry hints
/// (`#[schemars(extend("x-positional" = 1))]`), which every other reader of the schema ignores:
///
/// | hint | on the command line |
/// |---|---|
/// | `"x-positional" = 1` | the first argument without a name, and so on; an array in the last place takes all that follow |
/// | `"x-rest" = true` | a text in the last place takes all words that follow: it needs no quotes |
/// | `"x-short" = "k"` | `-k` beside `--name` |
/// | `"x-value-name" = "N"` | what stands for the value in the help |
/// | `"x-complete" = "dir"` | what to complete: `path`, `file`, `dir` |
/// | `"x-hidden" = true` | taken, and not shown |
///
/// [`Capability::arguments`] reads such a schema back as a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Capability {
    /// Unique in a registry: lower-case words of letters, digits, `-` and `_`, joined by `.`, at most 64 bytes; e.g.
    /// `models.list`.
    pub name: String,
    /// Its version, as `major.minor.patch`.
    pub version: String,
    /// What kind of thing it is.
    pub kind: CapabilityKind,
    /// What it does, in one line without a full stop.
    pub summary: String,
    /// More about it, as Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// JSON schema (draft 2020-12) of what it takes.
    pub input: Schema,
    /// JSON schema (draft 2020-12) of what it gives.
    pub output: Schema,
    /// What it may do to the outside world, sorted.
    #[serde(default)]
    pub effects: Vec<EffectKind>,
    /// What must be there for it to work, each one line, e.g. `an index`.
    #[serde(default)]
    pub requirements: Vec<String>,
    /// How it is used.
    #[serde(default)]
    pub examples: Vec<Example>,
}

/// One use of a capability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What it shows, in one line.
    pub title: String,
    /// The input, as JSON.
    pub input: Value,
    /// The output, as JSON, where that teaches something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

impl Capability {
    /// A capability that takes `I` and gives `O`, of this crate's version, without effects. The `with_` methods say the rest.
    pub fn new<I: JsonSchema, O: JsonSchema>(
        kind: CapabilityKind,
        name: impl Into<String>,
        summary: impl Into<String>,
    ) -> Self {
        Self::with_schemas(kind, name, summary, input_schema::<I>(), output_schema::<O>())
    }

    /// As [`new`](Self::new), for schemas that come from elsewhere.
    pub fn with_schemas(
        kind: CapabilityKind,
        name: impl Into<String>,
        summary: impl Into<String>,
        input: Schema,
        output: Schema,
    ) -> Self {
        Self {
            name: name.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kind,
            summary: summary.into(),
            details: None,
            input,
            output,
            effects: Vec::new(),
            requirements: Vec::new(),
            examples: Vec::new(),
        }
    }

    /// Says its version.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Says more about it, as Markdown.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Declares effects.
    #[must_use]
    pub fn with_effects(mut self, effects: impl IntoIterator<Item = EffectKind>) -> Self {
        self.effects.extend(effects);
        self.effects.sort_unstable();
        self.effects.dedup();
        self
    }

    /// Says what must be there, in one line.
    #[must_use]
    pub fn with_requirement(mut self, requirement: impl Into<String>) -> Self {
        self.requirements.push(requirement.into());
        self
    }

    /// Shows a use of it.
    #[must_use]
    pub fn with_example(mut self, title: impl Into<String>, input: Value) -> Self {
        self.examples.push(Example { title: title.into(), input, output: None });
        self
    }

    /// A name that [`check`](Self::check) accepts, made from an identity that may hold anything: what is not allowed becomes
    /// `-`.
    pub fn name_for(kind: CapabilityKind, id: &str) -> String {
        let mut name = format!("{kind}.");
        for c in id.chars().map(|c| c.to_ascii_lowercase()) {
            let c = if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
            if name.len() < MAX_NAME && !(c == '-' && name.ends_with(['-', '.'])) {
                name.push(c);
            }
        }
        name.truncate(name.trim_end_matches(['-', '.']).len());
        name
    }

    /// Whether its name and summary are as the fields say, and its schemas are objects.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the field.
    pub fn check(&self) -> Result<()> {
        let bad =
            |field: &str, problem: &str| Err(Error::invalid(format!("capability {:?}, {field}", self.name), problem));
        let word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        };
        if self.name.len() > MAX_NAME || !self.name.split('.').all(word) {
            return bad("name", "lower-case words of letters, digits, `-` and `_`, joined by `.`, at most 64 bytes");
        }
        if self.summary.trim().is_empty() || self.summary.contains('\n') || self.summary.ends_with('.') {
            return bad("summary", "one line that says what it does, without a full stop");
        }
        if self.input.as_object().is_none() {
            return bad("input", "a schema is an object");
        }
        if self.output.as_object().is_none() {
            return bad("output", "a schema is an object");
        }
        Ok(())
    }
}

/// What several protocols allow for a name.
const MAX_NAME: usize = 64;

/// The schema of what `T` is read from.
pub fn input_schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>()
}

/// The schema of what `T` is written as.
pub fn output_schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_identity_makes_a_name() {
        for (id, name) in
            [("Qwen/Qwen2.5-0.5B:Q4_K_M", "model.qwen-qwen2-5-0-5b-q4_k_m"), ("  ", "model"), ("é!x", "model.x")]
        {
            assert_eq!(Capability::name_for(CapabilityKind::Model, id), name);
        }
        let long = Capability::name_for(CapabilityKind::Model, &"ab/".repeat(99));
        assert!(Capability::new::<(), ()>(CapabilityKind::Model, long, "Long").check().is_ok());
    }

    #[test]
    fn sloppy_descriptions_are_refused() {
        let named = |name: &str, summary: &str| Capability::new::<(), ()>(CapabilityKind::Tool, name, summary).check();
        assert!(named("models.list-all_2", "Lists").is_ok());
        for name in ["", ".", "a..b", "Search", "a b", "-a", "models.", &"a".repeat(65)] {
            assert!(named(name, "Lists").is_err(), "{name}");
        }
        for summary in ["", " ", "Two\nlines", "Stops."] {
            assert!(named("a", summary).is_err(), "{summary:?}");
        }
    }

    #[test]
    fn input_and_output_differ_in_what_is_required() {
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct Options {
            #[serde(default)]
            limit: usize,
        }
        let required = |schema: Schema| schema.get("required").cloned();
        assert_eq!(required(input_schema::<Options>()), None);
        assert_eq!(required(output_schema::<Options>()), Some(serde_json::json!(["limit"])));
    }
}
