//! Linear layers, norms and activations, made of checked weights.

use burn::module::{Module, Param};
use burn::nn;
use burn::tensor::{Device, Tensor, TensorData, activation};

use crate::Result;
use crate::arch::{Activation, Linear, Norm, NormWeights};

/// A matrix on the device, `[inputs, outputs]`: a view of the rows as they lie in files.
pub(super) fn matrix(weight: &crate::Tensor<'_>, device: &Device) -> Result<Tensor<2>> {
    let (columns, rows) = (weight.dims.columns() as usize, weight.dims.rows() as usize); // counted when they were checked
    let data = TensorData::new(weight.to_f32()?, [rows, columns]);
    Ok(Tensor::from_data(data, device).transpose())
}

pub(super) fn vector(numbers: Vec<f32>, device: &Device) -> Tensor<1> {
    let len = numbers.len();
    Tensor::from_data(TensorData::new(numbers, [len]), device)
}

pub(super) fn linear(weights: Linear<'_>, device: &Device) -> Result<nn::Linear> {
    Ok(nn::Linear {
        weight: Param::from_tensor(matrix(&weights.weight, device)?),
        bias: weights.bias.map(|bias| Param::from_tensor(vector(bias, device))),
    })
}

/// A norm over the last dimension.
#[derive(Module, Debug)]
pub(super) enum AnyNorm {
    Rms(nn::RmsNorm),
    Layer(nn::LayerNorm),
}

impl AnyNorm {
    pub(super) fn new(kind: Norm, weights: NormWeights, device: &Device) -> Self {
        let columns = weights.weight.len();
        let gamma = Param::from_tensor(vector(weights.weight, device));
        match kind {
            Norm::Rms(epsilon) => Self::Rms(nn::RmsNorm { gamma, epsilon: epsilon.into() }),
            Norm::Layer(epsilon) => {
                let mut norm = nn::LayerNormConfig::new(columns).with_epsilon(epsilon.into()).init(device);
                norm.gamma = gamma;
                norm.beta = weights.bias.map(|bias| Param::from_tensor(vector(bias, device)));
                Self::Layer(norm)
            }
        }
    }

    pub(super) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Rms(norm) => norm.forward(x),
            Self::Layer(norm) => norm.forward(x),
        }
    }
}

pub(super) fn activate<const D: usize>(kind: Activation, x: Tensor<D>) -> Tensor<D> {
    match kind {
        Activation::Silu => activation::silu(x),
        Activation::Gelu => activation::gelu(x),
        Activation::GeluTanh => gelu_tanh(x),
    }
}

/// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³)))`; Hendrycks and Gimpel, arXiv:1606.08415.
///
/// With a product for the cube: shaders know no powers of negative numbers.
fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    const SCALE: f32 = 0.797_884_6;
    let cube = x.clone() * x.clone() * x.clone();
    let inner = (x.clone() + cube * 0.044_715) * SCALE;
    x * 0.5 * (inner.tanh() + 1.0)
}

/// `cap · tanh(x / cap)`
pub(super) fn soft_cap<const D: usize>(x: Tensor<D>, cap: Option<f32>) -> Tensor<D> {
    match cap {
        Some(cap) => (x / cap).tanh() * cap,
        None => x,
    }
}
