//! Llama 1 to 3, and what is built like it: SmolLM, Mistral in GGUF, and many others.
//!
//! Touvron et al., *LLaMA*, arXiv:2302.13971; Grattafiori et al., *The Llama 3 Herd of Models*, arXiv:2407.21783.

use super::config::{Config, Key, limit};
use super::family::Family;
use super::names::{Names, Part};
use super::{Decoder, Mlp, Pairs, Shape, scaling, shape, window};
use crate::Result;

pub(super) const FAMILY: Family =
    Family { gguf: "llama", published: &["llama"], defaults: &[("rms_norm_eps", 1e-6)], names: &[], describe };

const EXPERTS: Key = Key { gguf: "expert_count", published: "num_local_experts" };

pub(super) fn describe(config: &Config<'_>, names: &Names<'_>) -> Result<Decoder> {
    if let Some(experts) = config.find_count(EXPERTS, 0..=*limit::EXPERTS.end())?
        && experts > 0
    {
        return Err(config.wrong(EXPERTS, &experts.to_string(), "no experts; those of Qwen3-MoE are known"));
    }
    let shape = Shape::read(config, names)?;
    let mut attention = shape.attention();
    attention.bias = names.first_block_has(Part::Query, "bias");
    attention.output_bias = names.first_block_has(Part::AttentionOutput, "bias");
    attention.window = window::read(config)?;
    let mut mlp = shape::gated_silu(config)?;
    if let Mlp::Gated { bias, .. } = &mut mlp {
        *bias = names.first_block_has(Part::Up, "bias");
    }
    let rope = scaling::read(config, names, pairs(config), shape.rope_columns)?;
    Ok(shape.decoder(shape::rms_norm(config)?, rope, attention, mlp))
}

/// Converters to GGUF put the rows of queries and keys of this family into the order of consecutive pairs.
pub(super) fn pairs(config: &Config<'_>) -> Pairs {
    if config.is_gguf() { Pairs::Consecutive } else { Pairs::Halves }
}
