//! Q4_0 and Q4_1: 32 weights of 4 bits, one scale, with Q4_1 one minimum.

use bytemuck::{Pod, Zeroable};

use super::fit::{NIBBLES, Nibbles, affine_ends, largest};
use super::float::{from_f16, to_f16};

/// `w = d · (q - 8)`, 18 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q4_0 {
    /// Scale, an f16.
    pub(crate) d: [u8; 2],
    /// Byte `j` holds weight `j` in its low four bits and weight `j + 16` in its high ones.
    pub(crate) qs: Nibbles,
}

impl Q4_0 {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 32]) {
        let d = from_f16(self.d);
        let (low, high) = numbers.split_at_mut(NIBBLES);
        for ((byte, low), high) in self.qs.iter().zip(low).zip(high) {
            *low = d * (f32::from(byte & 15) - 8.0);
            *high = d * (f32::from(byte >> 4) - 8.0);
        }
    }

    pub(super) fn quantize(numbers: &[f32; 32]) -> Self {
        // The largest becomes -8 exactly: -8 has no counterpart +8, so the sign of the scale is chosen for it.
        let d = largest(numbers) / -8.0;
        let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
        let q = |number: f32| (number * inverse + 8.5).clamp(0.0, 15.0) as u8; // truncates
        Self { d: to_f16(d), qs: pack(numbers, q) }
    }
}

/// `w = d · q + m`, 20 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q4_1 {
    /// Scale, an f16.
    pub(crate) d: [u8; 2],
    /// Minimum, an f16.
    pub(crate) m: [u8; 2],
    /// As in [`Q4_0`].
    pub(crate) qs: Nibbles,
}

impl Q4_1 {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 32]) {
        let (d, m) = (from_f16(self.d), from_f16(self.m));
        let (low, high) = numbers.split_at_mut(NIBBLES);
        for ((byte, low), high) in self.qs.iter().zip(low).zip(high) {
            *low = d * f32::from(byte & 15) + m;
            *high = d * f32::from(byte >> 4) + m;
        }
    }

    pub(super) fn quantize(numbers: &[f32; 32]) -> Self {
        let (m, d, inverse) = affine_ends(numbers, 15.0);
        let q = |number: f32| ((number - m) * inverse + 0.5).clamp(0.0, 15.0) as u8;
        Self { d: to_f16(d), m: to_f16(m), qs: pack(numbers, q) }
    }
}

fn pack(numbers: &[f32; 32], q: impl Fn(f32) -> u8) -> Nibbles {
    let (low, high) = numbers.split_at(NIBBLES);
    let mut qs = [0; NIBBLES];
    for ((byte, low), high) in qs.iter_mut().zip(low).zip(high) {
        *byte = q(*low) | (q(*high) << 4);
    }
    qs
}
