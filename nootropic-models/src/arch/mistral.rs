//! Mistral: Llama with a sliding window. Its GGUF files say that they are Llama, and have no window.
//!
//! Jiang et al., *Mistral 7B*, arXiv:2310.06825.

use super::family::Family;
use super::llama;

pub(super) const FAMILY: Family = Family {
    gguf: "",
    published: &["mistral"],
    defaults: &[("rms_norm_eps", 1e-6), ("sliding_window", 4096.0)],
    names: &[],
    describe: llama::describe,
};
