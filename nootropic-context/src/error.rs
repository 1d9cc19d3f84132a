//! Why keeping or finding failed.

use std::path::PathBuf;

use nootropic_core::{BoxError, ErrorKind};

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why keeping or finding failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A contract's own error.
    #[error(transparent)]
    Core(#[from] nootropic_core::Error),
    /// The operating system refused something.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// What was being done, e.g. `read`.
        op: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(error) => error.kind(),
            Self::Io { source, .. } => io_kind(source),
        }
    }

    /// What to try, in one sentence, where something can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Core(error) => error.hint(),
            Self::Io { .. } => None,
        }
    }
}

/// The kind of an operating system error.
pub(crate) fn io_kind(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound => ErrorKind::NotFound,
        Io::PermissionDenied => ErrorKind::PermissionDenied,
        Io::AlreadyExists => ErrorKind::AlreadyExists,
        Io::ReadOnlyFilesystem => ErrorKind::ReadOnly,
        Io::StorageFull | Io::QuotaExceeded => ErrorKind::StorageFull,
        Io::ResourceBusy | Io::WouldBlock => ErrorKind::Busy,
        Io::InvalidInput => ErrorKind::InvalidInput,
        Io::TimedOut => ErrorKind::Timeout,
        Io::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Internal,
    }
}

impl From<Error> for nootropic_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            other => {
                let (kind, hint) = (other.kind(), other.hint());
                Self::Failed { op: "context".into(), kind, hint, source: BoxError::from(other) }
            }
        }
    }
}
