//! Q5_0 and Q5_1: 32 weights of 5 bits, one scale, with Q5_1 one minimum.

use bytemuck::{Pod, Zeroable};

use super::fit::{NIBBLES, Nibbles, affine_ends, largest};
use super::float::{from_f16, to_f16};

/// `w = d · (q - 16)`, 22 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q5_0 {
    /// Scale, an f16.
    pub(crate) d: [u8; 2],
    /// The fifth bits: bit `j` of this little-endian number belongs to weight `j`.
    pub(crate) qh: [u8; 4],
    /// The other four: byte `j` holds weight `j` in its low bits and weight `j + 16` in its high ones.
    pub(crate) qs: Nibbles,
}

impl Q5_0 {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 32]) {
        let d = from_f16(self.d);
        unpack(self.qh, &self.qs, numbers, |q| d * (f32::from(q) - 16.0));
    }

    pub(super) fn quantize(numbers: &[f32; 32]) -> Self {
        let d = largest(numbers) / -16.0; // as in Q4_0
        let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
        let (qh, qs) = pack(numbers, |number| (number * inverse + 16.5).clamp(0.0, 31.0) as u8);
        Self { d: to_f16(d), qh, qs }
    }
}

/// `w = d · q + m`, 24 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q5_1 {
    /// Scale, an f16.
    pub(crate) d: [u8; 2],
    /// Minimum, an f16.
    pub(crate) m: [u8; 2],
    /// As in [`Q5_0`].
    pub(crate) qh: [u8; 4],
    /// As in [`Q5_0`].
    pub(crate) qs: Nibbles,
}

impl Q5_1 {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 32]) {
        let (d, m) = (from_f16(self.d), from_f16(self.m));
        unpack(self.qh, &self.qs, numbers, |q| d * f32::from(q) + m);
    }

    pub(super) fn quantize(numbers: &[f32; 32]) -> Self {
        let (m, d, inverse) = affine_ends(numbers, 31.0);
        let (qh, qs) = pack(numbers, |number| ((number - m) * inverse + 0.5).clamp(0.0, 31.0) as u8);
        Self { d: to_f16(d), m: to_f16(m), qh, qs }
    }
}

fn unpack(qh: [u8; 4], qs: &Nibbles, numbers: &mut [f32; 32], value: impl Fn(u8) -> f32) {
    let fifth = u32::from_le_bytes(qh);
    let (low, high) = numbers.split_at_mut(NIBBLES);
    for (j, ((byte, low), high)) in qs.iter().zip(low).zip(high).enumerate() {
        *low = value((byte & 15) | ((fifth >> j & 1) << 4) as u8);
        *high = value((byte >> 4) | ((fifth >> (j + NIBBLES) & 1) << 4) as u8);
    }
}

fn pack(numbers: &[f32; 32], q: impl Fn(f32) -> u8) -> ([u8; 4], Nibbles) {
    let (low, high) = numbers.split_at(NIBBLES);
    let (mut fifth, mut qs) = (0_u32, [0; NIBBLES]);
    for (j, ((byte, low), high)) in qs.iter_mut().zip(low).zip(high).enumerate() {
        let (low, high) = (q(*low), q(*high));
        *byte = (low & 15) | (high << 4);
        fifth |= u32::from(low >> 4) << j | u32::from(high >> 4) << (j + NIBBLES);
    }
    (fifth.to_le_bytes(), qs)
}
