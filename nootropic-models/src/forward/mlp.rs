//! The part of a block that sees one position at a time.

use burn::module::{Module, Param};
use burn::nn;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};

use super::guard::failure;
use super::layers::{activate, linear, matrix};
use crate::arch::{Activation, Linear, Mlp, MlpWeights};
use crate::{Error, Result};

/// The MLP of a block.
#[derive(Module, Debug)]
pub(super) enum MlpLayer {
    Gated(GatedMlp),
    Plain(PlainMlp),
    Experts(Experts),
}

/// `down(activation(gate(x)) ∘ up(x))`; Shazeer, *GLU Variants*, arXiv:2002.05202.
#[derive(Module, Debug)]
pub(super) struct GatedMlp {
    gate: nn::Linear,
    up: nn::Linear,
    down: nn::Linear,
}

/// `down(activation(up(x)))`
#[derive(Module, Debug)]
pub(super) struct PlainMlp {
    up: nn::Linear,
    down: nn::Linear,
}

/// A router and the gated MLPs it chooses from; Shazeer et al., arXiv:1701.06538.
#[derive(Module, Debug)]
pub(super) struct Experts {
    router: nn::Linear,
    experts: Vec<GatedMlp>,
}

impl MlpLayer {
    pub(super) fn new(weights: MlpWeights<'_>, device: &Device) -> Result<Self> {
        match weights {
            MlpWeights::Gated { gate, up, down } => Ok(Self::Gated(GatedMlp::new(gate, up, down, device)?)),
            MlpWeights::Plain { up, down } => {
                Ok(Self::Plain(PlainMlp { up: linear(up, device)?, down: linear(down, device)? }))
            }
            MlpWeights::Experts { router, experts } => {
                let expert = |matrices: [crate::Tensor<'_>; 3]| {
                    let [gate, up, down] = matrices.map(|weight| Linear { weight, bias: None });
                    GatedMlp::new(gate, up, down, device)
                };
                let router = nn::Linear { weight: Param::from_tensor(matrix(&router, device)?), bias: None };
                Ok(Self::Experts(Experts { router, experts: experts.into_iter().map(expert).collect::<Result<_>>()? }))
            }
        }
    }

    /// `x`: `[positions, columns]`; so is what is returned.
    pub(super) fn forward(&self, x: Tensor<2>, shape: &Mlp) -> Result<Tensor<2>> {
        match (self, *shape) {
            (Self::Gated(mlp), Mlp::Gated { activation, .. }) => Ok(mlp.forward(x, activation)),
            (Self::Plain(mlp), Mlp::Plain { activation, .. }) => {
                Ok(mlp.down.forward(activate(activation, mlp.up.forward(x))))
            }
            (Self::Experts(mlp), Mlp::Experts { used, activation, normalized, .. }) => {
                mlp.forward(x, used, activation, normalized)
            }
            _ => Err(Error::Invalid { what: "MLP".into(), problem: "weights of another kind than described".into() }),
        }
    }
}

impl GatedMlp {
    fn new(gate: Linear<'_>, up: Linear<'_>, down: Linear<'_>, device: &Device) -> Result<Self> {
        Ok(Self { gate: linear(gate, device)?, up: linear(up, device)?, down: linear(down, device)? })
    }

    fn forward(&self, x: Tensor<2>, activation: Activation) -> Tensor<2> {
        self.down.forward(activate(activation, self.gate.forward(x.clone())) * self.up.forward(x))
    }
}

/// The positions an expert works on, with the weight of its result for each.
type Share = Vec<(usize, f32)>;

impl Experts {
    /// Who works on what is decided here, not on the device: an expert nobody chose costs nothing.
    fn forward(&self, x: Tensor<2>, used: usize, activation: Activation, normalized: bool) -> Result<Tensor<2>> {
        let device = x.device();
        let scores = self.router.forward(x.clone()).try_into_vec_as::<f32>();
        let scores = scores.map_err(|error| failure("routing to experts", "the device", &error.to_string()))?;
        let mut sum = x.zeros_like();
        for (expert, share) in self.experts.iter().zip(shares(&scores, self.experts.len(), used, normalized)) {
            if share.is_empty() {
                continue;
            }
            let count = share.len();
            let positions: Vec<i32> = share.iter().map(|(position, _)| *position as i32).collect();
            let positions = Tensor::<1, Int>::from_data(TensorData::new(positions, [count]), &device);
            let weights: Vec<f32> = share.iter().map(|(_, weight)| *weight).collect();
            let weights = Tensor::<2>::from_data(TensorData::new(weights, [count, 1]), &device);
            let result = expert.forward(x.clone().select(0, positions.clone()), activation) * weights;
            sum = sum.select_assign(0, positions, result, IndexingUpdateOp::Add);
        }
        Ok(sum)
    }
}

/// What each expert has to do: a softmax over the scores of each position, and the `used` likeliest experts of it.
fn shares(scores: &[f32], experts: usize, used: usize, normalized: bool) -> Vec<Share> {
    let mut shares = vec![Share::new(); experts];
    for (position, scores) in scores.chunks(experts.max(1)).enumerate() {
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut likely: Vec<(usize, f32)> = scores.iter().map(|score| (score - largest).exp()).enumerate().collect();
        let all: f32 = likely.iter().map(|(_, weight)| weight).sum();
        // Of equals the first one, as the references choose.
        likely.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        likely.truncate(used);
        let chosen: f32 = likely.iter().map(|(_, weight)| weight).sum();
        for (expert, weight) in likely {
            let weight = weight / if normalized { chosen } else { all };
            if let Some(share) = shares.get_mut(expert) {
                share.push((position, weight));
            }
        }
    }
    shares
}
