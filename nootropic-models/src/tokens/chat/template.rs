//! Chat templates: programs in model files that write a conversation as one text.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use minijinja::{Environment, Value};
use nootropic_core::{Message, ToolSpec};
use serde_json::Value as Json;

use super::builtin;
use super::functions::{environment, problem, strftime, syntax};
use super::prompt::{Marker, RenderedPrompt};
use super::refusal::refusal;
use super::values::{Values, texts};
use crate::tokens::json::read_file;
use crate::tokens::tools::{THINKING, ToolDialect, instructions};
use crate::tokens::trie::Trie;
use crate::tokens::{TokenId, Tokenizer};
use crate::{Error, Gguf, Place, Result, Strings};

/// Longer templates are refused; the longest known have 20 KB.
const LONGEST_TEMPLATE: usize = 1 << 20;
/// How much work rendering may take: what the longest known templates take for short conversations, twentyfold, ...
const FUEL: u64 = 200_000;
/// ... and more for each message, tool, and kilobyte of text.
const FUEL_PER_PART: u64 = 2_000;
/// No more than that, whatever there is to say.
const MOST_FUEL: u64 = 4_000_000;
/// Room on the stack for a unit of work, in bytes: a list in a list in a list takes some to be made, and much to be shown.
const STACK_PER_FUEL: usize = 256;
/// The same for parsing, whose depth the longest tag and the engine's own limits bound.
const PARSING_STACK: usize = 64 << 20;
/// The longest prompt, beyond what the texts of the conversation take up themselves.
const LONGEST_FRAME: usize = 1 << 20;

const CHAT: &str = "chat";
const WITH_TOOLS: &str = "tool_use";

/// How to render a conversation.
#[derive(Debug, Clone)]
pub struct RenderOptions {
    /// Ends the prompt where the model's answer begins.
    pub add_generation_prompt: bool,
    /// Asks models that can for thinking, or for none; otherwise the template decides.
    pub thinking: Option<bool>,
    /// The time that templates are told, in UTC; without it, that of the clock.
    pub now: Option<SystemTime>,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, thinking: None, now: None }
    }
}

/// Writes conversations as a model was trained to see them.
///
/// Templates come with model files, from strangers. They run in a sandbox: no files, no loader, no clock but the one given, and
/// a limit on the steps they take. One step may still show a list whose parts are shared a thousandfold.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Whether there is one of its own for conversations with tools.
    with_tools: bool,
    /// Whether the template shows tools, and calls of them; otherwise the system message tells of them.
    shows_tools: bool,
    nine_letter_ids: bool,
    dialect: ToolDialect,
    thinking: Option<(&'static str, &'static str)>,
    bos: Option<String>,
    eos: Option<String>,
    control: Arc<Trie>,
}

impl ChatTemplate {
    /// A template in its source, for a vocabulary.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is not in Jinja's language; [`Error::OverLimit`] for more than 1 MiB.
    pub fn new(source: &str, tokenizer: &Tokenizer) -> Result<Self> {
        Self::of("chat template", &[(CHAT.to_owned(), source.to_owned())], tokenizer)
    }

    /// The template in a GGUF file's metadata; if there is none, one that fits its vocabulary.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::MissingKey`] if there is none and the vocabulary is of no known family.
    pub fn from_gguf(gguf: &Gguf, tokenizer: &Tokenizer) -> Result<Self> {
        const KEY: &str = "tokenizer.chat_template";
        let metadata = gguf.metadata();
        let mut sources = Vec::new();
        if let Some(source) = metadata.find::<&str>(KEY)? {
            sources.push((CHAT.to_owned(), source.to_owned()));
        }
        if let Some(names) = metadata.find::<Strings<'_>>("tokenizer.chat_templates")? {
            for index in 0..names.len().min(16) {
                let name = names.text(index)?;
                if let Some(source) = metadata.find::<&str>(&format!("{KEY}.{name}"))? {
                    sources.push((name.to_owned(), source.to_owned()));
                }
            }
        }
        Self::or_builtin(gguf.name(), sources, KEY, tokenizer)
    }

    /// The template of a model's folder: `chat_template.jinja`, or that in `tokenizer_config.json`; if there is none, one that
    /// fits its vocabulary.
    ///
    /// # Errors
    /// [`Error::Io`], and as [`from_gguf`](Self::from_gguf).
    pub fn from_folder(folder: impl AsRef<Path>, tokenizer: &Tokenizer) -> Result<Self> {
        let folder = folder.as_ref();
        let name = folder.display().to_string();
        let optional = |file: &str| match read_file(&folder.join(file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let malformed = |problem: String| Error::Malformed {
            file: name.clone(),
            place: Place::key("chat_template"),
            problem: crate::error::printable_up_to(&problem, 200),
        };
        let mut sources = Vec::new();
        if let Some(bytes) = optional("chat_template.jinja")? {
            let source = String::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
            sources.push((CHAT.to_owned(), source));
        } else if let Some(bytes) = optional("tokenizer_config.json")? {
            let config: Json = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
            sources = named(config.get("chat_template").unwrap_or(&Json::Null));
        }
        Self::or_builtin(&name, sources, "chat_template", tokenizer)
    }

    fn or_builtin(file: &str, mut sources: Vec<(String, String)>, key: &str, tokenizer: &Tokenizer) -> Result<Self> {
        if sources.is_empty() {
            let source = builtin::template(tokenizer);
            let source = source.ok_or_else(|| Error::MissingKey { file: file.into(), key: key.into() })?;
            sources.push((CHAT.to_owned(), source.to_owned()));
        }
        Self::of(file, &sources, tokenizer)
    }

    /// `sources` are names and templates, at least one.
    fn of(file: &str, sources: &[(String, String)], tokenizer: &Tokenizer) -> Result<Self> {
        let find = |names: &[&str]| {
            let known = names.iter().find_map(|name| sources.iter().find(|(known, _)| known == name));
            known.map(|(_, source)| source.as_str())
        };
        let chat = find(&[CHAT, "default"]).or_else(|| sources.first().map(|(_, source)| source.as_str()));
        let (chat, tools) = (chat.unwrap_or_default(), find(&[WITH_TOOLS]));
        let mut environment = environment();
        for (name, source) in [(CHAT, Some(chat)), (WITH_TOOLS, tools)] {
            let Some(source) = source else { continue };
            add(&mut environment, file, name, source)?;
        }
        let with_tools = tools.unwrap_or(chat);
        let text = |id: Option<TokenId>| id.map(|id| tokenizer.token_text(id).to_owned());
        let shows_tools = with_tools.contains("tools");
        Ok(Self {
            environment,
            with_tools: tools.is_some(),
            shows_tools,
            nine_letter_ids: with_tools.contains("!= 9") || with_tools.contains("length 9"),
            dialect: if shows_tools { ToolDialect::of_template(with_tools) } else { ToolDialect::Hermes },
            thinking: THINKING.into_iter().find(|(begin, _)| {
                tokenizer.find(begin).is_some() || sources.iter().any(|(_, source)| source.contains(begin))
            }),
            bos: text(tokenizer.bos()),
            eos: text(tokenizer.eos()),
            control: Arc::new(Trie::new(tokenizer.control_texts().zip(0..))),
        })
    }

    /// How the model calls tools.
    pub fn dialect(&self) -> ToolDialect {
        self.dialect
    }

    /// What begins and what ends the model's thinking, if it thinks.
    pub(crate) fn thinking(&self) -> Option<(&'static str, &'static str)> {
        self.thinking
    }

    /// Whether the template itself shows tools; if not, the system message tells of them.
    pub fn shows_tools(&self) -> bool {
        self.shows_tools
    }

    /// Writes a conversation as one text.
    ///
    /// Tools that the template does not show, and roles that it refuses, are told of in messages that it does take.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the template refuses the conversation, fails on it, or takes too much time or memory.
    pub fn render(&self, messages: &[Message], tools: &[ToolSpec], options: &RenderOptions) -> Result<RenderedPrompt> {
        let told = (!self.shows_tools).then(|| instructions::without_tools(messages, tools));
        let (messages, tools) = match &told {
            Some(told) => (told.as_slice(), &[][..]),
            None => (messages, tools),
        };
        let first = self.render_as_given(messages, tools, options);
        // Templates of models without a system role refuse it: the first user then says it.
        match (first, instructions::without_system(messages)) {
            (Err(error), Some(messages)) => self.render_as_given(&messages, tools, options).map_err(|_| error),
            (first, _) => first,
        }
    }

    fn render_as_given(
        &self,
        messages: &[Message],
        tools: &[ToolSpec],
        options: &RenderOptions,
    ) -> Result<RenderedPrompt> {
        let invalid = |problem: String| Error::Invalid { what: "conversation".into(), problem };
        let texts = texts(messages, tools);
        let marker = Marker::new(self.control.clone(), texts.iter().copied())?;
        let size: usize = texts.iter().map(|text| text.len()).sum();
        let mut environment = self.environment.clone();
        let parts = (messages.len() + tools.len() + size / 1024) as u64;
        let fuel = FUEL.saturating_add(parts.saturating_mul(FUEL_PER_PART)).min(MOST_FUEL);
        environment.set_fuel(Some(fuel));
        let now = options.now.unwrap_or_else(SystemTime::now);
        environment.add_function("strftime_now", move |format: String| strftime(&format, now));
        let name = if self.with_tools && !tools.is_empty() { WITH_TOOLS } else { CHAT };
        let template = environment.get_template(name).map_err(|error| invalid(problem(&error)))?;
        let context = self.context(&marker, messages, tools, options);
        // The engine's arithmetic overflows on some numbers: in a build that checks for that, a panic.
        let rendered = with_stack(fuel as usize * STACK_PER_FUEL, || template.render(context))?
            .map_err(|_| invalid("the chat template counts beyond what can be counted".into()))?
            .map_err(|error| invalid(problem(&error)))?;
        if rendered.len() > LONGEST_FRAME + 4 * size {
            return Err(invalid(format!("the chat template makes {} bytes of it", rendered.len())));
        }
        Ok(marker.unmarked(&rendered))
    }

    fn context(&self, marker: &Marker, messages: &[Message], tools: &[ToolSpec], options: &RenderOptions) -> Value {
        let values = Values { marker, nine_letter_ids: self.nine_letter_ids };
        let mut context = vec![
            ("messages", values.messages(messages)),
            ("tools", values.tools(tools)),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(options.add_generation_prompt)),
        ];
        let special = [("bos_token", &self.bos), ("eos_token", &self.eos)];
        context
            .extend(special.into_iter().map(|(name, text)| (name, Value::from(text.as_deref().unwrap_or_default()))));
        if let Some(thinking) = options.thinking {
            context.extend(["enable_thinking", "thinking"].map(|name| (name, Value::from(thinking))));
        }
        Value::from_pairs(context)
    }
}

/// The templates of a `tokenizer_config.json`: one text, or a list of names with texts.
fn named(value: &Json) -> Vec<(String, String)> {
    if let Some(source) = value.as_str() {
        return vec![(CHAT.to_owned(), source.to_owned())];
    }
    let entry = |entry: &Json| {
        let text = |key: &str| entry.get(key).and_then(Json::as_str).map(str::to_owned);
        Some((text("name")?, text("template")?))
    };
    value.as_array().map(|entries| entries.iter().filter_map(entry).collect()).unwrap_or_default()
}

fn add(environment: &mut Environment<'static>, file: &str, name: &str, source: &str) -> Result<()> {
    let place = Place::key("chat_template");
    if source.len() > LONGEST_TEMPLATE {
        let (got, max) = (source.len() as u64, LONGEST_TEMPLATE as u64);
        return Err(Error::OverLimit { file: file.into(), place, what: "bytes of a chat template", got, max });
    }
    // A block that only training looks at.
    let source = source.replace("endgeneration %}", "endif %}").replace("endgeneration -%}", "endif -%}");
    let source = source.replace("{% generation ", "{% if true ").replace("{%- generation ", "{%- if true ");
    let malformed = |problem: &str| Error::Malformed {
        file: file.into(),
        place: place.clone(),
        problem: crate::error::printable_up_to(problem, 200),
    };
    if let Some(refusal) = refusal(&source, &syntax()) {
        return Err(malformed(&format!("it {refusal}")));
    }
    let parsed = with_stack(PARSING_STACK, || environment.add_template_owned(name.to_owned(), source))?;
    match parsed {
        Ok(added) => added.map_err(|error| malformed(&error.to_string())),
        Err(_) => Err(malformed("it cannot be parsed")),
    }
}

/// Runs code that calls itself as deep as a template has it, on a thread whose stack has room for that; a panic is caught.
fn with_stack<T: Send>(stack: usize, run: impl FnOnce() -> T + Send) -> Result<std::thread::Result<T>> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("nootropic-template".into()).stack_size(stack);
        let thread = thread.spawn_scoped(scope, || catch_unwind(AssertUnwindSafe(run)));
        let thread = thread.map_err(|source| Error::Io { op: "start", name: "a thread".into(), source })?;
        Ok(thread.join().unwrap_or_else(Err))
    })
}
