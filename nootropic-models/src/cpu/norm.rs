//! Normalization of rows.

use super::disjoint::for_each_part;
use super::pool::Pool;
use super::simd::{Isa, Kernel, LANES, Simd};
use crate::{Error, Result};

/// Rows a thread takes at once: some 10 µs.
const ROWS: usize = 16;

/// Root mean square normalization: `out = x / √(mean(x²) + eps) · weight`.
///
/// # Shapes
/// - `x`, `out`: `[rows, columns]`
/// - `weight`: `[columns]`; for Gemma, whose files have the weight less one, with one added
///
/// # Errors
/// [`Error::Invalid`] if lengths do not agree.
///
/// Source: Zhang and Sennrich, *Root Mean Square Layer Normalization*, arXiv:1910.07467.
pub fn rms_norm(pool: &Pool, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) -> Result<()> {
    check("rms_norm", x.len(), weight.len(), weight.len(), out.len())?;
    let columns = weight.len();
    for_each_part(pool, out, columns, ROWS, |first, out| {
        out.copy_from_slice(&x[first * columns..][..out.len()]);
        Isa::best().run(Norm { rows: out, weight, bias: &[], eps, centre: false });
    });
    Ok(())
}

/// [`rms_norm`] where `out` is `x`: of the heads of queries and keys.
///
/// # Errors
/// As [`rms_norm`].
pub fn rms_norm_in_place(pool: &Pool, x: &mut [f32], weight: &[f32], eps: f32) -> Result<()> {
    check("rms_norm", x.len(), weight.len(), weight.len(), x.len())?;
    for_each_part(pool, x, weight.len(), ROWS * 4, |_, rows| {
        Isa::best().run(Norm { rows, weight, bias: &[], eps, centre: false });
    });
    Ok(())
}

/// Layer normalization: `out = (x - mean(x)) / √(variance(x) + eps) · weight + bias`.
///
/// # Shapes
/// - `x`, `out`: `[rows, columns]`
/// - `weight`: `[columns]`
/// - `bias`: `[columns]`, or empty
///
/// # Errors
/// [`Error::Invalid`] if lengths do not agree.
///
/// Source: Ba, Kiros, Hinton, *Layer Normalization*, arXiv:1607.06450.
pub fn layer_norm(pool: &Pool, x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) -> Result<()> {
    let columns = weight.len();
    let bias_len = if bias.is_empty() { columns } else { bias.len() };
    check("layer_norm", x.len(), columns, bias_len, out.len())?;
    for_each_part(pool, out, columns, ROWS, |first, out| {
        out.copy_from_slice(&x[first * columns..][..out.len()]);
        Isa::best().run(Norm { rows: out, weight, bias, eps, centre: true });
    });
    Ok(())
}

/// [`layer_norm`] where `out` is `x`.
///
/// # Errors
/// As [`layer_norm`].
pub fn layer_norm_in_place(pool: &Pool, x: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) -> Result<()> {
    let columns = weight.len();
    let bias_len = if bias.is_empty() { columns } else { bias.len() };
    check("layer_norm", x.len(), columns, bias_len, x.len())?;
    for_each_part(pool, x, columns, ROWS, |_, rows| {
        Isa::best().run(Norm { rows, weight, bias, eps, centre: true });
    });
    Ok(())
}

fn check(what: &str, x: usize, weight: usize, bias: usize, out: usize) -> Result<()> {
    if weight > 0 && weight == bias && x.is_multiple_of(weight) && x == out {
        return Ok(());
    }
    let problem = format!("{x} numbers in rows of {weight} (bias {bias}) into {out}");
    Err(Error::Invalid { what: what.into(), problem })
}

struct Norm<'a> {
    rows: &'a mut [f32],
    weight: &'a [f32],
    /// Or empty.
    bias: &'a [f32],
    eps: f32,
    /// Whether the mean is taken off first.
    centre: bool,
}

impl Kernel for Norm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let columns = self.weight.len();
        for row in self.rows.chunks_exact_mut(columns) {
            if self.centre {
                let mut sum = s.zero();
                for x in row.chunks(LANES) {
                    sum = s.add(sum, s.load_part(x, 0.0));
                }
                let mean = s.splat(s.sum(sum) / columns as f32);
                for x in row.chunks_mut(LANES) {
                    let centred = s.sub(s.load_part(x, 0.0), mean);
                    s.store_part(centred, x);
                }
            }
            let mut squares = s.zero();
            for x in row.chunks(LANES) {
                let x = s.load_part(x, 0.0);
                squares = s.fma(x, x, squares);
            }
            let factor = s.splat(1.0 / (s.sum(squares) / columns as f32 + self.eps).sqrt());
            for (i, x) in row.chunks_mut(LANES).enumerate() {
                let weight = s.load_part(&self.weight[i * LANES..][..x.len()], 0.0);
                let mut scaled = s.mul(s.mul(s.load_part(x, 0.0), factor), weight);
                if !self.bias.is_empty() {
                    scaled = s.add(scaled, s.load_part(&self.bias[i * LANES..][..x.len()], 0.0));
                }
                s.store_part(scaled, x);
            }
        }
    }
}

#[cfg(test)]
mod tests;
