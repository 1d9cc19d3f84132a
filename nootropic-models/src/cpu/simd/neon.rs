//! NEON: four registers a vector.
#![expect(unsafe_code, reason = "intrinsics; holding a `Neon` is proof that the machine has them")]

use std::arch::aarch64::*;

use super::{FAR, LANES, NEAR, Simd};

/// Proof that the machine has NEON and the dot-product instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Neon(());

impl Neon {
    #[target_feature(enable = "neon,dotprod")]
    pub(super) fn new() -> Self {
        Self(())
    }
}

/// A call of intrinsics, all of which need only what the value of type `Neon` proves.
macro_rules! intrinsic {
    ($call:expr) => {
        // SAFETY: the value is only made by code that is compiled for, and hence only runs on, such a machine; memory is reached
        // through references to arrays, within their bounds.
        unsafe { $call }
    };
}

/// An array of what `$each` gives for each of the four registers.
macro_rules! four {
    (|$i:ident| $each:expr) => {
        intrinsic!([
            {
                const $i: usize = 0;
                $each
            },
            {
                const $i: usize = 1;
                $each
            },
            {
                const $i: usize = 2;
                $each
            },
            {
                const $i: usize = 3;
                $each
            },
        ])
    };
}

/// Sixteen 16-bit numbers as four times four 32-bit ones.
#[inline(always)]
fn widen(low: uint16x8_t, high: uint16x8_t) -> [uint32x4_t; 4] {
    intrinsic!(
        [vmovl_u16(vget_low_u16(low)), vmovl_high_u16(low), vmovl_u16(vget_low_u16(high)), vmovl_high_u16(high),]
    )
}

#[inline(always)]
fn dot4(sums: [int32x4_t; 4], bytes: [int8x16_t; 4], x: [i8; 4]) -> [int32x4_t; 4] {
    let x = intrinsic!(vreinterpretq_s8_s32(vdupq_n_s32(bytemuck::cast(x))));
    let [a, b, c, d] = sums;
    [sdot(a, bytes[0], x), sdot(b, bytes[1], x), sdot(c, bytes[2], x), sdot(d, bytes[3], x)]
}

/// Adds to each lane the products of its four bytes: `vdotq_s32`, which Rust 1.95 does not have.
#[inline(always)]
fn sdot(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: one instruction on registers; `Neon` proves that the machine has it.
    unsafe {
        std::arch::asm!(
            ".arch_extension dotprod",
            "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// Four `f16` as `f32`: `vcvt_f32_f16`, which Rust 1.95 does not have.
#[inline(always)]
fn widen_f16(halves: uint8x8_t) -> float32x4_t {
    let wide: float32x4_t;
    // SAFETY: one instruction on registers, which every AArch64 machine has.
    unsafe {
        std::arch::asm!(
            "fcvtl {wide:v}.4s, {halves:v}.4h",
            wide = lateout(vreg) wide, halves = in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    wide
}

/// Four `f32` as `f16`, halves to even: `vcvt_f16_f32`, which Rust 1.95 does not have.
#[inline(always)]
fn narrow_f16(wide: float32x4_t) -> uint8x8_t {
    let halves: uint8x8_t;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "fcvtn {halves:v}.4h, {wide:v}.4s",
            halves = lateout(vreg) halves, wide = in(vreg) wide,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    halves
}

impl Simd for Neon {
    type F = [float32x4_t; 4];
    type I = [int32x4_t; 4];
    type B = [uint8x16_t; 4];

    const SIGNED_OFFSET: i32 = 0;
    const TOKENS: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        intrinsic!([vdupq_n_f32(x); 4])
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        four!(|I| vld1q_f32(from.as_ptr().add(4 * I)))
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        let _: [(); 4] = four!(|I| vst1q_f32(to.as_mut_ptr().add(4 * I), x[I]));
    }

    #[inline(always)]
    fn load_f16(self, from: &[u8; 2 * LANES]) -> Self::F {
        let (low, high) = intrinsic!((vld1q_u8(from.as_ptr()), vld1q_u8(from.as_ptr().add(LANES))));
        intrinsic!([
            widen_f16(vget_low_u8(low)),
            widen_f16(vget_high_u8(low)),
            widen_f16(vget_low_u8(high)),
            widen_f16(vget_high_u8(high)),
        ])
    }

    #[inline(always)]
    fn store_f16(self, x: Self::F, to: &mut [u8; 2 * LANES]) {
        let [a, b, c, d] = x;
        intrinsic!({
            vst1q_u8(to.as_mut_ptr(), vcombine_u8(narrow_f16(a), narrow_f16(b)));
            vst1q_u8(to.as_mut_ptr().add(LANES), vcombine_u8(narrow_f16(c), narrow_f16(d)));
        })
    }

    #[inline(always)]
    fn load_bf16(self, from: &[u8; 2 * LANES]) -> Self::F {
        let wide = intrinsic!(widen(
            vreinterpretq_u16_u8(vld1q_u8(from.as_ptr())),
            vreinterpretq_u16_u8(vld1q_u8(from.as_ptr().add(LANES))),
        ));
        four!(|I| vreinterpretq_f32_u32(vshlq_n_u32::<16>(wide[I])))
    }

    #[inline(always)]
    fn load_u8(self, from: &[u8; LANES]) -> Self::F {
        let bytes = intrinsic!(vld1q_u8(from.as_ptr()));
        let wide = intrinsic!(widen(vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes)));
        four!(|I| vcvtq_f32_u32(wide[I]))
    }

    #[inline(always)]
    fn load_i8(self, from: &[u8; LANES]) -> Self::F {
        intrinsic!({
            let bytes = vreinterpretq_s8_u8(vld1q_u8(from.as_ptr()));
            let (low, high) = (vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes));
            [
                vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
                vcvtq_f32_s32(vmovl_high_s16(low)),
                vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                vcvtq_f32_s32(vmovl_high_s16(high)),
            ]
        })
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        four!(|I| vaddq_f32(a[I], b[I]))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        four!(|I| vsubq_f32(a[I], b[I]))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        four!(|I| vmulq_f32(a[I], b[I]))
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        four!(|I| vdivq_f32(a[I], b[I]))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        four!(|I| vbslq_f32(vcgtq_f32(a[I], b[I]), a[I], b[I]))
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        four!(|I| vbslq_f32(vcltq_f32(a[I], b[I]), a[I], b[I]))
    }

    #[inline(always)]
    fn select_less(self, a: Self::F, b: Self::F, then: Self::F, otherwise: Self::F) -> Self::F {
        four!(|I| vbslq_f32(vcltq_f32(a[I], b[I]), then[I], otherwise[I]))
    }

    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        four!(|I| vfmaq_f32(c[I], a[I], b[I]))
    }

    #[inline(always)]
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
        four!(|I| vbslq_f32(vdupq_n_u32(1 << 31), b[I], a[I]))
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::F) -> Self::F {
        four!(|I| {
            let exponent = vshlq_n_u32::<23>(vreinterpretq_u32_f32(shifted[I]));
            vreinterpretq_f32_u32(vaddq_u32(exponent, vdupq_n_u32(1.0_f32.to_bits())))
        })
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> Self::I {
        intrinsic!([vdupq_n_s32(x); 4])
    }

    #[inline(always)]
    fn load_i32(self, from: &[i32; LANES]) -> Self::I {
        four!(|I| vld1q_s32(from.as_ptr().add(4 * I)))
    }

    #[inline(always)]
    fn to_f32(self, x: Self::I) -> Self::F {
        four!(|I| vcvtq_f32_s32(x[I]))
    }

    #[inline(always)]
    fn bytes(self, from: &[u8; 4 * LANES]) -> Self::B {
        four!(|I| vld1q_u8(from.as_ptr().add(16 * I)))
    }

    #[inline(always)]
    fn store_bytes(self, x: Self::B, offset: u8, to: &mut [u8; 4 * LANES]) {
        let _: [(); 4] = four!(|I| vst1q_u8(to.as_mut_ptr().add(16 * I), vsubq_u8(x[I], vdupq_n_u8(offset))));
    }

    #[inline(always)]
    fn low_nibbles(self, x: Self::B) -> Self::B {
        four!(|I| vandq_u8(x[I], vdupq_n_u8(15)))
    }

    #[inline(always)]
    fn high_nibbles(self, x: Self::B) -> Self::B {
        four!(|I| vshrq_n_u8::<4>(x[I]))
    }

    #[inline(always)]
    fn merge_bits(self, base: Self::B, bits: Self::B, shift: i32, mask: u8) -> Self::B {
        // Negative counts shift to the right.
        four!(|I| vorrq_u8(base[I], vandq_u8(vshlq_u8(bits[I], vdupq_n_s8(shift as i8)), vdupq_n_u8(mask))))
    }

    #[inline(always)]
    fn dot(self, sums: Self::I, bytes: Self::B, x: [i8; 4]) -> Self::I {
        dot4(sums, four!(|I| vreinterpretq_s8_u8(bytes[I])), x)
    }

    #[inline(always)]
    fn dot_signed(self, sums: Self::I, bytes: Self::B, x: [i8; 4]) -> Self::I {
        dot4(sums, four!(|I| vreinterpretq_s8_u8(veorq_u8(bytes[I], vdupq_n_u8(0x80)))), x)
    }

    #[inline(always)]
    fn dot_small(self, sums: Self::I, bytes: [Self::B; 2], x: &[[i8; 4]; 2]) -> Self::I {
        let low = dot4(sums, four!(|I| vreinterpretq_s8_u8(bytes[0][I])), x[0]);
        dot4(low, four!(|I| vreinterpretq_s8_u8(bytes[1][I])), x[1])
    }

    #[inline(always)]
    fn prefetch(self, from: &[u8]) {
        let (near, far) = (from.as_ptr().wrapping_add(NEAR), from.as_ptr().wrapping_add(FAR));
        // SAFETY: a prefetch reads nothing that is seen, from any address.
        unsafe {
            std::arch::asm!(
                "prfm pldl1keep, [{near}]",
                "prfm pldl2keep, [{far}]",
                near = in(reg) near, far = in(reg) far,
                options(nostack, readonly, preserves_flags),
            );
        }
    }
}
