//! Runs and records models for the Nootropic runtime.
//!
//! So far this is record and replay: a [`Recorder`] writes what a model is asked and answers to a cassette, a [`Replay`] is
//! the same model without the model.

mod cassette;
mod error;
mod record;
mod replay;
#[cfg(test)]
mod tests;

pub use error::{Error, Result};
pub use record::Recorder;
pub use replay::Replay;
