//! From the blocks of model files to tiles: nothing is rounded, the same integers and scales only stand elsewhere.

use bytemuck::AnyBitPattern;

use super::simd::LANES;
use super::tile::{
    Eight, Five, FiveK, FiveKGroup, FiveMin, Four, FourK, FourKGroup, FourMin, Halves, Nibbles, SixK, SixKGroup, Tile,
    Vector,
};
use crate::quant::{Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, unpack_scales};

/// A tile that is packed from blocks of type `Source`.
pub(super) trait Pack: Tile {
    /// The file's block, of as many columns.
    type Source: AnyBitPattern + Send + Sync;

    /// Puts a block into row `row`, below 16. The tile was zero there.
    fn put(&mut self, row: usize, source: &Self::Source);
}

fn put_half(to: &mut Halves, row: usize, half: [u8; 2]) {
    to[2 * row..2 * row + 2].copy_from_slice(&half);
}

/// A float of two bytes with the other sign.
fn negated([low, high]: [u8; 2]) -> [u8; 2] {
    [low, high ^ 0x80]
}

fn put_four(to: &mut Vector, row: usize, bytes: [u8; 4]) {
    to[4 * row..4 * row + 4].copy_from_slice(&bytes);
}

/// Sixteen bytes with column `i` in the low half of byte `i` and column `i + 16` in the high one, as Q4_0 has them.
fn put_nibbles(to: &mut Nibbles, row: usize, bytes: &[u8; 16]) {
    for (to, bytes) in to.iter_mut().zip(bytes.as_chunks::<4>().0) {
        put_four(to, row, *bytes);
    }
}

/// The low four bits of 32 integers.
fn put_low(to: &mut Nibbles, row: usize, qs: &[u8; 32]) {
    let bytes = std::array::from_fn(|i| qs[i] & 15 | qs[i + 16] << 4);
    put_nibbles(to, row, &bytes);
}

/// The fifth bits, of `qs` all below 32.
fn put_fifth(to: &mut Vector, row: usize, qs: &[u8; 32]) {
    let bytes = std::array::from_fn(|i| (0..8).fold(0, |byte, j| byte | qs[4 * j + i] >> 4 << j));
    put_four(to, row, bytes);
}

/// The 32 integers of a Q5_0 or Q5_1 block.
fn five_bits(qh: [u8; 4], qs: &[u8; 16]) -> [u8; 32] {
    let fifth = u32::from_le_bytes(qh);
    std::array::from_fn(|i| {
        let low = if i < 16 { qs[i] & 15 } else { qs[i - 16] >> 4 };
        low | ((fifth >> i & 1) as u8) << 4
    })
}

impl Pack for Four {
    type Source = Q4_0;

    fn put(&mut self, row: usize, source: &Q4_0) {
        put_half(&mut self.scales, row, source.d);
        put_nibbles(&mut self.low, row, &source.qs);
    }
}

impl Pack for FourMin {
    type Source = Q4_1;

    fn put(&mut self, row: usize, source: &Q4_1) {
        put_half(&mut self.scales, row, source.d);
        put_half(&mut self.minima, row, source.m);
        put_nibbles(&mut self.low, row, &source.qs);
    }
}

impl Pack for Five {
    type Source = Q5_0;

    fn put(&mut self, row: usize, source: &Q5_0) {
        put_half(&mut self.scales, row, source.d);
        put_nibbles(&mut self.low, row, &source.qs);
        put_fifth(&mut self.high, row, &five_bits(source.qh, &source.qs));
    }
}

impl Pack for FiveMin {
    type Source = Q5_1;

    fn put(&mut self, row: usize, source: &Q5_1) {
        put_half(&mut self.scales, row, source.d);
        put_half(&mut self.minima, row, source.m);
        put_nibbles(&mut self.low, row, &source.qs);
        put_fifth(&mut self.high, row, &five_bits(source.qh, &source.qs));
    }
}

impl Pack for Eight {
    type Source = Q8_0;

    fn put(&mut self, row: usize, source: &Q8_0) {
        put_half(&mut self.scales, row, source.d);
        for (to, qs) in self.weights.iter_mut().zip(source.qs.as_chunks::<4>().0) {
            put_four(to, row, qs.map(|q| q as u8 ^ 0x80));
        }
    }
}

/// The low four bits of group `g` of Q4_K or Q5_K.
fn k_nibbles(qs: &[u8; 128], g: usize) -> [u8; 32] {
    std::array::from_fn(|i| qs[g / 2 * 32 + i] >> (g % 2 * 4) & 15)
}

impl Pack for FourK {
    type Source = Q4_K;

    fn put(&mut self, row: usize, source: &Q4_K) {
        put_half(&mut self.d, row, source.d);
        put_half(&mut self.dmin, row, negated(source.dmin));
        let (scales, minima) = unpack_scales(&source.scales);
        for (g, FourKGroup { scales: to, minima: to_minima, low }) in self.groups.iter_mut().enumerate() {
            (to[row], to_minima[row]) = (scales[g], minima[g]);
            put_low(low, row, &k_nibbles(&source.qs, g));
        }
    }
}

impl Pack for FiveK {
    type Source = Q5_K;

    fn put(&mut self, row: usize, source: &Q5_K) {
        put_half(&mut self.d, row, source.d);
        put_half(&mut self.dmin, row, negated(source.dmin));
        let (scales, minima) = unpack_scales(&source.scales);
        for (g, FiveKGroup { scales: to, minima: to_minima, high, low }) in self.groups.iter_mut().enumerate() {
            (to[row], to_minima[row]) = (scales[g], minima[g]);
            let low_bits = k_nibbles(&source.qs, g);
            let qs = std::array::from_fn(|i| low_bits[i] | (source.qh[i] >> g & 1) << 4);
            put_low(low, row, &qs);
            put_fifth(high, row, &qs);
        }
    }
}

/// The 32 integers of group `g` of Q6_K, below 64.
fn six_bits(source: &Q6_K, g: usize) -> [u8; 32] {
    let (half, quarter) = (g / 4, g % 4);
    std::array::from_fn(|i| {
        let low = source.ql[64 * half + 32 * (quarter % 2) + i] >> (quarter / 2 * 4) & 15;
        low | (source.qh[32 * half + i] >> (2 * quarter) & 3) << 4
    })
}

impl Pack for SixK {
    type Source = Q6_K;

    fn put(&mut self, row: usize, source: &Q6_K) {
        put_half(&mut self.d, row, source.d);
        for (g, SixKGroup { scales, high, low }) in self.groups.iter_mut().enumerate() {
            scales[0][row] = source.scales[2 * g] as u8;
            scales[1][row] = source.scales[2 * g + 1] as u8;
            let qs = six_bits(source, g);
            put_low(low, row, &qs);
            for (high, qs) in high.iter_mut().zip(qs.as_chunks::<16>().0) {
                let bytes = std::array::from_fn(|i| (0..4).fold(0, |byte, j| byte | qs[4 * j + i] >> 4 << (2 * j)));
                put_four(high, row, bytes);
            }
        }
    }
}

/// Sets row after row of a tile's blocks; rows that are missing stay zero.
pub(super) fn pack_tile<T: Pack>(tile: &mut [T], rows: &[T::Source]) {
    for (row, blocks) in rows.chunks(tile.len().max(1)).take(LANES).enumerate() {
        for (to, block) in tile.iter_mut().zip(blocks) {
            to.put(row, block);
        }
    }
}
