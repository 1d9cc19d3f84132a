//! Reading what a model writes as it comes: text, thinking, and calls of tools.

use nootropic_core::{ModelEvent, ToolCall, ToolSpec};

use super::calls::{Call, CallReader};
use super::json::{Keys, Scanner};
use super::{FENCE, THINKING, ToolDialect};
use crate::{Error, Result};

/// The longest call, in bytes.
const LONGEST_CALL: usize = 1 << 20;

/// Tells the text, the thinking and the calls in a model's answer apart, as it comes.
///
/// A call is given out once it is whole and sound: it names a known tool, and its input is an object in which nothing stands twice, unless a
/// grammar allowed it.
/// Anything else that begins as a call is an error, and never a call. Calls that are shown in blocks of code, or thought of, are text
/// and thinking.
///
/// ```
/// # use nootropic_core::{ModelEvent, ToolSpec};
/// use nootropic_models::{ToolDialect, ToolParser};
/// let tool = ToolSpec { name: "add".into(), description: "Adds.".into(), input: Default::default() };
/// let mut parser = ToolParser::new(ToolDialect::Hermes, vec![tool], 0);
/// assert!(parser.push("<tool_").is_empty());
/// let events = parser.push("call>{\"name\": \"add\", \"arguments\": {\"a\": 1}}</tool_call>");
/// assert!(matches!(&events[..], [Ok(ModelEvent::ToolCall(call))] if call.name == "add"));
/// ```
#[derive(Debug)]
pub struct ToolParser {
    dialect: ToolDialect,
    tools: Vec<ToolSpec>,
    state: State,
    /// What was not decided yet.
    buffer: String,
    /// How many calls there were, those before the answer included.
    calls: usize,
    calls_before: usize,
    /// Whether nothing but white space was said.
    at_start: bool,
    /// Whether the line that is written began a block of code that did not end.
    in_code: bool,
    /// Whether white space is left out until something else comes.
    skip_space: bool,
    /// Whether a call came right before, after which Llama 3 may put a semicolon and another.
    after_call: bool,
    /// Whether what is not a call from its beginning is text to its end.
    strict: bool,
    keys: Keys,
    failed: bool,
}

#[derive(Debug, Clone)]
enum State {
    Text,
    Thinking {
        end: &'static str,
    },
    /// In an answer in which marks mean nothing.
    Verbatim,
    /// In a call; `end` comes after it.
    Call {
        end: &'static str,
        body: Body,
    },
}

/// How a call is written.
#[derive(Debug, Clone)]
enum Body {
    /// A JSON object or list; `named` if a name in front of it may say which tool it is for.
    Json {
        scanner: Scanner,
        named: bool,
    },
    /// Until the end mark.
    Xml,
    Code,
}

type Events = Vec<Result<ModelEvent>>;

impl ToolParser {
    /// For calls of `tools`, none if there are none. The first call gets the id `call_<calls_before>`: ids differ throughout a
    /// conversation if that is the number of calls before.
    pub fn new(dialect: ToolDialect, tools: Vec<ToolSpec>, calls_before: usize) -> Self {
        Self {
            dialect,
            tools,
            state: State::Text,
            buffer: String::new(),
            calls: calls_before,
            calls_before,
            at_start: true,
            in_code: false,
            skip_space: false,
            after_call: false,
            strict: false,
            keys: Keys::Once,
            failed: false,
        }
    }

    /// For an answer that begins within the model's thinking, because its prompt ended with `<think>`.
    #[must_use]
    pub fn thinking(self) -> Self {
        self.thinking_until("</think>")
    }

    /// For an answer that begins within the model's thinking, which this mark ends.
    pub(crate) fn thinking_until(mut self, end: &'static str) -> Self {
        (self.state, self.skip_space) = (State::Thinking { end }, true);
        self
    }

    /// For an answer that is held to a schema or a grammar: after the thinking come either calls or a text in which no mark means
    /// anything. Llama 3 then calls only after its mark.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// For calls that a grammar held to their schemas. These allow a key twice in an object if they do not name it; the last
    /// counts. Otherwise such a call is an error.
    #[must_use]
    pub fn held(mut self) -> Self {
        self.keys = Keys::LastCounts;
        self
    }

    /// Reads on. After an error nothing more is read.
    pub fn push(&mut self, text: &str) -> Vec<Result<ModelEvent>> {
        let mut events = Events::new();
        if self.failed {
            return events;
        }
        self.buffer.push_str(text);
        while !self.failed && self.step(&mut events) {}
        join(events)
    }

    /// What is left at the end of the answer: text that might have become a call, or an error for a call that was cut off.
    pub fn finish(mut self) -> Vec<Result<ModelEvent>> {
        let mut events = Events::new();
        if self.failed {
            return events;
        }
        match std::mem::replace(&mut self.state, State::Text) {
            State::Call { body, end } => {
                let rest = self.buffer.trim().to_owned();
                let whole = end.is_empty() || matches!(body, Body::Json { .. });
                // A model may stop right after its call, before it closes it.
                match self.parse(&rest, &body).filter(|_| whole) {
                    Some(Ok(found)) => self.emit_calls(found, &mut events),
                    _ if end.is_empty() && !looks_like_call(&rest) => self.emit_text(&rest, &mut events),
                    _ => self.fail("the call is cut off", &mut events),
                }
            }
            State::Thinking { .. } => {
                let rest = std::mem::take(&mut self.buffer);
                self.emit_thinking(&rest, &mut events);
            }
            State::Text | State::Verbatim => {
                let rest = std::mem::take(&mut self.buffer);
                self.emit_text(&rest, &mut events);
            }
        }
        join(events)
    }

    /// The same for an answer that was cut short: a call that is not whole is left out, and so is the beginning of its mark.
    pub fn cut(mut self) -> Vec<Result<ModelEvent>> {
        match self.state {
            State::Call { .. } => return Events::new(),
            State::Text => {
                let marks = self.openings();
                let begun = marks.iter().map(|(mark, ..)| begun(&self.buffer, mark)).max().unwrap_or(0);
                if begun > 1 {
                    self.buffer.truncate(self.buffer.len() - begun);
                }
            }
            _ => {}
        }
        self.finish()
    }

    /// Decides on a part of the buffer; whether there may be more to decide.
    fn step(&mut self, events: &mut Events) -> bool {
        match self.state.clone() {
            State::Text => self.step_text(events),
            State::Thinking { end } => self.step_thinking(end, events),
            State::Verbatim => {
                let said = std::mem::take(&mut self.buffer);
                self.emit_text(&said, events);
                false
            }
            State::Call { end, body } => self.step_call(end, body, events),
        }
    }

    /// The marks that begin a call, what ends it, and how it is written.
    fn openings(&self) -> Vec<(&'static str, &'static str, Body)> {
        let json = |named| Body::Json { scanner: Scanner::default(), named };
        if self.tools.is_empty() {
            return Vec::new();
        }
        let written = |mark: &'static str| match self.dialect {
            ToolDialect::Hermes => (mark, "</tool_call>", json(false)),
            ToolDialect::QwenXml => (mark, "</tool_call>", Body::Xml),
            ToolDialect::Llama3 => (mark, "", json(false)),
            ToolDialect::Mistral => (mark, "", json(true)),
            ToolDialect::Gemma if mark.ends_with("json") => (mark, FENCE, json(false)),
            ToolDialect::Gemma => (mark, FENCE, Body::Code),
        };
        self.dialect.openings().iter().map(|mark| written(mark)).collect()
    }

    fn step_text(&mut self, events: &mut Events) -> bool {
        if self.after_call {
            let rest = self.buffer.trim_start();
            if rest.is_empty() {
                return false;
            }
            self.after_call = false;
            self.buffer = rest.strip_prefix(';').unwrap_or(rest).to_owned();
        }
        if self.skip_space || self.at_start {
            let skipped = self.buffer.len() - self.buffer.trim_start().len();
            if self.skip_space {
                self.buffer.drain(..skipped);
            }
            let rest = self.buffer.trim_start();
            // Llama 3 answers with nothing but the object.
            let bare = self.dialect == ToolDialect::Llama3
                && !self.tools.is_empty()
                && (!self.strict || self.calls > self.calls_before);
            if rest.is_empty() && (self.skip_space || bare || self.strict) {
                return false;
            }
            if bare && self.at_start && rest.starts_with('{') {
                self.buffer = rest.to_owned();
                let body = Body::Json { scanner: Scanner::default(), named: false };
                self.state = State::Call { end: "", body };
                return true;
            }
        }
        let openings = self.openings();
        let marks = openings.iter().map(|(mark, ..)| *mark).chain(THINKING.iter().map(|(mark, _)| *mark));
        if self.strict {
            let rest = self.buffer.trim_start();
            match marks.clone().find(|mark| rest.starts_with(mark) || mark.starts_with(rest)) {
                Some(mark) if rest.len() < mark.len() => return false, // it may still become one
                Some(_) => {}
                None => {
                    self.state = State::Verbatim;
                    return true;
                }
            }
        }
        let found = marks.filter_map(|mark| Some((self.find_outside_code(mark)?, mark))).min();
        let Some((at, mark)) = found else {
            // All but what may still become a mark.
            let marks = openings.iter().map(|(mark, ..)| *mark).chain(THINKING.iter().map(|(mark, _)| *mark));
            let keep =
                marks.map(|mark| begun(&self.buffer, mark)).chain([fence_begun(&self.buffer)]).max().unwrap_or(0);
            let said: String = self.buffer.drain(..self.buffer.len() - keep).collect();
            self.emit_text(&said, events);
            return false;
        };
        let said: String = self.buffer.drain(..at).collect();
        self.buffer.drain(..mark.len());
        self.emit_text(&said, events);
        self.skip_space = true;
        self.state = match THINKING.iter().find(|(open, _)| *open == mark) {
            Some((_, end)) => State::Thinking { end },
            None => match openings.into_iter().find(|(open, ..)| *open == mark) {
                Some((_, end, body)) => State::Call { end, body },
                None => State::Text,
            },
        };
        true
    }

    /// Where a mark stands that is not in a block of code.
    fn find_outside_code(&self, mark: &str) -> Option<usize> {
        self.buffer.match_indices(mark).map(|(at, _)| at).find(|at| {
            let before = self.buffer.get(..*at).unwrap_or_default();
            !(self.in_code ^ (before.matches(FENCE).count() % 2 == 1))
        })
    }

    fn step_thinking(&mut self, end: &'static str, events: &mut Events) -> bool {
        match self.buffer.find(end) {
            Some(at) => {
                let thought: String = self.buffer.drain(..at).collect();
                self.buffer.drain(..end.len());
                self.emit_thinking(thought.trim_end(), events);
                (self.state, self.skip_space) = (State::Text, true);
                true
            }
            None => {
                // The end's first characters, and white space before it, may be the beginning of the end.
                let keep = begun(&self.buffer, end);
                let certain = self.buffer.get(..self.buffer.len() - keep).unwrap_or_default().trim_end().len();
                let thought: String = self.buffer.drain(..certain).collect();
                self.emit_thinking(&thought, events);
                false
            }
        }
    }

    fn step_call(&mut self, end: &'static str, mut body: Body, events: &mut Events) -> bool {
        if self.buffer.len() > LONGEST_CALL {
            self.fail("the call is longer than any should be", events);
            return false;
        }
        if matches!(body, Body::Xml) && self.buffer.trim_start().starts_with('{') {
            body = Body::Json { scanner: Scanner::default(), named: false }; // as Hermes writes it
        }
        let length = match &mut body {
            Body::Json { scanner, named } => match self.json_start(*named) {
                Start::At(start) => {
                    let found = self.buffer.get(start..).and_then(|text| scanner.end(text)).map(|end| start + end);
                    self.state = State::Call { end, body: body.clone() };
                    found
                }
                Start::Unknown => None,
                Start::Nowhere => {
                    self.not_a_call(end, events);
                    return !self.failed;
                }
            },
            Body::Xml | Body::Code => self.buffer.find(end),
        };
        let Some(length) = length else { return false };
        let text = self.buffer.get(..length).unwrap_or_default().to_owned();
        let after = self.buffer.get(length..).unwrap_or_default().trim_start();
        if !end.is_empty() && !after.starts_with(end) {
            if end.starts_with(after) {
                return false; // the end is still to come
            }
            self.fail("text follows the call", events);
            return false;
        }
        let rest = after.get(end.len()..).unwrap_or_default().to_owned();
        match self.parse(&text, &body) {
            Some(Ok(found)) => {
                self.buffer = rest;
                self.emit_calls(found, events);
                self.after_calls(end);
            }
            // An object that is no call is an answer, where an answer may be an object; so is a block of code.
            Some(Err(_)) if self.may_be_answer(end) && !looks_like_call(&text) => {
                self.buffer = rest;
                self.state = State::Text;
                let whole = if end.is_empty() { text } else { format!("```json\n{}\n```", text.trim()) };
                self.emit_text(&whole, events);
            }
            Some(Err(problem)) => self.fail(&problem, events),
            None => self.fail("the call is not readable", events),
        }
        !self.failed
    }

    fn may_be_answer(&self, end: &str) -> bool {
        (end.is_empty() && self.dialect == ToolDialect::Llama3) || end == FENCE
    }

    /// More calls may follow one another; then comes text.
    fn after_calls(&mut self, end: &'static str) {
        (self.state, self.skip_space) = (State::Text, true);
        if end.is_empty() && self.dialect == ToolDialect::Llama3 {
            (self.after_call, self.at_start) = (true, true);
        }
    }

    /// Where the JSON of a call starts.
    fn json_start(&self, named: bool) -> Start {
        let spaces = self.buffer.len() - self.buffer.trim_start().len();
        match self.buffer.trim_start().chars().next() {
            None => Start::Unknown,
            Some('{' | '[') => Start::At(spaces),
            Some(_) if named => match self.buffer.find('{') {
                Some(start) => Start::At(start),
                None if self.buffer.len() < 1024 => Start::Unknown,
                None => Start::Nowhere,
            },
            Some(_) => Start::Nowhere,
        }
    }

    /// What began as a call, and goes on as something else.
    fn not_a_call(&mut self, end: &'static str, events: &mut Events) {
        if end == FENCE {
            // A block of code in an answer.
            self.state = State::Text;
            self.skip_space = false;
            self.in_code = false;
            let rest = std::mem::take(&mut self.buffer);
            self.emit_text("```json\n", events);
            self.buffer = rest;
        } else {
            self.fail("the call is no JSON", events);
        }
    }

    fn parse(&self, text: &str, body: &Body) -> Option<Result<Vec<Call>, String>> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let reader = CallReader { tools: &self.tools, keys: self.keys };
        Some(match body {
            Body::Xml => reader.of_xml(text),
            Body::Code if text.starts_with(['{', '[']) => reader.of_json(text),
            Body::Code => reader.of_python(text),
            Body::Json { named: true, .. } if !text.starts_with(['{', '[']) => {
                let (head, arguments) = text.split_at(text.find('{').unwrap_or(text.len()));
                let head = head.split("[ARGS]").next().unwrap_or_default();
                let name = head.split("[CALL_ID]").next().unwrap_or_default().trim().to_owned();
                super::json::parse(arguments, self.keys)
                    .and_then(|input| reader.call(name, input))
                    .map(|call| vec![call])
            }
            Body::Json { .. } => reader.of_json(text),
        })
    }

    fn emit_calls(&mut self, found: Vec<Call>, events: &mut Events) {
        for call in found {
            let id = format!("call_{}", self.calls);
            self.calls += 1;
            events.push(Ok(ModelEvent::ToolCall(ToolCall { id, name: call.name, input: call.input.into() })));
        }
    }

    fn emit_text(&mut self, text: &str, events: &mut Events) {
        let text = if self.skip_space { text.trim_start() } else { text };
        if text.is_empty() {
            return;
        }
        self.skip_space = false;
        self.at_start &= text.trim_start().is_empty();
        self.in_code ^= text.matches(FENCE).count() % 2 == 1;
        events.push(Ok(ModelEvent::Text { text: text.to_owned() }));
    }

    fn emit_thinking(&mut self, text: &str, events: &mut Events) {
        let text = if self.skip_space { text.trim_start() } else { text };
        if !text.is_empty() {
            self.skip_space = false;
            events.push(Ok(ModelEvent::Reasoning { text: text.to_owned() }));
        }
    }

    fn fail(&mut self, problem: &str, events: &mut Events) {
        self.failed = true;
        events.push(Err(Error::MalformedCall {
            text: crate::error::printable_up_to(&self.buffer, 200),
            problem: crate::error::printable_up_to(problem, 200),
        }));
    }
}

enum Start {
    At(usize),
    /// It may still come.
    Unknown,
    Nowhere,
}

/// Whether text that is no sound call was probably meant as one.
fn looks_like_call(text: &str) -> bool {
    let text = text.trim_start();
    ["{\"name\"", "{ \"name\"", "[{\"name\"", "{\n  \"name\"", "{\"type\": \"function\""]
        .iter()
        .any(|head| text.starts_with(head))
}

/// How many bytes at the end of `text` are the beginning of `mark`, but not all of it.
fn begun(text: &str, mark: &str) -> usize {
    let longest = mark.len().saturating_sub(1).min(text.len());
    (1..=longest)
        .rev()
        .find(|length| text.as_bytes().ends_with(mark.as_bytes().get(..*length).unwrap_or_default()))
        .unwrap_or(0)
}

/// The same for the mark of a block of code: as long as more may follow, it is not known how many there are.
fn fence_begun(text: &str) -> usize {
    text.len() - text.trim_end_matches('`').len()
}

/// Puts neighbouring texts together.
fn join(events: Events) -> Events {
    let mut out: Events = Vec::with_capacity(events.len());
    for event in events {
        match (out.last_mut(), &event) {
            (Some(Ok(ModelEvent::Text { text })), Ok(ModelEvent::Text { text: more }))
            | (Some(Ok(ModelEvent::Reasoning { text })), Ok(ModelEvent::Reasoning { text: more })) => {
                text.push_str(more)
            }
            _ => out.push(event),
        }
    }
    out
}
