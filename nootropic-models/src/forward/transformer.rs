//! A language model on a device.

use std::sync::Arc;

use super::guard::guard;
use super::model::BurnModel;
use super::session::Session;
use crate::arch::{Decoder, ModelFile};
use crate::cpu_model::CpuModel;
use crate::device::{Machine, OpenDevice};
use crate::{Error, Result, TensorType};

/// A language model whose weights are on a device: tokens in, logits out.
///
/// Weights are shared: clones and sessions cost none.
///
/// ```
/// # fn main() -> nootropic_models::Result<()> {
/// use nootropic_models::{Device, Logits, ModelFile, SyntheticModel, Transformer};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("tiny.gguf");
/// # SyntheticModel::tiny().write(&path)?;
/// let model = Transformer::load(&ModelFile::open(&path)?, &Device::Cpu.open(None)?)?;
/// let mut session = model.session(64)?;
/// let logits = session.feed(&[1, 2, 3], Logits::Last)?;
/// assert_eq!(logits.len(), model.vocabulary());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Transformer {
    shared: Arc<Model>,
}

impl Transformer {
    /// Reads the weights of a model onto a device: packed as they are for the CPU, as f32 elsewhere.
    ///
    /// # Errors
    /// [`Error::UnsupportedArchitecture`] for families that are not run; [`Error::MissingKey`], [`Error::WrongType`] and
    /// [`Error::Malformed`] for what is wrong with the configuration; [`Error::MissingTensor`], [`Error::WrongShape`] and
    /// [`Error::UnsupportedType`] for what is wrong with the weights; [`Error::Device`] if the device fails.
    pub fn load(file: &ModelFile, device: &OpenDevice) -> Result<Self> {
        let (decoder, weights) = file.describe()?;
        let model = guard("loading a model", device.name(), || match device.machine() {
            Machine::Cpu(pool) => {
                let model = CpuModel::new(decoder, weights, Arc::clone(pool), || file.let_go())?;
                Ok(Model::Cpu(Box::new(model)))
            }
            Machine::Burn(burn) => Ok(Model::Burn(Box::new(BurnModel::new(decoder, weights, burn, device.name())?))),
        })?;
        Ok(Self { shared: Arc::new(model) })
    }

    /// Starts a session of at most `context` positions.
    ///
    /// # Errors
    /// [`Error::TooLong`] past the [context](Self::context) of the model.
    pub fn session(&self, context: usize) -> Result<Session> {
        let max = self.context();
        match context > max {
            true => Err(Error::TooLong { got: context, max }),
            false => Session::new(self.shared.clone(), context),
        }
    }

    /// Number of tokens.
    pub fn vocabulary(&self) -> usize {
        self.shared.decoder().vocabulary
    }

    /// Most positions the model is made for.
    pub fn context(&self) -> usize {
        self.shared.decoder().context
    }

    /// Memory that the keys and values of a token take in a session, in bytes; nothing on devices that do not tell.
    pub fn kv_bytes_a_token(&self) -> Option<usize> {
        match &*self.shared {
            Model::Cpu(model) => Some(model.kv_bytes_a_token()),
            Model::Burn(_) => None,
        }
    }

    /// Types of weights that are not computed with here, each with the type that stands for it.
    pub fn converted(&self) -> &[(TensorType, TensorType)] {
        match &*self.shared {
            Model::Cpu(model) => model.converted(),
            Model::Burn(_) => &[],
        }
    }

    /// Tensors of the file that are no part of the model, and were not read.
    pub fn unknown_tensors(&self) -> &[String] {
        match &*self.shared {
            Model::Cpu(model) => model.unknown(),
            Model::Burn(model) => &model.unknown,
        }
    }
}

const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Transformer>();
};

/// What computes the model.
#[derive(Debug)]
pub(super) enum Model {
    /// Our own operations.
    Cpu(Box<CpuModel>),
    /// Burn modules.
    Burn(Box<BurnModel>),
}

impl Model {
    pub(super) fn decoder(&self) -> &Decoder {
        match self {
            Self::Cpu(model) => model.decoder(),
            Self::Burn(model) => &model.decoder,
        }
    }
}
