//! Why recording, replaying or handling a model file failed.

use std::fmt;

use nootropic_core::ErrorKind;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why recording, replaying or handling a model file failed. Through [`Model`](nootropic_core::Model) it comes as the source
/// of a [`nootropic_core::Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {op} {name}")]
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
    /// A model file breaks a rule of its format.
    #[error("{file}, {place}: {problem}")]
    Malformed {
        /// The file, or what stands for it.
        file: String,
        /// Where in it.
        place: Place,
        /// Which rule.
        problem: String,
    },
    /// A model file ends before what it announces.
    #[error("{file} ends too early: {place} needs {needed} bytes, {left} are left")]
    Truncated {
        /// The file, or what stands for it.
        file: String,
        /// Where in it.
        place: Place,
        /// How many bytes are announced.
        needed: u64,
        /// How many there are.
        left: u64,
    },
    /// A model file holds more of something than any real one.
    #[error("{file}, {place}: {got} {what}, at most {max} are read")]
    OverLimit {
        /// The file, or what stands for it.
        file: String,
        /// Where in it.
        place: Place,
        /// What there is too much of, e.g. `metadata keys`.
        what: &'static str,
        /// How much the file announces.
        got: u64,
        /// The limit.
        max: u64,
    },
    /// Describing a model file takes more memory than its [`Budget`](crate::Budget) allows, or than there is.
    #[error("{file}, {place}: {bytes} bytes of memory more than allowed, or than there are")]
    Memory {
        /// The file, or what stands for it.
        file: String,
        /// Where in it.
        place: Place,
        /// How many bytes were asked for.
        bytes: u64,
    },
    /// A file of a split model is not beside the others.
    #[error("{part} is missing: part {number} of {count} of {file}")]
    MissingPart {
        /// The first file.
        file: String,
        /// The missing one.
        part: String,
        /// Which it is, from 1.
        number: u64,
        /// How many there are.
        count: u64,
    },
    /// A model file changed while it was in use.
    #[error("{file} changed while it was in use")]
    Changed {
        /// The file.
        file: String,
    },
    /// A grammar or schema cannot be obeyed.
    #[error("the grammar of the answer cannot be used: {problem}")]
    Grammar {
        /// Why not.
        problem: String,
    },
    /// Somebody asked for it to stop.
    #[error("cancelled")]
    Cancelled,
    /// No model of that name is on this machine.
    #[error("no model is called {name}{}", similar(near))]
    NoModel {
        /// What was asked for.
        name: String,
        /// Names that hold it.
        near: Vec<String>,
    },
    /// No token may come next: all are forbidden, or the model gives no numbers.
    #[error("none of {tokens} tokens may come next: the model's logits are no numbers, or biases forbid them all")]
    NoToken {
        /// How many there are.
        tokens: usize,
    },
    /// A model file of a version that is not read.
    #[error("{file} is GGUF of version {found}; versions 2 and 3 are read")]
    FormatVersion {
        /// The file, or what stands for it.
        file: String,
        /// Its version.
        found: u32,
    },
    /// Numbers of a type that cannot be read or converted.
    #[error("{what}: type {found} cannot be {op}")]
    UnsupportedType {
        /// What has that type, e.g. `model.gguf, tensor output.weight`.
        what: String,
        /// The type, by name where it has one.
        found: String,
        /// What was to be done: `read`, `dequantized`, `quantized to` or `multiplied`.
        op: &'static str,
    },
    /// A metadata key that is needed and not there.
    #[error("{file} has no metadata key {key}")]
    MissingKey {
        /// The file, or what stands for it.
        file: String,
        /// The key.
        key: String,
    },
    /// A metadata value of another type or range than is needed.
    #[error("{file}, key {key}: {found} where {expected} is needed")]
    WrongType {
        /// The file, or what stands for it.
        file: String,
        /// The key.
        key: String,
        /// What it has, e.g. `i32 -5`.
        found: String,
        /// What is needed, e.g. `an unsigned 32-bit number`.
        expected: &'static str,
    },
    /// A tensor that is needed and not there.
    #[error("{file} has no tensor {tensor}")]
    MissingTensor {
        /// The file, or what stands for it.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// A model of an architecture that is not run here.
    #[error("{file} is a model of architecture {found}; {known} are run")]
    UnsupportedArchitecture {
        /// The file, or what stands for it.
        file: String,
        /// Its architecture.
        found: String,
        /// Those that are run.
        known: String,
    },
    /// A tensor of another size than the configuration of its model says.
    #[error("{file}, tensor {tensor}: dimensions {found:?} where {expected:?} are needed")]
    WrongShape {
        /// The file, or what stands for it.
        file: String,
        /// The tensor.
        tensor: String,
        /// Its dimensions, the contiguous one first.
        found: Vec<u64>,
        /// The dimensions its model needs.
        expected: Vec<u64>,
    },
    /// Tokens that do not fit into a session.
    #[error("{got} tokens in a session of {max}")]
    TooLong {
        /// How many tokens there would be.
        got: usize,
        /// How many the session was made for.
        max: usize,
    },
    /// A device is not there, or not fit to compute on.
    #[error("no {device} device: {problem}")]
    NoDevice {
        /// The device.
        device: &'static str,
        /// Why not.
        problem: String,
    },
    /// A device failed below us.
    #[error("{op} on {device} failed: {problem}")]
    Device {
        /// The device.
        device: String,
        /// What was being done.
        op: &'static str,
        /// What is known of the failure.
        problem: String,
    },
    /// A model wrote a call that cannot be made: it is no call of a known tool, or not whole.
    #[error("the model called a tool in a way that cannot be read: {problem}: {text}")]
    MalformedCall {
        /// The beginning of what it wrote.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What was to be written or converted is not of the right form.
    #[error("{what}: {problem}")]
    Invalid {
        /// What, e.g. `tensor blk.0.attn_q.weight`.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Where in a model file something is wrong. Names come from the file: they are shortened, and control characters are escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A byte, counted from the start of the file.
    Offset(u64),
    /// A metadata key.
    Key(String),
    /// A tensor.
    Tensor(String),
}

impl Place {
    pub(crate) fn key(key: &str) -> Self {
        Self::Key(printable(key))
    }

    pub(crate) fn tensor(name: &str) -> Self {
        Self::Tensor(printable(name))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "byte {offset}"),
            Self::Key(key) => write!(f, "key {key}"),
            Self::Tensor(name) => write!(f, "tensor {name}"),
        }
    }
}

/// A name from an untrusted file, fit for a message on a terminal.
pub(crate) fn printable(name: &str) -> String {
    printable_up_to(name, 80)
}

/// At most `longest` characters of text from an untrusted file, fit for a message on a terminal.
pub(crate) fn printable_up_to(text: &str, longest: usize) -> String {
    let mut printable: String = text.chars().take(longest).flat_map(printable_char).collect();
    if text.chars().nth(longest).is_some() {
        printable.push('…');
    }
    printable
}

fn printable_char(c: char) -> impl Iterator<Item = char> {
    // Debug escapes what a terminal would obey; quotes are harmless and stay as they are.
    let escaped = (!matches!(c, '"' | '\'' | '\\')).then(|| c.escape_debug());
    let plain = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => io_kind(source),
            Self::Damaged { .. } | Self::Malformed { .. } | Self::Truncated { .. } | Self::WrongShape { .. } => {
                ErrorKind::Corrupt
            }
            Self::NoDevice { .. } => ErrorKind::Unavailable,
            Self::Device { .. } => ErrorKind::Internal,
            Self::Version { .. } | Self::FormatVersion { .. } => ErrorKind::UnsupportedVersion,
            Self::NotRecorded { .. }
            | Self::CutShort { .. }
            | Self::MissingKey { .. }
            | Self::MissingTensor { .. }
            | Self::MissingPart { .. }
            | Self::NoModel { .. } => ErrorKind::NotFound,
            Self::OverLimit { .. } | Self::Memory { .. } | Self::TooLong { .. } => ErrorKind::TooLarge,
            Self::Changed { .. } => ErrorKind::Busy,
            Self::UnsupportedType { .. } | Self::WrongType { .. } | Self::UnsupportedArchitecture { .. } => {
                ErrorKind::Unsupported
            }
            Self::Invalid { .. } | Self::Grammar { .. } | Self::MalformedCall { .. } => ErrorKind::InvalidInput,
            Self::NoToken { .. } => ErrorKind::Internal,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    /// What to try, in one sentence, where something can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Damaged { .. } | Self::NotRecorded { .. } | Self::CutShort { .. } => {
                Some("record the cassette again")
            }
            Self::Version { .. } => Some("use a newer version, or record the cassette again"),
            Self::Malformed { .. } => Some("fetch the file again, from a publisher you trust"),
            Self::Truncated { .. } => Some("the file was not written or fetched to its end: fetch it again"),
            Self::OverLimit { .. } => Some("no known model needs as much: fetch the file again, or convert it anew"),
            Self::Memory { .. } => Some("free some memory; if the file is a model you trust, raise the budget"),
            Self::MissingPart { .. } => {
                Some("put the missing part beside the others, under the name that its publisher gave it")
            }
            Self::Changed { .. } => Some("wait until the file is written, then open it again"),
            Self::FormatVersion { .. } => Some("convert the model anew with a current converter"),
            Self::UnsupportedType { .. } => Some("fetch the model as F16, Q8_0 or Q4_K_M instead"),
            Self::UnsupportedArchitecture { .. } => Some("choose a model of a family that is run"),
            Self::TooLong { .. } => Some("shorten the prompt, or open the session with a longer context"),
            Self::NoDevice { .. } => Some("choose the device cpu, or auto"),
            Self::Device { .. } => Some("choose the device cpu, and report the failure with the name of the device"),
            Self::MissingKey { .. } | Self::WrongType { .. } | Self::MissingTensor { .. } | Self::WrongShape { .. } => {
                Some("convert the model anew with a current converter, or fetch it from another publisher")
            }
            Self::NoModel { .. } => Some("give a path, or a name that `nootropic models list` shows"),
            Self::NoToken { .. } => {
                Some("look at the request's biases; if there are none, the model file is damaged: fetch it again")
            }
            Self::Io { .. } | Self::Invalid { .. } | Self::Cancelled => None,
            Self::Grammar { .. } => Some("simplify the schema: leave out what the message names"),
            Self::MalformedCall { .. } => Some("ask again, or let a grammar hold the model to its tools"),
        }
    }

    /// What was being done.
    fn op(&self) -> &'static str {
        match self {
            Self::Damaged { .. } | Self::Version { .. } | Self::NotRecorded { .. } | Self::CutShort { .. } => {
                "cassette"
            }
            Self::Io { .. } => "file access",
            Self::TooLong { .. } => "session",
            Self::NoDevice { .. } | Self::Device { .. } => "device",
            Self::NoToken { .. } | Self::Grammar { .. } => "generate",
            Self::NoModel { .. } => "looking for the model",
            Self::MalformedCall { .. } => "tool call",
            _ => "model file",
        }
    }
}

impl From<Error> for nootropic_core::Error {
    fn from(error: Error) -> Self {
        if matches!(error, Error::Cancelled) {
            return Self::Cancelled;
        }
        let (op, kind, hint) = (error.op().into(), error.kind(), error.hint().map(str::to_owned));
        Self::Failed { op, kind, hint, source: error.into() }
    }
}

pub(crate) fn io_kind(error: &std::io::Error) -> ErrorKind {
    match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        std::io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
        std::io::ErrorKind::OutOfMemory => ErrorKind::TooLarge,
        std::io::ErrorKind::WouldBlock => ErrorKind::Busy, // no thread can be started now
        std::io::ErrorKind::InvalidInput => ErrorKind::InvalidInput,
        _ => ErrorKind::Internal,
    }
}

/// The end of a sentence that names what may have been meant.
fn similar(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; these are: {}", near.join(", ")) }
}
