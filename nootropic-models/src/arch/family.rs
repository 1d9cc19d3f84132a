//! A family of models: the names it goes by, and how its configuration is read.

use super::config::Config;
use super::names::{Names, Part};
use super::{Decoder, FAMILIES};
use crate::error::printable;
use crate::{Error, Result};

/// A family of models that share one description.
pub(super) struct Family {
    /// `general.architecture` of its GGUF files; empty if they go by the name of another family.
    pub(super) gguf: &'static str,
    /// `model_type` in `config.json`.
    pub(super) published: &'static [&'static str],
    /// Numbers that its `config.json` may leave out.
    pub(super) defaults: &'static [(&'static str, f64)],
    /// Tensor names in safetensors that are not the usual ones.
    pub(super) names: &'static [(Part, &'static str)],
    /// Reads its configuration; every value is checked.
    pub(super) describe: fn(&Config<'_>, &Names<'_>) -> Result<Decoder>,
}

impl Family {
    /// The family a model says it is of.
    pub(super) fn of(config: &Config<'_>) -> Result<&'static Self> {
        let architecture = config.architecture();
        let is = |family: &&Self| match config.is_gguf() {
            true => family.gguf == architecture && !architecture.is_empty(),
            false => family.published.contains(&architecture),
        };
        FAMILIES.iter().find(is).ok_or_else(|| Error::UnsupportedArchitecture {
            file: config.file().into(),
            found: printable(architecture),
            known: FAMILIES.iter().map(|family| family.published[0]).collect::<Vec<_>>().join(", "),
        })
    }
}
