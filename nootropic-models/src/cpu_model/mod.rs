//! Decoders and encoders on the CPU, on our own operations.
//!
//! It reads the description and the weights that the Burn modules read, and computes the same. Pieces of several texts go through
//! in one pass, so that weights are read once for all of them; a token's result has the same bits whatever goes with it, and
//! however its text is cut.

mod block;
#[cfg(test)]
mod divergence;
mod embedding;
mod encoder;
mod encoder_block;
mod layers;
mod mlp;
mod model;
mod pack;
#[cfg(test)]
mod tests;

pub(crate) use encoder::CpuEncoder;
pub(crate) use model::{CpuModel, Piece};
