//! Activation functions, alone and as gates.

use super::disjoint::for_each_part;
use super::math::{erf, sigmoid, tanh};
use super::pool::Pool;
use super::simd::{Isa, Kernel, LANES, Simd};
use crate::{Error, Result};

/// Numbers a thread takes at once: some 10 µs.
const NUMBERS: usize = 8192;

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`, also called Swish.
    Silu,
    /// `x · Φ(x)`, with the error function. Source: Hendrycks and Gimpel, *Gaussian Error Linear Units*, arXiv:1606.08415.
    Gelu,
    /// The same with `Φ(x) ≈ (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2`: what Gemma and GPT-2 were trained with.
    GeluTanh,
    /// `max(x, 0)`
    Relu,
}

/// A gated activation, in place: `gate = f(gate) · up`.
///
/// # Errors
/// [`Error::Invalid`] if lengths differ.
///
/// Source: Shazeer, *GLU Variants Improve Transformer*, arXiv:2002.05202.
pub fn gate(pool: &Pool, f: Activation, gate: &mut [f32], up: &[f32]) -> Result<()> {
    if gate.len() != up.len() {
        let problem = format!("{} numbers for {} gates", up.len(), gate.len());
        return Err(Error::Invalid { what: "gate".into(), problem });
    }
    for_each_part(pool, gate, 1, NUMBERS, |first, x| {
        let up = &up[first..][..x.len()];
        Isa::best().run(Activate { f, x, up: Some(up) });
    });
    Ok(())
}

/// An activation, in place.
pub fn activate(pool: &Pool, f: Activation, x: &mut [f32]) {
    for_each_part(pool, x, 1, NUMBERS, |_, x| Isa::best().run(Activate { f, x, up: None }));
}

struct Activate<'a> {
    f: Activation,
    x: &'a mut [f32],
    up: Option<&'a [f32]>,
}

impl Kernel for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (i, x) in self.x.chunks_mut(LANES).enumerate() {
            let mut y = apply(s, self.f, s.load_part(x, 0.0));
            if let Some(up) = self.up {
                y = s.mul(y, s.load_part(&up[i * LANES..][..x.len()], 0.0));
            }
            s.store_part(y, x);
        }
    }
}

#[inline(always)]
fn apply<S: Simd>(s: S, f: Activation, x: S::F) -> S::F {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    let half = s.mul(x, s.splat(0.5));
    match f {
        Activation::Silu => s.mul(x, sigmoid(s, x)),
        Activation::Gelu => s.fma(half, erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2))), half),
        Activation::GeluTanh => {
            let cubic = s.fma(s.mul(s.mul(x, x), x), s.splat(0.044_715), x);
            s.fma(half, tanh(s, s.mul(cubic, s.splat(SQRT_2_OVER_PI))), half)
        }
        Activation::Relu => s.max(s.zero(), x),
    }
}

#[cfg(test)]
mod tests;
