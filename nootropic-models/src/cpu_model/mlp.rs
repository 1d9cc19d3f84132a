//! The part of a block that sees one token at a time.

use std::sync::Arc;

use super::layers::Machine;
use super::pack::{PackedLinear, Packer};
use crate::arch::{Activation, Mlp, MlpWeights};
use crate::cpu::{self, PackedMatrix, activate, add, gate, softmax};
use crate::{Error, Result};

/// The packed weights of an MLP.
#[derive(Debug)]
pub(super) enum CpuMlp {
    Gated(GatedMlp),
    Plain { up: PackedLinear, down: PackedLinear },
    Experts { router: PackedLinear, experts: Vec<GatedMlp> },
}

/// `down(activation(gate(x)) ∘ up(x))`
#[derive(Debug)]
pub(super) struct GatedMlp {
    gate: PackedLinear,
    up: PackedLinear,
    down: PackedLinear,
}

/// Room for what is between the matrices.
#[derive(Debug, Default)]
pub(super) struct MlpScratch {
    gate: Vec<f32>,
    up: Vec<f32>,
    router: Vec<f32>,
    /// The tokens an expert works on, and its result for them.
    chosen: Vec<f32>,
    result: Vec<f32>,
}

impl CpuMlp {
    pub(super) fn new(weights: MlpWeights<'_>, packer: &mut Packer) -> Result<Self> {
        match weights {
            MlpWeights::Gated { gate, up, down } => {
                let (gate, up, down) = (packer.linear(gate)?, packer.linear(up)?, packer.linear(down)?);
                Ok(Self::Gated(GatedMlp { gate, up, down }))
            }
            MlpWeights::Plain { up, down } => Ok(Self::Plain { up: packer.linear(up)?, down: packer.linear(down)? }),
            MlpWeights::Experts { router, experts } => {
                let bare = |weight: Arc<PackedMatrix>| PackedLinear { weight, bias: None };
                let router = bare(packer.matrix(&router)?);
                let mut expert = |[gate, up, down]: [crate::Tensor<'_>; 3]| {
                    Ok(GatedMlp {
                        gate: bare(packer.matrix(&gate)?),
                        up: bare(packer.matrix(&up)?),
                        down: bare(packer.matrix(&down)?),
                    })
                };
                Ok(Self::Experts { router, experts: experts.into_iter().map(&mut expert).collect::<Result<_>>()? })
            }
        }
    }

    /// `x`: `[tokens, columns]`, normalized; `out` is made so too.
    pub(super) fn forward(
        &self,
        machine: &mut Machine<'_>,
        shape: &Mlp,
        scratch: &mut MlpScratch,
        x: &[f32],
        out: &mut Vec<f32>,
    ) -> Result<()> {
        match (self, *shape) {
            (Self::Gated(mlp), Mlp::Gated { activation, .. }) => mlp.forward(machine, activation, scratch, x, out),
            (Self::Plain { up, down }, Mlp::Plain { activation, .. }) => {
                machine.linear(x, &mut [(up, &mut scratch.up)])?;
                activate(machine.pool, function(activation), &mut scratch.up);
                machine.linear(&scratch.up, &mut [(down, out)])
            }
            (Self::Experts { router, experts }, Mlp::Experts { used, activation, normalized, .. }) => {
                machine.linear(x, &mut [(router, &mut scratch.router)])?;
                softmax(machine.pool, &mut scratch.router, experts.len())?;
                let shares = shares(&scratch.router, experts.len(), used, normalized);
                mix(machine, experts, &shares, activation, scratch, x, out)
            }
            _ => Err(Error::Invalid { what: "MLP".into(), problem: "weights of another kind than described".into() }),
        }
    }
}

impl GatedMlp {
    fn forward(
        &self,
        machine: &mut Machine<'_>,
        activation: Activation,
        scratch: &mut MlpScratch,
        x: &[f32],
        out: &mut Vec<f32>,
    ) -> Result<()> {
        machine.linear(x, &mut [(&self.gate, &mut scratch.gate), (&self.up, &mut scratch.up)])?;
        gate(machine.pool, function(activation), &mut scratch.gate, &scratch.up)?;
        machine.linear(&scratch.gate, &mut [(&self.down, out)])
    }
}

/// The tokens an expert works on, each with the weight of its result.
type Share = Vec<(usize, f32)>;

/// Which expert works on which tokens: for each token the `used` likeliest, of equals the first.
///
/// Source: Shazeer et al., *Outrageously Large Neural Networks*, arXiv:1701.06538.
fn shares(probabilities: &[f32], experts: usize, used: usize, normalized: bool) -> Vec<Share> {
    let mut shares = vec![Share::new(); experts];
    for (token, probabilities) in probabilities.chunks_exact(experts).enumerate() {
        let mut order: Vec<usize> = (0..experts).collect();
        order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]).then(a.cmp(b)));
        order.truncate(used);
        let sum: f32 = if normalized { order.iter().map(|expert| probabilities[*expert]).sum() } else { 1.0 };
        for expert in order {
            shares[expert].push((token, probabilities[expert] / sum));
        }
    }
    shares
}

/// Adds the results of experts in their order, so that a token's sum does not depend on other tokens.
fn mix(
    machine: &mut Machine<'_>,
    experts: &[GatedMlp],
    shares: &[Share],
    activation: Activation,
    scratch: &mut MlpScratch,
    x: &[f32],
    out: &mut Vec<f32>,
) -> Result<()> {
    out.clear();
    out.resize(x.len(), 0.0);
    for (expert, share) in experts.iter().zip(shares).filter(|(_, share)| !share.is_empty()) {
        let columns = expert.gate.weight.columns();
        let (mut chosen, mut result) = (std::mem::take(&mut scratch.chosen), std::mem::take(&mut scratch.result));
        chosen.clear();
        for (token, _) in share {
            chosen.extend_from_slice(&x[token * columns..][..columns]);
        }
        expert.forward(machine, activation, scratch, &chosen, &mut result)?;
        for ((token, weight), result) in share.iter().zip(result.chunks_exact_mut(columns)) {
            result.iter_mut().for_each(|number| *number *= weight);
            add(machine.pool, &mut out[token * columns..][..columns], result);
        }
        (scratch.chosen, scratch.result) = (chosen, result);
    }
    Ok(())
}

pub(super) fn function(activation: Activation) -> cpu::Activation {
    match activation {
        Activation::Silu => cpu::Activation::Silu,
        Activation::Gelu => cpu::Activation::Gelu,
        Activation::GeluTanh => cpu::Activation::GeluTanh,
    }
}
