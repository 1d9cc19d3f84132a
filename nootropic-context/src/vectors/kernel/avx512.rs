//! The loops with AVX-512 (VPOPCNTDQ and BW): Zen 4 and later, Ice Lake and later.
#![expect(unsafe_code, reason = "vector loads take pointers, and calling a target-feature function needs its proof")]

use std::arch::x86_64::*;

use super::{BLOCK, PLANES, Prepared, Terms, scalar};

/// Proof that the processor has the instructions; only [`detect`](Self::detect) makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::vectors) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vpopcntdq"))
        .then_some(Self(()))
    }

    pub(super) fn distances(self, bits: &[u64], planes: &[u64], out: &mut [i32]) {
        // SAFETY: `self` proves that the processor has the features.
        unsafe { distances(bits, planes, out) }
    }

    pub(super) fn estimates(
        self,
        distances: &[i32],
        terms: Terms<'_>,
        query: &Prepared,
        likely: &mut [f32],
        most: &mut [f32],
    ) {
        // SAFETY: `self` proves that the processor has the features.
        unsafe { estimates(distances, terms, query, likely, most) }
    }

    pub(super) fn dot(self, code: &[i8], query: &[i16]) -> i32 {
        // SAFETY: `self` proves that the processor has the features.
        unsafe { dot(code, query) }
    }
}

#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn distances(bits: &[u64], planes: &[u64], out: &mut [i32]) {
    let words = planes.len() / PLANES;
    for (block, out) in bits.chunks_exact(words * BLOCK).zip(out.chunks_exact_mut(BLOCK)) {
        let mut sums = [_mm512_setzero_si512(); PLANES];
        for (w, rows) in block.chunks_exact(BLOCK).enumerate() {
            // SAFETY: `rows` is 8 words, 64 bytes; the load needs no alignment.
            let rows = unsafe { _mm512_loadu_si512(rows.as_ptr().cast()) };
            for (sum, plane) in sums.iter_mut().zip(planes.chunks_exact(words)) {
                let differing = _mm512_xor_si512(rows, _mm512_set1_epi64(plane[w].cast_signed()));
                *sum = _mm512_add_epi64(*sum, _mm512_popcnt_epi64(differing));
            }
        }
        let low = _mm512_add_epi64(sums[0], _mm512_slli_epi64::<1>(sums[1]));
        let high = _mm512_add_epi64(sums[2], _mm512_slli_epi64::<1>(sums[3]));
        let total = _mm512_add_epi64(low, _mm512_slli_epi64::<2>(high));
        // SAFETY: `out` is 8 × 4 = 32 bytes; the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(total)) };
    }
}

#[target_feature(enable = "avx512f")]
fn estimates(distances: &[i32], terms: Terms<'_>, query: &Prepared, likely: &mut [f32], most: &mut [f32]) {
    scalar::estimates(distances, terms, query, likely, most);
}

#[target_feature(enable = "avx512f,avx512bw")]
fn dot(code: &[i8], query: &[i16]) -> i32 {
    const LANES: usize = 32;
    let len = code.len().min(query.len());
    let (code, query) = (&code[..len], &query[..len]);
    let mut sum = _mm512_setzero_si512();
    for (code, query) in code.chunks_exact(LANES).zip(query.chunks_exact(LANES)) {
        // SAFETY: `code` is 32 bytes and `query` 64; the loads need no alignment.
        let (code, query) =
            unsafe { (_mm256_loadu_si256(code.as_ptr().cast()), _mm512_loadu_si512(query.as_ptr().cast())) };
        sum = _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_cvtepi8_epi16(code), query));
    }
    let tail = len - len % LANES;
    _mm512_reduce_add_epi32(sum).wrapping_add(scalar::dot(&code[tail..], &query[tail..]))
}
