//! Texts as vectors: encoders that run here as [`Embedder`](nootropic_core::Embedder) and [`Reranker`](nootropic_core::Reranker).

mod built_in;
mod code_vocabulary;
mod distill;
mod embedder;
mod encoder;
mod fit;
mod identity;
mod pooling;
mod principal;
mod reranker;
mod settings;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod words;

pub use distill::{DistillStep, Distillation, Distilled, DistilledFit, TextPair};
pub use embedder::LocalEmbedder;
pub use encoder::EncoderPrecision;
pub use pooling::Pooling;
pub use reranker::LocalReranker;
pub use settings::EmbedderSettings;

/// A text as an encoder reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) tokens: &'a [u32],
    /// Where the second of two texts begins that are read together; the length if there is one only.
    pub(crate) second: usize,
}

impl<'a> Text<'a> {
    pub(crate) fn one(tokens: &'a [u32]) -> Self {
        Self { tokens, second: tokens.len() }
    }

    /// Of which text a position is, counted from 0.
    pub(crate) fn kind(&self, position: usize) -> usize {
        usize::from(position >= self.second)
    }
}
