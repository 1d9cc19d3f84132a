//! Conversations with a model on this machine.

use std::path::PathBuf;
use std::sync::Arc;

use nootropic_core::{
    Capability, EffectKind, Error as CoreError, GenerateRequest, Message, Model, ModelEvent, Sampling,
};
use nootropic_models::Device;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::command::Command;
use crate::generating::{Generated, generate};
use crate::local_models::{self, Place};
use crate::{Call, Error, Result, Session};

/// Says something to a model on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Chat {
    /// What to say; without it, what standard input says, or a conversation on the terminal.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "MESSAGE", "x-rest" = true))]
    pub message: Option<String>,
    /// A file, or a name that `nootropic models list` shows; without it, the only one there is.
    #[schemars(extend("x-short" = "m", "x-value-name" = "MODEL", "x-complete" = "path"))]
    pub model: Option<String>,
    /// What holds for the whole conversation.
    #[schemars(extend("x-short" = "s", "x-value-name" = "TEXT"))]
    pub system: Option<String>,
    /// A file with a JSON schema that answers obey, whatever the model.
    #[schemars(extend("x-value-name" = "FILE", "x-complete" = "file"))]
    pub schema: Option<PathBuf>,
    /// How bold the choice of words is; 0 takes the likeliest each time.
    pub temperature: f32,
    /// Choose among the likeliest that together have this probability.
    pub top_p: f32,
    /// The same seed gives the same answer.
    pub seed: u64,
    /// Most tokens of an answer; without it, as many as the context has room for.
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
    /// Where to run.
    pub device: Device,
    /// How many threads of the CPU; without it, as many as there are processors.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<u32>,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            message: None,
            model: None,
            system: None,
            schema: None,
            temperature: 0.7,
            top_p: 0.95,
            seed: 0,
            max_tokens: None,
            device: Device::Auto,
            threads: None,
        }
    }
}

/// A conversation under way: each answer knows what was said before.
///
/// ```
/// use std::sync::Arc;
/// use nootropic::core::reference::{Reply, ScriptedModel};
/// use nootropic::{Call, Chat, Conversation};
///
/// # fn main() -> nootropic::Result<()> {
/// let model = Arc::new(ScriptedModel::new([Reply::text("That it is durable.")]));
/// let mut conversation = Conversation::new(model, &Chat::default())?;
/// let answer = conversation.say("What does fsync promise?", &Call::default(), &mut |_| {})?;
/// assert_eq!(answer.text, "That it is durable.");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Conversation {
    model: Arc<dyn Model>,
    messages: Vec<Message>,
    schema: Option<Schema>,
    sampling: Sampling,
    max_tokens: Option<usize>,
}

impl Chat {
    /// Begins the conversation with the model that is named.
    ///
    /// # Errors
    /// As [`open_model`](crate::open_model) and [`Conversation::new`].
    pub fn open(&self, call: &Call) -> Result<Conversation> {
        let found = local_models::find(self.model.as_deref())?;
        let place = Place { device: self.device, threads: self.threads };
        Conversation::new(Arc::new(local_models::open(&found, place, call)?), self)
    }

    fn schema(&self) -> Result<Option<Schema>> {
        let Some(path) = &self.schema else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let problem =
            |error: serde_json::Error| CoreError::invalid(format!("schema {}", path.display()), error.to_string());
        Ok(Some(serde_json::from_str(&text).map_err(problem)?))
    }
}

impl Conversation {
    /// With any model; of `chat` count the system message, the schema and the numbers.
    ///
    /// # Errors
    /// [`Error::Io`] and an error of kind `InvalidInput` for a schema's file.
    pub fn new(model: Arc<dyn Model>, chat: &Chat) -> Result<Self> {
        let sampling =
            Sampling { temperature: chat.temperature, top_p: chat.top_p, seed: chat.seed, ..Sampling::default() };
        let messages = chat.system.iter().map(Message::system).collect();
        let max_tokens = chat.max_tokens.map(|tokens| tokens as usize);
        Ok(Self { model, messages, schema: chat.schema()?, sampling, max_tokens })
    }

    /// Says something, and gives `each` the answer as it comes. What was answered until the call is cancelled is part of the
    /// conversation too.
    ///
    /// # Errors
    /// As [`Model::generate`]; the conversation is as it was then.
    pub fn say(&mut self, message: &str, call: &Call, each: &mut dyn FnMut(&ModelEvent)) -> Result<Generated> {
        self.messages.push(Message::user(message));
        let request = GenerateRequest {
            response_schema: self.schema.clone(),
            sampling: self.sampling.clone(),
            max_tokens: self.max_tokens,
            ..GenerateRequest::chat(self.messages.iter().cloned())
        };
        let answer = generate(&*self.model, request, call, each);
        match &answer {
            Ok(answer) => self.messages.push(Message::assistant(&answer.text)),
            Err(_) => drop(self.messages.pop()),
        }
        answer
    }
}

impl Command for Chat {
    type Output = Generated;
    const NAME: &'static str = "chat";
    const SUMMARY: &'static str = "Talk with a model on this machine";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Generate];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details(
                "The answer appears as it is made; Ctrl-C stops it. On a terminal and without a message the conversation goes on \
                 until Ctrl-D. Nothing leaves the machine.",
            )
            .with_example("One question", json!({ "message": "what does fsync promise?", "model": "qwen2.5-coder" }))
            .with_example("JSON of a schema", json!({ "message": "a colour", "schema": "colour.json" }))
    }

    fn run(self, _: &Session, call: &Call) -> Result<Generated> {
        let Some(message) = &self.message else {
            return Err(Error::Input { what: "message", problem: "there is none".into() });
        };
        let answer = self.open(call)?.say(message, call, &mut |_| {})?;
        call.cancel.check()?;
        Ok(answer)
    }
}
