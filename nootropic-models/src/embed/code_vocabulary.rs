//! The vocabulary of a static embedder for code: what an encoder's has of plain words and their endings, and the words that code says often
//! and English hardly ever (`async`, `middleware`, `mutex`), which the encoder spells in pieces.

use hashbrown::HashMap;
use nootropic_core::words::{identifiers, parts};
use serde_json::json;

use crate::tokens::{TokenId, Tokenizer};
use crate::{Error, Result};

/// Words that texts say at least this often get a token of their own.
const OFTEN: u64 = 25;
/// Longer words are no words.
const LONGEST: usize = 24;
/// Shorter words of the encoder stay, even if no text says them.
const SHORT: usize = 3;
/// How often an ending is taken to occur, as a share of all words.
const ENDING: f64 = 3e-5;
const UNKNOWN: &str = "[UNK]";

/// Tokens, and how often they occur.
#[derive(Debug)]
pub(super) struct CodeVocabulary {
    /// The first one stands for words that cannot be spelled.
    pub(super) tokens: Vec<String>,
    /// As a share of all words.
    pub(super) shares: Vec<f64>,
}

impl CodeVocabulary {
    /// At most `most` tokens: those of the encoder's vocabulary, and the words of `texts`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the encoder's vocabulary is not of words and their endings (WordPiece).
    pub(super) fn of<'a>(encoder: &Tokenizer, texts: impl Iterator<Item = &'a str>, most: usize) -> Result<Self> {
        let mut counts: HashMap<String, u64> = HashMap::new();
        for text in texts {
            identifiers(text, |word| parts(word.text, |part| *counts.entry(part.to_lowercase()).or_default() += 1));
        }
        let is_plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let known = (0..encoder.len() as u32).map(|token| encoder.token_text(TokenId(token)));
        let mut known: Vec<&str> = known.filter(|text| is_plain(text.strip_prefix("##").unwrap_or(text))).collect();
        if !known.iter().any(|text| text.starts_with("##")) {
            let problem =
                "only encoders whose vocabulary is of words and their endings (WordPiece) can be fitted".into();
            return Err(Error::Invalid { what: "fitting".into(), problem });
        }
        let mut new: Vec<(&str, u64)> = counts
            .iter()
            .map(|(word, count)| (&**word, *count))
            .filter(|(word, count)| *count >= OFTEN && word.len() <= LONGEST && is_plain(word))
            .filter(|(word, _)| word.bytes().any(|b| b.is_ascii_lowercase()) && encoder.find(word).is_none())
            .collect();
        new.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        // Encoders' vocabularies stand in about the order of how frequent their tokens are: the last ones are the rarest.
        let mut over = (1 + known.len() + new.len()).saturating_sub(most);
        let mut kept: Vec<&str> = Vec::with_capacity(known.len());
        while let Some(text) = known.pop() {
            let is_unseen = !text.starts_with("##") && text.len() > SHORT && !counts.contains_key(text);
            if over > 0 && is_unseen { over -= 1 } else { kept.push(text) }
        }
        kept.reverse();
        new.truncate(new.len().saturating_sub(over));
        kept.extend(new.iter().map(|(word, _)| word));
        kept.truncate(most.saturating_sub(1));
        let all = counts.values().sum::<u64>().max(1) as f64;
        let share = |text: &&str| match text.starts_with("##") {
            true => ENDING,
            false => counts.get(*text).copied().unwrap_or(0).max(3) as f64 / all,
        };
        let tokens = std::iter::once(UNKNOWN).chain(kept.iter().copied()).map(str::to_owned).collect();
        Ok(Self { tokens, shares: std::iter::once(1.0).chain(kept.iter().map(share)).collect() })
    }

    /// As a `tokenizer.json`.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let vocabulary: serde_json::Map<String, serde_json::Value> =
            self.tokens.iter().enumerate().map(|(id, text)| (text.clone(), id.into())).collect();
        let tokenizer = json!({
            "version": "1.0",
            "added_tokens": [{ "id": 0, "content": UNKNOWN, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true }],
            "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
                "lowercase": true },
            "pre_tokenizer": { "type": "BertPreTokenizer" },
            "post_processor": null,
            "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
            "model": { "type": "WordPiece", "unk_token": UNKNOWN, "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": vocabulary },
        });
        tokenizer.to_string().into_bytes()
    }
}
