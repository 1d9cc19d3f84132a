//! Products with a bias, and norms.

use super::pack::PackedLinear;
use crate::Result;
use crate::arch::{Norm, NormWeights};
use crate::cpu::{Activations, Pool, Product, add_bias, layer_norm, multiply, rms_norm};

/// What all operations of a pass share.
pub(super) struct Machine<'a> {
    pub(super) pool: &'a Pool,
    /// The operands of products, in eight bits.
    pub(super) activations: &'a mut Activations,
}

impl Machine<'_> {
    /// Multiplies the same `x`, `[tokens, columns]`, with each matrix; `outs` are made `[tokens, rows]`.
    pub(super) fn linear(&mut self, x: &[f32], products: &mut [(&PackedLinear, &mut Vec<f32>)]) -> Result<()> {
        let columns = products.first().map_or(1, |(linear, _)| linear.weight.columns());
        let tokens = x.len() / columns;
        let mut each: Vec<Product<'_>> = Vec::with_capacity(products.len());
        for (linear, out) in products.iter_mut() {
            out.resize(tokens * linear.weight.rows(), 0.0);
            each.push(Product { matrix: &linear.weight, out: out.as_mut_slice() });
        }
        multiply(self.pool, self.activations, x, &mut each)?;
        for (linear, out) in products {
            if let Some(bias) = &linear.bias {
                add_bias(self.pool, out, bias);
            }
        }
        Ok(())
    }

    /// Normalizes the rows of `x`; `out` is made as long.
    pub(super) fn norm(&self, norm: Norm, weights: &NormWeights, x: &[f32], out: &mut Vec<f32>) -> Result<()> {
        out.resize(x.len(), 0.0);
        match norm {
            Norm::Rms(epsilon) => rms_norm(self.pool, x, &weights.weight, epsilon, out),
            Norm::Layer(epsilon) => {
                let bias = weights.bias.as_deref().unwrap_or_default();
                layer_norm(self.pool, x, &weights.weight, bias, epsilon, out)
            }
        }
    }
}

/// `cap · tanh(x / cap)`
pub(super) fn soft_cap(x: &mut [f32], cap: Option<f32>) {
    if let Some(cap) = cap {
        x.iter_mut().for_each(|x| *x = cap * (*x / cap).tanh());
    }
}
