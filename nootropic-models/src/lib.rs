//! Runs and records models for the Nootropic runtime.
//!
//! Model files: [`Gguf`] reads and [`GgufWriter`] writes GGUF, [`Safetensors`] reads published weights, [`TensorType`] converts
//! between block formats and numbers, [`FileType`] says which tensor gets which, [`SyntheticModel`] makes files to try it on.
//!
//! [`LocalModel`] runs a model as a [`Model`](nootropic_core::Model); [`Transformer`] is the same without a tokenizer: tokens in, logits
//! out. [`ModelLibrary`] finds the files that are on the machine already.
//!
//! With the feature `pull`, `Hub` fetches models, from where an [`EgressBroker`](nootropic_core::EgressBroker) allows. Without it nothing
//! is linked that could open a connection.
//!
//! Record and replay: a [`Recorder`] writes what a model is asked and answers to a cassette, a [`Replay`] is the same model
//! without the model.

mod arch;
mod cassette;
#[doc(hidden)]
pub mod cpu; // not an interface yet: for the benches
mod cpu_model;
mod device;
mod embed;
mod error;
mod files;
mod forward;
mod generate;
mod gguf;
mod grammar;
#[cfg(feature = "pull")]
mod http;
mod library;
mod local;
mod measure;
#[cfg(feature = "pull")]
mod pull;
mod quant;
mod random;
mod record;
mod replay;
mod safetensors;
mod synthetic;
#[cfg(test)]
mod tests;
mod tokens;
mod worker;

pub use arch::ModelFile;
pub use device::{Device, OpenDevice};
pub use embed::{
    DistillStep, Distillation, Distilled, DistilledFit, EmbedderSettings, EncoderPrecision, LocalEmbedder,
    LocalReranker, Pooling, TextPair,
};
pub use error::{Error, Place, Result};
pub use files::{Budget, Dims, Tensor};
pub use forward::{Logits, Session, Transformer};
pub use gguf::{
    Array, Encode, FromValue, Gguf, GgufBuilder, GgufHeader, GgufWriter, Metadata, QuantizeProgress, Strings,
    TensorInfo, Value, ValueType, quantize_gguf,
};
#[cfg(feature = "pull")]
pub use http::Patience;
pub use library::{FoundModel, ModelLibrary, ModelSource};
pub use local::LocalModel;
pub use measure::{generation_speed, prompt_speed, read_bandwidth};
#[cfg(feature = "pull")]
pub use pull::{Hub, HubChoice, HubModel, Pull, PullError, PullReport, PullState, PulledFile};
pub use quant::{FileType, ModelShape, TensorType};
pub use record::Recorder;
pub use replay::Replay;
pub use safetensors::{Safetensors, SafetensorsFile, SafetensorsInfo, SafetensorsType};
pub use synthetic::{Precision, SyntheticArchitecture, SyntheticModel};
pub use tokens::{
    ChatTemplate, DecodeStream, Infill, RenderOptions, RenderedPrompt, Special, TokenId, TokenKind, Tokenizer,
    ToolDialect, ToolParser,
};
