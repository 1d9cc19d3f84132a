//! The model as its users see it.

use std::panic::resume_unwind;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_channel::mpsc;
use futures_core::Stream;
use nootropic_core::{
    Error as CoreError, GenerateRequest, Model, ModelEvent, ModelFeatures, ModelInfo, ModelStream, Result as CoreResult,
};

use super::engine::{Engine, Job};
use super::prompt::{Encoded, Prompts};
use crate::generate::{Sampler, StopStrings};
use crate::grammar::{Constraint, GrammarVocabulary, Thinking};
use crate::tokens::{ChatTemplate, Infill, Tokenizer};
use crate::{Device, Error, ModelFile, OpenDevice, Result, Transformer};

/// How far a generation runs ahead of its reader, in events.
const AHEAD: usize = 32;

/// A language model in a file, run on this machine.
///
/// Generations run at once and share each pass over the weights; what two prompts begin with alike is computed once.
///
/// ```no_run
/// use futures_util::StreamExt;
/// use nootropic_core::{GenerateRequest, Message, Model, ModelEvent};
/// use nootropic_models::{Device, LocalModel};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let model = LocalModel::open("qwen2.5-0.5b-instruct-q4_k_m.gguf", Device::Auto)?;
/// let mut answer = model.generate(GenerateRequest::chat([Message::user("What does fsync promise?")])).await?;
/// while let Some(event) = answer.next().await {
///     if let ModelEvent::Text { text } = event? {
///         print!("{text}");
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct LocalModel {
    info: ModelInfo,
    transformer: Transformer,
    tokenizer: Arc<Tokenizer>,
    prompts: Prompts,
    engine: Engine,
    grammar: OnceLock<Option<Arc<GrammarVocabulary>>>,
    notices: Vec<String>,
}

/// The tokenizer of a file. Without a template of its own or of a known family a model still goes on from text.
fn words(file: &ModelFile) -> Result<(Arc<Tokenizer>, Result<ChatTemplate>)> {
    let tokenizer = Arc::new(match file {
        ModelFile::Gguf(gguf) => Tokenizer::from_gguf(gguf)?,
        ModelFile::Safetensors(folder) => Tokenizer::from_folder(folder.folder())?,
    });
    let template = match file {
        ModelFile::Gguf(gguf) => ChatTemplate::from_gguf(gguf, &tokenizer),
        ModelFile::Safetensors(folder) => ChatTemplate::from_folder(folder.folder(), &tokenizer),
    };
    Ok((tokenizer, template))
}

impl LocalModel {
    /// Opens a GGUF file, or a folder of safetensors with its configuration and `tokenizer.json`, on a device.
    ///
    /// # Errors
    /// Those of [`Device::open`] and [`open_on`](Self::open_on).
    pub fn open(path: impl AsRef<Path>, device: Device) -> Result<Self> {
        Self::open_on(path, &device.open(None)?)
    }

    /// Opens a file or folder, as [`open`](Self::open), on a device that is open already.
    ///
    /// # Errors
    /// Those of [`ModelFile::open`], [`Transformer::load`] and [`Tokenizer::from_gguf`].
    pub fn open_on(path: impl AsRef<Path>, device: &OpenDevice) -> Result<Self> {
        let path = path.as_ref();
        let file = ModelFile::open(path)?;
        // To read a large vocabulary takes as long as to pack a small model.
        let (words, model) = std::thread::scope(|scope| {
            let reader = std::thread::Builder::new().name("nootropic-vocabulary".into());
            let words = reader.spawn_scoped(scope, || words(&file));
            (words.map(|words| words.join()), Transformer::load(&file, device))
        });
        let io = |source| Error::Io { op: "start", name: "a thread".into(), source };
        let (tokenizer, template) = words.map_err(io)?.unwrap_or_else(|panic| resume_unwind(panic))?;
        let model = model?;
        let mut notices = Vec::new();
        let template = template.map_err(|error| notices.push(format!("no conversations: {error}"))).ok();
        notices.extend(device.notice().map(str::to_owned));
        notices
            .extend(model.converted().iter().map(|(from, to)| format!("weights of type {from} are computed as {to}")));
        let infill = Infill::of(&tokenizer);
        let features = ModelFeatures {
            chat: template.is_some(),
            text: true,
            infill: infill.is_some(),
            tools: template.is_some() && ends(&tokenizer),
            response_schema: ends(&tokenizer),
            response_grammar: ends(&tokenizer),
            reasoning: template.is_some(),
            logprobs: true,
        };
        let id = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let info = ModelInfo { id, context_len: model.context(), features, local: true, deterministic: true };
        let prompts = Prompts { tokenizer: Arc::clone(&tokenizer), template, infill };
        let engine = Engine::start(model.clone(), Arc::clone(&tokenizer))?;
        Ok(Self { info, transformer: model, tokenizer, prompts, engine, grammar: OnceLock::new(), notices })
    }

    /// The model without its tokenizer; it shares the weights.
    pub fn transformer(&self) -> &Transformer {
        &self.transformer
    }

    /// What turns texts into tokens and back.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// How conversations are written, where that is known.
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.prompts.template.as_ref()
    }

    /// What is not as one would expect, for the user to read.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// How many generations are under way.
    pub fn running(&self) -> usize {
        self.engine.running()
    }

    /// The prompt, if it leaves room for an answer.
    fn prompt(&self, request: &GenerateRequest) -> CoreResult<Encoded> {
        let prompt = self.prompts.encode(request)?;
        match prompt.tokens.len() < self.info.context_len {
            true => Ok(prompt),
            false => Err(CoreError::PromptTooLong { got: prompt.tokens.len(), max: self.info.context_len }),
        }
    }

    fn constraint(&self, request: &GenerateRequest, thinking: Thinking) -> Result<Option<Constraint>> {
        let Some(grammar) = self.prompts.grammar(request, thinking)? else { return Ok(None) };
        let make = || GrammarVocabulary::new(Arc::clone(&self.tokenizer)).ok().map(Arc::new);
        let vocabulary = self
            .grammar
            .get_or_init(make)
            .as_ref()
            .ok_or_else(|| Error::Grammar { problem: "the vocabulary has no token that ends an answer".into() })?;
        Constraint::new(&grammar, vocabulary).map(Some)
    }
}

/// Whether a vocabulary has a token that ends an answer.
fn ends(tokenizer: &Tokenizer) -> bool {
    (0..tokenizer.len() as u32).any(|id| tokenizer.ends_generation(crate::TokenId(id)))
}

#[async_trait]
impl Model for LocalModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn count_tokens(&self, request: &GenerateRequest) -> CoreResult<usize> {
        request.check(&self.info.features)?;
        Ok(self.prompts.encode(request)?.tokens.len())
    }

    async fn generate(&self, request: GenerateRequest) -> CoreResult<ModelStream> {
        request.check(&self.info.features)?;
        let Encoded { tokens: prompt, thinking } = self.prompt(&request)?;
        let room = self.info.context_len - prompt.len();
        let (sender, receiver) = mpsc::channel(AHEAD);
        self.engine.submit(Job {
            sampler: Sampler::new(&request.sampling, &prompt),
            logprobs: request.logprobs.map(usize::from),
            constraint: self.constraint(&request, thinking)?,
            stop: StopStrings::new(&request.stop),
            reader: self.prompts.reader(&request, thinking),
            max_tokens: request.max_tokens.unwrap_or(room).min(room),
            prompt,
            sender,
        });
        Ok(Box::pin(Events { receiver, engine: self.engine.handle() }))
    }
}

/// The events of a generation. Reading them lets it go on.
struct Events {
    receiver: mpsc::Receiver<CoreResult<ModelEvent>>,
    engine: super::engine::Handle,
}

impl Stream for Events {
    type Item = CoreResult<ModelEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = Pin::new(&mut self.receiver).poll_next(cx);
        if item.is_ready() {
            self.engine.wake();
        }
        item
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.receiver.close();
        self.engine.wake();
    }
}
