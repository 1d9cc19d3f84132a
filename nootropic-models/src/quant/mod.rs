//! How the numbers of a tensor are stored: plain floats, and the block formats of ggml.
//!
//! A block format cuts a row into blocks of 32 or 256 weights and stores each as a few small integers and the scales that turn
//! them back into numbers. The layouts are ggml's (`ggml-common.h`), so that files can be exchanged; the code is our own. Each
//! format is a plain-bytes struct with alignment 1, so that a mapped file *is* a slice of them: kernels read or repack
//! them in place.

mod fit;
mod float;
mod k;
mod k_scales;
mod mix;
mod q4;
mod q5;
mod q6_k;
mod q8;
mod read_only;
mod rows;
#[cfg(test)]
mod tests;
mod types;

pub(crate) use k::{Q4_K, Q5_K};
pub(crate) use k_scales::unpack as unpack_scales;
pub use mix::{FileType, ModelShape};
pub(crate) use q4::{Q4_0, Q4_1};
pub(crate) use q5::{Q5_0, Q5_1};
pub(crate) use q6_k::Q6_K;
pub(crate) use q8::Q8_0;
pub(crate) use rows::blocks;
pub use types::TensorType;
