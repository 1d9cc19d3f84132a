//! Plain Rust: for machines without vectors that are known here, and as the reference of the others.

use super::{LANES, Simd};

/// Every machine has this.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar;

#[inline(always)]
fn each<T: Copy, const N: usize>(a: [T; N], b: [T; N], f: impl Fn(T, T) -> T) -> [T; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn halves(bytes: &[u8; 2 * LANES]) -> [[u8; 2]; LANES] {
    std::array::from_fn(|i| [bytes[2 * i], bytes[2 * i + 1]])
}

impl Simd for Scalar {
    type F = [f32; LANES];
    type I = [i32; LANES];
    type B = [u8; 4 * LANES];

    const SIGNED_OFFSET: i32 = 0;
    const TOKENS: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        *from
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        *to = x;
    }

    #[inline(always)]
    fn load_f16(self, from: &[u8; 2 * LANES]) -> Self::F {
        halves(from).map(|bytes| half::f16::from_le_bytes(bytes).to_f32())
    }

    #[inline(always)]
    fn store_f16(self, x: Self::F, to: &mut [u8; 2 * LANES]) {
        for (x, to) in x.iter().zip(to.as_chunks_mut().0) {
            *to = half::f16::from_f32(*x).to_le_bytes();
        }
    }

    #[inline(always)]
    fn load_bf16(self, from: &[u8; 2 * LANES]) -> Self::F {
        halves(from).map(|[low, high]| f32::from_bits(u32::from_le_bytes([0, 0, low, high])))
    }

    #[inline(always)]
    fn load_u8(self, from: &[u8; LANES]) -> Self::F {
        from.map(f32::from)
    }

    #[inline(always)]
    fn load_i8(self, from: &[u8; LANES]) -> Self::F {
        from.map(|byte| f32::from(byte as i8))
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn select_less(self, a: Self::F, b: Self::F, then: Self::F, otherwise: Self::F) -> Self::F {
        std::array::from_fn(|i| if a[i] < b[i] { then[i] } else { otherwise[i] })
    }

    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }

    #[inline(always)]
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, f32::copysign)
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::F) -> Self::F {
        shifted.map(|x| f32::from_bits((x.to_bits() << 23).wrapping_add(1.0_f32.to_bits())))
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> Self::I {
        [x; LANES]
    }

    #[inline(always)]
    fn load_i32(self, from: &[i32; LANES]) -> Self::I {
        *from
    }

    #[inline(always)]
    fn to_f32(self, x: Self::I) -> Self::F {
        x.map(|x| x as f32)
    }

    #[inline(always)]
    fn bytes(self, from: &[u8; 4 * LANES]) -> Self::B {
        *from
    }

    #[inline(always)]
    fn store_bytes(self, x: Self::B, offset: u8, to: &mut [u8; 4 * LANES]) {
        *to = x.map(|byte| byte.wrapping_sub(offset));
    }

    #[inline(always)]
    fn low_nibbles(self, x: Self::B) -> Self::B {
        x.map(|byte| byte & 15)
    }

    #[inline(always)]
    fn high_nibbles(self, x: Self::B) -> Self::B {
        x.map(|byte| byte >> 4)
    }

    #[inline(always)]
    fn merge_bits(self, base: Self::B, bits: Self::B, shift: i32, mask: u8) -> Self::B {
        each(base, bits, |base, bits| {
            let shifted = if shift < 0 { bits >> -shift } else { bits << shift };
            base | shifted & mask
        })
    }

    #[inline(always)]
    fn dot(self, sums: Self::I, bytes: Self::B, x: [i8; 4]) -> Self::I {
        std::array::from_fn(|lane| {
            (0..4).fold(sums[lane], |sum, i| sum + i32::from(bytes[4 * lane + i]) * i32::from(x[i]))
        })
    }

    #[inline(always)]
    fn dot_signed(self, sums: Self::I, bytes: Self::B, x: [i8; 4]) -> Self::I {
        std::array::from_fn(|lane| {
            (0..4).fold(sums[lane], |sum, i| sum + (i32::from(bytes[4 * lane + i]) - 128) * i32::from(x[i]))
        })
    }

    #[inline(always)]
    fn dot_small(self, sums: Self::I, bytes: [Self::B; 2], x: &[[i8; 4]; 2]) -> Self::I {
        let signed = |bytes: Self::B| bytes.map(|byte| byte.wrapping_add(128));
        self.dot_signed(self.dot_signed(sums, signed(bytes[0]), x[0]), signed(bytes[1]), x[1])
    }

    #[inline(always)]
    fn prefetch(self, _from: &[u8]) {}
}
