//! Softmax of rows, and its parts.

use super::disjoint::for_each_part;
use super::math::exp;
use super::pool::Pool;
use super::simd::{Isa, Kernel, LANES, Simd};
use crate::{Error, Result};

/// Softmax of each row, in place: `x = e^(x - max) / Σ e^(x - max)`. Numbers that are -∞ become 0; a row of nothing else becomes
/// NaN.
///
/// # Shapes
/// - `x`: `[rows, columns]`
///
/// # Errors
/// [`Error::Invalid`] if `x` is no whole rows.
pub fn softmax(pool: &Pool, x: &mut [f32], columns: usize) -> Result<()> {
    if columns == 0 || !x.len().is_multiple_of(columns) {
        let problem = format!("{} numbers are no rows of {columns}", x.len());
        return Err(Error::Invalid { what: "softmax".into(), problem });
    }
    let rows = (4096 / columns).max(1);
    for_each_part(pool, x, columns, rows, |_, rows| Isa::best().run(Softmax { rows, columns }));
    Ok(())
}

/// Makes each `x` to `e^((x - largest) · factor)`, in place; returns their sum. The same bits on every machine, in one thread.
pub fn exponentials(x: &mut [f32], largest: f32, factor: f32) -> f64 {
    Isa::best().run(Exponentials { x, largest, factor })
}

struct Exponentials<'a> {
    x: &'a mut [f32],
    largest: f32,
    factor: f32,
}

impl Kernel for Exponentials<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        /// So few that their sum is exact enough in f32.
        const TOGETHER: usize = 64 * LANES;
        let (largest, factor) = (s.splat(self.largest), s.splat(self.factor));
        let mut total = 0.0;
        for x in self.x.chunks_mut(TOGETHER) {
            let mut sum = s.zero();
            for x in x.chunks_mut(LANES) {
                let e = exp(s, s.mul(s.sub(s.load_part(x, f32::NEG_INFINITY), largest), factor));
                sum = s.add(sum, e);
                s.store_part(e, x);
            }
            total += f64::from(s.sum(sum));
        }
        total
    }
}

struct Softmax<'a> {
    rows: &'a mut [f32],
    columns: usize,
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for row in self.rows.chunks_exact_mut(self.columns) {
            let mut largest = s.splat(f32::NEG_INFINITY);
            for x in row.chunks(LANES) {
                largest = s.max(s.load_part(x, f32::NEG_INFINITY), largest);
            }
            let largest = s.splat(s.largest(largest));
            let mut sum = s.zero();
            for x in row.chunks_mut(LANES) {
                let e = exp(s, s.sub(s.load_part(x, f32::NEG_INFINITY), largest));
                sum = s.add(sum, e);
                s.store_part(e, x);
            }
            let factor = s.splat(1.0 / s.sum(sum));
            for x in row.chunks_mut(LANES) {
                let scaled = s.mul(s.load_part(x, 0.0), factor);
                s.store_part(scaled, x);
            }
        }
    }
}
