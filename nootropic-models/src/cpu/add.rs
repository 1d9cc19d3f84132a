//! Sums of rows.

use super::disjoint::for_each_part;
use super::pool::Pool;

/// Numbers a thread takes at once: some 10 µs.
const NUMBERS: usize = 32_768;

/// `x += y`, in place.
pub fn add(pool: &Pool, x: &mut [f32], y: &[f32]) {
    for_each_part(pool, x, 1, NUMBERS, |first, x| add_all(x, y.get(first..).unwrap_or_default()));
}

/// Adds `bias` to each row of `x`, `[rows, bias.len()]`, in place.
pub fn add_bias(pool: &Pool, x: &mut [f32], bias: &[f32]) {
    let columns = bias.len().max(1);
    for_each_part(pool, x, columns, (NUMBERS / columns).max(1), |_, rows| {
        rows.chunks_mut(columns).for_each(|row| add_all(row, bias));
    });
}

fn add_all(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}
