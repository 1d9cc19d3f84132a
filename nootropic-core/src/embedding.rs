//! Unit vectors, and the embedders that make them.

use std::fmt;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Capability, CapabilityKind, Error, Result};

/// A unit vector, `‖v‖₂ = 1 ± 1e-5`.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// Scales `v` to unit length.
    ///
    /// # Errors
    /// [`Error::NoDirection`] if the norm is zero, subnormal or not finite.
    pub fn normalized(mut v: Vec<f32>) -> Result<Self> {
        let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !norm.is_normal() {
            return Err(Error::NoDirection { norm });
        }
        v.iter_mut().for_each(|x| *x /= norm);
        Ok(Self(v))
    }

    /// The components.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// The components, owned.
    pub fn into_vec(self) -> Vec<f32> {
        self.0
    }

    /// Number of dimensions.
    pub fn dim(&self) -> usize {
        self.0.len()
    }

    /// Cosine of the angle between the two, in `-1..=1`.
    ///
    /// # Errors
    /// [`Error::Dimension`] if their lengths differ.
    pub fn cosine(&self, other: &Self) -> Result<f32> {
        if self.dim() != other.dim() {
            return Err(Error::Dimension { got: other.dim(), expected: self.dim() });
        }
        Ok(self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum())
    }
}

/// What a text is embedded for; some encoders prefix the two differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmbedRole {
    /// A question.
    Query,
    /// A passage that may answer it.
    Document,
}

/// What an embedder is given, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmbedRequest {
    /// The texts.
    pub texts: Vec<String>,
    /// What they are embedded for.
    pub role: EmbedRole,
}

/// Which embedder made a vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmbedderInfo {
    /// Identity: two embedders with the same identity give the same vectors. Vectors of different identities are
    /// never compared.
    pub id: String,
    /// Dimensions of each vector.
    pub dim: usize,
    /// Longest text read, in the embedder's own tokens; what lies beyond is not seen.
    pub max_tokens: usize,
}

/// Turns texts into unit vectors whose cosine says how alike they are.
///
/// # Contract
/// - One vector a text, in order, each of [`EmbedderInfo::dim`] dimensions.
/// - The same text, role and identity give the same vector (to 1e-4), alone or in a batch.
/// - An empty batch gives an empty answer; an empty text gives a vector or an error, never a panic.
/// - Concurrent calls do not see each other.
/// - [`inline`](Self::inline), if there is one, gives the same vectors.
///
/// `testing::embedder_suite` checks all of it (feature `testing`).
#[async_trait]
pub trait Embedder: fmt::Debug + Send + Sync {
    /// What it is.
    fn info(&self) -> &EmbedderInfo;

    /// Embeds a batch.
    ///
    /// # Errors
    /// Whatever stops the embedder; a batch fails as a whole.
    async fn embed(&self, texts: &[&str], role: EmbedRole) -> Result<Vec<Embedding>>;

    /// The same embedder for callers that cannot wait, if it takes about as long as reading the text does: an index asks it for the
    /// vectors of passages while it reads their files.
    fn inline(&self) -> Option<&dyn InlineEmbedder> {
        None
    }

    /// The cosine below which two texts have nothing to do with each other, if there is one that holds for all texts: a search then
    /// rather finds nothing.
    fn least_cosine(&self) -> Option<f32> {
        None
    }

    /// How it describes itself.
    fn describe(&self) -> Capability {
        let EmbedderInfo { id, dim, .. } = self.info();
        let name = Capability::name_for(CapabilityKind::Embedder, id);
        let summary = format!("Turns texts into vectors of {dim} dimensions with {}", id.trim_end_matches('.'));
        Capability::new::<EmbedRequest, Vec<Vec<f32>>>(CapabilityKind::Embedder, name, summary)
    }
}

const _: fn(&dyn Embedder) = |_| {}; // a retriever holds `Arc<dyn Embedder>`

/// An embedder that is fast enough to be asked in passing: a table of word vectors, say.
pub trait InlineEmbedder: fmt::Debug + Send + Sync {
    /// Embeds one text on this thread, some microseconds long.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    fn embed_inline(&self, text: &str, role: EmbedRole) -> Result<Embedding>;
}
