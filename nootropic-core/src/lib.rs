//! Contracts of the Nootropic runtime: the traits its parts meet at, the plain types they exchange, and a test suite for
//! each trait that any implementation can run.
//!
//! - To find things: [`Store`], [`Embedder`], [`Reranker`], and what they keep and find: [`Document`], [`Chunk`], [`Symbol`]
//! - To generate: [`Model`], asked with a [`GenerateRequest`], answering with [`ModelEvent`]s
//! - To act: [`Agent`], [`Planner`] and [`Tool`], through an [`EffectGate`] that [`Policy`], [`Budget`] and [`EgressBroker`]
//!   stand behind
//! - To be understood: every part describes itself as a [`Capability`] in a [`Registry`], and says what goes on as [`Event`]s
//!
//! [`mod@reference`] has a small implementation of each trait. To write one, implement the trait and run its suite in a test
//! (module `testing`, feature `testing`): it checks every clause of the contract.
//!
//! This crate links no model, no database, no network and no async runtime.

pub mod reference;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod words;

mod agent;
mod arguments;
mod broker;
mod budget;
mod cancel;
mod capability;
mod document;
mod effect;
mod embedding;
mod endpoint;
mod error;
mod event;
mod gate;
mod model;
mod plan;
mod planner;
mod policy;
mod registry;
mod reranker;
mod store;
mod tool;

// What is known and what is found
pub use document::{Chunk, ChunkId, Document, Reference, Span, Symbol, SymbolKind};
pub use embedding::{EmbedRequest, EmbedRole, Embedder, EmbedderInfo, Embedding, InlineEmbedder};
pub use reranker::{RerankRequest, Reranker, RerankerExt, RerankerInfo};
pub use store::{KeyRange, MAX_KEY_LEN, ReadTxn, Snapshot, Store, StoreExt, Table, Visit, WriteTxn};

// Models
pub use model::{
    Completion, FinishReason, GenerateRequest, Logprobs, Message, Model, ModelEvent, ModelExt, ModelFeatures,
    ModelInfo, ModelStream, Prompt, ResponseGrammar, Sampling, TokenLogprob, ToolCall, ToolChoice, ToolSpec, Usage,
};

// Deciding and acting
pub use agent::{Agent, AgentEvent, AgentStream, AgentTask};
pub use plan::{Action, ActionProblem, Plan, PlannedTask, Problem};
pub use planner::{PlanLimits, Planned, Planner};
pub use tool::Tool;

// What may happen
pub use broker::{AllowListBroker, EgressBroker, HostRule, SealedBroker};
pub use budget::{Budget, Cost, Limits, Reservation};
pub use effect::{Effect, EffectKind};
pub use endpoint::{Endpoint, Host, is_public};
pub use gate::{CallContext, ClosedGate, EffectGate, OpenGate, Permit};
pub use policy::{Decision, Pattern, Policy, Verdict};

// What is going on
pub use cancel::{CancelToken, WaitCancelled};
pub use error::{BoxError, Error, ErrorKind, Result};
pub use event::{Event, EventSink, Outcome, Silent, SinkFn, Unit};

// What there is
pub use arguments::{Argument, ValueKind};
pub use capability::{Capability, CapabilityKind, Example, input_schema, output_schema};
pub use registry::Registry;
