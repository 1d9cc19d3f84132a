//! Keeps and finds what is known about a repository: an LMDB store, syntax-aware chunking, lexical and vector
//! retrieval, a symbol graph, and packing to a token budget. Everything works with no model.

mod error;

pub mod index;
pub mod lexical;
pub mod search;
pub mod store;
pub mod syntax;
pub mod vectors;
pub mod walk;

pub use error::{Error, Result};
