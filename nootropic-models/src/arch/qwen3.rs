//! Qwen3: Llama with a norm on each head of queries and keys.
//!
//! Yang et al., *Qwen3 Technical Report*, arXiv:2505.09388.

use super::config::Config;
use super::family::Family;
use super::names::{Names, Part};
use super::{Decoder, Mlp, Pairs, Shape, qwen2, scaling, shape};
use crate::Result;

pub(super) const FAMILY: Family = Family {
    gguf: "qwen3",
    published: &["qwen3"],
    defaults: &[("rms_norm_eps", 1e-6), ("head_dim", 128.0)],
    names: &[],
    describe,
};

fn describe(config: &Config<'_>, names: &Names<'_>) -> Result<Decoder> {
    describe_with(config, names, shape::gated_silu(config)?)
}

pub(super) fn describe_with(config: &Config<'_>, names: &Names<'_>, mlp: Mlp) -> Result<Decoder> {
    let shape = Shape::read(config, names)?;
    let mut attention = shape.attention();
    attention.head_norms = true;
    attention.bias = names.first_block_has(Part::Query, "bias");
    attention.output_bias = names.first_block_has(Part::AttentionOutput, "bias");
    let rope = scaling::read(config, names, Pairs::Halves, shape.rope_columns)?;
    let mut decoder = shape.decoder(shape::rms_norm(config)?, rope, attention, mlp);
    qwen2::upper_window(config, &mut decoder)?;
    Ok(decoder)
}
