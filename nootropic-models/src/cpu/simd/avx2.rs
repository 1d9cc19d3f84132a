//! AVX2 with FMA and F16C: two registers a vector.
#![expect(unsafe_code, reason = "intrinsics; holding an `Avx2` is proof that the machine has them")]

use std::arch::x86_64::*;

use super::{FAR, LANES, NEAR, Simd};

/// Proof that the machine has AVX2, FMA and F16C.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn new() -> Self {
        Self(())
    }
}

/// A call of intrinsics, all of which need only what the value of type `Avx2` proves.
macro_rules! intrinsic {
    ($call:expr) => {
        // SAFETY: the value is only made by code that is compiled for, and hence only runs on, such a machine; memory is reached
        // through references to arrays, within their bounds.
        unsafe { $call }
    };
}

impl Avx2 {
    #[inline(always)]
    fn half(self, from: &[u8; 2 * LANES], upper: bool) -> __m128i {
        intrinsic!(_mm_loadu_si128(from.as_ptr().add(if upper { LANES } else { 0 }).cast()))
    }

    /// Sums of four products each. Unsigned times signed bytes are added in pairs, into 16 bits; the sums must fit.
    #[inline(always)]
    fn products(self, bytes: __m256i, x: __m256i) -> __m256i {
        intrinsic!(_mm256_madd_epi16(_mm256_maddubs_epi16(bytes, x), _mm256_set1_epi16(1)))
    }
}

impl Simd for Avx2 {
    type F = [__m256; 2];
    type I = [__m256i; 2];
    type B = [__m256i; 2];

    const SIGNED_OFFSET: i32 = 0;
    const TOKENS: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        intrinsic!([_mm256_set1_ps(x); 2])
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        intrinsic!([_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))])
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        intrinsic!({
            _mm256_storeu_ps(to.as_mut_ptr(), x[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), x[1]);
        })
    }

    #[inline(always)]
    fn load_f16(self, from: &[u8; 2 * LANES]) -> Self::F {
        intrinsic!([_mm256_cvtph_ps(self.half(from, false)), _mm256_cvtph_ps(self.half(from, true))])
    }

    #[inline(always)]
    fn store_f16(self, x: Self::F, to: &mut [u8; 2 * LANES]) {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT;
        intrinsic!({
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm256_cvtps_ph::<NEAREST>(x[0]));
            _mm_storeu_si128(to.as_mut_ptr().add(LANES).cast(), _mm256_cvtps_ph::<NEAREST>(x[1]));
        })
    }

    #[inline(always)]
    fn load_bf16(self, from: &[u8; 2 * LANES]) -> Self::F {
        intrinsic!({
            let low = _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(self.half(from, false)));
            let high = _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(self.half(from, true)));
            [_mm256_castsi256_ps(low), _mm256_castsi256_ps(high)]
        })
    }

    #[inline(always)]
    fn load_u8(self, from: &[u8; LANES]) -> Self::F {
        intrinsic!({
            let bytes = _mm_loadu_si128(from.as_ptr().cast());
            let upper = _mm_unpackhi_epi64(bytes, bytes);
            [_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)), _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(upper))]
        })
    }

    #[inline(always)]
    fn load_i8(self, from: &[u8; LANES]) -> Self::F {
        intrinsic!({
            let bytes = _mm_loadu_si128(from.as_ptr().cast());
            let upper = _mm_unpackhi_epi64(bytes, bytes);
            [_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(upper))]
        })
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!([_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!([_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!([_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!([_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!([_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!([_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn select_less(self, a: Self::F, b: Self::F, then: Self::F, otherwise: Self::F) -> Self::F {
        intrinsic!([
            _mm256_blendv_ps(otherwise[0], then[0], _mm256_cmp_ps::<_CMP_LT_OQ>(a[0], b[0])),
            _mm256_blendv_ps(otherwise[1], then[1], _mm256_cmp_ps::<_CMP_LT_OQ>(a[1], b[1])),
        ])
    }

    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        intrinsic!([_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])])
    }

    #[inline(always)]
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsic!({
            let sign = _mm256_set1_ps(-0.0);
            [
                _mm256_or_ps(_mm256_andnot_ps(sign, a[0]), _mm256_and_ps(sign, b[0])),
                _mm256_or_ps(_mm256_andnot_ps(sign, a[1]), _mm256_and_ps(sign, b[1])),
            ]
        })
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::F) -> Self::F {
        intrinsic!({
            let one = _mm256_set1_epi32(1.0_f32.to_bits() as i32);
            let low = _mm256_add_epi32(_mm256_slli_epi32::<23>(_mm256_castps_si256(shifted[0])), one);
            let high = _mm256_add_epi32(_mm256_slli_epi32::<23>(_mm256_castps_si256(shifted[1])), one);
            [_mm256_castsi256_ps(low), _mm256_castsi256_ps(high)]
        })
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> Self::I {
        intrinsic!([_mm256_set1_epi32(x); 2])
    }

    #[inline(always)]
    fn load_i32(self, from: &[i32; LANES]) -> Self::I {
        intrinsic!([_mm256_loadu_si256(from.as_ptr().cast()), _mm256_loadu_si256(from.as_ptr().add(8).cast())])
    }

    #[inline(always)]
    fn to_f32(self, x: Self::I) -> Self::F {
        intrinsic!([_mm256_cvtepi32_ps(x[0]), _mm256_cvtepi32_ps(x[1])])
    }

    #[inline(always)]
    fn bytes(self, from: &[u8; 4 * LANES]) -> Self::B {
        intrinsic!([_mm256_loadu_si256(from.as_ptr().cast()), _mm256_loadu_si256(from.as_ptr().add(32).cast())])
    }

    #[inline(always)]
    fn store_bytes(self, x: Self::B, offset: u8, to: &mut [u8; 4 * LANES]) {
        intrinsic!({
            let offset = _mm256_set1_epi8(offset as i8);
            _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm256_sub_epi8(x[0], offset));
            _mm256_storeu_si256(to.as_mut_ptr().add(32).cast(), _mm256_sub_epi8(x[1], offset));
        })
    }

    #[inline(always)]
    fn low_nibbles(self, x: Self::B) -> Self::B {
        intrinsic!([_mm256_and_si256(x[0], _mm256_set1_epi8(15)), _mm256_and_si256(x[1], _mm256_set1_epi8(15))])
    }

    #[inline(always)]
    fn high_nibbles(self, x: Self::B) -> Self::B {
        intrinsic!(self.low_nibbles([_mm256_srli_epi16::<4>(x[0]), _mm256_srli_epi16::<4>(x[1])]))
    }

    #[inline(always)]
    fn merge_bits(self, base: Self::B, bits: Self::B, shift: i32, mask: u8) -> Self::B {
        intrinsic!({
            let mask = _mm256_set1_epi8(mask as i8);
            let (left, right) = (_mm_cvtsi32_si128(shift), _mm_cvtsi32_si128(-shift));
            let shifted = match shift {
                0 => bits,
                1.. => [_mm256_sll_epi16(bits[0], left), _mm256_sll_epi16(bits[1], left)],
                _ => [_mm256_srl_epi16(bits[0], right), _mm256_srl_epi16(bits[1], right)],
            };
            [
                _mm256_or_si256(base[0], _mm256_and_si256(shifted[0], mask)),
                _mm256_or_si256(base[1], _mm256_and_si256(shifted[1], mask)),
            ]
        })
    }

    #[inline(always)]
    fn dot(self, sums: Self::I, bytes: Self::B, x: [i8; 4]) -> Self::I {
        // Pairs are at most 2 · 63 · 127 and do not saturate.
        intrinsic!({
            let x = _mm256_set1_epi32(bytemuck::cast::<[i8; 4], i32>(x));
            [
                _mm256_add_epi32(sums[0], self.products(bytes[0], x)),
                _mm256_add_epi32(sums[1], self.products(bytes[1], x)),
            ]
        })
    }

    #[inline(always)]
    fn dot_signed(self, sums: Self::I, bytes: Self::B, x: [i8; 4]) -> Self::I {
        // The magnitude of the weight times the activation with the weight's sign: pairs are at most 2 · 128 · 127 = 32,512 and
        // do not saturate, which unsigned weights to 255 would.
        intrinsic!({
            let x = _mm256_set1_epi32(bytemuck::cast::<[i8; 4], i32>(x));
            let flip = _mm256_set1_epi8(-128);
            let (a, b) = (_mm256_xor_si256(bytes[0], flip), _mm256_xor_si256(bytes[1], flip));
            let low = self.products(_mm256_abs_epi8(a), _mm256_sign_epi8(x, a));
            let high = self.products(_mm256_abs_epi8(b), _mm256_sign_epi8(x, b));
            [_mm256_add_epi32(sums[0], low), _mm256_add_epi32(sums[1], high)]
        })
    }

    #[inline(always)]
    fn dot_small(self, sums: Self::I, bytes: [Self::B; 2], x: &[[i8; 4]; 2]) -> Self::I {
        // Four products are at most 4 · 90 · 91 = 32,760: added in 16 bits, which takes three multiplications where pairs take four.
        intrinsic!({
            // Each broadcast from memory, which takes no arithmetic unit; both by value would be loaded as one and split.
            let low = _mm256_set1_epi32(x[0].as_ptr().cast::<i32>().read_unaligned());
            let high = _mm256_set1_epi32(x[1].as_ptr().cast::<i32>().read_unaligned());
            let one = _mm256_set1_epi16(1);
            let a = _mm256_add_epi16(_mm256_maddubs_epi16(low, bytes[0][0]), _mm256_maddubs_epi16(high, bytes[1][0]));
            let b = _mm256_add_epi16(_mm256_maddubs_epi16(low, bytes[0][1]), _mm256_maddubs_epi16(high, bytes[1][1]));
            [_mm256_add_epi32(sums[0], _mm256_madd_epi16(a, one)), _mm256_add_epi32(sums[1], _mm256_madd_epi16(b, one))]
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
            let eight = _mm256_add_ps(x[0], x[1]);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }

    #[inline(always)]
    fn largest(self, x: Self::F) -> f32 {
        intrinsic!({
            let eight = _mm256_max_ps(x[0], x[1]);
            let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        })
    }

    #[inline(always)]
    fn store_integers(self, shifted: Self::F, to: &mut [i8; LANES]) {
        intrinsic!({
            // The low bytes of the lanes, and zeros: what is left fits eight bits, so that packing changes nothing.
            let byte = _mm256_set1_epi32(255);
            let low = _mm256_and_si256(_mm256_castps_si256(shifted[0]), byte);
            let high = _mm256_and_si256(_mm256_castps_si256(shifted[1]), byte);
            let packed = _mm256_packus_epi32(low, high); // by halves: 0 to 3, 8 to 11, 4 to 7, 12 to 15
            let (even, odd) = (_mm256_castsi256_si128(packed), _mm256_extracti128_si256::<1>(packed));
            let bytes = _mm_packus_epi16(even, odd);
            let ordered = _mm_shuffle_epi32::<0b11_01_10_00>(bytes);
            _mm_storeu_si128(to.as_mut_ptr().cast(), ordered);
        })
    }
}
