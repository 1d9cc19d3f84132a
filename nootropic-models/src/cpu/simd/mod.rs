//! Vectors of sixteen lanes, one set of operations for every instruction set.
//!
//! Kernels are written once, generic over [`Simd`], and run through [`Isa::run`], which compiles them anew for each instruction
//! set. Integer operations are exact and floating-point ones are single IEEE operations on the same sixteen lanes, so every
//! instruction set gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(test)]
mod tests;

pub(in crate::cpu) use isa::{Isa, Kernel};

/// How many lanes a vector has, and rows a tile of a matrix.
pub(in crate::cpu) const LANES: usize = 16;

/// Adding it to a number below 2²² leaves the nearest integer, halves to even, in the low bits, as the sum has no room for a
/// fraction.
pub(in crate::cpu) const TO_INTEGER: f32 = 12_582_912.0; // 1.5 · 2²³

/// How far ahead, in bytes, the first cache is filled: in time for what is in the second.
const NEAR: usize = 512;

/// How far ahead the second cache is filled: what a core reads in the time memory takes. The processor looks ahead by itself, but
/// not as far.
const FAR: usize = 4096;

/// An instruction set. A value of such a type is proof that this machine has it, which makes every method safe to call.
pub(in crate::cpu) trait Simd: Copy + Send + Sync {
    /// Sixteen `f32`.
    type F: Copy;
    /// Sixteen `i32`.
    type I: Copy;
    /// 64 bytes: four to each of the sixteen lanes.
    type B: Copy;

    /// What is added to signed bytes before [`dot_signed`](Self::dot_signed) multiplies them, if it can only multiply unsigned
    /// ones: its sums are too large by this many times the sum of the activations.
    const SIGNED_OFFSET: i32;
    /// How many accumulators of a block over tokens fit the registers beside the weights.
    const TOKENS: usize;

    fn splat(self, x: f32) -> Self::F;
    fn load(self, from: &[f32; LANES]) -> Self::F;
    fn store(self, x: Self::F, to: &mut [f32; LANES]);
    /// Sixteen little-endian `f16`.
    fn load_f16(self, from: &[u8; 2 * LANES]) -> Self::F;
    /// The nearest `f16`, halves to even.
    fn store_f16(self, x: Self::F, to: &mut [u8; 2 * LANES]);
    /// Sixteen little-endian `bf16`.
    fn load_bf16(self, from: &[u8; 2 * LANES]) -> Self::F;
    fn load_u8(self, from: &[u8; LANES]) -> Self::F;
    fn load_i8(self, from: &[u8; LANES]) -> Self::F;

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a` where it is greater, else `b`: `b` if one of them is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a` where it is less, else `b`: `b` if one of them is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// `then` where `a < b`, else `otherwise`, also for NaN.
    fn select_less(self, a: Self::F, b: Self::F, then: Self::F, otherwise: Self::F) -> Self::F;
    /// `a · b + c`, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The magnitude of `a` with the sign of `b`.
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F;
    /// `2ⁿ` for integers `n` from -126 to 127, given as `n + 1.5 · 2²³`.
    fn power_of_two(self, shifted: Self::F) -> Self::F;

    fn splat_i32(self, x: i32) -> Self::I;
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "AMX only"))]
    fn load_i32(self, from: &[i32; LANES]) -> Self::I;
    fn to_f32(self, x: Self::I) -> Self::F;

    fn bytes(self, from: &[u8; 4 * LANES]) -> Self::B;
    /// The bytes less `offset` each.
    fn store_bytes(self, x: Self::B, offset: u8, to: &mut [u8; 4 * LANES]);
    /// The lower four bits of each byte.
    fn low_nibbles(self, x: Self::B) -> Self::B;
    /// The upper four bits of each byte.
    fn high_nibbles(self, x: Self::B) -> Self::B;
    /// `base | (bits << shift) & mask` in each byte; to the right for a negative shift. The mask must leave out what other bytes
    /// are shifted into.
    fn merge_bits(self, base: Self::B, bits: Self::B, shift: i32, mask: u8) -> Self::B;
    /// Adds to each lane the products of its four bytes, at most 63, with the four numbers of `x`, at least -127.
    fn dot(self, sums: Self::I, bytes: Self::B, x: [i8; 4]) -> Self::I;
    /// Adds to each lane the products of its four bytes, less 128 each, with the four numbers of `x`, at least -127.
    /// See [`SIGNED_OFFSET`](Self::SIGNED_OFFSET).
    fn dot_signed(self, sums: Self::I, bytes: Self::B, x: [i8; 4]) -> Self::I;
    /// Adds to each lane the products of its eight signed bytes, four in each vector and within ±90, with the eight numbers of `x`,
    /// from 0 to 91: so small that the sum of four products fits 16 bits.
    fn dot_small(self, sums: Self::I, bytes: [Self::B; 2], x: &[[i8; 4]; 2]) -> Self::I;

    /// Asks for what lies behind `from` and will be read soon: the near part from the second cache, the far part from memory.
    fn prefetch(self, from: &[u8]);

    #[inline(always)]
    fn zero(self) -> Self::F {
        self.splat(0.0)
    }

    /// Up to sixteen numbers, and `rest` in the lanes that are left.
    #[inline(always)]
    fn load_part(self, from: &[f32], rest: f32) -> Self::F {
        match from.as_array() {
            Some(from) => self.load(from),
            None => {
                let mut lanes = [rest; LANES];
                for (lane, from) in lanes.iter_mut().zip(from) {
                    *lane = *from;
                }
                self.load(&lanes)
            }
        }
    }

    /// Stores as many lanes as there is room for.
    #[inline(always)]
    fn store_part(self, x: Self::F, to: &mut [f32]) {
        match to.as_mut_array() {
            Some(to) => self.store(x, to),
            None => {
                let mut lanes = [0.0; LANES];
                self.store(x, &mut lanes);
                for (to, lane) in to.iter_mut().zip(&lanes) {
                    *to = *lane;
                }
            }
        }
    }

    /// The sum over the lanes, in a tree: lane `i` and `i + 8`, then `i + 4`, `i + 2`, `i + 1`.
    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(x, &mut lanes);
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
            width /= 2;
        }
        lanes[0]
    }

    /// The largest lane, in the same tree, with [`max`](Self::max).
    #[inline(always)]
    fn largest(self, x: Self::F) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(x, &mut lanes);
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                let (a, b) = (lanes[i], lanes[i + width]);
                lanes[i] = if a > b { a } else { b };
            }
            width /= 2;
        }
        lanes[0]
    }

    /// The integers nearest to numbers within ±127, which were shifted by [`TO_INTEGER`].
    #[inline(always)]
    fn store_integers(self, shifted: Self::F, to: &mut [i8; LANES]) {
        let mut lanes = [0.0; LANES];
        self.store(shifted, &mut lanes);
        for (to, lane) in to.iter_mut().zip(&lanes) {
            *to = lane.to_bits() as i8;
        }
    }
}
