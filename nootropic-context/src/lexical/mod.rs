//! Words of code and the inverted index over them.

pub(crate) mod merge;
pub(crate) mod posting;
pub(crate) mod segment;
mod stem;
pub(crate) mod tokenize;
pub(crate) mod words;

pub use posting::{Field, Frequencies, Posting};
pub use segment::{POSTINGS, SEGMENTS, SegmentInfo, segments};
pub use stem::stem;
pub(crate) use tokenize::fold_name;
pub use tokenize::{Word, fold, identifiers, is_stopword, normalize, parts};
pub use words::TermKind;
