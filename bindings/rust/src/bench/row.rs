//! What a bench finds out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BenchPhase {
    /// Reading a prompt.
    Prompt,
    /// Generating one token after the other, after the prompt.
    Generate,
}

/// A model's speed in one phase, beside one other program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BenchRow {
    /// What the file is called inside, else its name.
    pub model: String,
    /// How it is quantized.
    pub quant: String,
    /// What is timed.
    pub phase: BenchPhase,
    /// Tokens in a second: the median.
    pub ours: f64,
    /// The other program, with its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Its tokens in a second: the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<f64>,
    /// `ours` of `theirs`, turn by turn: the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Of a prompt: what else one waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<BenchStart>,
    /// Of a generation: what it could be at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// From a file to the first token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BenchStart {
    /// From opening the file, which is in the page cache, to the first token after a prompt of one, in milliseconds.
    pub open_to_first_token_ms: f64,
    /// From asking to the first token after a prompt of 2,000 that is known but for its end, in milliseconds; nothing for models with
    /// less context.
    pub cached_first_token_ms: Option<f64>,
    /// The most memory that was taken on from before the file was opened until then, in bytes; known on Linux.
    pub memory_bytes: Option<u64>,
    /// Length of the file, in bytes.
    pub file_bytes: u64,
}

/// What a generation is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Bytes that all threads together read from memory in a second.
    pub read_bandwidth: f64,
    /// The share of it that the weights take, each read once for a token; nothing for mixtures of experts, which read some of them.
    pub bandwidth_share: Option<f64>,
    /// Tokens in a second of eight texts at once, all together.
    pub eight_at_once: f64,
}
