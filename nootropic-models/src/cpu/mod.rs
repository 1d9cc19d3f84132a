//! Operations of language models on the CPU.
//!
//! Weights stay in the block formats of their files, repacked at load ([`PackedMatrix`]), and are multiplied with activations of
//! eight bits ([`Activations`]) by the instructions the machine has (module `simd`).
//!
//! **Invariant.** A result has the same bits on every instruction set, with any number of threads, and for a token whatever
//! other tokens are computed with it: every sum is taken in one order, fixed by the position of what is summed.

mod activations;
mod add;
mod aligned;
#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
mod dense;
mod disjoint;
mod float_tile;
mod format;
mod gate;
mod gather;
mod kv_cache;
mod math;
mod matrix;
mod memory;
mod multiply;
mod norm;
mod pack;
mod pool;
mod rope;
mod simd;
mod softmax;
mod tile;
#[cfg(target_arch = "x86_64")]
mod tiled;

pub use activations::Activations;
pub use add::{add, add_bias};
pub use attention::{Attention, Queries};
pub(crate) use dense::{AttentionRoom, Dense, Out, RowBytes, Spares, WholeTexts};
pub(crate) use disjoint::for_each_panel;
pub use gate::{Activation, activate, gate};
pub(crate) use gather::add_rows;
pub use kv_cache::{KvCache, KvPrecision};
pub use matrix::PackedMatrix;
pub use multiply::{Product, multiply};
pub use norm::{layer_norm, layer_norm_in_place, rms_norm, rms_norm_in_place};
pub use pool::Pool;
pub use rope::{Pairs, Rotation};
pub use softmax::{exponentials, softmax};
