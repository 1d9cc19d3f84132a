//! Q4_K and Q5_K: 256 weights of 4 or 5 bits in eight groups of 32, each with a scale and a minimum of six bits.

use bytemuck::{Pod, Zeroable};

use super::fit::{Affine, fit_affine, fit_scales, nearest};
use super::float::{from_f16, to_f16};
use super::k_scales::{PackedScales, pack, unpack};

/// `w = d · scale · q - dmin · min`, 144 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q4_K {
    /// Scale of the scales, an f16.
    pub(crate) d: [u8; 2],
    /// Scale of the minima, an f16.
    pub(crate) dmin: [u8; 2],
    /// See [`PackedScales`].
    pub(crate) scales: PackedScales,
    /// 32 bytes for each 64 weights: the low four bits are weights 0 to 31, the high ones 32 to 63.
    pub(crate) qs: [u8; 128],
}

/// `w = d · scale · q - dmin · min`, 176 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q5_K {
    /// Scale of the scales, an f16.
    pub(crate) d: [u8; 2],
    /// Scale of the minima, an f16.
    pub(crate) dmin: [u8; 2],
    /// See [`PackedScales`].
    pub(crate) scales: PackedScales,
    /// The fifth bits: bit `g` of byte `j` belongs to weight `j` of group `g`.
    pub(crate) qh: [u8; 32],
    /// The other four, as in [`Q4_K`].
    pub(crate) qs: [u8; 128],
}

/// Scale and minimum of each of the eight groups, as numbers.
fn groups(d: [u8; 2], dmin: [u8; 2], packed: &PackedScales) -> [Affine; 8] {
    let (d, dmin) = (from_f16(d), from_f16(dmin));
    let (scales, mins) = unpack(packed);
    std::array::from_fn(|g| Affine { scale: d * f32::from(scales[g]), min: dmin * f32::from(mins[g]) })
}

impl Q4_K {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 256]) {
        let groups = groups(self.d, self.dmin, &self.scales);
        let pairs = self.qs.as_chunks::<32>().0.iter().zip(groups.as_chunks::<2>().0);
        for ((bytes, [a, b]), numbers) in pairs.zip(numbers.as_chunks_mut::<64>().0) {
            let (low, high) = numbers.split_at_mut(32);
            for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
                *low = a.scale * f32::from(byte & 15) - a.min;
                *high = b.scale * f32::from(byte >> 4) - b.min;
            }
        }
    }

    pub(super) fn quantize(numbers: &[f32; 256]) -> Self {
        let fit = fit(numbers, 15.0);
        Self { d: fit.d, dmin: fit.dmin, scales: fit.scales, qs: pack_low(&fit.qs) }
    }
}

impl Q5_K {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 256]) {
        let groups = groups(self.d, self.dmin, &self.scales);
        let pairs = self.qs.as_chunks::<32>().0.iter().zip(groups.as_chunks::<2>().0);
        for (pair, ((bytes, [a, b]), numbers)) in pairs.zip(numbers.as_chunks_mut::<64>().0).enumerate() {
            let (low, high) = numbers.split_at_mut(32);
            for (((byte, fifth), low), high) in bytes.iter().zip(&self.qh).zip(low).zip(high) {
                let fifth = fifth >> (2 * pair);
                *low = a.scale * f32::from((byte & 15) | ((fifth & 1) << 4)) - a.min;
                *high = b.scale * f32::from((byte >> 4) | ((fifth >> 1 & 1) << 4)) - b.min;
            }
        }
    }

    pub(super) fn quantize(numbers: &[f32; 256]) -> Self {
        let fit = fit(numbers, 31.0);
        let mut qh = [0; 32];
        for (g, group) in fit.qs.as_chunks::<32>().0.iter().enumerate() {
            for (byte, q) in qh.iter_mut().zip(group) {
                *byte |= (q >> 4) << g;
            }
        }
        Self { d: fit.d, dmin: fit.dmin, scales: fit.scales, qh, qs: pack_low(&fit.qs) }
    }
}

/// The low four bits of 256 integers.
fn pack_low(qs: &[u8; 256]) -> [u8; 128] {
    let mut packed = [0; 128];
    for (bytes, qs) in packed.as_chunks_mut::<32>().0.iter_mut().zip(qs.as_chunks::<64>().0) {
        let (low, high) = qs.split_at(32);
        for ((byte, low), high) in bytes.iter_mut().zip(low).zip(high) {
            *byte = (low & 15) | (high << 4);
        }
    }
    packed
}

/// A block before its integers are packed.
struct Fit {
    d: [u8; 2],
    dmin: [u8; 2],
    scales: PackedScales,
    qs: [u8; 256],
}

fn fit(numbers: &[f32; 256], levels: f32) -> Fit {
    // Large weights matter more than small ones, yet none is worthless: ggml's weighting, which holds up well in practice.
    let typical = (numbers.iter().map(|x| x * x).sum::<f32>() / 128.0).sqrt();
    let (groups, _) = numbers.as_chunks::<32>();
    let mut found = [Affine { scale: 0.0, min: 0.0 }; 8];
    let mut importance = [0.0; 8];
    for ((group, found), importance) in groups.iter().zip(&mut found).zip(&mut importance) {
        let weights = group.map(|x| typical + x.abs());
        *importance = weights.iter().sum();
        *found = fit_affine(group, &weights, levels);
    }
    let d = fit_scales(&found.map(|group| group.scale), &importance, 63.0);
    let dmin = fit_scales(&found.map(|group| group.min), &importance, 63.0);
    let six_bits = |value: f32, unit: f32| match unit {
        0.0 => 0,
        unit => nearest((value / unit).clamp(0.0, 63.0)) as u8,
    };
    let scales = found.map(|group| six_bits(group.scale, d));
    let mins = found.map(|group| six_bits(group.min, dmin));

    // With scales and minima rounded, other units may suit the integers better than those they were rounded with.
    let (mut d, mut dmin) = (to_f16(d), to_f16(dmin));
    let mut qs = integers(groups, d, dmin, &scales, &mins, levels);
    if let Some((better, better_min)) = refit(groups, &qs, &scales, &mins, typical) {
        (d, dmin) = (to_f16(better), to_f16(better_min));
        qs = integers(groups, d, dmin, &scales, &mins, levels);
    }
    Fit { d, dmin, scales: pack(&scales, &mins), qs }
}

/// The nearest integers, for scales as they will be read.
fn integers(
    groups: &[[f32; 32]],
    d: [u8; 2],
    dmin: [u8; 2],
    scales: &[u8; 8],
    mins: &[u8; 8],
    levels: f32,
) -> [u8; 256] {
    let (d, dmin) = (from_f16(d), from_f16(dmin));
    let mut qs = [0; 256];
    let steps = scales.iter().zip(mins).map(|(scale, min)| (d * f32::from(*scale), dmin * f32::from(*min)));
    for ((group, (scale, min)), qs) in groups.iter().zip(steps).zip(qs.as_chunks_mut::<32>().0) {
        if scale > 0.0 {
            let inverse = 1.0 / scale;
            *qs = group.map(|x| nearest(((x + min) * inverse).clamp(0.0, levels)) as u8);
        }
    }
    qs
}

/// The units `d` and `dmin` that give the least `Σ weight · (x - d·scale·q + dmin·min)²`.
fn refit(groups: &[[f32; 32]], qs: &[u8; 256], scales: &[u8; 8], mins: &[u8; 8], typical: f32) -> Option<(f32, f32)> {
    let (mut aa, mut ab, mut bb, mut ax, mut bx) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((group, qs), (scale, min)) in groups.iter().zip(qs.as_chunks::<32>().0).zip(scales.iter().zip(mins)) {
        let (scale, b) = (f32::from(*scale), -f32::from(*min));
        for (x, q) in group.iter().zip(qs) {
            let (weight, a) = (typical + x.abs(), scale * f32::from(*q));
            aa += weight * a * a;
            ab += weight * a * b;
            bb += weight * b * b;
            ax += weight * a * x;
            bx += weight * b * x;
        }
    }
    let determinant = aa * bb - ab * ab;
    let (d, dmin) = match determinant > 1e-3 * aa * bb {
        true => ((ax * bb - bx * ab) / determinant, (bx * aa - ax * ab) / determinant),
        false if bb == 0.0 => (ax / aa, 0.0), // no group has a minimum
        false => return None,                 // scales and minima are too alike to be told apart
    };
    (d > 0.0 && dmin >= 0.0 && d.is_finite() && dmin.is_finite()).then_some((d, dmin))
}
