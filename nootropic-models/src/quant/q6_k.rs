//! Q6_K: 256 weights of 6 bits in sixteen groups of 16, each with a scale of eight bits.

use bytemuck::{Pod, Zeroable};

use super::fit::{fit_symmetric, largest, nearest};
use super::float::{from_f16, to_f16};

/// `w = d · scale · (q - 32)`, 210 bytes.
///
/// Weights come in two halves of 128, each in four quarters of 32. Of half `h`, weight `l` of quarter `r` has its lower four
/// bits in byte `64·h + 32·(r % 2) + l` of `ql` (low half of the byte for `r < 2`, high half otherwise) and its upper two in
/// bits `2·r` of byte `32·h + l` of `qh`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q6_K {
    /// Lower four bits.
    pub(crate) ql: [u8; 128],
    /// Upper two bits.
    pub(crate) qh: [u8; 64],
    /// Scale of weights `16·g` to `16·g + 15`.
    pub(crate) scales: [i8; 16],
    /// Scale of the scales, an f16.
    pub(crate) d: [u8; 2],
}

impl Q6_K {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 256]) {
        let d = from_f16(self.d);
        let halves = self.ql.as_chunks::<64>().0.iter().zip(self.qh.as_chunks::<32>().0);
        let halves = halves.zip(self.scales.as_chunks::<8>().0);
        for (((ql, qh), scales), numbers) in halves.zip(numbers.as_chunks_mut::<128>().0) {
            for (r, numbers) in numbers.as_chunks_mut::<32>().0.iter_mut().enumerate() {
                let low = ql.as_chunks::<32>().0.get(r % 2).unwrap_or(qh); // both are there
                for (l, ((low, high), number)) in low.iter().zip(qh).zip(numbers).enumerate() {
                    let q = (low >> (r / 2 * 4) & 15) | (high >> (2 * r) & 3) << 4;
                    *number = d * f32::from(scales[2 * r + l / 16]) * (f32::from(q) - 32.0);
                }
            }
        }
    }

    pub(super) fn quantize(numbers: &[f32; 256]) -> Self {
        let (groups, _) = numbers.as_chunks::<16>();
        let mut found = [0.0; 16];
        for (group, found) in groups.iter().zip(&mut found) {
            *found = fit_symmetric(group, 32.0);
        }
        // The largest scale becomes -128 exactly, as there is no +128.
        let d = to_f16(largest(&found) / -128.0);
        let unit = from_f16(d);
        let scales = found.map(|scale| match unit {
            0.0 => 0,
            unit => nearest((scale / unit).clamp(-128.0, 127.0)) as i8,
        });
        let mut qs = [32; 256];
        for ((group, scale), qs) in groups.iter().zip(scales).zip(qs.as_chunks_mut::<16>().0) {
            let step = unit * f32::from(scale);
            if step != 0.0 {
                let inverse = 1.0 / step;
                *qs = group.map(|x| (nearest((x * inverse).clamp(-32.0, 31.0)) + 32) as u8);
            }
        }
        let (ql, qh) = pack(&qs);
        Self { ql, qh, scales, d }
    }
}

fn pack(qs: &[u8; 256]) -> ([u8; 128], [u8; 64]) {
    let (mut ql, mut qh) = ([0; 128], [0; 64]);
    let halves = qs.as_chunks::<128>().0.iter().zip(ql.as_chunks_mut::<64>().0);
    for ((qs, ql), qh) in halves.zip(qh.as_chunks_mut::<32>().0) {
        for (r, qs) in qs.as_chunks::<32>().0.iter().enumerate() {
            let low = ql.iter_mut().skip(r % 2 * 32);
            for ((q, low), high) in qs.iter().zip(low).zip(qh.iter_mut()) {
                *low |= (q & 15) << (r / 2 * 4);
                *high |= (q >> 4) << (2 * r);
            }
        }
    }
    (ql, qh)
}
