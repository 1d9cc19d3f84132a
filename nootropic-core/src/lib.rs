//! Contracts of the Nootropic runtime: the traits its parts meet at, the plain types they exchange, and a test suite for
//! each trait that any implementation can run.
//!
//! This crate links no model, no database, no network and no async runtime.

pub mod reference;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

mod document;
mod embedding;
mod error;
mod store;

pub use document::{Chunk, ChunkId, Document, Reference, Span, Symbol, SymbolKind};
pub use embedding::{EmbedRole, Embedder, EmbedderInfo, Embedding};
pub use error::{BoxError, Error, ErrorKind, Result};
pub use store::{KeyRange, MAX_KEY_LEN, ReadTxn, Snapshot, Store, StoreExt, Table, Visit, WriteTxn};
