//! A cross-encoder as a reranker.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use nootropic_core::{Reranker, RerankerInfo, Result as CoreResult};

use super::embedder::{beginning, tokenizer_of};
use super::encoder::{EncoderPrecision, TextEncoder};
use super::identity::identity;
use super::{EmbedderSettings, Text};
use crate::tokens::{TokenId, Tokenizer};
use crate::worker;
use crate::{Device, Error, ModelFile, OpenDevice, Result};

/// A cross-encoder in a file, run on this machine: it reads question and passage together, and says in one number how well they fit.
///
/// Scores are what the model gives before any sigmoid.
#[derive(Debug)]
pub struct LocalReranker {
    info: RerankerInfo,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tokenizer: Tokenizer,
    encoder: TextEncoder,
    max_tokens: usize,
}

impl LocalReranker {
    /// Opens a folder of safetensors with its configuration and `tokenizer.json`, or a GGUF file, on a device. On the CPU it computes in
    /// eight bits.
    ///
    /// # Errors
    /// Those of [`Device::open`] and [`open_on`](Self::open_on).
    pub fn open(path: impl AsRef<Path>, device: Device) -> Result<Self> {
        Self::open_on(path, &device.open(None)?, EncoderPrecision::default())
    }

    /// Opens a folder or file on a device that is open already.
    ///
    /// # Errors
    /// As [`LocalEmbedder::open_on`](super::LocalEmbedder::open_on); [`Error::MissingTensor`] for an encoder without a head that scores.
    pub fn open_on(path: impl AsRef<Path>, device: &OpenDevice, precision: EncoderPrecision) -> Result<Self> {
        let file = ModelFile::open(path)?;
        let encoder = TextEncoder::load(&file, device, precision)?;
        if encoder.head().is_none() {
            return Err(Error::MissingTensor { file: file.name(), tensor: "classifier.weight".into() });
        }
        let tokenizer = tokenizer_of(&file, &encoder)?;
        let settings = EmbedderSettings::of(&file, encoder.shape())?;
        let id = identity(&file, encoder.shape(), &tokenizer, &settings, encoder.precision())?;
        file.let_go();
        let max_tokens = settings.max_tokens.min(encoder.shape().context);
        Ok(Self { info: RerankerInfo { id, max_tokens }, shared: Arc::new(Shared { tokenizer, encoder, max_tokens }) })
    }
}

#[async_trait]
impl Reranker for LocalReranker {
    fn info(&self) -> &RerankerInfo {
        &self.info
    }

    async fn score(&self, query: &str, passages: &[&str]) -> CoreResult<Vec<f32>> {
        let query = query.to_owned();
        let passages: Vec<String> = passages.iter().map(|passage| (*passage).to_owned()).collect();
        let shared = Arc::clone(&self.shared);
        Ok(worker::run("nootropic-rerank", move |dropped| shared.score(&query, &passages, dropped)).await??)
    }
}

impl Shared {
    fn score(&self, query: &str, passages: &[String], dropped: impl Fn() -> bool) -> Result<Vec<f32>> {
        // A question may take up to half, so that something of the passage is always seen.
        let query = beginning(&self.tokenizer, "", query, self.max_tokens / 2)?;
        let pairs = passages.iter().map(|passage| self.pair(&query, passage)).collect::<Result<Vec<_>>>()?;
        let texts: Vec<Text<'_>> = pairs.iter().map(|(tokens, second)| Text { tokens, second: *second }).collect();
        let mut scores = vec![0.0; passages.len()];
        self.encoder.encode(&texts, |i, vectors| {
            if dropped() {
                return Err(Error::Cancelled);
            }
            if let (Some(head), Some(to)) = (self.encoder.head(), scores.get_mut(i)) {
                *to = head.score(vectors)?;
            }
            Ok(())
        })?;
        Ok(scores)
    }

    /// `[CLS] question [SEP] passage [SEP]`, with what the vocabulary has for them; and where the passage begins.
    fn pair(&self, query: &[TokenId], passage: &str) -> Result<(Vec<u32>, usize)> {
        let (first, last) = self.tokenizer.ends();
        let mut tokens: Vec<u32> = first.iter().copied().chain(query.iter().map(|token| token.0)).collect();
        tokens.extend(last);
        if self.encoder.shape().family == "roberta" {
            tokens.extend(last); // it has two between texts
        }
        let second = tokens.len();
        let most = self.max_tokens.saturating_sub(second + last.len());
        tokens.extend(beginning(&self.tokenizer, "", passage, most)?.into_iter().map(|token| token.0));
        tokens.extend(last);
        Ok((tokens, second))
    }
}
