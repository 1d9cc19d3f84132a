//! Code at a place in a file, by a model on this machine.

use std::path::PathBuf;

use nootropic_core::{Capability, EffectKind, Error as CoreError, ErrorKind, GenerateRequest, Model, ModelEvent};
use nootropic_models::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::command::Command;
use crate::generating::{Generated, generate};
use crate::local_models::{self, Place};
use crate::{Call, Error, Result, Session};

/// Asks what could stand at a place in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    /// The file.
    #[schemars(extend("x-value-name" = "FILE", "x-complete" = "file"))]
    pub file: PathBuf,
    /// The line of the place, from 1.
    #[schemars(range(min = 1))]
    pub line: u32,
    /// The column of the place, in characters from 1: what is completed stands before this character.
    #[schemars(range(min = 1))]
    pub column: u32,
    /// A file, or a name that `nootropic models list` shows; without it, the only one there is.
    #[serde(default)]
    #[schemars(extend("x-short" = "m", "x-value-name" = "MODEL", "x-complete" = "path"))]
    pub model: Option<String>,
    /// Most tokens to produce.
    #[serde(default = "max_tokens")]
    #[schemars(range(min = 1))]
    pub max_tokens: u32,
    /// About how many tokens around the place the model reads, three quarters of them before it.
    #[serde(default = "window")]
    #[schemars(range(min = 16))]
    pub window: u32,
    /// Where to run.
    #[serde(default)]
    pub device: Device,
    /// How many threads of the CPU; without it, as many as there are processors.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<u32>,
}

fn max_tokens() -> u32 {
    64
}

fn window() -> u32 {
    1024
}

impl Complete {
    /// Completes with any model, and gives `each` what comes.
    ///
    /// # Errors
    /// [`Error::Io`] for the file, [`Error::Input`] for a place that is not in it; of kind `Unsupported` for a model without infill; as
    /// [`Model::generate`].
    pub fn with(&self, model: &dyn Model, call: &Call, each: &mut dyn FnMut(&ModelEvent)) -> Result<Generated> {
        let text = std::fs::read_to_string(&self.file).map_err(Error::io("read", &self.file))?;
        let (prefix, suffix) = text.split_at(self.place(&text)?);
        let mut bytes = self.window as usize * BYTES_A_TOKEN;
        loop {
            let (prefix, suffix) = (last_lines(prefix, bytes - bytes / 4), first_lines(suffix, bytes / 4));
            let request = GenerateRequest {
                max_tokens: Some(self.max_tokens as usize),
                ..GenerateRequest::infill(prefix, suffix)
            };
            match generate(model, request, call, each) {
                // A window of our choosing is ours to make smaller.
                Err(Error::Core(CoreError::PromptTooLong { .. })) if bytes > 1 => bytes /= 2,
                other => return other,
            }
        }
    }

    /// Opens the model that is named, and completes.
    ///
    /// # Errors
    /// As [`open_model`](crate::open_model) and [`with`](Self::with).
    pub fn stream(&self, call: &Call, each: &mut dyn FnMut(&ModelEvent)) -> Result<Generated> {
        let found = local_models::find(self.model.as_deref())?;
        let place = Place { device: self.device, threads: self.threads };
        let model = local_models::open(&found, place, call)?;
        if !model.info().features.infill {
            let problem = format!("{} was not made to fill gaps: it has no infill tokens", found.name);
            return Err(Error::Core(CoreError::failed("complete", ErrorKind::Unsupported, problem)));
        }
        let answer = self.with(&model, call, each)?;
        call.cancel.check()?;
        Ok(answer)
    }

    /// The byte of the text that the place is before.
    fn place(&self, text: &str) -> Result<usize> {
        let mut lines = text.split_inclusive('\n').map(str::len);
        let wrong = |what, problem| Err(Error::Input { what, problem });
        let before = self.line.saturating_sub(1) as usize;
        let start: usize = lines.by_ref().take(before).sum();
        let count = text.split('\n').count();
        if before >= count {
            return wrong("line", format!("{} has {count}", self.file.display()));
        }
        let rest = text.get(start..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let characters = line.chars().count();
        match self.column.saturating_sub(1) as usize {
            column if column <= characters => Ok(start + line.chars().take(column).map(char::len_utf8).sum::<usize>()),
            _ => wrong("column", format!("line {} of {} has {characters} characters", self.line, self.file.display())),
        }
    }
}

/// Code has at least about so many.
const BYTES_A_TOKEN: usize = 3;

/// The end of a text, at most so long, from the start of a line if one is in it.
fn last_lines(text: &str, bytes: usize) -> &str {
    let Some(from) = text.len().checked_sub(bytes) else { return text };
    let end = &text[text.ceil_char_boundary(from)..];
    end.split_once('\n').map_or(end, |(_, lines)| lines)
}

/// The beginning of a text, at most so long, to the end of a line if one is in it.
fn first_lines(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let start = &text[..text.floor_char_boundary(bytes)];
    start.rfind('\n').map_or(start, |end| &start[..=end])
}

impl Command for Complete {
    type Output = Generated;
    const NAME: &'static str = "complete";
    const SUMMARY: &'static str = "Complete the code at a place in a file, with a model on this machine";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Generate];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details("The model reads what stands around the place, and must be one that was made to fill gaps. Nothing leaves the machine.")
            .with_example(
                "At the end of a line",
                json!({ "file": "src/lib.rs", "line": 42, "column": 8, "model": "qwen2.5-coder" }),
            )
    }

    fn run(self, _: &Session, call: &Call) -> Result<Generated> {
        self.stream(call, &mut |_| {})
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Complete, first_lines, last_lines};

    fn place(text: &str, line: u32, column: u32) -> crate::Result<usize> {
        let json = serde_json::json!({ "file": "a.rs", "line": line, "column": column });
        let complete: Complete = serde_json::from_value(json).unwrap();
        assert_eq!(complete.file, Path::new("a.rs"));
        complete.place(text)
    }

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let text = "fn é() {\r\n    x\n}";
        assert_eq!(place(text, 1, 1).unwrap(), 0);
        assert_eq!(place(text, 1, 5).unwrap(), 5); // é has two bytes
        assert_eq!(place(text, 1, 9).unwrap(), 9); // before the carriage return
        assert_eq!(place(text, 2, 6).unwrap(), 16);
        assert_eq!(place(text, 3, 2).unwrap(), text.len());
        assert_eq!(place("a\n", 2, 1).unwrap(), 2);
        assert_eq!(place(text, 1, 10).unwrap_err().to_string(), "column: line 1 of a.rs has 8 characters");
        assert_eq!(place(text, 4, 1).unwrap_err().to_string(), "line: a.rs has 3");
    }

    #[test]
    fn windows_keep_whole_lines() {
        assert_eq!(last_lines("one\ntwo\nthree", 7), "three");
        assert_eq!(last_lines("one\ntwo", 100), "one\ntwo");
        assert_eq!(last_lines("ééé", 3), "é");
        assert_eq!(first_lines("one\ntwo\nthree", 9), "one\ntwo\n");
        assert_eq!(first_lines("ééé", 3), "é");
    }
}
