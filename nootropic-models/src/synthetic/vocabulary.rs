//! A byte-level BPE vocabulary made up from a seed.

use std::collections::HashSet;

use crate::random::Random;
use crate::tokens::byte_characters;

/// Tokens with a meaning of their own, at the end of every vocabulary: those of ChatML, of infill and of tool calls.
pub(super) const SPECIAL: [&str; 9] = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<tool_call>",
    "</tool_call>",
];

/// The smallest vocabulary: every byte, and the special tokens.
pub(super) const SMALLEST: usize = 256 + SPECIAL.len();

/// Far more than any model has.
pub(super) const LARGEST: usize = 1 << 24;

/// `tokenizer.ggml.token_type` of ordinary and of special tokens.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;

/// A vocabulary in the form of GGUF metadata.
pub(super) struct Vocabulary {
    pub(super) tokens: Vec<String>,
    pub(super) types: Vec<i32>,
    /// Two tokens with a space between.
    pub(super) merges: Vec<String>,
}

impl Vocabulary {
    /// The id of a special token.
    pub(super) fn special(&self, name: &str) -> u32 {
        let first = self.tokens.len().saturating_sub(SPECIAL.len());
        (first + SPECIAL.iter().position(|special| *special == name).unwrap_or_default()) as u32
    }

    /// `size` tokens: the bytes, random merges of letters with short and frequent ones first, the special tokens.
    pub(super) fn new(size: usize, mut random: Random) -> Self {
        let mut tokens: Vec<String> = byte_characters().map(String::from).collect();
        let mut known: HashSet<String> = tokens.iter().cloned().collect();
        // By frequency in English text; Ġ is the space before a word.
        let mut pieces: Vec<String> = "Ġetaoinshrdlucmfwypvbgk_jqxz".chars().map(String::from).collect();
        let mut merges = Vec::new();
        let wanted = size.saturating_sub(SPECIAL.len());
        while tokens.len() < wanted {
            // Squared, a uniform number favours early pieces, which are short.
            let mut pick = || {
                let below = random.below(pieces.len());
                random.below(below + 1)
            };
            let (left, right) = (pick(), pick());
            let (Some(left), Some(right)) = (pieces.get(left), pieces.get(right)) else { continue };
            let merged = format!("{left}{right}");
            if right.starts_with('Ġ') || merged.chars().count() > 16 || !known.insert(merged.clone()) {
                continue;
            }
            merges.push(format!("{left} {right}"));
            tokens.push(merged.clone());
            pieces.push(merged);
        }
        let mut types = vec![NORMAL; tokens.len()];
        tokens.extend(SPECIAL.map(String::from));
        types.resize(tokens.len(), CONTROL);
        Self { tokens, types, merges }
    }
}
