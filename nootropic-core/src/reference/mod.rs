//! One small, complete implementation of each contract: for tests, for examples, and to read before writing one's own.
//!
//! They keep the contracts to the letter and nothing more: no disk, no network, no model weights. The same input gives the
//! same output on every platform.

mod memory_store;

pub use memory_store::MemoryStore;
