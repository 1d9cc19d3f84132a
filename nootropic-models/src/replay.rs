//! Answering from a cassette.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};
use nootropic_core::{GenerateRequest, Model, ModelEvent, ModelInfo, ModelStream};
use serde_json::Value;

use crate::cassette::{Answer, End, Exchange, FORMAT, Header};
use crate::{Error, Result};

/// A model that gives the recorded answers to the recorded requests, and an error to any other.
///
/// A request is matched as a whole. One that was recorded several times gets its answers in the order in which they were asked
/// for; different requests may come in any order. A generation that failed fails again, with the same kind.
#[derive(Debug)]
pub struct Replay {
    info: ModelInfo,
    name: Arc<str>,
    /// What was not played yet, in the order of recording.
    left: Mutex<Vec<Exchange>>,
}

impl Replay {
    /// Reads a cassette.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`], [`Error::Version`].
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(name, BufReader::new(file)),
            Err(source) => Err(Error::Io { op: "open", name, source }),
        }
    }

    /// Reads a cassette from `input`; `name` stands for it in errors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn new(name: impl Into<String>, input: impl BufRead) -> Result<Self> {
        let name = name.into();
        let damaged = |line: usize, problem: String| Error::Damaged { name: name.clone(), line: line + 1, problem };
        let mut info = None;
        let mut left = Vec::new();
        for (i, line) in input.lines().enumerate() {
            let line = line.map_err(|source| match source.kind() {
                std::io::ErrorKind::InvalidData => damaged(i, "it is not UTF-8".into()),
                _ => Error::Io { op: "read", name: name.clone(), source },
            })?;
            let parse = |error: serde_json::Error| damaged(i, error.to_string());
            if i == 0 {
                let value: Value = serde_json::from_str(&line).map_err(parse)?;
                let found = value.get("cassette").and_then(Value::as_u64).and_then(|found| u32::try_from(found).ok());
                let found = found.ok_or_else(|| damaged(i, "this is no cassette".into()))?;
                if found != FORMAT {
                    return Err(Error::Version { name, found, known: FORMAT });
                }
                info = Some(serde_json::from_value::<Header>(value).map_err(parse)?.model);
            } else {
                left.push(serde_json::from_str::<Exchange>(&line).map_err(parse)?);
            }
        }
        let info = info.ok_or_else(|| damaged(0, "the cassette is empty".into()))?;
        left.sort_by_key(|exchange| exchange.n);
        Ok(Self { info, name: name.into(), left: Mutex::new(left) })
    }

    /// How many exchanges were not played yet.
    pub fn left(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next answer to `request` that is of the wanted sort.
    fn take(&self, request: &GenerateRequest, wanted: impl Fn(&Answer) -> bool) -> Result<Answer> {
        let mut left = self.lock();
        match left.iter().position(|exchange| wanted(&exchange.answer) && exchange.request == *request) {
            Some(place) => Ok(left.remove(place).answer),
            None => {
                let next = left.iter().find(|exchange| wanted(&exchange.answer));
                let difference = match next {
                    Some(next) => difference(request, &next.request),
                    None => "nothing of the kind is left on it".to_owned(),
                };
                Err(Error::NotRecorded { name: self.name.to_string(), difference })
            }
        }
    }
}

#[async_trait]
impl Model for Replay {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn count_tokens(&self, request: &GenerateRequest) -> nootropic_core::Result<usize> {
        request.check(&self.info.features)?;
        match self.take(request, |answer| matches!(answer, Answer::Count { .. }))? {
            Answer::Count { count } => Ok(count),
            Answer::Events { .. } => Ok(0), // not what was asked for above
        }
    }

    async fn generate(&self, request: GenerateRequest) -> nootropic_core::Result<ModelStream> {
        request.check(&self.info.features)?;
        let Answer::Events { events, end } = self.take(&request, |answer| matches!(answer, Answer::Events { .. }))?
        else {
            return Ok(Box::pin(stream::empty())); // not what was asked for above
        };
        let last: Option<nootropic_core::Result<ModelEvent>> = match end {
            End::Complete => None,
            End::Failed(failure) if events.is_empty() => return Err(failure.into()),
            End::Failed(failure) => Some(Err(failure.into())),
            End::Dropped => {
                let name = self.name.to_string();
                Some(Err(Error::CutShort { name, events: events.len() }.into()))
            }
        };
        Ok(Box::pin(stream::iter(events).map(Ok).chain(stream::iter(last))))
    }
}

/// Where two requests first differ.
fn difference(asked: &GenerateRequest, recorded: &GenerateRequest) -> String {
    let (Ok(asked), Ok(recorded)) = (serde_json::to_value(asked), serde_json::to_value(recorded)) else {
        return "it cannot be compared".to_owned();
    };
    match first_difference(&asked, &recorded, String::new()) {
        Some((place, asked, recorded)) => {
            format!("the next one recorded has {} at {place}, not {}", short(&recorded), short(&asked))
        }
        None => "the next one recorded is the same".to_owned(),
    }
}

fn first_difference(a: &Value, b: &Value, place: String) -> Option<(String, Value, Value)> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let keys: std::collections::BTreeSet<_> = x.keys().chain(y.keys()).collect();
            let get = |map: &serde_json::Map<String, Value>, key: &String| map.get(key).cloned().unwrap_or_default();
            keys.into_iter().find_map(|key| first_difference(&get(x, key), &get(y, key), format!("{place}/{key}")))
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            x.iter().zip(y).enumerate().find_map(|(i, (x, y))| first_difference(x, y, format!("{place}/{i}")))
        }
        _ if a == b => None,
        _ => Some((place, a.clone(), b.clone())),
    }
}

/// A value, short enough for a message.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
