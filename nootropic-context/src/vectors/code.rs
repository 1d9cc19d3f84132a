//! Vectors as one byte a dimension, and what a query is turned into to meet them.

use super::kernel::{Kernel, PLANES};

/// Quantizes rotated coordinates to `scale · code`, each in `-127..=127`; returns the scale.
pub(super) fn encode(rotated: &[f32], code: &mut Vec<i8>) -> f32 {
    let scale = largest(rotated) / 127.0;
    code.clear();
    // Rounds half away from zero, as `round` does, but many at a time. `as` takes NaN to 0.
    let nearest = |x: f32| (x + 0.5_f32.copysign(x)) as i32;
    code.extend(rotated.iter().map(|x| nearest(x / scale).clamp(-127, 127) as i8));
    scale
}

/// Standard errors that an estimate may be off before its row is missed. Measured in `docs/adr/0002-vector-index.md`.
const SIGMAS: f32 = 2.0;

/// A query in the two forms that the scan multiplies with.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The unit vector as it was given, for rescoring with full precision.
    pub(super) unit: Vec<f32>,
    /// What lies between the rotated query and the centre, in bit planes: plane `p` holds bit `p` of every coordinate.
    pub(super) planes: Vec<u64>,
    /// Sum over all coordinates and planes, were every bit to agree, times [`Self::step`].
    pub(super) agreement: f32,
    /// What one unit of weighted Hamming distance takes from it.
    pub(super) step: f32,
    /// How far the estimate of a row of error 1 may be off: [`SIGMAS`] times the residual's length.
    pub(super) slack: f32,
    /// `⟨query, centre⟩`, which estimates leave out because it is the same for every row.
    pub(super) shift: f32,
    /// The rotated query at 16 bits.
    pub(super) wide: Vec<i16>,
    /// What one unit of [`Self::wide`] is worth.
    pub(super) wide_scale: f32,
}

impl Prepared {
    /// Of a unit vector, the same rotated, and the centre of what will be scanned.
    pub(super) fn new(unit: Vec<f32>, rotated: &[f32], centre: &[f32]) -> Self {
        let words = rotated.len().div_ceil(64);
        let residual: Vec<f32> = rotated.iter().zip(centre).map(|(q, c)| q - c).collect();
        // x ≈ half · (2u − 15) with u in 0..=15, so that each bit plane is worth ± half · 2^p.
        let half = (largest(&residual) / 15.0).max(f32::MIN_POSITIVE);
        let mut planes = vec![0; PLANES * words];
        for (i, x) in residual.iter().enumerate() {
            let level = ((x / half + 15.0) / 2.0).round() as u8; // 0 to 15
            for (p, plane) in planes.chunks_exact_mut(words).enumerate() {
                plane[i / 64] |= u64::from(level >> p & 1) << (i % 64);
            }
        }
        // Sums of `127 · query` over all dimensions must stay within 32 bits.
        let bound = (i32::MAX as usize / 127 / rotated.len().max(1)).min(i16::MAX as usize) as f32;
        let wide_scale = largest(rotated) / bound;
        let wide = rotated.iter().map(|x| (x / wide_scale).round() as i16).collect();
        let agreement = half * 15.0 * rotated.len() as f32;
        let slack = SIGMAS * dot(&residual, &residual).sqrt();
        Self { unit, planes, agreement, step: 2.0 * half, slack, shift: dot(rotated, centre), wide, wide_scale }
    }

    /// The cosine that a code gives.
    pub(super) fn score(&self, kernel: Kernel, scale: f32, code: &[i8]) -> f32 {
        kernel.dot(code, &self.wide) as f32 * scale * self.wide_scale
    }
}

fn largest(v: &[f32]) -> f32 {
    v.iter().fold(0.0, |m, x| m.max(x.abs()))
}

/// Cosine of two unit vectors. The order of additions is fixed: the same on every machine.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        for ((sum, x), y) in sums.iter_mut().zip(a).zip(b) {
            *sum += x * y;
        }
    }
    sums.iter().sum()
}

/// [`dot`] with a row of little-endian bytes.
pub(super) fn dot_bytes(row: &[u8], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (row, _) = row.as_chunks::<4>();
    for (a, b) in row.chunks(LANES).zip(b.chunks(LANES)) {
        for ((sum, x), y) in sums.iter_mut().zip(a).zip(b) {
            *sum += f32::from_le_bytes(*x) * y;
        }
    }
    sums.iter().sum()
}

/// [`dot`] with a code, before its scale.
pub(super) fn dot_code(code: &[i8], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in code.chunks(LANES).zip(b.chunks(LANES)) {
        for ((sum, x), y) in sums.iter_mut().zip(a).zip(b) {
            *sum += f32::from(*x) * y;
        }
    }
    sums.iter().sum()
}

const LANES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::testing::Random;

    #[test]
    fn a_code_is_close_to_what_it_stands_for() {
        let mut random = Random::new(4);
        let v = random.unit(384);
        let mut code = Vec::new();
        let scale = encode(&v, &mut code);
        for (x, &c) in v.iter().zip(&code) {
            assert!((x - scale * f32::from(c)).abs() <= scale * 0.5001);
        }
        assert!(code.contains(&127) || code.contains(&-127));
    }

    #[test]
    fn bit_planes_hold_the_residual() {
        let mut random = Random::new(5);
        let (q, centre) = (random.unit(100), vec![0.01; 100]);
        let prepared = Prepared::new(q.clone(), &q, &centre);
        let half = prepared.step / 2.0;
        for (i, x) in q.iter().enumerate() {
            let bit = |p: usize| prepared.planes[p * 2 + i / 64] >> (i % 64) & 1;
            let level = (0..PLANES).map(|p| bit(p) << p).sum::<u64>();
            let back = half * (2.0 * level as f32 - 15.0);
            assert!((x - 0.01 - back).abs() <= half * 1.001, "{i}");
        }
    }

    #[test]
    fn rescoring_cannot_overflow() {
        for dim in [1, 384, 16_384] {
            let q = vec![1.0 / (dim as f32).sqrt(); dim];
            let prepared = Prepared::new(q.clone(), &q, &vec![0.0; dim]);
            let sum: i64 = prepared.wide.iter().map(|&w| i64::from(w) * 127).sum();
            assert!(i32::try_from(sum).is_ok(), "{dim}");
        }
    }

    #[test]
    fn bytes_and_floats_multiply_alike() {
        let mut random = Random::new(6);
        for dim in [1, 15, 16, 17, 384] {
            let (a, b) = (random.unit(dim), random.unit(dim));
            let bytes: Vec<u8> = a.iter().flat_map(|x| x.to_le_bytes()).collect();
            assert_eq!(dot(&a, &b), dot_bytes(&bytes, &b));
            let code: Vec<i8> = a.iter().map(|x| (x * 127.0).round() as i8).collect();
            let floats: Vec<f32> = code.iter().map(|x| f32::from(*x)).collect();
            assert_eq!(dot(&floats, &b), dot_code(&code, &b));
        }
    }
}
