//! Agents: a goal in, a stream of events out.

use std::fmt;
use std::pin::Pin;

use async_trait::async_trait;
use futures_core::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CallContext, Capability, Outcome, Result, ToolCall, Usage};

/// What an agent is to achieve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentTask {
    /// The goal, in words.
    pub goal: String,
    /// What else it needs to know, by the agent's own terms.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
}

impl AgentTask {
    /// A goal and nothing else.
    pub fn new(goal: impl Into<String>) -> Self {
        Self { goal: goal.into(), input: Value::Null }
    }
}

/// What an agent does, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AgentEvent {
    /// More of what it says.
    Text {
        /// To be appended.
        text: String,
    },
    /// More of what it thinks.
    Reasoning {
        /// To be appended.
        text: String,
    },
    /// It calls a tool.
    ToolCall(ToolCall),
    /// A tool answered.
    ToolResult {
        /// [`ToolCall::id`] of the call.
        call_id: String,
        /// What it gave; an error as its text.
        result: Result<Value, String>,
    },
    /// A model was used.
    Usage(Usage),
    /// The end; nothing follows.
    Finished {
        /// How.
        outcome: Outcome,
        /// What came of it, or why nothing did.
        output: Value,
    },
}

/// Events of a run. Dropping it cancels the run.
pub type AgentStream = Pin<Box<dyn Stream<Item = Result<AgentEvent>> + Send>>;

/// Pursues a goal.
///
/// What decides is best a state machine without I/O: it takes what happened and says what to do next, can be written down
/// and read back, and is tested without a model. The agent is then the thin driver that awaits.
///
/// # Contract
/// - A run is a stream of events that ends with one [`Finished`](AgentEvent::Finished), or with one error.
/// - Every [`ToolResult`](AgentEvent::ToolResult) answers one earlier [`ToolCall`](AgentEvent::ToolCall), and no call is
///   answered twice.
/// - Every effect passes the context's gate. Cancelling ends a run soon, with [`Outcome::Cancelled`] or
///   [`Error::Cancelled`](crate::Error::Cancelled); dropping the stream ends it too.
/// - Concurrent runs do not see each other.
///
/// `testing::agent_suite` checks all of it (feature `testing`).
#[async_trait]
pub trait Agent: fmt::Debug + Send + Sync {
    /// Its name, what it takes and gives, and its effects.
    fn describe(&self) -> Capability;

    /// Starts a run.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for a task it cannot read, [`Error::Cancelled`](crate::Error::Cancelled).
    async fn run(&self, task: AgentTask, context: CallContext) -> Result<AgentStream>;
}

const _: fn(&dyn Agent) = |_| {}; // the facade and bindings hold `Arc<dyn Agent>`
