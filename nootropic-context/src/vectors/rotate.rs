//! A fixed random rotation, so that no coordinate says more than another.

/// Turns a space by an orthogonal map that looks random but never changes.
///
/// Rounds of random signs and Walsh-Hadamard transforms, as in *Fast Johnson-Lindenstrauss* (Ailon and Chazelle, 2009);
/// where the dimension is no power of two, rounds transform its head and its tail in turn and mix the two halves.
/// Lengths and angles stay. Stored codes depend on it: a change is a new format version.
#[derive(Debug)]
pub(super) struct Rotation {
    signs: [Vec<f32>; ROUNDS],
    /// Largest power of two that fits.
    block: usize,
}

const ROUNDS: usize = 4;

impl Rotation {
    pub(super) fn new(dim: usize) -> Self {
        let mut state = dim as u64;
        let signs = std::array::from_fn(|_| {
            let sign = |_| if splitmix(&mut state) >> 63 == 0 { 1.0 } else { -1.0 };
            (0..dim).map(sign).collect()
        });
        Self { signs, block: if dim == 0 { 0 } else { 1 << dim.ilog2() } }
    }

    /// Rotates `v`, which has the dimension it was made for.
    pub(super) fn apply(&self, v: &mut [f32]) {
        let whole = v.len() == self.block;
        for (round, signs) in self.signs.iter().enumerate() {
            v.iter_mut().zip(signs).for_each(|(x, sign)| *x *= sign);
            let start = if round % 2 == 0 { 0 } else { v.len().saturating_sub(self.block) };
            hadamard(v.get_mut(start..start + self.block).unwrap_or_default());
            if !whole {
                mix_halves(v);
            }
        }
    }

    /// Rotates `v` back. Each step is its own inverse.
    pub(super) fn undo(&self, v: &mut [f32]) {
        let whole = v.len() == self.block;
        for (round, signs) in self.signs.iter().enumerate().rev() {
            if !whole {
                mix_halves(v);
            }
            let start = if round % 2 == 0 { 0 } else { v.len().saturating_sub(self.block) };
            hadamard(v.get_mut(start..start + self.block).unwrap_or_default());
            v.iter_mut().zip(signs).for_each(|(x, sign)| *x *= sign);
        }
    }
}

/// The Walsh-Hadamard transform, orthonormal. The length is a power of two.
fn hadamard(v: &mut [f32]) {
    let mut half = 1;
    while half < v.len() {
        for pair in v.chunks_exact_mut(2 * half) {
            let (a, b) = pair.split_at_mut(half);
            for (a, b) in a.iter_mut().zip(b) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let scale = 1.0 / (v.len() as f32).sqrt();
    v.iter_mut().for_each(|x| *x *= scale);
}

fn mix_halves(v: &mut [f32]) {
    let (a, b) = v.split_at_mut(v.len() / 2);
    for (a, b) in a.iter_mut().zip(b) {
        let (sum, difference) = (*a + *b, *a - *b);
        *a = sum * std::f32::consts::FRAC_1_SQRT_2;
        *b = difference * std::f32::consts::FRAC_1_SQRT_2;
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::testing::Random;

    #[test]
    fn angles_stay() {
        let mut random = Random::new(3);
        for dim in [1, 2, 3, 5, 64, 65, 127, 384, 768, 1000] {
            let rotation = Rotation::new(dim);
            let (a, b) = (random.unit(dim), random.unit(dim));
            let (mut ra, mut rb) = (a.clone(), b.clone());
            rotation.apply(&mut ra);
            rotation.apply(&mut rb);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
            assert!((dot(&a, &b) - dot(&ra, &rb)).abs() < 1e-5, "{dim}");
            assert!((dot(&ra, &ra) - 1.0).abs() < 1e-5, "{dim}");
            rotation.undo(&mut ra);
            assert!(a.iter().zip(&ra).all(|(x, y)| (x - y).abs() < 1e-5), "{dim}: there and back");
        }
    }

    #[test]
    fn one_coordinate_is_spread_over_all() {
        for dim in [64, 100, 384, 511] {
            for axis in [0, dim / 2, dim - 1] {
                let mut v = vec![0.0; dim];
                v[axis] = 1.0;
                Rotation::new(dim).apply(&mut v);
                let largest = v.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
                assert!(largest < 6.0 / (dim as f32).sqrt(), "{dim} {axis}: {largest}");
            }
        }
    }

    /// Stored codes are of rotated vectors: these numbers are part of the format.
    #[test]
    fn the_rotation_never_changes() {
        let mut v: Vec<f32> = (0..6_u8).map(f32::from).collect();
        Rotation::new(6).apply(&mut v);
        let rounded: Vec<i32> = v.iter().map(|x| (x * 1000.0).round() as i32).collect();
        assert_eq!(rounded, [-1062, -7062, 0, -1938, 313, -375]);
    }
}
