//! Ranked answers to a question.

mod engine;
mod explain;
pub(crate) mod filter;
pub(crate) mod glob;
mod name;
mod queries;
mod query;
mod rank;
mod ranking;
mod rerank;
mod score;
mod semantic;

pub use engine::{Answer, Engine, Hit, Near, SearchOptions};
pub use explain::Signal;
pub use query::{Filters, Query, QueryClass, is_filter};
pub use ranking::Ranking;
pub use rerank::{RerankOptions, rerank};
pub use semantic::Semantic;
