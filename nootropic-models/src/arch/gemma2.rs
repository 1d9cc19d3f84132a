//! Gemma 2: norms before and after, scores and logits capped, a window in every other layer.
//!
//! Gemma Team, *Gemma 2*, arXiv:2408.00118.

use super::config::{Config, Key, limit};
use super::family::Family;
use super::names::{Names, Part};
use super::{Activation, Decoder, Mlp, Pairs, Shape, scaling, shape, window};
use crate::Result;

pub(super) const FAMILY: Family = Family {
    gguf: "gemma2",
    published: &["gemma2"],
    defaults: &[
        ("rms_norm_eps", 1e-6),
        ("head_dim", 256.0),
        ("sliding_window", 4096.0),
        ("query_pre_attn_scalar", 256.0),
        ("attn_logit_softcapping", 50.0),
        ("final_logit_softcapping", 30.0),
    ],
    names: NAMES,
    describe,
};

/// Where Llama has two norms in a block, Gemma has four.
pub(super) const NAMES: &[(Part, &str)] = &[
    (Part::AttentionPostNorm, "post_attention_layernorm"),
    (Part::MlpNorm, "pre_feedforward_layernorm"),
    (Part::MlpPostNorm, "post_feedforward_layernorm"),
];

const SCORE_CAP: Key = Key { gguf: "attn_logit_softcapping", published: "attn_logit_softcapping" };
const LOGIT_CAP: Key = Key { gguf: "final_logit_softcapping", published: "final_logit_softcapping" };
const QUERY_SCALE: Key = Key { gguf: "", published: "query_pre_attn_scalar" };
const ACTIVATION: &str = "hidden_activation";
/// The window of GGUF files that do not say it.
const WINDOW: usize = 4096;
/// The largest Gemma 2 scales its queries by more than the length of a head; GGUF does not say, but it is the one of 46 layers.
const LARGEST: usize = 46;

fn describe(config: &Config<'_>, names: &Names<'_>) -> Result<Decoder> {
    let mut decoder = common(config, names, LARGEST)?;
    let score_cap = config.find_positive(SCORE_CAP)?;
    decoder.blocks.iter_mut().for_each(|block| block.attention.soft_cap = score_cap);
    let window = window::read(config)?.unwrap_or(WINDOW);
    window::alternate(config, &mut decoder, window, 2)?;
    Ok(decoder)
}

/// What Gemma 2 and 3 share.
pub(super) fn common(config: &Config<'_>, names: &Names<'_>, largest: usize) -> Result<Decoder> {
    let shape = Shape::read(config, names)?;
    shape::activation(config, ACTIVATION, Activation::GeluTanh)?;
    let mut attention = shape.attention();
    attention.scale = match config.find_positive(QUERY_SCALE)? {
        Some(scale) => 1.0 / scale.sqrt(),
        None if shape.layers == largest => 1.0 / (shape.columns as f32 / shape.heads as f32).sqrt(),
        None => attention.scale,
    };
    let mlp = Mlp::Gated { width: shape::feed_forward(config)?, activation: Activation::GeluTanh, bias: false };
    let rope = scaling::read(config, names, Pairs::Halves, shape.rope_columns)?;
    let mut decoder = shape.decoder(shape::rms_norm(config)?, rope, attention, mlp);
    decoder.blocks.iter_mut().for_each(|block| block.post_norms = true);
    decoder.embedding_scale = (shape.columns as f32).sqrt();
    // Published weights are relative to 1; converters to GGUF add it.
    decoder.norm_shift = if config.is_gguf() { 0.0 } else { 1.0 };
    decoder.soft_cap = config.find_positive(LOGIT_CAP)?;
    // Embeddings are tied unless the file says or shows otherwise.
    decoder.tied = decoder.tied || !names.has(&names.global(Part::Output, "weight"));
    Ok(decoder)
}

/// The rotated columns of a head, for a second rope.
pub(super) fn rope_columns(decoder: &Decoder) -> usize {
    decoder.ropes.first().map_or(0, |rope| 2 * rope.frequencies.len())
}

const _: () = assert!(WINDOW <= *limit::CONTEXT.end());
