//! A model that says what it is told to say.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_core::Stream;
use serde_json::{Map, Value, json};

use crate::{
    Error, ErrorKind, FinishReason, GenerateRequest, Logprobs, Message, Model, ModelEvent, ModelFeatures, ModelInfo,
    ModelStream, Prompt, Result, TokenLogprob, ToolCall, ToolChoice, Usage,
};

/// A [`Model`] for tests: it gives scripted replies, or asks a function for one, and remembers what it was asked.
///
/// Its tokens are words with the space that follows.
///
/// ```
/// use nootropic_core::{GenerateRequest, ModelExt, reference::{Reply, ScriptedModel}};
/// # futures_executor::block_on(async {
/// let model = ScriptedModel::new([Reply::text("It is durable.")]);
/// let answer = model.complete(GenerateRequest::text("And fsync?")).await?;
/// assert_eq!(answer.text, "It is durable.");
/// assert_eq!(model.requests().len(), 1);
/// # Ok::<(), nootropic_core::Error>(())
/// # }).unwrap();
/// ```
pub struct ScriptedModel {
    info: ModelInfo,
    script: Mutex<VecDeque<Reply>>,
    otherwise: Option<Box<Answer>>,
    requests: Mutex<Vec<GenerateRequest>>,
    running: Arc<AtomicUsize>,
    cancelled: Arc<AtomicUsize>,
}

type Answer = dyn Fn(&GenerateRequest) -> Reply + Send + Sync;

/// One reply of a [`ScriptedModel`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// What it thinks first.
    pub reasoning: String,
    /// What it says. Stop strings and `max_tokens` of the request apply.
    pub text: String,
    /// What it calls then: tool names and inputs.
    pub tool_calls: Vec<(String, Value)>,
    /// How it fails after all that, instead of ending.
    pub failure: Option<(ErrorKind, String)>,
    /// Never ends, but waits after all that until it is dropped.
    pub hangs: bool,
}

impl Reply {
    /// Says this.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Calls this tool.
    pub fn tool_call(name: impl Into<String>, input: Value) -> Self {
        Self { tool_calls: vec![(name.into(), input)], ..Self::default() }
    }

    /// Fails.
    pub fn failure(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { failure: Some((kind, message.into())), ..Self::default() }
    }
}

impl ScriptedModel {
    /// A model that gives these replies, one a generation; asked once more it fails.
    pub fn new(script: impl IntoIterator<Item = Reply>) -> Self {
        let features = ModelFeatures {
            chat: true,
            text: true,
            infill: true,
            tools: true,
            response_schema: true,
            response_grammar: false,
            reasoning: true,
            logprobs: true,
        };
        Self {
            info: ModelInfo { id: "scripted".into(), context_len: 4096, features, local: true, deterministic: true },
            script: Mutex::new(script.into_iter().collect()),
            otherwise: None,
            requests: Mutex::default(),
            running: Arc::default(),
            cancelled: Arc::default(),
        }
    }

    /// A model that gives the reply that `answer` makes of each request.
    pub fn answering(answer: impl Fn(&GenerateRequest) -> Reply + Send + Sync + 'static) -> Self {
        Self { otherwise: Some(Box::new(answer)), ..Self::new([]) }
    }

    /// A model that says the prompt back. Where a call is required it calls the first tool that may be called, and where only a
    /// schema is given it says a value of the schema's type; both are right for simple schemas only.
    pub fn echo() -> Self {
        Self::answering(echo)
    }

    /// The same model, known as something else.
    #[must_use]
    pub fn with_info(self, info: ModelInfo) -> Self {
        Self { info, ..self }
    }

    /// What it was asked so far, in order.
    pub fn requests(&self) -> Vec<GenerateRequest> {
        lock(&self.requests).clone()
    }

    /// How many generations are neither over nor dropped.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// How many generations were dropped before they were over.
    pub fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }

    fn reply(&self, request: &GenerateRequest) -> Result<Reply> {
        let scripted = lock(&self.script).pop_front();
        let reply = scripted.or_else(|| self.otherwise.as_ref().map(|answer| answer(request)));
        reply.ok_or_else(|| Error::NotFound { what: "scripted reply", name: format!("{}", self.requests().len()) })
    }
}

impl fmt::Debug for ScriptedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedModel").field("script", &self.script).field("info", &self.info).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace)
}

#[async_trait]
impl Model for ScriptedModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn count_tokens(&self, request: &GenerateRequest) -> Result<usize> {
        request.check(&self.info.features)?;
        let prompt = match &request.prompt {
            Prompt::Chat(messages) => messages.iter().map(|message| 1 + tokens(message.text()).count()).sum(),
            Prompt::Text(text) => tokens(text).count(),
            Prompt::Infill { prefix, suffix } => 3 + tokens(prefix).count() + tokens(suffix).count(),
        };
        let tools: usize = request.tools.iter().map(|tool| 1 + tokens(&tool.description).count()).sum();
        Ok(prompt + tools + usize::from(request.response_schema.is_some()))
    }

    async fn generate(&self, request: GenerateRequest) -> Result<ModelStream> {
        let prompt_tokens = self.count_tokens(&request).await?;
        let max = self.info.context_len;
        if prompt_tokens > max {
            return Err(Error::PromptTooLong { got: prompt_tokens, max });
        }
        lock(&self.requests).push(request.clone());
        let reply = self.reply(&request)?;
        let hangs = reply.hangs;
        let events = events(&request, reply, prompt_tokens, max - prompt_tokens);
        self.running.fetch_add(1, Ordering::SeqCst);
        let counts = (Arc::clone(&self.running), Arc::clone(&self.cancelled));
        Ok(Box::pin(Scripted { events, hangs, counts }))
    }
}

/// The events of a reply, stop strings and limits applied.
fn events(request: &GenerateRequest, reply: Reply, prompt_tokens: usize, room: usize) -> VecDeque<Result<ModelEvent>> {
    let mut events = VecDeque::new();
    let stop = request.stop.iter().filter_map(|stop| reply.text.find(stop.as_str())).min();
    let text = stop.and_then(|end| reply.text.get(..end)).unwrap_or(&reply.text);
    let limit = request.max_tokens.unwrap_or(usize::MAX).min(room);
    let mut left = limit;
    let mut cut = false;
    let pieces = tokens(&reply.reasoning).map(|text| (true, text)).chain(tokens(text).map(|text| (false, text)));
    for (thinks, piece) in pieces {
        if left == 0 {
            cut = true;
            break;
        }
        left -= 1;
        events.extend(logprobs(request, limit - left, piece).map(Ok));
        let text = piece.to_owned();
        events.push_back(Ok(if thinks { ModelEvent::Reasoning { text } } else { ModelEvent::Text { text } }));
    }
    let calls = if stop.is_some() || cut { Vec::new() } else { reply.tool_calls };
    let mut reason = match () {
        () if cut => FinishReason::Length,
        () if calls.is_empty() => FinishReason::Stop,
        () => FinishReason::ToolCalls,
    };
    for (i, (name, input)) in calls.into_iter().enumerate() {
        if left == 0 {
            reason = FinishReason::Length;
            break;
        }
        left -= 1;
        events.extend(logprobs(request, limit - left, &name).map(Ok));
        events.push_back(Ok(ModelEvent::ToolCall(ToolCall { id: format!("call-{}", i + 1), name, input })));
    }
    if let Some((kind, message)) = reply.failure {
        events.push_back(Err(Error::failed("generate", kind, message)));
    } else if !reply.hangs {
        let usage = Usage { prompt_tokens, cached_tokens: 0, output_tokens: limit - left };
        events.push_back(Ok(ModelEvent::Usage(usage)));
        events.push_back(Ok(ModelEvent::Finished { reason }));
    }
    events
}

/// What was to be said is certain, and nothing else is likely.
fn logprobs(request: &GenerateRequest, count: usize, text: &str) -> Option<ModelEvent> {
    let token = TokenLogprob { id: count as u32, text: text.to_owned(), logprob: 0.0 };
    let top = vec![token.clone(); usize::from(request.logprobs?.min(1))];
    Some(ModelEvent::Logprobs(Logprobs { token, top }))
}

/// A running generation.
struct Scripted {
    events: VecDeque<Result<ModelEvent>>,
    hangs: bool,
    /// Running, cancelled.
    counts: (Arc<AtomicUsize>, Arc<AtomicUsize>),
}

impl Stream for Scripted {
    type Item = Result<ModelEvent>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.events.pop_front() {
            None if self.hangs => Poll::Pending, // for ever: only dropping ends it
            event => Poll::Ready(event),
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.counts.0.fetch_sub(1, Ordering::SeqCst);
        if self.hangs || !self.events.is_empty() {
            self.counts.1.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn echo(request: &GenerateRequest) -> Reply {
    let named = |name: &String| request.tools.iter().find(|tool| tool.name == *name);
    let tool = match &request.tool_choice {
        ToolChoice::Named(name) => named(name),
        ToolChoice::Required => request.tools.first(),
        ToolChoice::Auto | ToolChoice::None => None,
    };
    if let Some(tool) = tool {
        return Reply::tool_call(&tool.name, simple_value(tool.input.as_value()));
    }
    if let Some(schema) = &request.response_schema {
        return Reply::text(simple_value(schema.as_value()).to_string());
    }
    Reply::text(match &request.prompt {
        Prompt::Chat(messages) => messages.last().map(Message::text).unwrap_or_default().to_owned(),
        Prompt::Text(text) => text.clone(),
        Prompt::Infill { prefix, .. } => prefix.lines().last().unwrap_or_default().to_owned(),
    })
}

/// A value of a schema's type, with the properties it requires.
fn simple_value(schema: &Value) -> Value {
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => {
            let required =
                schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let property =
                |name: &str| schema.get("properties").and_then(|p| p.get(name)).map_or(Value::Null, simple_value);
            Value::Object(required.map(|name| (name.to_owned(), property(name))).collect::<Map<_, _>>())
        }
        Some("array") => json!([]),
        Some("string") => json!("text"),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ => Value::Null,
    }
}
