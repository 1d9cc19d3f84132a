//! The loops with NEON: every 64-bit ARM.
#![expect(unsafe_code, reason = "vector loads take pointers, and calling a target-feature function needs its proof")]

use std::arch::aarch64::*;

use super::{BLOCK, PLANES, scalar};

/// Proof that the processor has the instructions; only [`detect`](Self::detect) makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::vectors) struct Neon(());

impl Neon {
    pub(super) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }

    pub(super) fn distances(self, bits: &[u64], planes: &[u64], out: &mut [i32]) {
        // SAFETY: `self` proves that the processor has NEON.
        unsafe { distances(bits, planes, out) }
    }

    pub(super) fn dot(self, code: &[i8], query: &[i16]) -> i32 {
        // SAFETY: `self` proves that the processor has NEON.
        unsafe { dot(code, query) }
    }
}

/// Rows in a register.
const LANES: usize = 2;

/// Words after which byte counters, 8 bits counted in each a word, must be emptied.
const FLUSH: usize = 31;

#[target_feature(enable = "neon")]
fn distances(bits: &[u64], planes: &[u64], out: &mut [i32]) {
    let words = planes.len() / PLANES;
    for (block, out) in bits.chunks_exact(words * BLOCK).zip(out.chunks_exact_mut(BLOCK)) {
        for (pair, out) in out.chunks_exact_mut(LANES).enumerate() {
            let mut total = vdupq_n_u64(0);
            for (p, plane) in planes.chunks_exact(words).enumerate() {
                let sum = plane_distance(&block[pair * LANES..], plane);
                total = vaddq_u64(total, vshlq_u64(sum, vdupq_n_s64(p as i64)));
            }
            out[0] = vgetq_lane_u64::<0>(total) as i32;
            out[1] = vgetq_lane_u64::<1>(total) as i32;
        }
    }
}

/// Differing bits of two rows against one plane. `rows` begins at the first of them; words lie `BLOCK` apart.
#[target_feature(enable = "neon")]
fn plane_distance(rows: &[u64], plane: &[u64]) -> uint64x2_t {
    let mut sum = vdupq_n_u64(0);
    for (part, plane) in plane.chunks(FLUSH).enumerate() {
        let mut bytes = vdupq_n_u8(0);
        for (w, &word) in plane.iter().enumerate() {
            let at = (part * FLUSH + w) * BLOCK;
            let row: &[u64] = &rows[at..at + LANES];
            // SAFETY: `row` is 2 words, 16 bytes.
            let row = unsafe { vld1q_u64(row.as_ptr()) };
            let differing = veorq_u64(row, vdupq_n_u64(word));
            bytes = vaddq_u8(bytes, vcntq_u8(vreinterpretq_u8_u64(differing)));
        }
        sum = vaddq_u64(sum, vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(bytes))));
    }
    sum
}

#[target_feature(enable = "neon")]
fn dot(code: &[i8], query: &[i16]) -> i32 {
    const LANES: usize = 8;
    let len = code.len().min(query.len());
    let (code, query) = (&code[..len], &query[..len]);
    let (mut low, mut high) = (vdupq_n_s32(0), vdupq_n_s32(0));
    for (code, query) in code.chunks_exact(LANES).zip(query.chunks_exact(LANES)) {
        // SAFETY: `code` is 8 bytes and `query` 16.
        let (code, query) = unsafe { (vld1_s8(code.as_ptr()), vld1q_s16(query.as_ptr())) };
        let code = vmovl_s8(code);
        low = vmlal_s16(low, vget_low_s16(code), vget_low_s16(query));
        high = vmlal_high_s16(high, code, query);
    }
    let tail = len - len % LANES;
    vaddvq_s32(vaddq_s32(low, high)).wrapping_add(scalar::dot(&code[tail..], &query[tail..]))
}
