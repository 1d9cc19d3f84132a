//! What is wrong with the bytes of a file, before it is known which file and where.

use std::io;

use crate::{Error, Place};

/// What is wrong with the bytes of a file.
#[derive(Debug)]
pub(crate) enum Fault {
    Malformed(String),
    Truncated {
        needed: u64,
        left: u64,
    },
    OverLimit {
        what: &'static str,
        got: u64,
        max: u64,
    },
    Memory {
        bytes: u64,
    },
    Io(io::Error),
    /// The file ended before the length it had when it was opened.
    Changed,
}

impl Fault {
    pub(crate) fn malformed(problem: impl Into<String>) -> Self {
        Self::Malformed(problem.into())
    }

    pub(crate) fn at(self, file: &str, place: Place) -> Error {
        let file = file.to_owned();
        match self {
            Self::Malformed(problem) => Error::Malformed { file, place, problem },
            Self::Truncated { needed, left } => Error::Truncated { file, place, needed, left },
            Self::OverLimit { what, got, max } => Error::OverLimit { file, place, what, got, max },
            Self::Memory { bytes } => Error::Memory { file, place, bytes },
            Self::Io(source) => Error::Io { op: "read", name: file, source },
            Self::Changed => Error::Changed { file },
        }
    }
}

/// Says where a fault is.
pub(crate) trait At<T> {
    /// `place` is only made when there is a fault.
    fn at(self, file: &str, place: impl FnOnce() -> Place) -> crate::Result<T>;
}

impl<T> At<T> for Result<T, Fault> {
    fn at(self, file: &str, place: impl FnOnce() -> Place) -> crate::Result<T> {
        self.map_err(|fault| fault.at(file, place()))
    }
}
