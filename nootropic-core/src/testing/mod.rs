//! Contract test suites: one for each trait, for any implementation of it, ours or a user's (feature `testing`).
//!
//! A suite is called from a test. It returns if every clause of the contract holds and panics with the first clause that
//! does not, as a test should:
//!
//! ```
//! use nootropic_core::{reference::MemoryStore, testing};
//!
//! testing::store_suite(|| Box::new(MemoryStore::new(testing::TABLES)));
//! ```
//!
//! Suites of asynchronous traits are plain `async fn`s that need no runtime of their own: run them with whatever drives
//! futures, such as `futures_executor::block_on` or `#[tokio::test]`.
//!
//! Each suite is itself tested: it passes on the implementation in [`reference`](crate::reference) and fails on
//! implementations that break one clause each.

mod agent;
mod broker;
mod embedder;
mod model;
mod planner;
mod reranker;
mod store;
mod tool;

pub use agent::agent_suite;
pub use broker::broker_suite;
pub use embedder::embedder_suite;
pub use model::model_suite;
pub use planner::planner_suite;
pub use reranker::reranker_suite;
pub use store::{TABLES, durable_store_suite, store_suite};
pub use tool::tool_suite;

use crate::{Capability, CapabilityKind};

/// Ends the test: `clause` of `contract` does not hold.
#[track_caller]
fn broken(contract: &str, clause: &str, saw: &str) -> ! {
    panic!("{contract} contract broken: {clause} ({saw})")
}

/// Checks one clause of a contract.
#[track_caller]
fn check(contract: &str, clause: &str, holds: bool, saw: impl FnOnce() -> String) {
    if !holds {
        broken(contract, clause, &saw());
    }
}

/// Checks what every implementation says about itself.
#[track_caller]
fn describes(contract: &str, capability: &Capability, kind: CapabilityKind) {
    let clause = "it describes itself: a name, a one-line summary, schemas, and the kind it is";
    let fault = capability.check().err();
    check(contract, clause, fault.is_none() && capability.kind == kind, || {
        format!(
            "kind {}, {}",
            capability.kind,
            fault.map_or_else(|| "no other fault".to_owned(), |fault| fault.to_string())
        )
    });
}

/// Runs `suite` and says with which message it failed.
///
/// # Panics
/// If it passed.
#[cfg(test)]
#[track_caller]
fn failure_of(suite: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(suite)).expect_err("the suite passed");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(other) => panic!("the suite failed without a message: {:?}", other.downcast_ref::<&str>()),
    }
}
