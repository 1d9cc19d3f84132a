//! Why a model could not be fetched.

use nootropic_core::{BoxError, Endpoint, ErrorKind};

/// Why a model could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The egress broker does not allow a connection. Nothing was sent there.
    #[error("{endpoint} was not connected to")]
    Refused {
        /// Where to.
        endpoint: Endpoint,
        /// The broker's word.
        source: Box<nootropic_core::Error>,
    },
    /// A server could not be reached, or the connection broke off and trying again did not help.
    #[error("the connection to {endpoint} failed")]
    Unreachable {
        /// Which server.
        endpoint: Endpoint,
        /// The cause.
        source: BoxError,
    },
    /// A URL that is not connected to.
    #[error("{url}: {problem}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A variable names a proxy that cannot be used.
    #[error("the variable {variable} names no usable proxy: {problem}")]
    Proxy {
        /// Which variable.
        variable: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// What to fetch is not named so that it could be found.
    #[error("{name}: {problem}")]
    Name {
        /// What was asked for.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The hub does not have it.
    #[error("{hub} has no {what} {name}{}", similar(near))]
    NotFound {
        /// The hub's endpoint.
        hub: String,
        /// `model`, `revision` or `file`.
        what: &'static str,
        /// Its name.
        name: String,
        /// What it has instead.
        near: Vec<String>,
    },
    /// The hub gives the model only to accounts that it knows.
    #[error("{page} is only given to accounts that may have it{}", if *with_token { ", and the token's may not" } else { "" })]
    Gated {
        /// The model's page.
        page: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The server wants to be asked less often.
    #[error("{endpoint} asks to wait{}", seconds.map(|n| format!(" {n} seconds")).unwrap_or_default())]
    Busy {
        /// Which server.
        endpoint: Endpoint,
        /// How long, if it says so.
        seconds: Option<u64>,
    },
    /// The server answers with an error.
    #[error("{endpoint} answers with status {status}{}", detail(text))]
    Status {
        /// Which server.
        endpoint: Endpoint,
        /// The HTTP status.
        status: u16,
        /// The beginning of what it says.
        text: String,
    },
    /// The server answers what cannot be true.
    #[error("{endpoint} cannot be believed: {problem}")]
    BadAnswer {
        /// Which server.
        endpoint: Endpoint,
        /// What is wrong.
        problem: String,
    },
    /// The bytes that came are not those that were announced. They are deleted.
    #[error("{file} came with the checksum {found}, {expected} was announced; it is deleted")]
    Checksum {
        /// The file.
        file: String,
        /// As the hub lists it.
        expected: String,
        /// Of what came.
        found: String,
    },
    /// There is not enough room.
    #[error("{folder} has {free} bytes free, {needed} are needed")]
    NoRoom {
        /// The folder.
        folder: String,
        /// How many bytes are still to come.
        needed: u64,
        /// How many are free.
        free: u64,
    },
    /// A file could not be read or written.
    #[error("cannot {op} {path}")]
    Io {
        /// What was being done, e.g. `write`.
        op: &'static str,
        /// To which file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Somebody asked for it to stop. What came so far is kept.
    #[error("cancelled")]
    Cancelled,
}

impl PullError {
    pub(crate) fn bad_answer(endpoint: &Endpoint, problem: String) -> Self {
        Self::BadAnswer { endpoint: endpoint.clone(), problem }
    }

    pub(super) fn io(op: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Io { op, path, source }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { .. } => ErrorKind::Denied,
            Self::Unreachable { .. } | Self::Status { .. } | Self::BadAnswer { .. } => ErrorKind::Unavailable,
            Self::Url { .. } | Self::Proxy { .. } | Self::Name { .. } => ErrorKind::InvalidInput,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Gated { .. } => ErrorKind::PermissionDenied,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::Checksum { .. } => ErrorKind::Corrupt,
            Self::NoRoom { .. } => ErrorKind::StorageFull,
            Self::Io { source, .. } => crate::error::io_kind(source),
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    /// What to try, in one sentence, where something can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { .. } => Some("let the egress broker allow that host, if you trust it"),
            Self::Unreachable { .. } => {
                Some("check the network, then run the same command again: it goes on where it was")
            }
            Self::Proxy { .. } => Some("mend the variable, or unset it"),
            Self::Name { .. } => Some("write `OWNER/NAME`, `OWNER/NAME:Q8_0` or `OWNER/NAME:FILE`"),
            Self::NotFound { what: "model", .. } => {
                Some("check the name; a private model needs a token of your account in `HF_TOKEN`")
            }
            Self::Gated { with_token: false, .. } => {
                Some("accept its terms on that page, then put a token of your account into `HF_TOKEN`")
            }
            Self::Gated { .. } => Some("accept its terms on that page with the account that the token is of"),
            Self::Busy { .. } => Some("wait, then run the same command again: it goes on where it was"),
            Self::Status { .. } | Self::BadAnswer { .. } => {
                Some("try again later; if it stays so, fetch the model from somebody else")
            }
            Self::Checksum { .. } => {
                Some("run the same command again; if it stays so, somebody changes the file on its way")
            }
            Self::NoRoom { .. } => {
                Some("free some disk space, then run the same command again: it goes on where it was")
            }
            Self::Io { .. } | Self::Url { .. } | Self::NotFound { .. } | Self::Cancelled => None,
        }
    }
}

fn similar(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; it has: {}", near.join(", ")) }
}

fn detail(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

impl From<PullError> for nootropic_core::Error {
    fn from(error: PullError) -> Self {
        if matches!(error, PullError::Cancelled) {
            return Self::Cancelled;
        }
        let (kind, hint) = (error.kind(), error.hint().map(str::to_owned));
        Self::Failed { op: "pull".into(), kind, hint, source: error.into() }
    }
}
