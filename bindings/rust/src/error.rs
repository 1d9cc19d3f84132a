//! Why a call on the facade failed.

use std::path::{Path, PathBuf};

use nootropic_core::ErrorKind;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A contract's own error.
    #[error(transparent)]
    Core(nootropic_core::Error),
    /// Keeping or finding failed.
    #[error(transparent)]
    Context(nootropic_context::Error),
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
    /// A setting that cannot be taken.
    #[error("{place}: {problem}")]
    Setting {
        /// Where it stands: a file with line and column, a variable, or a flag.
        place: String,
        /// What is wrong with it.
        problem: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A repository that is not a folder.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// What was given.
        path: PathBuf,
    },
    /// Our folder is not one of our making.
    #[error("{} is a symbolic link", path.display())]
    LinkedFolder {
        /// The link.
        path: PathBuf,
    },
    /// What was found upward is somebody else's.
    #[error("{} belongs to user {owner}, who is neither you nor root", path.display())]
    ForeignFolder {
        /// The `.nootropic` or `.git`.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The repository was never indexed.
    #[error("{} has no index", root.display())]
    NoIndex {
        /// The repository.
        root: PathBuf,
    },
    /// Nothing has that name.
    #[error("no {what} is named {name}")]
    NotFound {
        /// What was looked for, e.g. `setting`.
        what: &'static str,
        /// The name.
        name: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// The input is wrong.
    #[error("{what}: {problem}")]
    Input {
        /// Which input, e.g. `limit`.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl Error {
    pub(crate) fn io(op: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { op, path, source }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(error) => error.kind(),
            Self::Context(error) => error.kind(),
            Self::Io { source, .. } => io_kind(source),
            Self::Setting { .. } | Self::NotAFolder { .. } | Self::Input { .. } => ErrorKind::InvalidInput,
            Self::LinkedFolder { .. } | Self::ForeignFolder { .. } => ErrorKind::Denied,
            Self::NoIndex { .. } | Self::NotFound { .. } => ErrorKind::NotFound,
        }
    }

    /// What to try, in one sentence, where something can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Core(error) => error.hint(),
            Self::Context(error) => {
                error.path().and_then(|path| refusal_hint(error.kind(), path)).or_else(|| error.hint())
            }
            Self::Io { source, path, .. } => refusal_hint(io_kind(source), path).or_else(|| match io_kind(source) {
                ErrorKind::StorageFull => Some("free some disk space and try again; nothing was lost".into()),
                ErrorKind::PermissionDenied => Some("check who owns the file and its folder".into()),
                ErrorKind::InvalidInput => Some("move what is there away: it is not what is expected there".into()),
                _ => None,
            }),
            Self::Setting { hint, .. } | Self::NotFound { hint, .. } => hint.clone(),
            Self::NotAFolder { .. } => Some("name the folder that holds the repository".into()),
            Self::LinkedFolder { .. } => {
                Some("remove the link: following it could write outside the repository".into())
            }
            Self::ForeignFolder { path, .. } => {
                let root = path.parent().unwrap_or(path).display();
                Some(format!("if you trust what is there, name it: `--repo {root}`; if not, name your own: `--repo .`"))
            }
            Self::NoIndex { .. } => Some("run `nootropic index` first".into()),
            Self::Input { .. } => None,
        }
    }
}

/// What nootropic-context said through a contract is taken out of its wrapping: it says more.
impl From<nootropic_core::Error> for Error {
    fn from(error: nootropic_core::Error) -> Self {
        match error {
            nootropic_core::Error::Failed { op, kind, hint, source } => match source.downcast() {
                Ok(error) => Self::Context(*error),
                Err(source) => Self::Core(nootropic_core::Error::Failed { op, kind, hint, source }),
            },
            error => Self::Core(error),
        }
    }
}

impl From<nootropic_context::Error> for Error {
    fn from(error: nootropic_context::Error) -> Self {
        match error {
            nootropic_context::Error::Core(error) => error.into(),
            error => Self::Context(error),
        }
    }
}

/// An embedder that speaks in contracts gets a contract's error, with kind and hint kept.
impl From<Error> for nootropic_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            Error::Context(error) => error.into(),
            other => {
                let (kind, hint) = (other.kind(), other.hint());
                Self::Failed { op: "nootropic".into(), kind, hint, source: Box::new(other) }
            }
        }
    }
}

fn io_kind(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound => ErrorKind::NotFound,
        Io::PermissionDenied => ErrorKind::PermissionDenied,
        Io::AlreadyExists => ErrorKind::AlreadyExists,
        Io::ReadOnlyFilesystem => ErrorKind::ReadOnly,
        Io::StorageFull | Io::QuotaExceeded => ErrorKind::StorageFull,
        Io::ResourceBusy | Io::WouldBlock => ErrorKind::Busy,
        Io::InvalidInput | Io::NotADirectory => ErrorKind::InvalidInput,
        Io::TimedOut => ErrorKind::Timeout,
        Io::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Internal,
    }
}

/// What to try where one of our folders refuses to be written.
fn refusal_hint(kind: ErrorKind, path: &Path) -> Option<String> {
    if !matches!(kind, ErrorKind::PermissionDenied | ErrorKind::ReadOnly) {
        return None;
    }
    let below = |name: &str| path.iter().any(|part| part == name);
    if below(crate::layout::FOLDER) || below(crate::layout::CACHE) {
        return Some("if the repository cannot be written, keep its index elsewhere: `--set store.place=user`".into());
    }
    if below(crate::layout::REPOSITORIES) {
        return Some("name a folder that can be written: `--set store.user_dir=DIR`".into());
    }
    None
}
