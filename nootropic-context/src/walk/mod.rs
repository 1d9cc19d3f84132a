//! Which files of a repository are worth reading, and their text.
//!
//! [`walk`] lists them with a [`FileStamp`] each, so that unchanged ones need not be opened; [`Reader`] turns one into
//! text; `watch` (feature of that name) says which may have changed. What is left out and was not ignored on purpose is
//! reported with a [`SkipReason`].
//!
//! Links are never followed: what they point to inside the root is walked under its own name, and what lies outside does
//! not belong to the repository.

mod crawl;
mod decode;
mod filter;
mod generated;
mod names;
mod open;
mod options;
mod path;
mod read;
mod reason;
mod rules;
mod stamp;
#[cfg(feature = "watch")]
mod watch;

#[cfg(test)]
#[cfg(unix)] // FIFOs, sockets, raw names
mod tests;

pub use crawl::{Found, WalkSummary, walk};
pub use options::WalkOptions;
pub use path::RelPath;
pub use read::{Content, Reader, Skip};
pub use reason::SkipReason;
pub use stamp::FileStamp;
#[cfg(feature = "watch")]
pub use watch::{WatchBackend, WatchBatch, WatchOptions, watch};
