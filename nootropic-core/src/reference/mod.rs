//! One small, complete implementation of each contract: for tests, for examples, and to read before writing one's own.
//!
//! They keep the contracts to the letter and nothing more: no disk, no network, no model weights. The same input gives the
//! same output on every platform. The references of [`EgressBroker`](crate::EgressBroker) and
//! [`EffectGate`](crate::EffectGate) stand beside their traits, because programs use them as they are.

mod breadth_first;
mod echo;
mod event_log;
mod hashing_embedder;
mod memory_store;
mod overlap_reranker;
mod scripted_model;
mod words;

pub use breadth_first::BreadthFirstPlanner;
pub use echo::{EchoAgent, EchoTool};
pub use event_log::EventLog;
pub use hashing_embedder::HashingEmbedder;
pub use memory_store::MemoryStore;
pub use overlap_reranker::OverlapReranker;
pub use scripted_model::{Reply, ScriptedModel};
