//! A model file of either form.

use std::path::Path;

use super::config::Config;
use super::family::Family;
use super::names::Names;
use super::{Decoder, Weights};
use crate::{Gguf, Result, Safetensors, Tensor};

/// A model in one of the forms it is shared in.
#[derive(Debug)]
pub enum ModelFile {
    /// GGUF, in one file or split over several.
    Gguf(Gguf),
    /// Safetensors with a `config.json` beside them.
    Safetensors(Safetensors),
}

impl ModelFile {
    /// Opens a GGUF file; or safetensors, by their folder, their index or a file of them.
    ///
    /// # Errors
    /// As [`Gguf::open`] and [`Safetensors::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let is = |extension| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
        match path.is_dir() || is("safetensors") || is("json") {
            true => Ok(Self::Safetensors(Safetensors::open(path)?)),
            false => Ok(Self::Gguf(Gguf::open(path)?)),
        }
    }

    /// The file or folder, or what stands for it.
    pub fn name(&self) -> String {
        match self {
            Self::Gguf(gguf) => gguf.name().into(),
            Self::Safetensors(safetensors) => safetensors.folder().display().to_string(),
        }
    }

    /// What is computed, and with which tensors.
    ///
    /// # Errors
    /// [`Error::UnsupportedArchitecture`](crate::Error::UnsupportedArchitecture);
    /// [`Error::MissingKey`](crate::Error::MissingKey), [`Error::WrongType`](crate::Error::WrongType) and
    /// [`Error::Malformed`](crate::Error::Malformed) for what is wrong with the configuration;
    /// [`Error::MissingTensor`](crate::Error::MissingTensor), [`Error::WrongShape`](crate::Error::WrongShape) and
    /// [`Error::UnsupportedType`](crate::Error::UnsupportedType) for what is wrong with the tensors.
    pub(crate) fn describe(&self) -> Result<(Decoder, Weights<'_>)> {
        let mut config = Config::of(self)?;
        let family = Family::of(&config)?;
        config.complete(family.defaults);
        let names = Names::of(self, family.names);
        let decoder = (family.describe)(&config, &names)?;
        let weights = Weights::read(&decoder, &names)?;
        Ok((decoder, weights))
    }

    /// Gives back the memory of tensors that were read.
    pub(crate) fn let_go(&self) {
        match self {
            Self::Gguf(gguf) => gguf.let_go(),
            Self::Safetensors(safetensors) => safetensors.let_go(),
        }
    }

    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor<'_>> {
        match self {
            Self::Gguf(gguf) => gguf.tensor(name),
            Self::Safetensors(safetensors) => safetensors.tensor(name),
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        match self {
            Self::Gguf(gguf) => gguf.contains(name),
            Self::Safetensors(safetensors) => safetensors.contains(name),
        }
    }

    pub(crate) fn tensor_names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Gguf(gguf) => Box::new(gguf.tensors().map(|tensor| tensor.name)),
            Self::Safetensors(safetensors) => Box::new(safetensors.tensors().map(|tensor| tensor.name)),
        }
    }
}
