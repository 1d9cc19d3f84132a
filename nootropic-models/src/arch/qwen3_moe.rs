//! Qwen3-MoE: Qwen3 with a mixture of experts in place of every MLP.
//!
//! Yang et al., *Qwen3 Technical Report*, arXiv:2505.09388.

use super::config::{Config, Key, limit};
use super::family::Family;
use super::names::Names;
use super::{Activation, Decoder, Mlp, qwen3, shape};
use crate::Result;

pub(super) const FAMILY: Family =
    Family { gguf: "qwen3moe", published: &["qwen3_moe"], defaults: &[("rms_norm_eps", 1e-6)], names: &[], describe };

const COUNT: Key = Key { gguf: "expert_count", published: "num_experts" };
/// What newer files call it.
const NEWER_COUNT: Key = Key { gguf: "", published: "num_local_experts" };
const USED: Key = Key { gguf: "expert_used_count", published: "num_experts_per_tok" };
const WIDTH: Key = Key { gguf: "expert_feed_forward_length", published: "moe_intermediate_size" };
const NORMALIZED: Key = Key { gguf: "", published: "norm_topk_prob" };
const STEP: Key = Key { gguf: "", published: "decoder_sparse_step" };
const DENSE: Key = Key { gguf: "", published: "mlp_only_layers" };

fn describe(config: &Config<'_>, names: &Names<'_>) -> Result<Decoder> {
    let step = config.find_count(STEP, 1..=*limit::LAYERS.end())?.unwrap_or(1);
    let dense = config.find_list(DENSE)?.unwrap_or_default();
    if step != 1 || !dense.is_empty() {
        return Err(config.wrong(DENSE, "layers without experts", "experts in all layers"));
    }
    shape::activation(config, "hidden_act", Activation::Silu)?;
    let count = match config.find_count(NEWER_COUNT, limit::EXPERTS)? {
        Some(count) => count,
        None => config.count(COUNT, limit::EXPERTS)?,
    };
    let mlp = Mlp::Experts {
        count,
        used: config.count(USED, 1..=count)?,
        width: config.count(WIDTH, limit::FEED_FORWARD)?,
        activation: Activation::Silu,
        // GGUF does not say: all files of this family do.
        normalized: config.find_flag(NORMALIZED)?.unwrap_or(config.is_gguf()),
    };
    qwen3::describe_with(config, names, mlp)
}
