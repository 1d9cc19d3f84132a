//! Tools: what an agent may call.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use crate::{CallContext, Capability, Result};

/// Takes JSON, gives JSON, and says beforehand what it may do to the outside world.
///
/// # Contract
/// - [`describe`](Self::describe) is always the same: a capability of kind `Tool` whose input schema is an object's.
/// - Input that its schema does not allow is refused with [`Error::InvalidInput`](crate::Error::InvalidInput) that names the
///   field, before any effect.
/// - Every effect is asked for at the context's gate before it happens, and is of a declared kind. If the gate refuses, so does
///   the tool, with the gate's error.
/// - Cancelling ends a call soon, with [`Error::Cancelled`](crate::Error::Cancelled). Concurrent calls do not see each other.
///
/// `testing::tool_suite` checks all of it (feature `testing`).
#[async_trait]
pub trait Tool: fmt::Debug + Send + Sync {
    /// Its name, what it takes and gives, and its effects.
    fn describe(&self) -> Capability;

    /// Calls it.
    ///
    /// # Errors
    /// Wrong input, a refused effect, cancellation, or the tool's own failure.
    async fn call(&self, input: Value, context: &CallContext) -> Result<Value>;
}

const _: fn(&dyn Tool) = |_| {}; // agents hold `Arc<dyn Tool>`
