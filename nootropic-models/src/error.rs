//! Why recording or replaying failed.

use nootropic_core::ErrorKind;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why recording or replaying failed. Through [`Model`](nootropic_core::Model) it comes as the source of a
/// [`nootropic_core::Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cassette could not be read or written.
    #[error("cannot {op} cassette {name}")]
    Io {
        /// `open`, `read` or `write`.
        op: &'static str,
        /// The file, or what stands for it.
        name: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A line of a cassette is not what was written.
    #[error("cassette {name}, line {line}: {problem}")]
    Damaged {
        /// The file, or what stands for it.
        name: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A newer version wrote the cassette.
    #[error("cassette {name} has format {found}, this version reads {known}")]
    Version {
        /// The file, or what stands for it.
        name: String,
        /// Its format.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// A request that was not recorded, or not as often.
    #[error("this request is not on cassette {name}, or was played already; {difference}")]
    NotRecorded {
        /// The file, or what stands for it.
        name: String,
        /// Where it first differs from the next request on the cassette, as a JSON pointer with both values.
        difference: String,
    },
    /// More was read of a generation than was recorded, because its reader dropped it.
    #[error("cassette {name} has only the first {events} events of this generation: it was dropped then")]
    CutShort {
        /// The file, or what stands for it.
        name: String,
        /// How many events there are.
        events: usize,
    },
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                std::io::ErrorKind::StorageFull => ErrorKind::StorageFull,
                std::io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
                _ => ErrorKind::Internal,
            },
            Self::Damaged { .. } => ErrorKind::Corrupt,
            Self::Version { .. } => ErrorKind::UnsupportedVersion,
            Self::NotRecorded { .. } | Self::CutShort { .. } => ErrorKind::NotFound,
        }
    }

    /// What to try, in one sentence, where something can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Damaged { .. } | Self::NotRecorded { .. } | Self::CutShort { .. } => {
                Some("record the cassette again")
            }
            Self::Version { .. } => Some("use a newer version, or record the cassette again"),
            Self::Io { .. } => None,
        }
    }
}

impl From<Error> for nootropic_core::Error {
    fn from(error: Error) -> Self {
        let (kind, hint) = (error.kind(), error.hint().map(str::to_owned));
        Self::Failed { op: "cassette".into(), kind, hint, source: error.into() }
    }
}
