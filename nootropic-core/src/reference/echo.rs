//! A tool and an agent that give back what they are given.

use async_trait::async_trait;
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Agent, AgentEvent, AgentStream, AgentTask, CallContext, CancelToken, Capability, CapabilityKind, Error, ErrorKind,
    Outcome, Result, Tool,
};

/// A [`Tool`] that gives back the text it is given. It has no effects.
#[derive(Debug, Clone, Copy, Default)]
pub struct EchoTool;

/// What [`EchoTool`] takes and gives.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Echo {
    /// The text to give back.
    #[schemars(extend("x-positional" = 1))]
    text: String,
}

#[async_trait]
impl Tool for EchoTool {
    fn describe(&self) -> Capability {
        Capability::new::<Echo, Echo>(CapabilityKind::Tool, "echo", "Gives back the text it is given")
            .with_example("Say hello", json!({"text": "hello"}))
    }

    async fn call(&self, input: Value, context: &CallContext) -> Result<Value> {
        context.cancel.check()?;
        let echo: Echo =
            serde_json::from_value(input).map_err(|error| Error::invalid("tool input", error.to_string()))?;
        serde_json::to_value(echo).map_err(|error| Error::failed("write tool output", ErrorKind::Internal, error))
    }
}

/// An [`Agent`] whose whole work is to say its goal, word by word.
#[derive(Debug, Clone, Copy, Default)]
pub struct EchoAgent;

/// Where a run of [`EchoAgent`] stands: what decides is this, and it neither waits nor touches anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum State {
    Saying { goal: String, said: usize },
    Over,
}

impl State {
    /// What comes next; none when it is over.
    fn next(&mut self, cancelled: bool) -> Option<AgentEvent> {
        let Self::Saying { goal, said } = self else { return None };
        let event = match goal.get(*said..).and_then(|rest| rest.split_inclusive(' ').next()) {
            _ if cancelled => AgentEvent::Finished { outcome: Outcome::Cancelled, output: Value::Null },
            Some(word) => AgentEvent::Text { text: word.to_owned() },
            None => AgentEvent::Finished { outcome: Outcome::Done, output: json!(goal) },
        };
        match &event {
            AgentEvent::Text { text } => *said += text.len(),
            _ => *self = Self::Over,
        }
        Some(event)
    }
}

#[async_trait]
impl Agent for EchoAgent {
    fn describe(&self) -> Capability {
        Capability::new::<AgentTask, AgentEvent>(CapabilityKind::Agent, "agent.echo", "Says its goal, word by word")
    }

    async fn run(&self, task: AgentTask, context: CallContext) -> Result<AgentStream> {
        let start = (State::Saying { goal: task.goal, said: 0 }, context.cancel);
        Ok(Box::pin(stream::unfold(start, async |(mut state, cancel): (State, CancelToken)| {
            let event = state.next(cancel.is_cancelled())?;
            Some((Ok(event), (state, cancel)))
        })))
    }
}
