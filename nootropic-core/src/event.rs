//! What long work reports while it goes on.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Effect, ErrorKind, Verdict};

/// One thing that happened, as plain data: progress displays, logs and dashboards all read the same events.
///
/// As JSON it is one object with an `event` field, e.g. `{"event":"progress","task":"index","done":120,"total":4000,"unit":"files"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Work began.
    Started {
        /// Names the work in all its events, e.g. `index` or `step build`.
        task: String,
        /// How much there is to do, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        /// What is counted.
        unit: Unit,
    },
    /// Work went on.
    Progress {
        /// As in [`Event::Started`].
        task: String,
        /// Done so far; never goes down.
        done: u64,
        /// How much there is to do, as far as is known by now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        /// What is counted.
        unit: Unit,
        /// What is being worked on, e.g. a path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        current: Option<String>,
    },
    /// Something is not as it should be, and the work goes on.
    Warning {
        /// As in [`Event::Started`].
        task: String,
        /// What kind of trouble.
        kind: ErrorKind,
        /// What happened, in one sentence.
        message: String,
        /// What to try, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// Work ended.
    Finished {
        /// As in [`Event::Started`].
        task: String,
        /// How.
        outcome: Outcome,
        /// More about it, e.g. the error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// An effect was decided on; sent before it happens.
    Effect {
        /// What is about to happen, or was refused.
        effect: Effect,
        /// What was decided; an `ask` stands for a question put to a person, whose answer is another event.
        verdict: Verdict,
        /// Which rule or person said so.
        reason: String,
    },
    /// Anything else, by its sender's own terms.
    Custom {
        /// Who sends it, e.g. a crate's name.
        source: String,
        /// What happened.
        name: String,
        /// More about it.
        data: serde_json::Value,
    },
}

/// What progress counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Files.
    Files,
    /// Bytes.
    Bytes,
    /// Passages.
    Chunks,
    /// Steps of a plan, or of anything else.
    Steps,
    /// Tokens of a model.
    Tokens,
}

impl Unit {
    /// The stable name, as in JSON and for display: `files`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Bytes => "bytes",
            Self::Chunks => "chunks",
            Self::Steps => "steps",
            Self::Tokens => "tokens",
        }
    }
}

/// How work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All of it was done.
    Done,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// Takes events as they happen.
///
/// # Contract
/// - [`emit`](Self::emit) returns at once: a sink that cannot keep up drops or thins out progress, it does not slow the
///   work down. It does not panic, and does not call back into what sends.
/// - It may be called from any thread; the events of one thread are kept in order.
pub trait EventSink: fmt::Debug + Send + Sync {
    /// Takes one event.
    fn emit(&self, event: &Event);
}

impl<S: EventSink + ?Sized> EventSink for Arc<S> {
    fn emit(&self, event: &Event) {
        (**self).emit(event);
    }
}

impl<S: EventSink + ?Sized> EventSink for &S {
    fn emit(&self, event: &Event) {
        (**self).emit(event);
    }
}

/// A sink that forgets everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn emit(&self, _: &Event) {}
}

/// A sink made of a function.
///
/// ```
/// use nootropic_core::{Event, EventSink, SinkFn};
///
/// let sink = SinkFn(|event: &Event| eprintln!("{event:?}"));
/// sink.emit(&Event::Custom { source: "docs".into(), name: "hello".into(), data: 1.into() });
/// ```
#[derive(Clone, Copy)]
pub struct SinkFn<F>(pub F);

impl<F> fmt::Debug for SinkFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SinkFn")
    }
}

impl<F: Fn(&Event) + Send + Sync> EventSink for SinkFn<F> {
    fn emit(&self, event: &Event) {
        (self.0)(event);
    }
}

const _: fn(&dyn EventSink) = |_| {}; // the gate and long operations hold `Arc<dyn EventSink>`

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_a_stable_json_form() {
        let event = Event::Progress { task: "index".into(), done: 1, total: None, unit: Unit::Files, current: None };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(json, r#"{"event":"progress","task":"index","done":1,"unit":"files"}"#);
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
