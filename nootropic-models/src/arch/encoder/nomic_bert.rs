//! Nomic-BERT: BERT with rotary positions, gated MLPs and no biases but those of norms.
//!
//! Nussbaum et al., *Nomic Embed*, arXiv:2402.01613.

use super::super::config::{Config, Key};
use super::super::names::{Names, Part};
use super::super::{Mlp, Pairs, Rope, scaling};
use super::{Activation, Encoder, Family, Sizes};
use crate::Result;

pub(super) const FAMILY: Family = Family {
    name: "nomic_bert",
    gguf: &["nomic-bert"],
    published: &["nomic_bert"],
    defaults: &[("layer_norm_epsilon", 1e-12), ("n_positions", 2048.0)],
    names: &[
        (Part::Embedding, "embeddings.word_embeddings"),
        (Part::Kinds, "embeddings.token_type_embeddings"),
        (Part::EmbeddingNorm, "emb_ln"),
        (Part::QueryKeyValue, "encoder.layers.{layer}.attn.Wqkv"),
        (Part::AttentionOutput, "encoder.layers.{layer}.attn.out_proj"),
        (Part::AttentionSumNorm, "encoder.layers.{layer}.norm1"),
        (Part::Gate, "encoder.layers.{layer}.mlp.fc12"),
        (Part::Up, "encoder.layers.{layer}.mlp.fc11"),
        (Part::Down, "encoder.layers.{layer}.mlp.fc2"),
        (Part::MlpSumNorm, "encoder.layers.{layer}.norm2"),
    ],
    describe,
};

/// Its configuration is GPT-2's.
const SIZES: Sizes = Sizes {
    columns: Key { gguf: "embedding_length", published: "n_embd" },
    layers: Key { gguf: "block_count", published: "n_layer" },
    heads: Key { gguf: "attention.head_count", published: "n_head" },
    width: Key { gguf: "feed_forward_length", published: "n_inner" },
    context: Key { gguf: "context_length", published: "n_positions" },
    epsilon: Key { gguf: "attention.layer_norm_epsilon", published: "layer_norm_epsilon" },
};
const BASE: Key = Key { gguf: "rope.freq_base", published: "rotary_emb_base" };
const PART: Key = Key { gguf: "", published: "rotary_emb_fraction" };
const CONSECUTIVE: Key = Key { gguf: "", published: "rotary_emb_interleaved" };
const BEFORE: Key = Key { gguf: "", published: "prenorm" };
const FUNCTION: Key = Key { gguf: "", published: "activation_function" };
const EXPERTS: Key = Key { gguf: "", published: "num_experts" };

fn describe(config: &Config<'_>, names: &Names<'_>) -> Result<Encoder> {
    let (mut encoder, width) = SIZES.encoder(config, names)?;
    // The code that these models come with can be told more than any of them is.
    match config.find_number(PART)? {
        None | Some(1.0) => {}
        Some(part) => return Err(config.refuse(PART, format!("{part}, where all of a head is rotated"))),
    }
    for key in [CONSECUTIVE, BEFORE] {
        if config.find_flag(key)? == Some(true) {
            return Err(config.wrong(key, "true", "false"));
        }
    }
    match config.find_text(FUNCTION)? {
        None | Some("swiglu") => {}
        Some(other) => return Err(config.wrong(FUNCTION, other, "swiglu")),
    }
    if let Some(experts) = config.find_count(EXPERTS, 0..=1 << 12)?.filter(|experts| *experts > 0) {
        return Err(config.wrong(EXPERTS, &experts.to_string(), "a model without experts"));
    }
    encoder.positions = None;
    let base = config.find_positive(BASE)?.unwrap_or(scaling::USUAL_BASE);
    for block in &mut encoder.blocks {
        encoder.ropes = vec![Rope::plain(Pairs::Halves, base, block.attention.head_columns)];
        block.attention.rope = Some(0);
        block.attention.bias = names.first_block_has(Part::QueryKeyValue, "bias");
        block.attention.output_bias = names.first_block_has(Part::AttentionOutput, "bias");
        let bias = names.first_block_has(Part::Up, "bias");
        block.mlp = Mlp::Gated { width, activation: Activation::Silu, bias };
    }
    Ok(encoder)
}
