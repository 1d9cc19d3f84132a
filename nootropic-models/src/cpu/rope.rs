//! Rotary positions.

use super::disjoint::for_each_part;
use super::pool::Pool;
use super::simd::{Isa, Kernel, Simd};
use crate::{Error, Result};

/// Which numbers of a head are rotated together. Weights for one give nonsense with the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// `(i, i + rotated/2)`: llama.cpp's NEOX type, most models of today.
    Halves,
    /// `(2i, 2i + 1)`: as in the paper; llama.cpp's files of Llama.
    Neighbours,
}

/// Rotates queries or keys by position (RoPE).
///
/// Source: Su et al., *RoFormer*, arXiv:2104.09864.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// Which numbers are rotated together.
    pub pairs: Pairs,
    /// How many numbers a head has. Those beyond the `2 · pairs` that are rotated stay as they are.
    pub head_dim: usize,
    /// How many tokens there are.
    pub tokens: usize,
    /// Cosines of the angles, `[tokens, pairs]`.
    pub cos: &'a [f32],
    /// Sines of the angles, `[tokens, pairs]`.
    pub sin: &'a [f32],
}

impl Rotation<'_> {
    /// Rotates each head of `x`, `[tokens, heads, head_dim]`, in place.
    ///
    /// # Errors
    /// [`Error::Invalid`] if lengths do not agree.
    pub fn apply(&self, pool: &Pool, x: &mut [f32]) -> Result<()> {
        let pairs = self.cos.len().checked_div(self.tokens).unwrap_or(0);
        let fits = self.cos.len() == pairs * self.tokens
            && self.sin.len() == self.cos.len()
            && 2 * pairs <= self.head_dim
            && x.len().is_multiple_of((self.tokens * self.head_dim).max(1))
            && (self.tokens > 0 || x.is_empty());
        if !fits {
            let problem = format!(
                "{} numbers of {} tokens in heads of {}, {} cosines, {} sines",
                x.len(),
                self.tokens,
                self.head_dim,
                self.cos.len(),
                self.sin.len()
            );
            return Err(Error::Invalid { what: "rotation".into(), problem });
        }
        let row = x.len().checked_div(self.tokens).unwrap_or(0);
        if pairs == 0 || row == 0 {
            return Ok(());
        }
        for_each_part(pool, x, row, 8, |first, rows| {
            let angles = first * pairs..;
            let (cos, sin) = (&self.cos[angles.clone()], &self.sin[angles]);
            Isa::best().run(Rotate { rotation: *self, pairs, cos, sin, rows, row });
        });
        Ok(())
    }
}

struct Rotate<'a> {
    rotation: Rotation<'a>,
    pairs: usize,
    cos: &'a [f32],
    sin: &'a [f32],
    rows: &'a mut [f32],
    row: usize,
}

impl Kernel for Rotate<'_> {
    type Output = ();

    // Plain loops, which the compiler makes vectors of. Each number is two products and a sum, rounded each, on any machine.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let angles = self.cos.chunks_exact(self.pairs).zip(self.sin.chunks_exact(self.pairs));
        for (row, (cos, sin)) in self.rows.chunks_exact_mut(self.row).zip(angles) {
            for head in row.chunks_exact_mut(self.rotation.head_dim) {
                match self.rotation.pairs {
                    Pairs::Halves => {
                        let (a, b) = head.split_at_mut(self.pairs);
                        for i in 0..self.pairs {
                            (a[i], b[i]) = (a[i] * cos[i] - b[i] * sin[i], b[i] * cos[i] + a[i] * sin[i]);
                        }
                    }
                    Pairs::Neighbours => {
                        for (i, [a, b]) in head.as_chunks_mut::<2>().0[..self.pairs].iter_mut().enumerate() {
                            (*a, *b) = (*a * cos[i] - *b * sin[i], *b * cos[i] + *a * sin[i]);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
