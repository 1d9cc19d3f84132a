//! Products with tiles of plain floats.

use std::ops::Range;

use super::super::float_tile::Column;
use super::super::simd::{Kernel, LANES, Simd};
use super::Out;
use super::blocks::equal_blocks;

/// Columns that are summed before the next tile: so much of a tile stays in the first cache for all rows of a panel.
const DEPTH: usize = 384;

/// Rows of numbers, each `stride` after the one before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strided<'a> {
    pub(super) numbers: &'a [f32],
    pub(super) stride: usize,
}

/// A panel of rows, and the tiles it is multiplied with.
pub(super) struct FloatPanel<'a, C> {
    pub(super) x: Strided<'a>,
    pub(super) tokens: usize,
    /// `[rows / 16, columns]`, the last tile with what is left and zeros.
    pub(super) tiles: &'a [C],
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Or empty.
    pub(super) bias: &'a [f32],
    pub(super) out: Out<'a>,
}

impl<'a, C: Column> FloatPanel<'a, C> {
    pub(super) fn new(
        x: Strided<'a>,
        tokens: usize,
        tiles: &'a [u8],
        [rows, columns]: [usize; 2],
        bias: &'a [f32],
        out: Out<'a>,
    ) -> Self {
        Self { x, tokens, tiles: bytemuck::cast_slice(tiles), rows, columns, bias, out }
    }

    /// Adds the products of columns `depth`; the first ones to the bias.
    #[inline(always)]
    fn add<S: Simd>(&mut self, s: S, depth: Range<usize>) {
        let tokens = self.tokens;
        let mut tile = 0;
        let tiles = self.rows.div_ceil(LANES);
        // Of the 32 registers of AVX-512, 24 sum; of 16, AVX2 sums in twelve.
        while S::TOKENS >= 8 && tiles - tile >= 2 {
            equal_blocks!(tokens, [12, 10, 8, 6, 4, 2], |N, token| self.block::<S, N, 2>(s, tile, token, &depth));
            tile += 2;
        }
        while tile < tiles {
            equal_blocks!(tokens, [6, 5, 4, 3, 2], |N, token| self.block::<S, N, 1>(s, tile, token, &depth));
            tile += 1;
        }
    }

    /// `N` rows and `T` tiles.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "one number counts in several arrays, which all stay in registers")]
    fn block<S: Simd, const N: usize, const T: usize>(
        &mut self,
        s: S,
        tile: usize,
        token: usize,
        depth: &Range<usize>,
    ) {
        let mut sums = [[s.zero(); T]; N];
        for t in 0..T {
            let at = (tile + t) * LANES;
            let bias = self.bias.get(at..self.bias.len().min(at + LANES)).unwrap_or_default();
            let bias = s.load_part(bias, 0.0);
            for n in 0..N {
                sums[n][t] = match depth.start {
                    0 => bias,
                    _ => s.load_part(self.out.place(token + n, at, self.rows), 0.0),
                };
            }
        }
        let mut x = [&self.x.numbers[..0]; N];
        for n in 0..N {
            x[n] = &self.x.numbers[(token + n) * self.x.stride + depth.start..][..depth.len()];
        }
        let mut weights = [&self.tiles[..0]; T];
        for t in 0..T {
            weights[t] = &self.tiles[(tile + t) * self.columns + depth.start..][..depth.len()];
        }
        for k in 0..depth.len() {
            let mut loaded = [s.zero(); T];
            for t in 0..T {
                loaded[t] = weights[t][k].load(s);
            }
            for n in 0..N {
                let x = s.splat(x[n][k]);
                for t in 0..T {
                    sums[n][t] = s.fma(loaded[t], x, sums[n][t]);
                }
            }
        }
        for n in 0..N {
            for t in 0..T {
                s.store_part(sums[n][t], self.out.place(token + n, (tile + t) * LANES, self.rows));
            }
        }
    }
}

impl<C: Column> Kernel for FloatPanel<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for start in (0..self.columns).step_by(DEPTH) {
            let end = self.columns.min(start + DEPTH);
            self.add(s, start..end);
        }
    }
}
