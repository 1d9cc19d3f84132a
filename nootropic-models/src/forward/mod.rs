//! The forward pass of a decoder, on any device Burn runs on.
//!
//! Everything is computed in f32. Weights are shared between sessions; each session owns its keys and values.

mod attention;
mod block;
mod cache;
mod guard;
mod layers;
mod mlp;
mod model;
mod session;
#[cfg(test)]
mod tests;

pub use model::Transformer;
pub use session::{Logits, Session};
