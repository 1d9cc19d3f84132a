//! Every capability in one list.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arguments::{Argument, ValueKind, in_order};
use crate::{Capability, CapabilityKind, Error, ErrorKind, Result};

/// Which capabilities there are, by name. Command-line help, completions, documents, bindings and agents' tools are made
/// from it.
///
/// ```
/// use nootropic_core::{CapabilityKind, EffectKind, Registry};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Search {
///     /// What to look for.
///     #[schemars(extend("x-positional" = 1))]
///     query: String,
/// }
///
/// #[derive(Serialize, JsonSchema)]
/// struct Hits {
///     paths: Vec<String>,
/// }
///
/// let mut registry = Registry::new();
/// registry.register::<Search, Hits>(CapabilityKind::Command, "search", "Finds passages", |capability| {
///     capability.with_effects([EffectKind::Read]).with_requirement("an index")
/// })?;
/// let search = registry.get("search")?;
/// assert_eq!(search.arguments()?[0].help, "What to look for.");
/// # Ok::<(), nootropic_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Registry {
    capabilities: BTreeMap<String, Capability>,
}

/// The form of `describe-registry.json`.
#[derive(Serialize, Deserialize, JsonSchema)]
struct File {
    /// Version of this form.
    registry: u32,
    /// Sorted by name.
    capabilities: Vec<Capability>,
}

/// Version of the form of [`Registry::to_json`].
const FORM: u32 = 1;

impl Registry {
    /// A registry of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a capability that takes `I` and gives `O`; `more` says the rest about it.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn register<I: JsonSchema, O: JsonSchema>(
        &mut self,
        kind: CapabilityKind,
        name: &str,
        summary: &str,
        more: impl FnOnce(Capability) -> Capability,
    ) -> Result<()> {
        self.add(more(Capability::new::<I, O>(kind, name, summary)))
    }

    /// Adds a capability that describes itself.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if the name is taken; [`Error::InvalidInput`] if [`Capability::check`] finds fault or, for a
    /// command, [`Capability::arguments`] does. Either way nothing is added.
    pub fn add(&mut self, capability: Capability) -> Result<()> {
        capability.check()?;
        if capability.kind == CapabilityKind::Command {
            capability.arguments()?;
        }
        if self.capabilities.contains_key(&capability.name) {
            return Err(Error::AlreadyExists { what: "capability", name: capability.name });
        }
        self.capabilities.insert(capability.name.clone(), capability);
        Ok(())
    }

    /// The capability of that name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, name: &str) -> Result<&Capability> {
        self.capabilities.get(name).ok_or_else(|| Error::NotFound { what: "capability", name: name.to_owned() })
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Capability> {
        self.capabilities.values()
    }

    /// Those of one kind, sorted by name.
    pub fn of_kind(&self, kind: CapabilityKind) -> impl Iterator<Item = &Capability> {
        self.iter().filter(move |capability| capability.kind == kind)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.capabilities.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.capabilities.is_empty()
    }

    /// All of it as JSON, for `describe-registry.json`: the same registry gives the same bytes, whatever the order in which
    /// it was filled. Ends in a newline.
    ///
    /// # Errors
    /// None that is known; serde's are passed on.
    pub fn to_json(&self) -> Result<String> {
        let file = File { registry: FORM, capabilities: self.iter().cloned().collect() };
        let write = |file| serde_json::to_string_pretty(&in_order(&serde_json::to_value(file)?));
        let json = write(file).map_err(|error| Error::failed("write registry", ErrorKind::Internal, error))?;
        Ok(json + "\n")
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if it is not that; an error of kind `UnsupportedVersion` if a newer version wrote it; as
    /// [`add`](Self::add) for each capability.
    pub fn from_json(json: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            registry: u32,
        }
        let bad = |error: serde_json::Error| Error::invalid("registry file", error.to_string());
        let Head { registry: form } = serde_json::from_str(json).map_err(bad)?;
        if form != FORM {
            let problem = format!("it has form {form}, this version reads {FORM}");
            return Err(Error::failed("read registry", ErrorKind::UnsupportedVersion, problem));
        }
        let file: File = serde_json::from_str(json).map_err(bad)?;
        let mut registry = Self::new();
        file.capabilities.into_iter().try_for_each(|capability| registry.add(capability))?;
        Ok(registry)
    }

    /// A document about all of them, as Markdown: the same registry gives the same text.
    pub fn to_markdown(&self) -> String {
        let mut text = String::from("# Capabilities\n");
        for kind in CapabilityKind::ALL {
            let mut heading = Some(title(kind));
            for capability in self.of_kind(kind) {
                if let Some(heading) = heading.take() {
                    line(&mut text, format_args!("\n## {heading}\n"));
                } else {
                    text.push('\n');
                }
                describe(&mut text, capability);
            }
        }
        text
    }
}

const fn title(kind: CapabilityKind) -> &'static str {
    match kind {
        CapabilityKind::Command => "Commands",
        CapabilityKind::Tool => "Tools",
        CapabilityKind::Model => "Models",
        CapabilityKind::Embedder => "Embedders",
        CapabilityKind::Reranker => "Rerankers",
        CapabilityKind::Store => "Stores",
        CapabilityKind::Agent => "Agents",
        CapabilityKind::Planner => "Planners",
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{content}"); // writing to a string does not fail
}

fn describe(text: &mut String, capability: &Capability) {
    line(text, format_args!("### `{}` {}\n\n{}.", capability.name, capability.version, capability.summary));
    if let Some(details) = &capability.details {
        line(text, format_args!("\n{}", details.trim()));
    }
    let listed = |items: Vec<&str>| items.join(", ");
    if !capability.effects.is_empty() {
        line(text, format_args!("\nEffects: {}.", listed(capability.effects.iter().map(|e| e.as_str()).collect())));
    }
    if !capability.requirements.is_empty() {
        line(text, format_args!("\nNeeds {}.", listed(capability.requirements.iter().map(String::as_str).collect())));
    }
    let arguments = capability.arguments().unwrap_or_default(); // inputs that are no structs are shown by their schema only
    let mut shown = arguments.iter().filter(|argument| !argument.hidden).peekable();
    if shown.peek().is_some() {
        line(text, format_args!("\n| argument | value | meaning |\n|---|---|---|"));
        shown.for_each(|argument| row(text, argument));
    }
    for example in &capability.examples {
        line(text, format_args!("\n{}:\n\n```json\n{}\n```", example.title, in_order(&example.input)));
    }
}

fn row(text: &mut String, argument: &Argument) {
    let cell = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let value = match &argument.value {
        ValueKind::Flag => "yes or no".to_owned(),
        ValueKind::Integer { .. } => "whole number".to_owned(),
        ValueKind::Number => "number".to_owned(),
        ValueKind::Text => "text".to_owned(),
        ValueKind::Json => "JSON".to_owned(),
        ValueKind::Choice(words) => {
            words.iter().map(|(word, _)| format!("`{}`", cell(word))).collect::<Vec<_>>().join(", ")
        }
    };
    let many = if argument.many { ", several" } else { "" };
    let given = match &argument.default {
        Some(default) => format!(" Default: `{}`.", cell(&default.to_string())),
        None if argument.required => " Required.".to_owned(),
        None => String::new(),
    };
    line(text, format_args!("| `{}` | {value}{many} | {}{given} |", argument.name, cell(&argument.help)));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::EffectKind;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Input {
        /// What to look for,
        /// `a|b` for either.
        #[schemars(extend("x-positional" = 1))]
        query: String,
        /// How many.
        #[serde(default)]
        limit: u32,
    }

    fn registry(names: &[&str]) -> Registry {
        let mut registry = Registry::new();
        for name in names {
            registry
                .register::<Input, Vec<String>>(CapabilityKind::Command, name, "Finds passages", |capability| {
                    capability
                        .with_effects([EffectKind::Write, EffectKind::Read, EffectKind::Read])
                        .with_requirement("an index")
                        .with_example("Find a word", json!({"query": "word", "limit": 3}))
                })
                .unwrap();
        }
        registry
    }

    #[test]
    fn a_name_is_given_once() {
        let mut registry = registry(&["search"]);
        let again = registry.register::<(), ()>(CapabilityKind::Tool, "search", "Something else", |c| c);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(registry.get("search").unwrap().kind, CapabilityKind::Command);
        assert_eq!(registry.get("find").unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn what_cannot_be_a_command_is_refused() {
        let mut registry = Registry::new();
        assert!(registry.register::<String, ()>(CapabilityKind::Command, "a", "Takes no struct", |c| c).is_err());
        assert!(registry.register::<String, ()>(CapabilityKind::Tool, "A", "Has a bad name", |c| c).is_err());
        assert!(registry.is_empty());
    }

    #[test]
    fn the_same_registry_is_the_same_file() {
        let json = registry(&["search", "index"]).to_json().unwrap();
        assert_eq!(json, registry(&["index", "search"]).to_json().unwrap());
        let back = Registry::from_json(&json).unwrap();
        assert_eq!(back, registry(&["search", "index"]));
        assert_eq!(back.to_json().unwrap(), json);
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_refused() {
        assert_eq!(Registry::from_json("{}").unwrap_err().kind(), ErrorKind::InvalidInput);
        let newer = Registry::from_json(r#"{"registry": 2, "abilities": []}"#).unwrap_err();
        assert_eq!(newer.kind(), ErrorKind::UnsupportedVersion);
        let json = registry(&["search"]).to_json().unwrap().replace(r#""name": "search""#, r#""name": "SEARCH""#);
        assert_eq!(Registry::from_json(&json).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn the_document_says_what_a_reader_needs() {
        let text = registry(&["search"]).to_markdown();
        for needed in [
            "## Commands\n\n### `search` ",
            "Finds passages.\n",
            "Effects: read, write.\n",
            "Needs an index.\n",
            "| `query` | text | What to look for, `a\\|b` for either. Required. |\n",
            "| `limit` | whole number | How many. Default: `0`. |\n",
            "Find a word:\n\n```json\n{\"limit\":3,\"query\":\"word\"}\n```\n",
        ] {
            assert!(text.contains(needed), "no {needed:?} in\n{text}");
        }
        assert!(!text.contains("## Tools"));
    }
}
