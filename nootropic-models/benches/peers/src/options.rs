//! What the command line asks for.

use std::path::PathBuf;
use std::str::FromStr;

use crate::{Problem, Result};

pub enum Peer {
    Llama,
    Candle,
}

pub enum Command {
    Measure(Peer, Options),
    Logits(LogitsOptions),
}

/// Which logits to write.
pub struct LogitsOptions {
    pub file: PathBuf,
    /// The text, as a JSON array of ids.
    pub tokens: PathBuf,
    pub out: PathBuf,
    pub threads: usize,
    /// Whether keys and values are kept as `f32`, and attention is computed plainly: to have a reference.
    pub exact: bool,
}

/// How to measure.
pub struct Options {
    pub file: PathBuf,
    pub threads: usize,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens generated after it, by each sequence.
    pub generate: usize,
    /// Texts that are generated at once.
    pub sequences: usize,
    pub runs: usize,
}

impl Command {
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let what = args.next().ok_or("which peer? llama.cpp, candle, or logits")?;
        let file = PathBuf::from(args.next().ok_or("which file?")?);
        let mut options = Options { file, threads: 2, prompt: 512, generate: 64, sequences: 1, runs: 5 };
        let (mut tokens, mut out, mut exact) = (None, None, false);
        while let Some(name) = args.next() {
            if name == "--exact" {
                exact = true;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{name} what?"))?;
            match name.as_str() {
                "--threads" => options.threads = number(&name, &value)?,
                "--prompt" => options.prompt = number(&name, &value)?,
                "--generate" => options.generate = number(&name, &value)?,
                "--sequences" => options.sequences = number(&name, &value)?,
                "--runs" => options.runs = number(&name, &value)?,
                "--tokens" => tokens = Some(PathBuf::from(value)),
                "--out" => out = Some(PathBuf::from(value)),
                _ => return Err(format!("no option is called {name}").into()),
            }
        }
        Ok(match what.as_str() {
            "llama.cpp" => Self::Measure(Peer::Llama, options),
            "candle" => Self::Measure(Peer::Candle, options),
            "logits" => Self::Logits(LogitsOptions {
                file: options.file,
                tokens: tokens.ok_or("--tokens of a text, as a JSON array")?,
                out: out.ok_or("--out: where to write logits")?,
                threads: options.threads,
                exact,
            }),
            other => return Err(format!("no peer is called {other}").into()),
        })
    }
}

/// A number of at least one.
fn number<T: FromStr<Err: std::fmt::Display> + PartialOrd + From<u8>>(name: &str, value: &str) -> Result<T> {
    let number: T = value.parse().map_err(|error| format!("{name} {value}: {error}"))?;
    match number >= T::from(1) {
        true => Ok(number),
        false => Err(Problem::from(format!("{name} {value}: at least one"))),
    }
}
