//! Qwen2 and Qwen2.5: Llama with biases on queries, keys and values.
//!
//! Yang et al., *Qwen2 Technical Report*, arXiv:2407.10671.

use super::config::{Config, Key, limit};
use super::family::Family;
use super::names::Names;
use super::{Decoder, Pairs, Shape, scaling, shape, window};
use crate::Result;

pub(super) const FAMILY: Family =
    Family { gguf: "qwen2", published: &["qwen2"], defaults: &[("rms_norm_eps", 1e-6)], names: &[], describe };

const USE_WINDOW: Key = Key { gguf: "", published: "use_sliding_window" };
const FULL_LAYERS: Key = Key { gguf: "", published: "max_window_layers" };

fn describe(config: &Config<'_>, names: &Names<'_>) -> Result<Decoder> {
    let shape = Shape::read(config, names)?;
    let mut attention = shape.attention();
    attention.bias = true;
    let rope = scaling::read(config, names, Pairs::Halves, shape.rope_columns)?;
    let mut decoder = shape.decoder(shape::rms_norm(config)?, rope, attention, shape::gated_silu(config)?);
    upper_window(config, &mut decoder)?;
    Ok(decoder)
}

/// Published models may have a window in the upper layers, `max_window_layers` and above; most name one and switch it off.
pub(super) fn upper_window(config: &Config<'_>, decoder: &mut Decoder) -> Result<()> {
    if config.find_flag(USE_WINDOW)? != Some(true) {
        return Ok(());
    }
    if let Some(window) = window::read(config)? {
        let full = config.find_count(FULL_LAYERS, 0..=*limit::LAYERS.end())?.unwrap_or(28);
        decoder.blocks.iter_mut().skip(full).for_each(|block| block.attention.window = Some(window));
    }
    Ok(())
}
