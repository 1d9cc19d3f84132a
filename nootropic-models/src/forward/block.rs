//! A block of a decoder.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::attention::{AttentionLayer, Step};
use super::cache::LayerCache;
use super::layers::{AnyNorm, linear};
use super::mlp::MlpLayer;
use crate::Result;
use crate::arch::{Block, BlockWeights, Norm};

/// Attention and MLP, with their norms.
#[derive(Module, Debug)]
pub(super) struct BlockLayer {
    attention_norm: AnyNorm,
    attention: AttentionLayer,
    attention_post_norm: Option<AnyNorm>,
    mlp_norm: AnyNorm,
    mlp: MlpLayer,
    mlp_post_norm: Option<AnyNorm>,
}

impl BlockLayer {
    pub(super) fn new(norm: Norm, weights: BlockWeights<'_>, device: &Device) -> Result<Self> {
        let new_norm = |weights| AnyNorm::new(norm, weights, device);
        let two = |norms: Option<_>| norms.map_or((None, None), |(a, b)| (Some(new_norm(a)), Some(new_norm(b))));
        let (query_norm, key_norm) = two(weights.head_norms);
        let (attention_post_norm, mlp_post_norm) = two(weights.post_norms);
        Ok(Self {
            attention_norm: new_norm(weights.attention_norm),
            attention: AttentionLayer {
                query: linear(weights.query, device)?,
                key: linear(weights.key, device)?,
                value: linear(weights.value, device)?,
                output: linear(weights.output, device)?,
                query_norm,
                key_norm,
            },
            attention_post_norm,
            mlp_norm: new_norm(weights.mlp_norm),
            mlp: MlpLayer::new(weights.mlp, device)?,
            mlp_post_norm,
        })
    }

    /// `x`: the residual stream, `[positions, columns]`.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        shape: &Block,
        step: &Step,
        cache: &mut LayerCache,
    ) -> Result<Tensor<2>> {
        let added = |result: Tensor<2>, norm: &Option<AnyNorm>| match norm {
            Some(norm) => norm.forward(result),
            None => result,
        };
        let seen = self.attention.forward(self.attention_norm.forward(x.clone()), &shape.attention, step, cache);
        let x = x + added(seen, &self.attention_post_norm);
        let thought = self.mlp.forward(self.mlp_norm.forward(x.clone()), &shape.mlp)?;
        Ok(x + added(thought, &self.mlp_post_norm))
    }
}
