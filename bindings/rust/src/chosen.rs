//! Which embedder an index is searched by, as `embedder.json` beside the store says.

use std::fs;
use std::io::{ErrorKind as IoKind, Write};
use std::path::{Path, PathBuf};

use nootropic_core::{Error as CoreError, ErrorKind};
use nootropic_models::EncoderPrecision;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What stands for no embedder.
const NONE: &str = "none";
/// What stands for the embedder that is part of the program.
pub(crate) const BUILT_IN: &str = "static";

/// What else counts beside words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Nothing.
    Words,
    /// The embedder that is part of the program; so it is where nothing was chosen.
    BuiltIn,
    /// An encoder in a file.
    Encoder(Encoder),
}

/// An encoder, and which one it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoder {
    /// Absolute.
    pub(crate) model: PathBuf,
    pub(crate) precision: EncoderPrecision,
    /// The identity it had: vectors of another are not comparable. Nothing if it was not opened yet.
    pub(crate) id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<EncoderPrecision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl Choice {
    /// The one that a user names: a folder or file, or a word that stands for none.
    pub(crate) fn named(name: &str) -> Result<Self> {
        Ok(match name {
            NONE => Self::Words,
            BUILT_IN => Self::BuiltIn,
            model => {
                let model = fs::canonicalize(model).map_err(Error::io("open", model))?;
                Self::Encoder(Encoder { model, precision: EncoderPrecision::default(), id: String::new() })
            }
        })
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let json = match fs::read(path) {
            Err(error) if error.kind() == IoKind::NotFound => return Ok(Self::BuiltIn),
            json => json.map_err(Error::io("read", path))?,
        };
        let corrupt = |problem: String| {
            let problem = format!("{} cannot be read: {problem}", path.display());
            Error::Core(CoreError::failed("embedding", ErrorKind::Corrupt, problem))
        };
        match serde_json::from_slice(&json).map_err(|error| corrupt(error.to_string()))? {
            File { model, .. } if model == Path::new(NONE) => Ok(Self::Words),
            File { model, .. } if model == Path::new(BUILT_IN) => Ok(Self::BuiltIn),
            File { model, precision: Some(precision), id: Some(id) } => {
                Ok(Self::Encoder(Encoder { model, precision, id }))
            }
            File { .. } => Err(corrupt("an encoder needs a precision and an identity".into())),
        }
    }

    /// Remembers it. What is so without a file has none.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let file = match self.clone() {
            Self::BuiltIn => {
                return match fs::remove_file(path) {
                    Err(error) if error.kind() != IoKind::NotFound => Err(Error::io("remove", path)(error)),
                    _ => Ok(()),
                };
            }
            Self::Words => File { model: NONE.into(), precision: None, id: None },
            Self::Encoder(Encoder { model, precision, id }) => File { model, precision: Some(precision), id: Some(id) },
        };
        let io = |error| Error::io("write", path)(error);
        let mut temporary = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path)).map_err(io)?;
        let json = serde_json::to_vec_pretty(&file).map_err(|error| io(error.into()))?;
        temporary.write_all(&json).map_err(io)?;
        temporary.persist(path).map_err(|error| io(error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("embedder.json");
        assert_eq!(Choice::read(&path).unwrap(), Choice::BuiltIn);
        let encoder = Encoder { model: "/bert".into(), precision: EncoderPrecision::F32, id: "bert-8".into() };
        for choice in [Choice::Words, Choice::Encoder(encoder), Choice::BuiltIn] {
            choice.write(&path).unwrap();
            assert_eq!(Choice::read(&path).unwrap(), choice);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left lying about");
    }

    #[test]
    fn a_file_that_makes_no_sense_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("embedder.json");
        for json in ["", "{}", r#"{"model": "/bert"}"#, r#"{"model": "none", "colour": "red"}"#, "[1]"] {
            fs::write(&path, json).unwrap();
            let error = Choice::read(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{json}: {error}");
        }
        assert_eq!(Choice::named("no/such/folder").unwrap_err().kind(), ErrorKind::NotFound);
    }
}
