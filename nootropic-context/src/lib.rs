//! Keeps and finds what is known about a repository: an LMDB store, syntax-aware chunking, lexical and vector
//! retrieval, a symbol graph, and packing to a token budget. Everything works with no model.

mod codec;
mod error;
#[cfg(test)]
mod scale;

pub mod documented;
pub mod graph;
pub mod index;
pub mod lexical;
pub mod search;
pub mod store;
pub mod syntax;
pub mod vectors;
pub mod walk;

pub use error::{Error, Result};

use nootropic_core::Table;

/// What is remembered between sessions.
pub const MEMORY: Table = Table::new("memory");
/// What durable runs did.
pub const JOURNAL: Table = Table::new("journal");

/// Every table of a repository's store: those of the index, and room for memory and journal beside them.
pub const TABLES: [Table; 10] = [
    index::META,
    index::FILES,
    index::OUTLINES,
    index::TEXTS,
    index::COLUMNS,
    lexical::SEGMENTS,
    lexical::POSTINGS,
    vectors::VECTORS,
    MEMORY,
    JOURNAL,
];
