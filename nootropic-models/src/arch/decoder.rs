//! The description of a decoder.

use super::Rope;

/// A decoder-only transformer: embeddings, blocks one after the other, a norm, and the matrix that gives a logit per token.
///
/// Each block adds to the residual stream `x`: `x += attention(norm(x))`, then `x += mlp(norm(x))`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decoder {
    /// Number of tokens, rows of the embeddings.
    pub(crate) vocabulary: usize,
    /// Length of the residual stream.
    pub(crate) columns: usize,
    /// Most positions the model is made for.
    pub(crate) context: usize,
    /// What embeddings are multiplied by.
    pub(crate) embedding_scale: f32,
    pub(crate) blocks: Vec<Block>,
    /// Before the logits, and in every block.
    pub(crate) norm: Norm,
    /// What is added to the weights of norms as they stand in the file.
    pub(crate) norm_shift: f32,
    /// Whether the embeddings are the output matrix too.
    pub(crate) tied: bool,
    /// Logits become `cap · tanh(logit / cap)`.
    pub(crate) soft_cap: Option<f32>,
    /// The rotary embeddings that blocks choose from.
    pub(crate) ropes: Vec<Rope>,
}

/// A block of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    pub(crate) attention: Attention,
    pub(crate) mlp: Mlp,
    /// Whether the results of attention and MLP pass a norm before they are added.
    pub(crate) post_norms: bool,
}

/// Attention in which groups of query heads share a key and value head.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attention {
    /// Number of query heads.
    pub(crate) heads: usize,
    /// Number of key and value heads, a divisor of `heads`.
    pub(crate) kv_heads: usize,
    /// Length of a head.
    pub(crate) head_columns: usize,
    /// Whether queries, keys and values have a bias.
    pub(crate) bias: bool,
    /// Whether the output has one.
    pub(crate) output_bias: bool,
    /// Whether each head of queries and keys passes an RMS norm of its own, before it is rotated.
    pub(crate) head_norms: bool,
    /// How many positions are seen, the own one included; all if there is none. Of an encoder, as many on either side.
    pub(crate) window: Option<usize>,
    /// What queries times keys are multiplied by.
    pub(crate) scale: f32,
    /// Scores become `cap · tanh(score / cap)`.
    pub(crate) soft_cap: Option<f32>,
    /// Which of the decoder's ropes; none for layers without positions.
    pub(crate) rope: Option<usize>,
}

/// The part of a block that sees one position at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mlp {
    /// `down(activation(gate(x)) ∘ up(x))`
    Gated { width: usize, activation: Activation, bias: bool },
    /// `down(activation(up(x)))`
    Plain { width: usize, activation: Activation, bias: bool },
    /// A mixture of gated MLPs: a router, a softmax over all experts, and the `used` likeliest, weighted.
    Experts {
        count: usize,
        used: usize,
        width: usize,
        activation: Activation,
        /// Whether the weights of those used are scaled to a sum of 1.
        normalized: bool,
    },
}

/// What bends the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x · sigmoid(x)`
    Silu,
    /// GELU, with the error function.
    Gelu,
    /// GELU in its approximation by tanh.
    GeluTanh,
}

/// What is normalized, with the epsilon that is added under the root.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Norm {
    /// `x / sqrt(mean(x²) + ε) · weight`
    Rms(f32),
    /// `(x - mean(x)) / sqrt(variance(x) + ε) · weight + bias`
    Layer(f32),
}
