//! Why a call failed, and what the caller can do about it.

use crate::store::Table;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error. Bindings map kinds, never messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input is wrong; change it.
    InvalidInput,
    /// What was named does not exist.
    NotFound,
    /// What was to be made exists already.
    AlreadyExists,
    /// The operating system refused access.
    PermissionDenied,
    /// The place can be read but not written.
    ReadOnly,
    /// The disk or the reserved space is full; free some and try again.
    StorageFull,
    /// Stored bytes are damaged; restore or rebuild.
    Corrupt,
    /// Stored bytes are of a format this version does not read.
    UnsupportedVersion,
    /// Something else holds what is needed; try again later.
    Busy,
    /// The caller cancelled.
    Cancelled,
    /// Policy refused the effect.
    Denied,
    /// A budget is used up.
    BudgetExceeded,
    /// A limit would be exceeded: the prompt, file or value is too large.
    TooLarge,
    /// Took longer than allowed.
    Timeout,
    /// A service or device does not answer now.
    Unavailable,
    /// This implementation does not do that.
    Unsupported,
    /// A bug or an unexpected failure below us; please report it.
    Internal,
}

impl ErrorKind {
    /// The stable, machine-readable name, as in JSON: `invalid_input`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::ReadOnly => "read_only",
            Self::StorageFull => "storage_full",
            Self::Corrupt => "corrupt",
            Self::UnsupportedVersion => "unsupported_version",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::Denied => "denied",
            Self::BudgetExceeded => "budget_exceeded",
            Self::TooLarge => "too_large",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Any error, boxed so that it can be chained as a source.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call through one of the contracts failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input is wrong.
    #[error("{what}: {problem}")]
    InvalidInput {
        /// Which input, e.g. `query` or `tool input /path`.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A prompt does not fit the model. It is never truncated.
    #[error("prompt has {got} tokens, the model reads {max}")]
    PromptTooLong {
        /// Prompt length, in tokens.
        got: usize,
        /// The model's context length, in tokens.
        max: usize,
    },
    /// A vector with no direction.
    #[error("cannot normalize a vector of norm {norm}")]
    NoDirection {
        /// Its Euclidean norm.
        norm: f32,
    },
    /// A vector of the wrong length.
    #[error("vector has {got} dimensions, {expected} expected")]
    Dimension {
        /// What was given.
        got: usize,
        /// What the embedder or index holds.
        expected: usize,
    },
    /// A key the store cannot hold.
    #[error("key has {got} bytes; keys have 1 to {max}")]
    KeyLength {
        /// Its length in bytes.
        got: usize,
        /// The longest allowed.
        max: usize,
    },
    /// A table that was not declared when the store was opened.
    #[error("table {0} was not declared when the store was opened")]
    UnknownTable(Table),
    /// A stored record fails its checksum or does not decode.
    #[error("damaged record in {table}, key {key}: {problem}")]
    Corrupt {
        /// The table it was read from.
        table: String,
        /// The key, in hexadecimal.
        key: String,
        /// What does not fit.
        problem: String,
    },
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// Policy refused an effect.
    #[error("not allowed: {effect} ({reason})")]
    Denied {
        /// The effect, as text.
        effect: String,
        /// Which rule said so.
        reason: String,
    },
    /// A budget is used up.
    #[error("{budget} budget is used up: {used} of {limit}, {wanted} more wanted")]
    BudgetExceeded {
        /// Which one, e.g. `tokens`.
        budget: &'static str,
        /// Used so far.
        used: u64,
        /// Allowed in all.
        limit: u64,
        /// What the refused effect would have added.
        wanted: u64,
    },
    /// Nothing of that name is registered.
    #[error("no {what} named {name}")]
    NotFound {
        /// What was looked for, e.g. `capability`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("{what} {name} exists already")]
    AlreadyExists {
        /// What was to be added, e.g. `capability`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// An implementation failed; the cause is the source.
    #[error("{op} failed")]
    Failed {
        /// What was being done, e.g. `lmdb commit`.
        op: String,
        /// What the caller can do.
        kind: ErrorKind,
        /// What to try, in one sentence, if anything.
        hint: Option<String>,
        /// The cause.
        #[source]
        source: BoxError,
    },
}

impl Error {
    /// Wraps an implementation's own failure.
    pub fn failed(op: impl Into<String>, kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self::Failed { op: op.into(), kind, hint: None, source: source.into() }
    }

    /// Says which input is wrong and how.
    pub fn invalid(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::InvalidInput { what: what.into(), problem: problem.into() }
    }

    /// A record that fails its checks; the key is shown in hexadecimal.
    pub fn corrupt(table: Table, key: &[u8], problem: impl Into<String>) -> Self {
        let key = key.iter().map(|b| format!("{b:02x}")).collect();
        Self::Corrupt { table: table.name().to_owned(), key, problem: problem.into() }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidInput { .. }
            | Self::NoDirection { .. }
            | Self::Dimension { .. }
            | Self::KeyLength { .. }
            | Self::UnknownTable(_) => ErrorKind::InvalidInput,
            Self::PromptTooLong { .. } => ErrorKind::TooLarge,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Denied { .. } => ErrorKind::Denied,
            Self::BudgetExceeded { .. } => ErrorKind::BudgetExceeded,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::AlreadyExists { .. } => ErrorKind::AlreadyExists,
            Self::Failed { kind, .. } => *kind,
        }
    }

    /// What to try, in one sentence, where something can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { hint, .. } => hint.clone(),
            Self::PromptTooLong { .. } => Some("shorten the prompt or use a model with a longer context".into()),
            Self::Corrupt { .. } => Some("run `nootropic verify`, then `restore` a backup or index again".into()),
            _ => None,
        }
    }
}
