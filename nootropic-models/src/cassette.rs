//! The form of a cassette: JSON lines.
//!
//! The first line says what it is, `{"cassette":1,"model":{…}}`. Each further line is an exchange:
//!
//! ```text
//! {"n":0,"request":{…},"count":12}                            tokens were counted
//! {"n":1,"request":{…},"events":[…],"end":"complete"}         a generation was read to its end
//! {"n":2,"request":{…},"events":[…],"end":"dropped"}          … was dropped before
//! {"n":3,"request":{…},"events":[…],"end":{"failed":{…}}}     … failed, perhaps before the first event
//! ```
//!
//! `n` numbers the exchanges by when they began; lines come in the order in which they ended.

use nootropic_core::{Error as CoreError, ErrorKind, GenerateRequest, ModelEvent, ModelInfo};
use serde::{Deserialize, Serialize};

/// The format that is written.
pub(crate) const FORMAT: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) cassette: u32,
    pub(crate) model: ModelInfo,
}

/// Any further line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) n: u64,
    pub(crate) request: GenerateRequest,
    #[serde(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Count { count: usize },
    Events { events: Vec<ModelEvent>, end: End },
}

/// How a generation ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    Complete,
    Dropped,
    Failed(Failure),
}

/// An error, as far as it can be written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failure {
    kind: ErrorKind,
    message: String,
    /// Both numbers of a prompt that did not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    too_long: Option<(usize, usize)>,
}

impl From<&CoreError> for Failure {
    fn from(error: &CoreError) -> Self {
        let too_long = match error {
            CoreError::PromptTooLong { got, max } => Some((*got, *max)),
            _ => None,
        };
        let mut message = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { kind: error.kind(), message, too_long }
    }
}

impl From<Failure> for CoreError {
    fn from(failure: Failure) -> Self {
        match failure.too_long {
            Some((got, max)) => Self::PromptTooLong { got, max },
            None => Self::failed("recorded generation", failure.kind, failure.message),
        }
    }
}
