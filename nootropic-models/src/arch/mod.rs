//! What language models compute: one description of a decoder, read from either form models are shared in.
//!
//! A [`Decoder`] says what is computed (how many heads, which norm, which rotary embedding), [`Weights`] are the tensors that it
//! names, checked. Both come from a [`ModelFile`]; whatever runs a model (Burn on any device, own kernels on the CPU)
//! reads these two and nothing else of the file.
//!
//! # Adding a family
//!
//! 1. Write a file like `qwen2.rs`: a [`Family`] with the names it goes by, and a function that turns its configuration into a
//!    [`Decoder`]. Most start from [`Shape::read`] and [`Shape::decoder`] and change what is their own.
//! 2. If its tensors have names of their own, list them in [`Family::names`]; the defaults are in `names.rs`.
//! 3. Add it to [`FAMILIES`].
//! 4. Add a small random model to `tests/fixtures/arch/make_fixtures.py`, run it, and name the model in `forward/tests.rs`: its
//!    logits are compared with those of the reference on every device.
//!
//! Only what no family had before (another norm, another mask) needs more: a field in `decoder.rs`, and whoever runs decoders has
//! to follow it.

mod config;
mod decoder;
mod encoder;
mod family;
mod file;
mod gemma2;
mod gemma3;
mod llama;
mod mistral;
mod names;
mod phi3;
mod qwen2;
mod qwen3;
mod qwen3_moe;
mod rope;
mod scaling;
mod shape;
mod smollm3;
mod starcoder2;
#[cfg(test)]
mod tests;
mod weights;
mod window;

pub(crate) use decoder::{Activation, Attention, Block, Decoder, Mlp, Norm};
pub(crate) use encoder::{Bend, Encoder, EncoderBlock, EncoderBlockWeights, EncoderWeights, Head, HeadShape, Order};
pub use file::ModelFile;
pub(crate) use rope::{Pairs, Rope, Table};
pub(crate) use weights::{BlockWeights, Linear, MlpWeights, NormWeights, Weights};

use family::Family;
use shape::Shape;

const FAMILIES: &[Family] = &[
    llama::FAMILY,
    mistral::FAMILY,
    qwen2::FAMILY,
    qwen3::FAMILY,
    qwen3_moe::FAMILY,
    gemma2::FAMILY,
    gemma3::FAMILY,
    phi3::FAMILY,
    starcoder2::FAMILY,
    smollm3::FAMILY,
];
