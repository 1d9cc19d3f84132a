//! Language models: one request, one stream of events.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::Stream;
use futures_util::StreamExt;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Capability, CapabilityKind, EffectKind, Error, ErrorKind, Result};

/// What a model is asked: a conversation, raw text or a gap in a text, all with the same options.
///
/// ```
/// use nootropic_core::{GenerateRequest, Message, Sampling};
///
/// let request = GenerateRequest {
///     max_tokens: Some(200),
///     sampling: Sampling { temperature: 0.0, ..Sampling::default() },
///     ..GenerateRequest::chat([Message::user("What does fsync promise?")])
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateRequest {
    /// What to go on from.
    pub prompt: Prompt,
    /// Tools that the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// Whether it may, must or must not call them.
    #[serde(default)]
    pub tool_choice: ToolChoice,
    /// JSON schema that the answer's text obeys. May stand together with `tools`: the answer is then either calls, each
    /// with an input that its tool's schema allows, or a text that this schema allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_schema: Option<Schema>,
    /// Grammar that the answer's text obeys, in place of a schema; with `tools` as a schema is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_grammar: Option<ResponseGrammar>,
    /// How to choose tokens.
    #[serde(default)]
    pub sampling: Sampling,
    /// Asks how likely the model held each token it produced, and as many of the likeliest alternatives, at most 20:
    /// [`ModelEvent::Logprobs`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u8>,
    /// Strings that end the answer; what is found is not part of it. None may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Most tokens to produce, at least 1; without it, as many as the context has room for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
}

/// [`GenerateRequest::logprobs`] is not above.
const MOST_LOGPROBS: u8 = 20;

/// What a generation goes on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Prompt {
    /// A conversation; the model's chat template is applied.
    Chat(Vec<Message>),
    /// Text as it is, without a template.
    Text(String),
    /// A gap between two texts; the model's infill tokens are applied.
    Infill {
        /// What stands before the gap.
        prefix: String,
        /// What stands after it.
        suffix: String,
    },
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "role", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Message {
    /// What holds for the whole conversation.
    System {
        /// The text.
        text: String,
    },
    /// What the user says.
    User {
        /// The text.
        text: String,
    },
    /// What the model said.
    Assistant {
        /// The text.
        text: String,
        /// What it called.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// What a tool answered.
    Tool {
        /// [`ToolCall::id`] of the call.
        call_id: String,
        /// The answer, usually JSON; or the error, as text.
        text: String,
    },
}

impl Message {
    /// [`Message::System`].
    pub fn system(text: impl Into<String>) -> Self {
        Self::System { text: text.into() }
    }

    /// [`Message::User`].
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { text: text.into() }
    }

    /// [`Message::Assistant`] without calls.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::Assistant { text: text.into(), tool_calls: Vec::new() }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        match self {
            Self::System { text } | Self::User { text } | Self::Assistant { text, .. } | Self::Tool { text, .. } => {
                text
            }
        }
    }
}

/// A tool, as a model is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON schema of its input, an object.
    pub input: Schema,
}

impl From<&Capability> for ToolSpec {
    fn from(capability: &Capability) -> Self {
        let description = match &capability.details {
            Some(details) => format!("{}.\n\n{details}", capability.summary),
            None => format!("{}.", capability.summary),
        };
        Self { name: capability.name.clone(), description, input: capability.input.clone() }
    }
}

/// A grammar of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseGrammar {
    /// A regular expression that matches the whole text, in the syntax of the `regex` crate.
    Regex(String),
    /// A context-free grammar with a rule `start`, in Lark as llguidance reads it.
    Lark(String),
}

/// Whether a model may call tools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// It may.
    #[default]
    Auto,
    /// It must not.
    None,
    /// It must call at least one.
    Required,
    /// It must call this one.
    Named(String),
}

/// A call that a model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCall {
    /// Tells the calls of one conversation apart.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// Its input; obeys the tool's schema if [`ModelInfo::features`] says so.
    pub input: Value,
}

/// How to choose the next token. The default is greedy: the likeliest token, always.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Softmax temperature; 0 picks the likeliest token, and nothing below but the penalties and biases matters.
    pub temperature: f32,
    /// Keep the `k` likeliest; 0 keeps all.
    pub top_k: u32,
    /// Keep the likeliest that together have this probability (Holtzman et al. 2020, arXiv:1904.09751); 1 keeps all.
    pub top_p: f32,
    /// Keep those at least this share as likely as the likeliest (arXiv:2407.01082); 0 keeps all.
    pub min_p: f32,
    /// Keep the locally typical that together have this probability (Meister et al. 2023, arXiv:2202.00666); 1 keeps all.
    pub typical_p: f32,
    /// Divides the logits of tokens seen before (multiplies negative ones); 1 changes nothing.
    pub repetition_penalty: f32,
    /// Subtracted once from the logit of each token produced before.
    pub presence_penalty: f32,
    /// Subtracted from a token's logit for each time it was produced before.
    pub frequency_penalty: f32,
    /// Added to the logits of these tokens.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Same seed, same text, on the same device and build.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: BTreeMap::new(),
            seed: 0,
        }
    }
}

impl GenerateRequest {
    /// A request of defaults.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            tools: Vec::new(),
            tool_choice: ToolChoice::default(),
            response_schema: None,
            response_grammar: None,
            sampling: Sampling::default(),
            logprobs: None,
            stop: Vec::new(),
            max_tokens: None,
        }
    }

    /// A conversation.
    pub fn chat(messages: impl IntoIterator<Item = Message>) -> Self {
        Self::new(Prompt::Chat(messages.into_iter().collect()))
    }

    /// Raw text to go on from.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Prompt::Text(text.into()))
    }

    /// A gap to fill.
    pub fn infill(prefix: impl Into<String>, suffix: impl Into<String>) -> Self {
        Self::new(Prompt::Infill { prefix: prefix.into(), suffix: suffix.into() })
    }

    /// Refuses what no model can answer and what a model of these features cannot. Implementations begin with it.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an empty conversation, an empty stop string, a `max_tokens` of 0, numbers that are not
    /// finite or out of range, two tools of one name, a choice of tool that cannot be met, a schema and a grammar; an error of kind
    /// `Unsupported` for a prompt, tools, a schema, a grammar or log-probabilities that `features` lack.
    pub fn check(&self, features: &ModelFeatures) -> Result<()> {
        let bad = |what: &str, problem: &str| Err(Error::invalid(format!("request, {what}"), problem));
        if matches!(&self.prompt, Prompt::Chat(messages) if messages.is_empty()) {
            return bad("prompt", "a conversation has at least one message");
        }
        if self.stop.iter().any(String::is_empty) {
            return bad("stop", "an empty string would end every answer at once");
        }
        if self.max_tokens == Some(0) {
            return bad("max_tokens", "it is at least 1");
        }
        let names: std::collections::BTreeSet<_> = self.tools.iter().map(|tool| &tool.name).collect();
        if names.len() < self.tools.len() {
            return bad("tools", "two have the same name");
        }
        match &self.tool_choice {
            ToolChoice::Required if names.is_empty() => {
                return bad("tool_choice", "a call is required and there is no tool");
            }
            ToolChoice::Named(name) if !names.contains(name) => {
                return bad("tool_choice", "there is no tool of that name");
            }
            _ => {}
        }
        if self.response_schema.is_some() && self.response_grammar.is_some() {
            return bad("response_grammar", "it stands in place of a schema, and there is one");
        }
        self.sampling.check()?;
        if self.logprobs > Some(MOST_LOGPROBS) {
            return bad("logprobs", "at most 20 alternatives are told");
        }
        let missing = match &self.prompt {
            Prompt::Chat(_) if !features.chat => Some("conversations"),
            Prompt::Text(_) if !features.text => Some("raw text"),
            Prompt::Infill { .. } if !features.infill => Some("infill"),
            _ if !self.tools.is_empty() && !features.tools => Some("tools"),
            _ if self.response_schema.is_some() && !features.response_schema => Some("response schemas"),
            _ if self.response_grammar.is_some() && !features.response_grammar => Some("response grammars"),
            _ if self.logprobs.is_some() && !features.logprobs => Some("log-probabilities"),
            _ => None,
        };
        match missing {
            Some(what) => {
                Err(Error::failed("generate", ErrorKind::Unsupported, format!("the model does not do {what}")))
            }
            None => Ok(()),
        }
    }
}

impl Sampling {
    fn check(&self) -> Result<()> {
        let share = |x: f32| (0.0..=1.0).contains(&x);
        let fields = [
            ("temperature", self.temperature.is_finite() && self.temperature >= 0.0),
            ("top_p", share(self.top_p)),
            ("min_p", share(self.min_p)),
            ("typical_p", share(self.typical_p)),
            ("repetition_penalty", self.repetition_penalty.is_finite() && self.repetition_penalty > 0.0),
            ("presence_penalty", self.presence_penalty.is_finite()),
            ("frequency_penalty", self.frequency_penalty.is_finite()),
            ("logit_bias", self.logit_bias.values().all(|bias| !bias.is_nan())),
        ];
        match fields.iter().find(|(_, fine)| !fine) {
            Some((name, _)) => Err(Error::invalid(format!("request, sampling.{name}"), "the value is out of range")),
            None => Ok(()),
        }
    }
}

/// What a model can be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelFeatures {
    /// [`Prompt::Chat`].
    pub chat: bool,
    /// [`Prompt::Text`].
    pub text: bool,
    /// [`Prompt::Infill`].
    pub infill: bool,
    /// Tools. Every call's input obeys its tool's schema.
    pub tools: bool,
    /// Response schemas. Every answer that ends by itself obeys its schema.
    pub response_schema: bool,
    /// Response grammars. Every answer that ends by itself obeys its grammar.
    pub response_grammar: bool,
    /// [`Event::Reasoning`](ModelEvent::Reasoning).
    pub reasoning: bool,
    /// [`GenerateRequest::logprobs`].
    pub logprobs: bool,
}

/// Which model it is and what it can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelInfo {
    /// Identity: what was loaded, e.g. a file's name and digest, or a provider's name for it.
    pub id: String,
    /// Longest prompt and answer together, in the model's tokens.
    pub context_len: usize,
    /// What it can be asked.
    pub features: ModelFeatures,
    /// Whether it runs on this machine; if not, each generation is a connection.
    pub local: bool,
    /// Whether the same request gives the same events.
    pub deterministic: bool,
}

/// What comes out of a generation, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelEvent {
    /// More of the answer; never empty, whole characters.
    Text {
        /// To be appended.
        text: String,
    },
    /// More of the model's thinking, which is not part of the answer.
    Reasoning {
        /// To be appended.
        text: String,
    },
    /// A whole call.
    ToolCall(ToolCall),
    /// How likely the model held the next token, right before what it adds to the answer; if asked for. A token of marks or of a
    /// part of a character adds nothing at once.
    Logprobs(Logprobs),
    /// What was used; once, right before the end.
    Usage(Usage),
    /// The end; nothing follows.
    Finished {
        /// Why.
        reason: FinishReason,
    },
}

/// How likely a model held a token that was produced, by its own logits: before penalties, temperature, filters and grammars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Logprobs {
    /// The token that was produced.
    pub token: TokenLogprob,
    /// The likeliest tokens in its place, it among them or not, the likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TokenLogprob>,
}

/// A token and how likely it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenLogprob {
    /// Its number in the model's vocabulary.
    pub id: u32,
    /// What it says; parts of characters as U+FFFD.
    pub text: String,
    /// Natural logarithm of its probability, not above 0.
    pub logprob: f32,
}

/// How many tokens a generation took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Usage {
    /// Read, cached ones included.
    pub prompt_tokens: usize,
    /// Read, but known from before.
    pub cached_tokens: usize,
    /// Produced.
    pub output_tokens: usize,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// The answer is complete, or a stop string came.
    Stop,
    /// `max_tokens` or the context is used up.
    Length,
    /// It waits for tools to answer.
    ToolCalls,
    /// The model or its provider declined.
    Refused,
}

/// Events of a generation. Dropping it cancels the generation.
pub type ModelStream = Pin<Box<dyn Stream<Item = Result<ModelEvent>> + Send>>;

/// Goes on from a prompt.
///
/// # Contract
/// - A generation is a stream of events that ends with one [`Usage`](ModelEvent::Usage) and one
///   [`Finished`](ModelEvent::Finished), or with one error.
/// - It runs ahead of its reader by a bounded number of events. Dropping the stream cancels it within one token and frees what
///   it held.
/// - A prompt that does not fit is refused with both numbers before anything is produced; nothing is ever cut off.
/// - At most `max_tokens` are produced. No stop string is in the text, not even in part where it ends the answer.
/// - Calls name tools of the request, and no two calls of a generation have one id. With [`ToolChoice::Required`] or
///   [`Named`](ToolChoice::Named) there is a call, with [`None`](ToolChoice::None) there is not.
/// - With [`logprobs`](GenerateRequest::logprobs) each token of [`Usage::output_tokens`] has its event, without it none.
/// - What [`ModelInfo::features`] denies is refused with an error of kind `Unsupported`, never ignored.
/// - Concurrent generations do not see each other. With [`ModelInfo::deterministic`], the same request gives the same answer.
///
/// `testing::model_suite` checks all of it (feature `testing`).
#[async_trait]
pub trait Model: fmt::Debug + Send + Sync {
    /// What was loaded.
    fn info(&self) -> &ModelInfo;

    /// How many tokens the request's prompt has, template, tools and schema included: what has to fit into
    /// [`ModelInfo::context_len`].
    ///
    /// # Errors
    /// As [`generate`](Self::generate), except that a prompt may be too long.
    async fn count_tokens(&self, request: &GenerateRequest) -> Result<usize>;

    /// Starts a generation.
    ///
    /// # Errors
    /// [`Error::PromptTooLong`]; those of [`GenerateRequest::check`]; whatever keeps the model from starting.
    async fn generate(&self, request: GenerateRequest) -> Result<ModelStream>;

    /// How it describes itself.
    fn describe(&self) -> Capability {
        let info = self.info();
        let name = Capability::name_for(CapabilityKind::Model, &info.id);
        let summary = format!("Generates text with {}", info.id.trim_end_matches('.'));
        let effect = if info.local { EffectKind::Generate } else { EffectKind::Connect };
        Capability::new::<GenerateRequest, ModelEvent>(CapabilityKind::Model, name, summary)
            .with_effects([EffectKind::Generate, effect])
    }
}

#[async_trait]
impl<M: Model + ?Sized> Model for Arc<M> {
    fn info(&self) -> &ModelInfo {
        (**self).info()
    }

    async fn count_tokens(&self, request: &GenerateRequest) -> Result<usize> {
        (**self).count_tokens(request).await
    }

    async fn generate(&self, request: GenerateRequest) -> Result<ModelStream> {
        (**self).generate(request).await
    }

    fn describe(&self) -> Capability {
        (**self).describe()
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Completion {
    /// The answer.
    pub text: String,
    /// The thinking before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// What the model asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// How likely each token was, if asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<Logprobs>,
    /// What it took.
    pub usage: Usage,
    /// Why it ended.
    pub finish: FinishReason,
}

/// Conveniences; nobody implements these.
pub trait ModelExt: Model {
    /// Runs to the end and returns the whole answer.
    ///
    /// # Errors
    /// As [`Model::generate`], and whatever ended the stream; an error of kind `Internal` if it ended without saying why.
    fn complete(&self, request: GenerateRequest) -> impl Future<Output = Result<Completion>> + Send {
        async move { collect(self.generate(request).await?).await }
    }
}
impl<M: Model + ?Sized> ModelExt for M {}

async fn collect(mut stream: ModelStream) -> Result<Completion> {
    let (mut text, mut reasoning, mut usage) = (String::new(), String::new(), Usage::default());
    let (mut tool_calls, mut logprobs) = (Vec::new(), Vec::new());
    while let Some(event) = stream.next().await {
        match event? {
            ModelEvent::Text { text: more } => text.push_str(&more),
            ModelEvent::Reasoning { text: more } => reasoning.push_str(&more),
            ModelEvent::ToolCall(call) => tool_calls.push(call),
            ModelEvent::Logprobs(token) => logprobs.push(token),
            ModelEvent::Usage(used) => usage = used,
            ModelEvent::Finished { reason: finish } => {
                return Ok(Completion { text, reasoning, tool_calls, logprobs, usage, finish });
            }
        }
    }
    Err(Error::failed("generate", ErrorKind::Internal, "the stream ended without a finish reason"))
}

const _: fn(&dyn Model) = |_| {}; // the registry and bindings hold `Arc<dyn Model>`
