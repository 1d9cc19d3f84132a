//! The forward pass of a decoder: Burn modules, on any device Burn runs on, and what is common to them and the CPU's own
//! operations ([`cpu_model`](crate::cpu_model)).
//!
//! Burn modules compute everything in f32. Weights are shared between sessions; each session owns its keys and values.

mod attention;
mod block;
mod cache;
mod encoder;
mod guard;
mod layers;
mod mlp;
mod model;
mod session;
mod step;
#[cfg(test)]
mod tests;
mod transformer;

pub(crate) use encoder::BurnEncoder;
pub(crate) use guard::guard;
pub use session::{Logits, Session};
pub(crate) use step::{Step, step};
pub use transformer::Transformer;
