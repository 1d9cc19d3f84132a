//! What encoders compute: models that read a text in both directions, and make a vector of each of its positions.
//!
//! An [`Encoder`] is what a [`Decoder`](super::Decoder) is for models that write: the description that everything which runs one reads, and
//! nothing else of the file but its [`EncoderWeights`].

mod bert;
mod modern_bert;
mod nomic_bert;
#[cfg(test)]
mod tests;
mod weights;

pub(crate) use weights::{EncoderBlockWeights, EncoderWeights, Head};

use super::config::{Config, Key, limit};
use super::names::{Names, Part};
use super::{Activation, Attention, Mlp, ModelFile, Rope, shape};
use crate::error::printable;
use crate::{Error, Result};

/// A transformer that sees the whole text from every position.
///
/// `x = norm(word + position + kind)`, then the blocks; each is `x = norm(x + attention(x))`, `x = norm(x + mlp(x))` in
/// [`Order::NormAfter`], and `x += attention(norm(x))`, `x += mlp(norm(x))` in [`Order::NormBefore`], with a norm at the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Encoder {
    /// What the family is called.
    pub(crate) family: &'static str,
    /// Number of tokens, rows of the embeddings.
    pub(crate) vocabulary: usize,
    /// Length of the vectors.
    pub(crate) columns: usize,
    /// Most positions the model is made for.
    pub(crate) context: usize,
    /// Where the rows of positions begin, if positions have rows: families keep the first ones for what pads a text.
    pub(crate) positions: Option<usize>,
    /// How many kinds of text have a row; none if texts are not told apart.
    pub(crate) kinds: usize,
    pub(crate) blocks: Vec<EncoderBlock>,
    pub(crate) order: Order,
    /// Epsilon of all norms, which are layer norms.
    pub(crate) epsilon: f32,
    /// Whether they have a bias.
    pub(crate) norm_biases: bool,
    /// The rotary embeddings that blocks choose from.
    pub(crate) ropes: Vec<Rope>,
    /// What a model that scores a text has at its end.
    pub(crate) head: Option<HeadShape>,
}

/// A block of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EncoderBlock {
    pub(crate) attention: Attention,
    pub(crate) mlp: Mlp,
    /// Whether attention is after a norm, in [`Order::NormBefore`]: the first block gets what is normalized.
    pub(crate) attention_norm: bool,
}

/// Where the norms of a block are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// On the residual stream, after each sum.
    NormAfter,
    /// Before attention and MLP, and at the end.
    NormBefore,
}

/// What makes one number of a text: `classifier(norm(bend(dense(x))))`, of some without the norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadShape {
    pub(crate) bend: Bend,
    /// Whether it sees the mean of all positions, not the first position.
    pub(crate) mean: bool,
}

/// What bends the line in a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bend {
    Tanh,
    Gelu,
}

/// A family of encoders.
struct Family {
    /// What it is called here.
    name: &'static str,
    /// `general.architecture` of its GGUF files.
    gguf: &'static [&'static str],
    /// `model_type` in `config.json`.
    published: &'static [&'static str],
    /// Numbers that its `config.json` may leave out.
    defaults: &'static [(&'static str, f64)],
    /// Tensor names in safetensors.
    names: &'static [(Part, &'static str)],
    describe: fn(&Config<'_>, &Names<'_>) -> Result<Encoder>,
}

const FAMILIES: [Family; 4] = [bert::FAMILY, bert::ROBERTA, nomic_bert::FAMILY, modern_bert::FAMILY];

impl ModelFile {
    /// What an encoder computes, and with which tensors.
    ///
    /// # Errors
    /// As [`describe`](Self::describe); [`Error::UnsupportedArchitecture`] for what is no encoder.
    pub(crate) fn describe_encoder(&self) -> Result<(Encoder, EncoderWeights<'_>)> {
        let mut config = Config::of(self)?;
        let architecture = config.architecture();
        let is = |family: &&Family| match config.is_gguf() {
            true => family.gguf.contains(&architecture),
            false => family.published.contains(&architecture),
        };
        let family = FAMILIES.iter().find(is).ok_or_else(|| Error::UnsupportedArchitecture {
            file: config.file().into(),
            found: printable(architecture),
            known: FAMILIES.iter().map(|family| family.name).collect::<Vec<_>>().join(", "),
        })?;
        config.complete(family.defaults);
        let names = Names::of(self, family.names);
        let mut encoder = (family.describe)(&config, &names)?;
        encoder.family = family.name;
        let weights = EncoderWeights::read(&encoder, &names)?;
        Ok((encoder, weights))
    }
}

/// The sizes that all families have, under the keys that most have them.
struct Sizes {
    columns: Key,
    layers: Key,
    heads: Key,
    width: Key,
    context: Key,
    epsilon: Key,
}

const USUAL: Sizes = Sizes {
    columns: Key { gguf: "embedding_length", published: "hidden_size" },
    layers: Key { gguf: "block_count", published: "num_hidden_layers" },
    heads: Key { gguf: "attention.head_count", published: "num_attention_heads" },
    width: Key { gguf: "feed_forward_length", published: "intermediate_size" },
    context: Key { gguf: "context_length", published: "max_position_embeddings" },
    epsilon: Key { gguf: "attention.layer_norm_epsilon", published: "layer_norm_eps" },
};

impl Sizes {
    /// An encoder of equal blocks without anything special, and the width of its MLPs: rows for positions, norms after each sum.
    fn encoder(&self, config: &Config<'_>, names: &Names<'_>) -> Result<(Encoder, usize)> {
        let columns = config.count(self.columns, limit::COLUMNS)?;
        let heads = config.count(self.heads, limit::HEADS)?;
        if !columns.is_multiple_of(heads) || columns / heads < 2 {
            return Err(config.refuse(self.heads, format!("{columns} columns are no whole number of {heads} heads")));
        }
        let head_columns = columns / heads;
        let width = config.count(self.width, limit::FEED_FORWARD)?;
        let kinds = names.global(Part::Kinds, "weight");
        let attention = Attention {
            heads,
            kv_heads: heads,
            head_columns,
            bias: true,
            output_bias: true,
            head_norms: false,
            window: None,
            scale: 1.0 / (head_columns as f32).sqrt(),
            soft_cap: None,
            rope: None,
        };
        let mlp = Mlp::Plain { width, activation: Activation::Gelu, bias: true };
        let block = EncoderBlock { attention, mlp, attention_norm: true };
        let encoder = Encoder {
            family: "",
            vocabulary: names.rows(&names.global(Part::Embedding, "weight"))?,
            columns,
            context: config.count(self.context, limit::CONTEXT)?,
            positions: Some(0),
            kinds: if names.has(&kinds) { names.rows(&kinds)? } else { 0 },
            blocks: vec![block; config.count(self.layers, limit::LAYERS)?],
            order: Order::NormAfter,
            epsilon: shape::epsilon(config, self.epsilon)?,
            norm_biases: true,
            ropes: Vec::new(),
            head: None,
        };
        Ok((encoder, width))
    }
}
