//! Formats that are read, to be requantized, and not written: Q8_1, Q8_K, Q2_K, Q3_K, IQ4_NL, IQ4_XS, MXFP4.

use bytemuck::{Pod, Zeroable};

use super::float::from_f16;

/// `w = d · q`, 36 bytes. ggml uses it for activations.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q8_1 {
    d: [u8; 2],
    /// `d · Σ q`, an f16.
    sum: [u8; 2],
    qs: [i8; 32],
}

impl Q8_1 {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 32]) {
        let d = from_f16(self.d);
        for (q, number) in self.qs.iter().zip(numbers) {
            *number = d * f32::from(*q);
        }
    }
}

/// `w = d · q`, 292 bytes. ggml uses it for activations.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q8_K {
    /// An f32.
    d: [u8; 4],
    qs: [i8; 256],
    /// Sum of each sixteen, an i16.
    sums: [[u8; 2]; 16],
}

impl Q8_K {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 256]) {
        let d = f32::from_le_bytes(self.d);
        for (q, number) in self.qs.iter().zip(numbers) {
            *number = d * f32::from(*q);
        }
    }
}

/// `w = d · (scale & 15) · q - dmin · (scale >> 4)`, sixteen groups of 16, 84 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q2_K {
    scales: [u8; 16],
    /// Of each 128 weights, weight `l` of quarter `r` stands in bits `2·r` of byte `l`.
    qs: [[u8; 32]; 2],
    d: [u8; 2],
    dmin: [u8; 2],
}

impl Q2_K {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 256]) {
        let (d, dmin) = (from_f16(self.d), from_f16(self.dmin));
        for (i, number) in numbers.iter_mut().enumerate() {
            let (half, quarter, l) = (i / 128, i / 32 % 4, i % 32);
            let q = self.qs[half][l] >> (2 * quarter) & 3;
            let scale = self.scales[i / 16];
            *number = d * f32::from(scale & 15) * f32::from(q) - dmin * f32::from(scale >> 4);
        }
    }
}

/// `w = d · (scale - 32) · (q - 4)`, sixteen groups of 16, 110 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q3_K {
    /// The third bits: bit `i / 32` of byte `i % 32` belongs to weight `i`.
    high: [u8; 32],
    /// The other two, as in [`Q2_K`].
    qs: [[u8; 32]; 2],
    /// Six bits each. Of group `g`: the lower four in byte `g % 8` (low half for `g < 8`), the upper two in bits `2·(g / 4)` of
    /// byte `8 + g % 4`.
    scales: [u8; 12],
    d: [u8; 2],
}

impl Q3_K {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 256]) {
        let d = from_f16(self.d);
        let steps: [f32; 16] = std::array::from_fn(|g| {
            let low = self.scales[g % 8] >> (g / 8 * 4) & 15;
            let high = self.scales[8 + g % 4] >> (2 * (g / 4)) & 3;
            d * (f32::from(low | high << 4) - 32.0)
        });
        for (i, number) in numbers.iter_mut().enumerate() {
            let (half, quarter, l) = (i / 128, i / 32 % 4, i % 32);
            let low = self.qs[half][l] >> (2 * quarter) & 3;
            let high = self.high[l] >> (i / 32) & 1;
            *number = steps[i / 16] * (f32::from(low | high << 2) - 4.0);
        }
    }
}

/// What the sixteen codes of the IQ4 formats stand for.
const IQ4_VALUES: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// `w = d · value(q)`, 18 bytes, packed as Q4_0.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct IQ4_NL {
    d: [u8; 2],
    qs: [u8; 16],
}

impl IQ4_NL {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 32]) {
        look_up(from_f16(self.d), &self.qs, &IQ4_VALUES, numbers);
    }
}

/// `w = d · (scale - 32) · value(q)`, eight groups of 32, 136 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct IQ4_XS {
    d: [u8; 2],
    /// The upper two bits of the scale of group `g` in bits `2·g` of this little-endian number.
    scales_high: [u8; 2],
    /// The lower four: two groups to a byte, the even one low.
    scales_low: [u8; 4],
    /// Each group packed as Q4_0.
    qs: [[u8; 16]; 8],
}

impl IQ4_XS {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 256]) {
        let d = from_f16(self.d);
        let high = u16::from_le_bytes(self.scales_high);
        for (g, (qs, numbers)) in self.qs.iter().zip(numbers.as_chunks_mut::<32>().0).enumerate() {
            let low = self.scales_low[g / 2] >> (g % 2 * 4) & 15;
            let scale = u16::from(low) | (high >> (2 * g) & 3) << 4;
            look_up(d * (f32::from(scale) - 32.0), qs, &IQ4_VALUES, numbers);
        }
    }
}

/// Twice what the sixteen codes of E2M1 stand for.
const E2M1_DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// `w = 2^(e - 127) · value(q)`, 17 bytes, packed as Q4_0. OCP microscaling format, the experts of gpt-oss.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct MXFP4 {
    /// A power of two, E8M0.
    e: u8,
    qs: [u8; 16],
}

impl MXFP4 {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 32]) {
        // Half the power of two, as the values are doubled; below 2, a subnormal number.
        let bits = if self.e < 2 { 0x0020_0000 << self.e } else { u32::from(self.e - 1) << 23 };
        look_up(f32::from_bits(bits), &self.qs, &E2M1_DOUBLED, numbers);
    }
}

fn look_up(scale: f32, qs: &[u8; 16], values: &[i8; 16], numbers: &mut [f32; 32]) {
    let (low, high) = numbers.split_at_mut(16);
    for ((byte, low), high) in qs.iter().zip(low).zip(high) {
        *low = scale * f32::from(values[usize::from(byte & 15)]);
        *high = scale * f32::from(values[usize::from(byte >> 4)]);
    }
}
