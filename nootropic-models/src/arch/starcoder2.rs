//! StarCoder2: layer norms, biases everywhere, an MLP without a gate.
//!
//! Lozhkov et al., *StarCoder 2 and The Stack v2*, arXiv:2402.19173.

use super::config::Config;
use super::family::Family;
use super::names::{Names, Part};
use super::{Activation, Decoder, Mlp, Pairs, Shape, scaling, shape, window};
use crate::Result;

pub(super) const FAMILY: Family = Family {
    gguf: "starcoder2",
    published: &["starcoder2"],
    defaults: &[("norm_epsilon", 1e-5)],
    names: &[(Part::Up, "mlp.c_fc"), (Part::Down, "mlp.c_proj")],
    describe,
};

fn describe(config: &Config<'_>, names: &Names<'_>) -> Result<Decoder> {
    let shape = Shape::read(config, names)?;
    shape::activation(config, "hidden_act", Activation::GeluTanh)?;
    let mut attention = shape.attention();
    attention.bias = names.first_block_has(Part::Query, "bias");
    attention.output_bias = names.first_block_has(Part::AttentionOutput, "bias");
    attention.window = window::read(config)?;
    let mlp = Mlp::Plain {
        width: shape::feed_forward(config)?,
        activation: Activation::GeluTanh,
        bias: names.first_block_has(Part::Up, "bias"),
    };
    let rope = scaling::read(config, names, Pairs::Halves, shape.rope_columns)?;
    Ok(shape.decoder(shape::layer_norm(config)?, rope, attention, mlp))
}
