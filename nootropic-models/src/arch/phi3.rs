//! Phi-3, Phi-3.5 and Phi-4: Llama with queries, keys and values in one matrix, gate and up in another, and a rope with
//! factors for long contexts.
//!
//! Abdin et al., *Phi-3 Technical Report*, arXiv:2404.14219.

use super::config::Config;
use super::family::Family;
use super::names::Names;
use super::{Decoder, Pairs, Shape, scaling, shape, window};
use crate::Result;

pub(super) const FAMILY: Family =
    Family { gguf: "phi3", published: &["phi3"], defaults: &[("rms_norm_eps", 1e-5)], names: &[], describe };

fn describe(config: &Config<'_>, names: &Names<'_>) -> Result<Decoder> {
    let shape = Shape::read(config, names)?;
    let mut attention = shape.attention();
    attention.window = window::read(config)?;
    let rope = scaling::read(config, names, Pairs::Halves, shape.rope_columns)?;
    Ok(shape.decoder(shape::rms_norm(config)?, rope, attention, shape::gated_silu(config)?))
}
