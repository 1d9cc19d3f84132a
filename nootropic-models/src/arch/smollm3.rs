//! SmolLM3: Llama whose every fourth layer has no positions. SmolLM 1 and 2 are Llama.

use serde_json::Value;

use super::config::{Config, Key};
use super::family::Family;
use super::names::Names;
use super::{Decoder, llama};
use crate::Result;

pub(super) const FAMILY: Family =
    Family { gguf: "smollm3", published: &["smollm3"], defaults: &[("rms_norm_eps", 1e-6)], names: &[], describe };

const INTERVAL: Key = Key { gguf: "", published: "no_rope_layer_interval" };
/// 1 for a layer with a rope, 0 for one without.
const ROPES: Key = Key { gguf: "", published: "no_rope_layers" };

fn describe(config: &Config<'_>, names: &Names<'_>) -> Result<Decoder> {
    let mut decoder = llama::describe(config, names)?;
    let layers = decoder.blocks.len();
    let interval = config.find_count(INTERVAL, 1..=layers.max(4))?.unwrap_or(4);
    let listed = match config.find_list(ROPES)? {
        Some(listed) if listed.len() != layers => {
            return Err(config.refuse(ROPES, format!("{} entries for {layers} layers", listed.len())));
        }
        listed => listed,
    };
    for (layer, block) in decoder.blocks.iter_mut().enumerate() {
        let rotated = match listed.as_ref().and_then(|listed| listed.get(layer)).map(Value::as_u64) {
            Some(Some(rotated @ (0 | 1))) => rotated == 1,
            Some(_) => return Err(config.wrong(ROPES, "another entry", "a list of 0 and 1")),
            None => layer % interval != interval - 1,
        };
        block.attention.rope = rotated.then_some(0);
    }
    Ok(decoder)
}
