//! The loops in plain Rust: what the others are tested against.

use super::{BLOCK, PLANES, Prepared, Terms};

pub(super) fn distances(bits: &[u64], planes: &[u64], out: &mut [i32]) {
    let words = planes.len() / PLANES;
    for (block, out) in bits.chunks_exact(words * BLOCK).zip(out.chunks_exact_mut(BLOCK)) {
        out.fill(0);
        for (p, plane) in planes.chunks_exact(words).enumerate() {
            for (rows, word) in block.chunks_exact(BLOCK).zip(plane) {
                for (out, row) in out.iter_mut().zip(rows) {
                    *out += ((row ^ word).count_ones() << p) as i32; // at most 64 · 8
                }
            }
        }
    }
}

/// Inlined into functions that are compiled for better processors; it never fuses, so the results are the same there.
#[inline(always)]
pub(super) fn estimates(distances: &[i32], terms: Terms<'_>, query: &Prepared, likely: &mut [f32], most: &mut [f32]) {
    let rows = terms.offsets.iter().zip(terms.factors).zip(terms.errors);
    for (((likely, most), distance), ((offset, factor), error)) in likely.iter_mut().zip(most).zip(distances).zip(rows)
    {
        *likely = offset + factor * (query.agreement - query.step * *distance as f32);
        *most = *likely + error * query.slack;
    }
}

pub(super) fn dot(code: &[i8], query: &[i16]) -> i32 {
    code.iter().zip(query).fold(0, |sum: i32, (&a, &b)| sum.wrapping_add(i32::from(a) * i32::from(b)))
}
