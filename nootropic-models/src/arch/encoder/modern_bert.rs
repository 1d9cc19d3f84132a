//! ModernBERT: norms first, rotary positions, gated MLPs, and two layers that see a window for each that sees all.
//!
//! Warner et al., *Smarter, Better, Faster, Longer*, arXiv:2412.13663.

use serde_json::Value;

use super::super::config::{Config, Key, limit};
use super::super::names::{Names, Part};
use super::super::{Mlp, Pairs, Rope, scaling, shape};
use super::{Activation, Bend, Encoder, Family, HeadShape, Order, USUAL};
use crate::Result;

pub(super) const FAMILY: Family = Family {
    name: "modernbert",
    gguf: &[],
    published: &["modernbert"],
    defaults: &[("layer_norm_eps", 1e-5), ("max_position_embeddings", 8192.0)],
    names: &[
        (Part::Embedding, "embeddings.tok_embeddings"),
        (Part::EmbeddingNorm, "embeddings.norm"),
        (Part::AttentionNorm, "layers.{layer}.attn_norm"),
        (Part::QueryKeyValue, "layers.{layer}.attn.Wqkv"),
        (Part::AttentionOutput, "layers.{layer}.attn.Wo"),
        (Part::MlpNorm, "layers.{layer}.mlp_norm"),
        (Part::GateUp, "layers.{layer}.mlp.Wi"),
        (Part::Down, "layers.{layer}.mlp.Wo"),
        (Part::OutputNorm, "final_norm"),
    ],
    describe,
};

const EPSILON: Key = Key { gguf: "", published: "norm_eps" };
const GLOBAL_BASE: Key = Key { gguf: "rope.freq_base", published: "global_rope_theta" };
const LOCAL_BASE: Key = Key { gguf: "rope.freq_base_swa", published: "local_rope_theta" };
const WINDOW: Key = Key { gguf: "attention.sliding_window", published: "local_attention" };
const EVERY: Key = Key { gguf: "", published: "global_attn_every_n_layers" };
const LAYER_TYPES: Key = Key { gguf: "attention.sliding_window_pattern", published: "layer_types" };
const MEAN: Key = Key { gguf: "", published: "classifier_pooling" };

fn describe(config: &Config<'_>, names: &Names<'_>) -> Result<Encoder> {
    shape::activation(config, "hidden_activation", Activation::Gelu)?;
    let (mut encoder, width) = USUAL.encoder(config, names)?;
    if config.find_positive(EPSILON)?.is_some() {
        encoder.epsilon = shape::epsilon(config, EPSILON)?;
    }
    encoder.order = Order::NormBefore;
    encoder.norm_biases = names.has(&names.global(Part::OutputNorm, "bias"));
    encoder.positions = None;
    // Half of the window is on either side, and the position itself between them.
    let window = config.find_count(WINDOW, limit::CONTEXT)?.unwrap_or(128) / 2 + 1;
    let local = local_layers(config, encoder.blocks.len())?;
    for (layer, (block, local)) in encoder.blocks.iter_mut().zip(local).enumerate() {
        if layer == 0 {
            encoder.ropes = ropes(config, names, block.attention.head_columns)?.into();
        }
        block.attention.rope = Some(usize::from(local));
        block.attention.window = local.then_some(window);
        block.attention.bias = names.first_block_has(Part::QueryKeyValue, "bias");
        block.attention.output_bias = names.first_block_has(Part::AttentionOutput, "bias");
        block.attention_norm = layer > 0;
        let bias = names.first_block_has(Part::Down, "bias");
        block.mlp = Mlp::Gated { width, activation: Activation::Gelu, bias };
    }
    if names.has("head.dense.weight") && names.has("classifier.weight") {
        let mean = config.find_text(MEAN)? == Some("mean");
        encoder.head = Some(HeadShape { bend: Bend::Gelu, mean });
    }
    Ok(encoder)
}

/// That of layers that see all, and that of layers with a window. Newer files say it as decoders do, older ones in keys of their own.
fn ropes(config: &Config<'_>, names: &Names<'_>, columns: usize) -> Result<[Rope; 2]> {
    let older = config.json().is_some_and(|json| !json.contains_key("rope_parameters"));
    let plain = |key, usual| Ok(Rope::plain(Pairs::Halves, config.find_positive(key)?.unwrap_or(usual), columns));
    let global = match older {
        true => plain(GLOBAL_BASE, 160_000.0)?,
        false => scaling::read(config, names, Pairs::Halves, columns)?,
    };
    match scaling::read_local(config, names, Pairs::Halves, columns)? {
        Some(local) => Ok([global, local]),
        None => Ok([global, plain(LOCAL_BASE, scaling::USUAL_BASE)?]),
    }
}

/// Which layers have a window: those the file lists; else all but every so many.
fn local_layers(config: &Config<'_>, layers: usize) -> Result<Vec<bool>> {
    let every = config.find_count(EVERY, limit::LAYERS)?.unwrap_or(3);
    let Some(listed) = config.find_list(LAYER_TYPES)? else {
        return Ok((0..layers).map(|layer| layer % every != 0).collect());
    };
    if listed.len() != layers {
        return Err(config.refuse(LAYER_TYPES, format!("{} entries for {layers} layers", listed.len())));
    }
    let is_local = |kind: &Value| match kind {
        Value::Bool(local) => Ok(*local),
        Value::String(kind) if kind == "sliding_attention" => Ok(true),
        Value::String(kind) if kind == "full_attention" => Ok(false),
        other => Err(config.wrong(LAYER_TYPES, &other.to_string(), "sliding_attention or full_attention")),
    };
    listed.iter().map(is_local).collect()
}
