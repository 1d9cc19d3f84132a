//! The inner loops of the scan, on whatever instructions the processor has.
//!
//! They are integer arithmetic, or floating point in a fixed order, so every kernel gives the same answer to the last bit;
//! the tests hold them to [`scalar`], which is also what runs where nothing better is found.

mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

use std::sync::OnceLock;

use super::code::Prepared;

/// Bits of a quantized query coordinate: one bit plane each.
pub(super) const PLANES: usize = 4;

/// Rows whose sign bits lie interleaved in one block: as many 64-bit lanes as the widest register has.
pub(super) const BLOCK: usize = 8;

/// What a page knows of its rows beside their sign bits; see [`Page`](super::page::Page).
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) offsets: &'a [f32],
    pub(super) factors: &'a [f32],
    pub(super) errors: &'a [f32],
}

/// A way to run the loops. Only made by detection, so that holding one proves the instructions exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
}

impl Kernel {
    /// The best this processor has, found once.
    pub(super) fn best() -> Self {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().last().copied().unwrap_or(Self::Scalar))
    }

    /// All that this processor has, slowest first.
    pub(super) fn available() -> Vec<Self> {
        let mut kernels = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(avx2::Avx2::detect().map(Self::Avx2));
            kernels.extend(avx512::Avx512::detect().map(Self::Avx512));
        }
        #[cfg(target_arch = "aarch64")]
        kernels.extend(neon::Neon::detect().map(Self::Neon));
        kernels
    }

    /// Weighted Hamming distances `Σ_p 2^p · |row ⊕ plane_p|` between rows of sign bits and a query of bit planes.
    ///
    /// # Shapes
    /// - `bits`: `[blocks, words, BLOCK]`, word `w` of eight rows side by side
    /// - `planes`: `[PLANES, words]`
    /// - `out`: `[blocks, BLOCK]`
    ///
    /// Whatever of `bits` or `out` exceeds the other is left alone.
    pub(super) fn distances(self, bits: &[u64], planes: &[u64], out: &mut [i32]) {
        debug_assert!(planes.len().is_multiple_of(PLANES));
        if planes.len() < PLANES {
            return; // no dimensions
        }
        match self {
            Self::Scalar => scalar::distances(bits, planes, out),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(kernel) => kernel.distances(bits, planes, out),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(kernel) => kernel.distances(bits, planes, out),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(kernel) => kernel.distances(bits, planes, out),
        }
    }

    /// Scores by sign bits: `likely = offset + factor · (agreement − step · distance)`, `most = likely + error · slack`.
    pub(super) fn estimates(
        self,
        distances: &[i32],
        terms: Terms<'_>,
        query: &Prepared,
        likely: &mut [f32],
        most: &mut [f32],
    ) {
        match self {
            Self::Scalar => scalar::estimates(distances, terms, query, likely, most),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(kernel) => kernel.estimates(distances, terms, query, likely, most),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(kernel) => kernel.estimates(distances, terms, query, likely, most),
            #[cfg(target_arch = "aarch64")] // what the compiler makes of the plain loop is NEON already
            Self::Neon(_) => scalar::estimates(distances, terms, query, likely, most),
        }
    }

    /// `Σ code · query` over the shorter of the two, modulo 2³².
    pub(super) fn dot(self, code: &[i8], query: &[i16]) -> i32 {
        match self {
            Self::Scalar => scalar::dot(code, query),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(kernel) => kernel.dot(code, query),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(kernel) => kernel.dot(code, query),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(kernel) => kernel.dot(code, query),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::testing::Random;

    #[test]
    fn every_kernel_measures_distances_like_the_scalar_one() {
        let mut random = Random::new(1);
        for words in [1, 2, 3, 6, 7, 12, 31, 32, 63, 70] {
            for blocks in [0, 1, 2, 3, 9] {
                let bits: Vec<u64> = (0..blocks * words * BLOCK).map(|_| random.next()).collect();
                let planes: Vec<u64> = (0..PLANES * words).map(|_| random.next()).collect();
                let mut expected = vec![-1; blocks * BLOCK];
                Kernel::Scalar.distances(&bits, &planes, &mut expected);
                for kernel in Kernel::available() {
                    let mut got = vec![-1; blocks * BLOCK];
                    kernel.distances(&bits, &planes, &mut got);
                    assert_eq!(got, expected, "{kernel:?}, {words} words, {blocks} blocks");
                }
            }
        }
    }

    #[test]
    fn distances_of_all_bits_set_do_not_overflow_a_lane() {
        for words in [6, 64, 256] {
            let (bits, planes) = (vec![u64::MAX; words * BLOCK], vec![0; PLANES * words]);
            for kernel in Kernel::available() {
                let mut got = [0; BLOCK];
                kernel.distances(&bits, &planes, &mut got);
                assert_eq!(got, [i32::try_from(words * 64 * 15).unwrap(); BLOCK], "{kernel:?}");
            }
        }
    }

    #[test]
    fn a_distance_counts_differing_bits_by_plane_weight() {
        let mut bits = vec![0; BLOCK]; // one word
        bits[3] = 0b1011;
        let planes = [0b1011, 0b0011, 0, u64::MAX];
        for kernel in Kernel::available() {
            let mut got = [0; BLOCK];
            kernel.distances(&bits, &planes, &mut got);
            assert_eq!(got[3], 2 + 4 * 3 + 8 * 61, "{kernel:?}");
            assert_eq!(got[0], 3 + 2 * 2 + 8 * 64, "{kernel:?}");
        }
    }

    #[test]
    fn every_kernel_estimates_like_the_scalar_one() {
        let mut random = Random::new(3);
        let q = random.unit(64);
        let query = Prepared::new(q.clone(), &q, &random.unit(64));
        for len in [0, 1, 15, 16, 17, 100] {
            let mut numbers = || (0..len).map(|_| random.normal()).collect::<Vec<_>>();
            let (offsets, factors, errors) = (numbers(), numbers(), numbers());
            let terms = Terms { offsets: &offsets, factors: &factors, errors: &errors };
            let distances: Vec<i32> = (0..len).map(|_| (random.next() % 960) as i32).collect();
            let run = |kernel: Kernel| {
                let (mut likely, mut most) = (vec![0.0; len], vec![0.0; len]);
                kernel.estimates(&distances, terms, &query, &mut likely, &mut most);
                (likely, most)
            };
            let expected = run(Kernel::Scalar);
            for kernel in Kernel::available() {
                assert_eq!(run(kernel), expected, "{kernel:?}, {len} rows");
            }
        }
    }

    #[test]
    fn every_kernel_multiplies_like_the_scalar_one() {
        let mut random = Random::new(2);
        for len in (0..130).chain([384, 385, 767, 768, 1024, 4096]) {
            let code: Vec<i8> = (0..len).map(|_| random.next() as i8).collect();
            let query: Vec<i16> = (0..len).map(|_| random.next() as i16).collect();
            let expected = code.iter().zip(&query).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum::<i64>() as i32;
            for kernel in Kernel::available() {
                assert_eq!(kernel.dot(&code, &query), expected, "{kernel:?}, {len} dimensions");
            }
        }
    }

    #[test]
    fn extreme_codes_multiply_exactly() {
        let (code, query) = (vec![-128_i8; 64], vec![-32_768_i16; 64]);
        for kernel in Kernel::available() {
            assert_eq!(kernel.dot(&code, &query), 64 * 128 * 32_768, "{kernel:?}");
        }
    }
}
