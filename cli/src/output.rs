//! Where results go.

use std::io::{self, ErrorKind as Io, IsTerminal, Write};

use nootropic::ErrorKind;
use serde::Serialize;

use crate::exit::Failure;
use crate::terminal::{block, json};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// One JSON object; on one line unless a person looks at it.
    Json,
    /// One YAML document.
    Yaml,
}

/// Writes a text to standard output; says whether anybody reads it. A reader that has gone away (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let written =
        out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == Io::BrokenPipe => Ok(false),
        Err(error) => {
            let kind = if error.kind() == Io::StorageFull { ErrorKind::StorageFull } else { ErrorKind::Internal };
            Err(Failure { kind, message: format!("cannot write to standard output: {error}"), hint: None })
        }
        Ok(()) => Ok(true),
    }
}

/// A value as JSON or YAML.
pub(crate) fn encode(value: &impl Serialize, format: Format) -> Result<String, Failure> {
    let failed = |message: String| Failure { kind: ErrorKind::Internal, message, hint: None };
    let terminal = io::stdout().is_terminal();
    match format {
        Format::Yaml => {
            let text = serde_saphyr::to_string(value).map_err(|error| failed(error.to_string()))?;
            Ok(if terminal { block(&text).into_owned() } else { text })
        }
        _ if terminal => serde_json::to_string_pretty(value).map(json).map_err(|error| failed(error.to_string())),
        _ => serde_json::to_string(value).map(json).map_err(|error| failed(error.to_string())),
    }
}
