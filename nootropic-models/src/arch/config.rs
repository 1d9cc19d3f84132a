//! Hyperparameters by key, each checked before it is believed.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::ModelFile;
use crate::error::printable;
use crate::{Error, Metadata, Place, Result, Value as MetadataValue};

/// A hyperparameter under both of its names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// In GGUF, where the architecture and a dot stand before it. Empty if it has no such key.
    pub(super) gguf: &'static str,
    /// In `config.json`. Empty if it has no such key.
    pub(super) published: &'static str,
}

/// Limits well above any real model: what passes can be multiplied without overflow.
pub(super) mod limit {
    use std::ops::RangeInclusive;

    pub(in super::super) const LAYERS: RangeInclusive<usize> = 1..=1024;
    pub(in super::super) const COLUMNS: RangeInclusive<usize> = 1..=1 << 18;
    pub(in super::super) const HEADS: RangeInclusive<usize> = 1..=1 << 12;
    pub(in super::super) const HEAD_COLUMNS: RangeInclusive<usize> = 2..=1 << 12;
    pub(in super::super) const FEED_FORWARD: RangeInclusive<usize> = 1..=1 << 20;
    pub(in super::super) const EXPERTS: RangeInclusive<usize> = 1..=1 << 12;
    pub(in super::super) const CONTEXT: RangeInclusive<usize> = 1..=1 << 28;
    pub(in super::super) const VOCABULARY: RangeInclusive<usize> = 1..=1 << 24;
}

/// The configuration of a model: GGUF's metadata, or `config.json`.
pub(super) struct Config<'a> {
    file: String,
    architecture: String,
    source: Source<'a>,
}

enum Source<'a> {
    Gguf(Metadata<'a>),
    Published(Map<String, Value>),
}

/// A number of a configuration as it stands there.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Integer(i128),
    Float(f64),
}

impl<'a> Config<'a> {
    pub(super) fn of(model: &'a ModelFile) -> Result<Self> {
        match model {
            ModelFile::Gguf(gguf) => Ok(Self {
                file: model.name(),
                architecture: gguf.metadata().get::<&str>("general.architecture")?.into(),
                source: Source::Gguf(gguf.metadata()),
            }),
            ModelFile::Safetensors(safetensors) => {
                Self::published(safetensors.folder().join("config.json").display().to_string(), safetensors.config()?)
            }
        }
    }

    pub(super) fn published(file: String, mut config: Map<String, Value>) -> Result<Self> {
        // Models that also see or hear keep what concerns language in a part of its own.
        if let Some(Value::Object(text)) = config.remove("text_config") {
            config = text;
        }
        let architecture = match config.get("model_type") {
            Some(Value::String(architecture)) => architecture.clone(),
            _ => return Err(Error::MissingKey { file, key: "model_type".into() }),
        };
        Ok(Self { file, architecture, source: Source::Published(config) })
    }

    /// Adds what `config.json` leaves out.
    pub(super) fn complete(&mut self, defaults: &[(&str, f64)]) {
        let Source::Published(config) = &mut self.source else { return };
        for (key, number) in defaults {
            let whole = *number >= 1.0 && number.fract() == 0.0;
            let number = if whole { Value::from(*number as u64) } else { Value::from(*number) };
            config.entry(*key).or_insert(number);
        }
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn architecture(&self) -> &str {
        &self.architecture
    }

    pub(super) fn is_gguf(&self) -> bool {
        matches!(self.source, Source::Gguf(_))
    }

    /// `config.json`, where the model has one.
    pub(super) fn json(&self) -> Option<&Map<String, Value>> {
        match &self.source {
            Source::Published(config) => Some(config),
            Source::Gguf(_) => None,
        }
    }

    /// What a key is called in this file.
    pub(super) fn name(&self, key: Key) -> String {
        match self.source {
            Source::Gguf(_) => format!("{}.{}", self.architecture, key.gguf),
            Source::Published(_) => key.published.into(),
        }
    }

    /// A whole number that must be there.
    pub(super) fn count(&self, key: Key, range: RangeInclusive<usize>) -> Result<usize> {
        self.find_count(key, range)?.ok_or_else(|| Error::MissingKey { file: self.file.clone(), key: self.name(key) })
    }

    /// A whole number that may be missing.
    pub(super) fn find_count(&self, key: Key, range: RangeInclusive<usize>) -> Result<Option<usize>> {
        let found = match self.number(key)? {
            None => return Ok(None),
            Some(Number::Integer(found)) => found,
            Some(Number::Float(found)) => return Err(self.wrong(key, &found.to_string(), "a whole number")),
        };
        match usize::try_from(found) {
            Ok(found) if range.contains(&found) => Ok(Some(found)),
            _ => Err(self.refuse(key, format!("{found}, not {} to {}", range.start(), range.end()))),
        }
    }

    /// A finite number that may be missing.
    pub(super) fn find_number(&self, key: Key) -> Result<Option<f32>> {
        let found = match self.number(key)? {
            None => return Ok(None),
            Some(Number::Integer(found)) => found as f32,
            Some(Number::Float(found)) => found as f32,
        };
        match found.is_finite() {
            true => Ok(Some(found)),
            false => Err(self.refuse(key, format!("{found}, not a finite number"))),
        }
    }

    /// A finite number above zero that may be missing.
    pub(super) fn find_positive(&self, key: Key) -> Result<Option<f32>> {
        match self.find_number(key)? {
            Some(found) if found <= 0.0 => Err(self.refuse(key, format!("{found}, not a number above zero"))),
            found => Ok(found),
        }
    }

    /// True or false, where it is said.
    pub(super) fn find_flag(&self, key: Key) -> Result<Option<bool>> {
        match &self.source {
            Source::Gguf(metadata) if !key.gguf.is_empty() => metadata.find(&self.name(key)),
            Source::Gguf(_) => Ok(None),
            Source::Published(config) => match config.get(key.published) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::Bool(flag)) => Ok(Some(*flag)),
                Some(other) => Err(self.wrong(key, &other.to_string(), "true or false")),
            },
        }
    }

    /// A text that may be missing.
    pub(super) fn find_text(&self, key: Key) -> Result<Option<&str>> {
        match &self.source {
            Source::Gguf(metadata) if !key.gguf.is_empty() => metadata.find(&self.name(key)),
            Source::Gguf(_) => Ok(None),
            Source::Published(config) => match config.get(key.published) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(Some(text)),
                Some(other) => Err(self.wrong(key, &other.to_string(), "a text")),
            },
        }
    }

    /// The items of a list of truth values, in GGUF; of anything, in `config.json`.
    pub(super) fn find_list(&self, key: Key) -> Result<Option<Vec<Value>>> {
        match &self.source {
            Source::Gguf(metadata) => match metadata.value(&self.name(key)) {
                Some(MetadataValue::Array(_)) if !key.gguf.is_empty() => {
                    let flags: Option<Vec<bool>> = metadata.find(&self.name(key))?;
                    Ok(flags.map(|flags| flags.into_iter().map(Value::Bool).collect()))
                }
                _ => Ok(None),
            },
            Source::Published(config) => match config.get(key.published) {
                Some(Value::Array(items)) => Ok(Some(items.clone())),
                None | Some(Value::Null) => Ok(None),
                Some(other) => Err(self.wrong(key, &other.to_string(), "a list")),
            },
        }
    }

    fn number(&self, key: Key) -> Result<Option<Number>> {
        match &self.source {
            Source::Gguf(_) if key.gguf.is_empty() => Ok(None),
            Source::Gguf(metadata) => match metadata.value(&self.name(key)) {
                None => Ok(None),
                Some(MetadataValue::Unsigned(_, number)) => Ok(Some(Number::Integer(number.into()))),
                Some(MetadataValue::Signed(_, number)) => Ok(Some(Number::Integer(number.into()))),
                Some(MetadataValue::Float(_, number)) => Ok(Some(Number::Float(number))),
                Some(other) => Err(self.wrong(key, &format!("{other:?}"), "a number")),
            },
            Source::Published(config) => match config.get(key.published) {
                None | Some(Value::Null) => Ok(None),
                Some(value) => number(value).map(Some).ok_or_else(|| self.wrong(key, &value.to_string(), "a number")),
            },
        }
    }

    /// An error for a value of another type.
    pub(super) fn wrong(&self, key: Key, found: &str, expected: &'static str) -> Error {
        Error::WrongType { file: self.file.clone(), key: self.name(key), found: printable(found), expected }
    }

    /// An error for a value that makes no model.
    pub(super) fn refuse(&self, key: Key, problem: impl Into<String>) -> Error {
        Error::Malformed { file: self.file.clone(), place: Place::key(&self.name(key)), problem: problem.into() }
    }
}

/// A JSON number.
pub(super) fn number(value: &Value) -> Option<Number> {
    let Value::Number(number) = value else { return None };
    match (number.as_u64(), number.as_i64()) {
        (Some(integer), _) => Some(Number::Integer(integer.into())),
        (_, Some(integer)) => Some(Number::Integer(integer.into())),
        _ => number.as_f64().map(Number::Float),
    }
}
