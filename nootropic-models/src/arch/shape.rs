//! The sizes that every family has, and the decoder that most of them are.

use super::config::{Config, Key, limit};
use super::names::{Names, Part};
use super::{Activation, Attention, Block, Decoder, Mlp, Norm, Rope};
use crate::Result;

pub(super) const CONTEXT: Key = Key { gguf: "context_length", published: "max_position_embeddings" };
const COLUMNS: Key = Key { gguf: "embedding_length", published: "hidden_size" };
const LAYERS: Key = Key { gguf: "block_count", published: "num_hidden_layers" };
const HEADS: Key = Key { gguf: "attention.head_count", published: "num_attention_heads" };
const KV_HEADS: Key = Key { gguf: "attention.head_count_kv", published: "num_key_value_heads" };
const KEY_COLUMNS: Key = Key { gguf: "attention.key_length", published: "head_dim" };
const VALUE_COLUMNS: Key = Key { gguf: "attention.value_length", published: "" };
const ROPE_COLUMNS: Key = Key { gguf: "rope.dimension_count", published: "" };
const ROPE_PART: Key = Key { gguf: "", published: "partial_rotary_factor" };
const FEED_FORWARD: Key = Key { gguf: "feed_forward_length", published: "intermediate_size" };
const RMS_EPSILON: Key = Key { gguf: "attention.layer_norm_rms_epsilon", published: "rms_norm_eps" };
const LAYER_EPSILON: Key = Key { gguf: "attention.layer_norm_epsilon", published: "norm_epsilon" };
const VOCABULARY: Key = Key { gguf: "vocab_size", published: "vocab_size" };
const TIED: Key = Key { gguf: "", published: "tie_word_embeddings" };

/// The sizes of a decoder.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) vocabulary: usize,
    pub(super) columns: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_columns: usize,
    /// How many columns of a head are rotated.
    pub(super) rope_columns: usize,
    pub(super) context: usize,
    pub(super) tied: bool,
}

impl Shape {
    /// Reads the sizes, and checks what they have to do with each other.
    pub(super) fn read(config: &Config<'_>, names: &Names<'_>) -> Result<Self> {
        let columns = config.count(COLUMNS, limit::COLUMNS)?;
        let heads = config.count(HEADS, limit::HEADS)?;
        let kv_heads = config.find_count(KV_HEADS, limit::HEADS)?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            return Err(config.refuse(KV_HEADS, format!("{heads} heads cannot share {kv_heads}")));
        }
        let head_columns = match config.find_count(KEY_COLUMNS, limit::HEAD_COLUMNS)? {
            Some(head_columns) => head_columns,
            None if columns.is_multiple_of(heads) => columns / heads,
            None => return Err(config.refuse(HEADS, format!("{columns} columns are no whole number of {heads} heads"))),
        };
        match config.find_count(VALUE_COLUMNS, limit::HEAD_COLUMNS)? {
            Some(other) if other != head_columns => {
                return Err(config.refuse(VALUE_COLUMNS, format!("{other} where keys have {head_columns}")));
            }
            _ => {}
        }
        let vocabulary = names.rows(&names.global(Part::Embedding, "weight"))?;
        match config.find_count(VOCABULARY, limit::VOCABULARY)? {
            Some(other) if other != vocabulary => {
                return Err(config.refuse(VOCABULARY, format!("{other}, but there are {vocabulary} embeddings")));
            }
            _ => {}
        }
        Ok(Self {
            vocabulary,
            columns,
            layers: config.count(LAYERS, limit::LAYERS)?,
            heads,
            kv_heads,
            head_columns,
            rope_columns: rope_columns(config, head_columns)?,
            context: config.count(CONTEXT, limit::CONTEXT)?,
            tied: match config.find_flag(TIED)? {
                Some(tied) => tied,
                None => !names.has(&names.global(Part::Output, "weight")),
            },
        })
    }

    /// Attention of these sizes, without anything special: all positions are seen, nothing is capped.
    pub(super) fn attention(&self) -> Attention {
        Attention {
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_columns: self.head_columns,
            bias: false,
            output_bias: false,
            head_norms: false,
            window: None,
            scale: 1.0 / (self.head_columns as f32).sqrt(),
            soft_cap: None,
            rope: Some(0),
        }
    }

    /// A decoder of equal blocks with one rope, without anything special.
    pub(super) fn decoder(&self, norm: Norm, rope: Rope, attention: Attention, mlp: Mlp) -> Decoder {
        Decoder {
            vocabulary: self.vocabulary,
            columns: self.columns,
            context: self.context,
            embedding_scale: 1.0,
            blocks: vec![Block { attention, mlp, post_norms: false }; self.layers],
            norm,
            norm_shift: 0.0,
            tied: self.tied,
            soft_cap: None,
            ropes: vec![rope],
        }
    }
}

fn rope_columns(config: &Config<'_>, head_columns: usize) -> Result<usize> {
    let (key, columns) = match config.find_count(ROPE_COLUMNS, 2..=head_columns)? {
        Some(columns) => (ROPE_COLUMNS, columns),
        None => match rotated_part(config)? {
            Some(part) if part <= 1.0 => (ROPE_PART, (head_columns as f32 * part) as usize),
            Some(part) => return Err(config.refuse(ROPE_PART, format!("{part}, more than all of a head"))),
            None => (KEY_COLUMNS, head_columns),
        },
    };
    match columns >= 2 && columns.is_multiple_of(2) {
        true => Ok(columns),
        false => Err(config.refuse(key, format!("{columns} columns to rotate, not a number of pairs"))),
    }
}

/// `partial_rotary_factor`, which newer files keep among the parameters of the rope.
fn rotated_part(config: &Config<'_>) -> Result<Option<f32>> {
    let inner = config.json().and_then(|json| json.get("rope_parameters")?.get(ROPE_PART.published)?.as_f64());
    match inner.filter(|part| *part > 0.0) {
        Some(part) => Ok(Some(part as f32)),
        None => config.find_positive(ROPE_PART),
    }
}

/// The width of MLPs without experts.
pub(super) fn feed_forward(config: &Config<'_>) -> Result<usize> {
    config.count(FEED_FORWARD, limit::FEED_FORWARD)
}

/// A gated MLP with SiLU.
pub(super) fn gated_silu(config: &Config<'_>) -> Result<Mlp> {
    activation(config, "hidden_act", Activation::Silu)?;
    Ok(Mlp::Gated { width: feed_forward(config)?, activation: Activation::Silu, bias: false })
}

/// Checks that a published model has the activation of its family. GGUF does not say.
pub(super) fn activation(config: &Config<'_>, key: &'static str, known: Activation) -> Result<()> {
    let key = Key { gguf: "", published: key };
    let names: &[&str] = match known {
        Activation::Silu => &["silu", "swish"],
        Activation::Gelu => &["gelu"],
        Activation::GeluTanh => &["gelu_pytorch_tanh", "gelu_new"],
    };
    match config.find_text(key)? {
        Some(other) if !names.contains(&other) => Err(config.wrong(key, other, names[0])),
        _ => Ok(()),
    }
}

/// RMS norms, with the epsilon of the file.
pub(super) fn rms_norm(config: &Config<'_>) -> Result<Norm> {
    epsilon(config, RMS_EPSILON).map(Norm::Rms)
}

/// Layer norms, with the epsilon of the file.
pub(super) fn layer_norm(config: &Config<'_>) -> Result<Norm> {
    epsilon(config, LAYER_EPSILON).map(Norm::Layer)
}

/// The epsilon of a norm.
pub(super) fn epsilon(config: &Config<'_>, key: Key) -> Result<f32> {
    match config.find_positive(key)? {
        Some(epsilon) if epsilon <= 0.1 => Ok(epsilon),
        Some(epsilon) => Err(config.refuse(key, format!("{epsilon}, more than any epsilon"))),
        None => Err(crate::Error::MissingKey { file: config.file().into(), key: config.name(key) }),
    }
}
