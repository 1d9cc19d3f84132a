//! Why a file was left out.

use std::fmt;
use std::io;

/// Why a file or folder was left out although no ignore file asked for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// Larger than [`WalkOptions::max_file_bytes`](super::WalkOptions::max_file_bytes).
    TooLarge,
    /// Not text.
    Binary,
    /// Written by a program: it says so in its head, or it is a lock file or a source map.
    Generated,
    /// Code or markup squeezed into few, very long lines.
    Minified,
    /// A folder of installed packages or environments, such as `node_modules`.
    Vendored,
    /// A folder that marks itself as a cache with a `CACHEDIR.TAG`.
    Cache,
    /// A symbolic link; links are not followed.
    Symlink,
    /// A FIFO, socket or device, or a folder where a file was expected; never opened.
    NotRegular,
    /// Changed each time it was read.
    Changing,
    /// Gone when it was to be read.
    Vanished,
    /// The operating system refused access.
    PermissionDenied,
    /// The operating system failed to read it.
    Unreadable,
}

impl SkipReason {
    /// The stable name, as in JSON: `too_large`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Binary => "binary",
            Self::Generated => "generated",
            Self::Minified => "minified",
            Self::Vendored => "vendored",
            Self::Cache => "cache",
            Self::Symlink => "symlink",
            Self::NotRegular => "not_regular",
            Self::Changing => "changing",
            Self::Vanished => "vanished",
            Self::PermissionDenied => "permission_denied",
            Self::Unreadable => "unreadable",
        }
    }

    /// Whether a later attempt may go otherwise although the file is the same: do not keep such an outcome.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Changing | Self::Vanished | Self::PermissionDenied | Self::Unreadable)
    }

    /// The reason an operating system error stands for.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Vanished,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            io::ErrorKind::IsADirectory => Self::NotRegular,
            _ => Self::Unreadable,
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
        for reason in [SkipReason::TooLarge, SkipReason::NotRegular, SkipReason::PermissionDenied, SkipReason::Cache] {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
        }
    }
}
