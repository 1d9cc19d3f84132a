//! Which layers see a window of positions only.

use serde_json::Value;

use super::config::{Config, Key, limit};
use super::{Decoder, Rope};
use crate::Result;

const WINDOW: Key = Key { gguf: "attention.sliding_window", published: "sliding_window" };
const PATTERN: Key = Key { gguf: "attention.sliding_window_pattern", published: "sliding_window_pattern" };
const LAYER_TYPES: Key = Key { gguf: "attention.sliding_window_pattern", published: "layer_types" };

/// The window of a model; none if all positions are seen.
pub(super) fn read(config: &Config<'_>) -> Result<Option<usize>> {
    let window = config.find_count(WINDOW, 0..=*limit::CONTEXT.end())?;
    Ok(window.filter(|window| *window > 0)) // converters write 0 for none
}

/// Gives layers their window: those the file lists; else all but every `every`-th.
pub(super) fn alternate(config: &Config<'_>, decoder: &mut Decoder, window: usize, every: usize) -> Result<()> {
    let layers = decoder.blocks.len();
    let listed = match config.find_list(LAYER_TYPES)? {
        Some(listed) if listed.len() != layers => {
            return Err(config.refuse(LAYER_TYPES, format!("{} entries for {layers} layers", listed.len())));
        }
        listed => listed,
    };
    let every = match listed {
        Some(_) => every,
        None => config.find_count(PATTERN, 0..=*limit::LAYERS.end())?.unwrap_or(every),
    };
    for (layer, block) in decoder.blocks.iter_mut().enumerate() {
        let local = match listed.as_ref().and_then(|listed| listed.get(layer)) {
            Some(Value::Bool(local)) => *local,
            Some(Value::String(kind)) if kind == "sliding_attention" => true,
            Some(Value::String(kind)) if kind == "full_attention" => false,
            Some(other) => {
                return Err(config.wrong(LAYER_TYPES, &other.to_string(), "sliding_attention or full_attention"));
            }
            None => every == 0 || layer % every != every - 1,
        };
        block.attention.window = local.then_some(window);
    }
    Ok(())
}

/// Gives layers with a window a rope of their own.
pub(super) fn local_rope(decoder: &mut Decoder, rope: Rope) {
    let local = decoder.ropes.len();
    decoder.ropes.push(rope);
    for block in &mut decoder.blocks {
        if block.attention.window.is_some() {
            block.attention.rope = Some(local);
        }
    }
}
