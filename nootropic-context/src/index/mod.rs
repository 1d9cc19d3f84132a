//! Brings a repository and its index into step.

mod analyze;
mod batch;
mod check;
mod class;
mod columns;
mod embed;
mod fingerprint;
mod jobs;
mod join;
mod lock;
mod rebuild;
mod record;
mod room;
mod team;
mod text;
mod update;

pub use check::{CheckReport, IndexProblem, check};
pub use class::PathClass;
pub use columns::{COLUMNS, ChunkHead, Columns, FileHead};
pub use embed::InlineVectors;
pub(crate) use embed::table_of;
pub use join::optimize;
pub use lock::UpdateTurn;
pub(crate) use record::Asked;
pub use record::{FILES, FileRecord, INDEX_VERSION, IndexMeta, META, OUTLINES, Outline, Passage};
pub use text::{TEXTS, read_part, read_text};
pub use update::{Cancel, OnProgress, Progress, UpdateOptions, UpdateReport, update, update_files};
