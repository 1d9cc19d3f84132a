//! A model that runs here, as a [`Model`](nootropic_core::Model).

mod engine;
mod lookup;
mod model;
mod prefixes;
mod prompt;
mod sequence;
#[cfg(test)]
mod tests;

pub use model::LocalModel;
