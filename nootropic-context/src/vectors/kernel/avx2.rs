//! The loops with AVX2: x86-64 since 2013.
#![expect(unsafe_code, reason = "vector loads take pointers, and calling a target-feature function needs its proof")]

use std::arch::x86_64::*;

use super::{BLOCK, PLANES, Prepared, Terms, scalar};

/// Proof that the processor has the instructions; only [`detect`](Self::detect) makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::vectors) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    pub(super) fn distances(self, bits: &[u64], planes: &[u64], out: &mut [i32]) {
        // SAFETY: `self` proves that the processor has AVX2.
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
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe { dot(code, query) }
    }
}

/// Rows in a register.
const LANES: usize = 4;

/// Words after which byte counters, 8 bits counted in each a word, must be emptied.
const FLUSH: usize = 31;

#[target_feature(enable = "avx2")]
fn distances(bits: &[u64], planes: &[u64], out: &mut [i32]) {
    let words = planes.len() / PLANES;
    for (block, out) in bits.chunks_exact(words * BLOCK).zip(out.chunks_exact_mut(BLOCK)) {
        for (half, out) in out.chunks_exact_mut(LANES).enumerate() {
            let mut total = _mm256_setzero_si256();
            for (p, plane) in planes.chunks_exact(words).enumerate() {
                let sum = plane_distance(&block[half * LANES..], plane);
                total = _mm256_add_epi64(total, _mm256_sll_epi64(sum, _mm_cvtsi32_si128(p as i32)));
            }
            let mut lanes = [0_i64; LANES];
            // SAFETY: `lanes` is 32 bytes; the store needs no alignment.
            unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), total) };
            for (out, lane) in out.iter_mut().zip(lanes) {
                *out = lane as i32;
            }
        }
    }
}

/// Differing bits of four rows against one plane. `rows` begins at the first of them; words lie `BLOCK` apart.
#[target_feature(enable = "avx2")]
fn plane_distance(rows: &[u64], plane: &[u64]) -> __m256i {
    let counts = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, //
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    );
    let nibble = _mm256_set1_epi8(0x0f);
    let zero = _mm256_setzero_si256();
    let mut sum = zero;
    for (part, plane) in plane.chunks(FLUSH).enumerate() {
        let mut bytes = zero;
        for (w, &word) in plane.iter().enumerate() {
            let at = (part * FLUSH + w) * BLOCK;
            let row: &[u64] = &rows[at..at + LANES];
            // SAFETY: `row` is 4 words, 32 bytes; the load needs no alignment.
            let row = unsafe { _mm256_loadu_si256(row.as_ptr().cast()) };
            let differing = _mm256_xor_si256(row, _mm256_set1_epi64x(word.cast_signed()));
            let low = _mm256_shuffle_epi8(counts, _mm256_and_si256(differing, nibble));
            let high = _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi64::<4>(differing), nibble));
            bytes = _mm256_add_epi8(bytes, _mm256_add_epi8(low, high));
        }
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(bytes, zero));
    }
    sum
}

#[target_feature(enable = "avx2")]
fn estimates(distances: &[i32], terms: Terms<'_>, query: &Prepared, likely: &mut [f32], most: &mut [f32]) {
    scalar::estimates(distances, terms, query, likely, most);
}

#[target_feature(enable = "avx2")]
fn dot(code: &[i8], query: &[i16]) -> i32 {
    const LANES: usize = 16;
    let len = code.len().min(query.len());
    let (code, query) = (&code[..len], &query[..len]);
    let mut sum = _mm256_setzero_si256();
    for (code, query) in code.chunks_exact(LANES).zip(query.chunks_exact(LANES)) {
        // SAFETY: `code` is 16 bytes and `query` 32; the loads need no alignment.
        let (code, query) =
            unsafe { (_mm_loadu_si128(code.as_ptr().cast()), _mm256_loadu_si256(query.as_ptr().cast())) };
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_cvtepi8_epi16(code), query));
    }
    let mut lanes = [0_i32; 8];
    // SAFETY: `lanes` is 32 bytes; the store needs no alignment.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sum) };
    let tail = len - len % LANES;
    lanes.into_iter().fold(scalar::dot(&code[tail..], &query[tail..]), i32::wrapping_add)
}
