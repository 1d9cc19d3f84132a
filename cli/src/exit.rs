//! What the exit code says, and how a failure is shown.

use std::io::Write;

use nootropic::ErrorKind;
use serde::Serialize;

use crate::color::Palette;
use crate::output::Format;
use crate::terminal::{json, plain};

/// A `doctor` that found fault, with its report on standard output.
pub(crate) const FOUND_FAULT: u8 = 1;
/// Cancelled: what shells give for an interrupt.
const CANCELLED: u8 = 130;

/// Exit codes by kind, as the documents list them.
pub(crate) const CODES: &[(ErrorKind, u8, &str)] = &[
    (ErrorKind::InvalidInput, 2, "the command line, a setting or another input is wrong"),
    (ErrorKind::NotFound, 3, "what was named does not exist, or there is no index yet"),
    (ErrorKind::AlreadyExists, 4, "what was to be made exists already"),
    (ErrorKind::PermissionDenied, 5, "the operating system refused access"),
    (ErrorKind::ReadOnly, 6, "the place can be read and not written"),
    (ErrorKind::StorageFull, 7, "the disk is full"),
    (ErrorKind::Corrupt, 8, "stored bytes are damaged"),
    (ErrorKind::UnsupportedVersion, 9, "stored bytes are of a format this version does not read"),
    (ErrorKind::Busy, 10, "something else holds what is needed"),
    (ErrorKind::Denied, 11, "policy refused"),
    (ErrorKind::BudgetExceeded, 12, "a budget is used up"),
    (ErrorKind::TooLarge, 13, "a limit would be exceeded"),
    (ErrorKind::Timeout, 14, "it took longer than allowed"),
    (ErrorKind::Unavailable, 15, "a service or device does not answer"),
    (ErrorKind::Unsupported, 16, "not possible here"),
    (ErrorKind::Internal, 70, "a bug or an unexpected failure; please report it"),
    (ErrorKind::Cancelled, CANCELLED, "interrupted; what was committed by then stays"),
];

/// The exit code of a kind.
pub(crate) fn code(kind: ErrorKind) -> u8 {
    CODES.iter().find(|(of, _, _)| *of == kind).map_or(70, |(_, code, _)| *code)
}

/// Why the command failed, in plain values.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

#[derive(Serialize)]
struct Wrapped<'f> {
    error: &'f Failure,
}

impl From<nootropic::Error> for Failure {
    fn from(error: nootropic::Error) -> Self {
        Self { kind: error.kind(), message: nootropic::chain(&error), hint: error.hint() }
    }
}

impl Failure {
    pub(crate) fn invalid(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self { kind: ErrorKind::InvalidInput, message: message.into(), hint: hint.map(str::to_owned) }
    }

    /// Ended by an interrupt.
    pub(crate) fn cancelled() -> Self {
        nootropic::Error::from(nootropic::core::Error::Cancelled).into()
    }

    /// Shows it on standard error.
    pub(crate) fn show(&self, format: Format, palette: &Palette) {
        let text = match format {
            Format::Json | Format::Yaml => {
                serde_json::to_string(&Wrapped { error: self }).map_or_else(|_| self.message.clone(), json)
            }
            Format::Human if self.kind == ErrorKind::Cancelled => {
                palette.dim("interrupted; what was done so far is kept")
            }
            Format::Human => {
                let mut text = format!("{} {}", palette.error("error:"), plain(&self.message));
                if let Some(hint) = &self.hint {
                    text.push_str(&format!("\n{} {}", palette.hint("hint:"), plain(hint)));
                }
                text
            }
        };
        // Nobody may be listening any more.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_code_of_its_own() {
        let codes: HashSet<u8> = CODES.iter().map(|(_, code, _)| *code).collect();
        assert_eq!(codes.len(), CODES.len());
        assert!(!codes.contains(&0) && !codes.contains(&FOUND_FAULT));
        assert_eq!((code(ErrorKind::InvalidInput), code(ErrorKind::Cancelled)), (2, 130));
    }
}
