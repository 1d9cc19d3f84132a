//! Words of code and the inverted index over them.

pub(crate) mod merge;
pub(crate) mod posting;
pub(crate) mod segment;
mod stem;
pub(crate) mod tokenize;
pub(crate) mod words;

pub use nootropic_core::words::{Word, identifiers, parts};
pub use posting::{Field, Frequencies, Posting};
pub use segment::{POSTINGS, SEGMENTS, SegmentInfo, segments};
pub use stem::stem;
pub(crate) use tokenize::fold_name;
pub use tokenize::{fold, is_stopword, normalize};
pub use words::TermKind;
