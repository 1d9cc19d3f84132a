//! AVX-512 with VNNI: one register a vector.
#![expect(unsafe_code, reason = "intrinsics; holding an `Avx512` is proof that the machine has them")]

use std::arch::x86_64::*;

use super::{FAR, LANES, NEAR, Simd};

/// Proof that the machine has AVX-512 F, BW, DQ, VL and VNNI.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(super) fn new() -> Self {
        Self(())
    }
}

/// A call of intrinsics, all of which need only what the value of type `Avx512` proves.
macro_rules! intrinsic {
    ($call:expr) => {
        // SAFETY: the value is only made by code that is compiled for, and hence only runs on, such a machine; memory is reached
        // through references to arrays of the size that is read or written.
        unsafe { $call }
    };
}

impl Simd for Avx512 {
    type F = __m512;
    type I = __m512i;
    type B = __m512i;

    const SIGNED_OFFSET: i32 = 128;
    const TOKENS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        intrinsic!(_mm512_set1_ps(x))
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        intrinsic!(_mm512_loadu_ps(from.as_ptr()))
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        intrinsic!(_mm512_storeu_ps(to.as_mut_ptr(), x))
    }

    #[inline(always)]
    fn load_f16(self, from: &[u8; 2 * LANES]) -> Self::F {
        intrinsic!(_mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())))
    }

    #[inline(always)]
    fn store_f16(self, x: Self::F, to: &mut [u8; 2 * LANES]) {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        intrinsic!(_mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtps_ph::<NEAREST>(x)))
    }

    #[inline(always)]
    fn load_bf16(self, from: &[u8; 2 * LANES]) -> Self::F {
        intrinsic!({
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.as_ptr().cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        })
    }

    #[inline(always)]
    fn load_u8(self, from: &[u8; LANES]) -> Self::F {
        intrinsic!(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.as_ptr().cast()))))
    }

    #[inline(always)]
    fn load_i8(self, from: &[u8; LANES]) -> Self::F {
        intrinsic!(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast()))))
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!(_mm512_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!(_mm512_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!(_mm512_mul_ps(a, b))
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!(_mm512_div_ps(a, b))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!(_mm512_max_ps(a, b))
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!(_mm512_min_ps(a, b))
    }

    #[inline(always)]
    fn select_less(self, a: Self::F, b: Self::F, then: Self::F, otherwise: Self::F) -> Self::F {
        intrinsic!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), otherwise, then))
    }

    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        intrinsic!(_mm512_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!({
            let sign = _mm512_set1_ps(-0.0);
            _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, b))
        })
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::F) -> Self::F {
        intrinsic!({
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
            _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(1.0_f32.to_bits() as i32)))
        })
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> Self::I {
        intrinsic!(_mm512_set1_epi32(x))
    }

    #[inline(always)]
    fn load_i32(self, from: &[i32; LANES]) -> Self::I {
        intrinsic!(_mm512_loadu_si512(from.as_ptr().cast()))
    }

    #[inline(always)]
    fn to_f32(self, x: Self::I) -> Self::F {
        intrinsic!(_mm512_cvtepi32_ps(x))
    }

    #[inline(always)]
    fn bytes(self, from: &[u8; 4 * LANES]) -> Self::B {
        intrinsic!(_mm512_loadu_si512(from.as_ptr().cast()))
    }

    #[inline(always)]
    fn store_bytes(self, x: Self::B, offset: u8, to: &mut [u8; 4 * LANES]) {
        intrinsic!(_mm512_storeu_si512(to.as_mut_ptr().cast(), _mm512_sub_epi8(x, _mm512_set1_epi8(offset as i8))))
    }

    #[inline(always)]
    fn low_nibbles(self, x: Self::B) -> Self::B {
        intrinsic!(_mm512_and_si512(x, _mm512_set1_epi8(15)))
    }

    #[inline(always)]
    fn high_nibbles(self, x: Self::B) -> Self::B {
        intrinsic!(_mm512_and_si512(_mm512_srli_epi16::<4>(x), _mm512_set1_epi8(15)))
    }

    #[inline(always)]
    fn merge_bits(self, base: Self::B, bits: Self::B, shift: i32, mask: u8) -> Self::B {
        intrinsic!({
            let shifted = match shift {
                0 => bits,
                1.. => _mm512_sll_epi16(bits, _mm_cvtsi32_si128(shift)),
                _ => _mm512_srl_epi16(bits, _mm_cvtsi32_si128(-shift)),
            };
            const OR_AND: i32 = 0b1111_1000; // a | b & c
            _mm512_ternarylogic_epi32::<OR_AND>(base, shifted, _mm512_set1_epi8(mask as i8))
        })
    }

    #[inline(always)]
    fn dot(self, sums: Self::I, bytes: Self::B, x: [i8; 4]) -> Self::I {
        intrinsic!(_mm512_dpbusd_epi32(sums, bytes, _mm512_set1_epi32(bytemuck::cast::<[i8; 4], i32>(x))))
    }

    #[inline(always)]
    fn dot_signed(self, sums: Self::I, bytes: Self::B, x: [i8; 4]) -> Self::I {
        self.dot(sums, bytes, x)
    }

    #[inline(always)]
    fn dot_small(self, sums: Self::I, bytes: [Self::B; 2], x: &[[i8; 4]; 2]) -> Self::I {
        intrinsic!({
            let [low, high] = x.map(|x| _mm512_set1_epi32(bytemuck::cast::<[i8; 4], i32>(x)));
            _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sums, low, bytes[0]), high, bytes[1])
        })
    }

    #[inline(always)]
    fn prefetch(self, from: &[u8]) {
        let from = from.as_ptr();
        intrinsic!({
            _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(NEAR).cast());
            _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(FAR).cast());
        })
    }

    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        intrinsic!({
            let eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x));
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }

    #[inline(always)]
    fn largest(self, x: Self::F) -> f32 {
        intrinsic!({
            let eight = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x));
            let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        })
    }

    #[inline(always)]
    fn store_integers(self, shifted: Self::F, to: &mut [i8; LANES]) {
        intrinsic!(_mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(_mm512_castps_si512(shifted))))
    }
}
