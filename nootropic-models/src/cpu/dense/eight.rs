//! Matrices of eight bits, with a scale for each row.
//!
//! The sums of integers run over all columns, and are scaled once at the end. The block formats of model files, whose sums are scaled
//! every 32 columns, are more exact and take twice as long.

use std::fmt;

use rayon::prelude::*;

use super::super::memory::Memory;
use super::super::simd::{Kernel, LANES, Simd};
use super::blocks::equal_blocks;
use super::{Out, RowBytes};
use crate::{Error, Result};

/// Columns that are multiplied in one step.
pub(super) const STEP: usize = 8;

/// The largest magnitude of a weight: four products with activations to 91 fit sixteen bits, in which processors without an instruction
/// for four products add them.
const MOST: f32 = 90.0;

/// Eight columns of sixteen rows: byte `4 · row + i` of vector `j` is column `4 · j + i`.
type Pair = [[u8; 4 * LANES]; 2];

/// A matrix in tiles of sixteen rows.
pub(super) struct EightMatrix {
    rows: usize,
    columns: usize,
    /// `[rows / 16, columns / 8]` pairs.
    tiles: Memory,
    /// `[rows / 16]`: a row's scale, and the scale times the sum of its integers.
    scales: Vec<[[f32; LANES]; 2]>,
}

impl EightMatrix {
    pub(super) fn new(rows: usize, columns: usize, numbers: &[f32]) -> Result<Self> {
        if rows == 0 || columns == 0 || rows.checked_mul(columns) != Some(numbers.len()) {
            let problem = format!("{} numbers are not {rows} rows of {columns}", numbers.len());
            return Err(Error::Invalid { what: "matrix".into(), problem });
        }
        let steps = columns.div_ceil(STEP);
        let size = steps.saturating_mul(size_of::<Pair>()).saturating_mul(rows.div_ceil(LANES));
        let memory = |source| Error::Io { op: "allocate", name: format!("{size} bytes for weights"), source };
        let mut tiles = Memory::zeroed(size).map_err(memory)?;
        let mut scales = vec![[[0.0; LANES]; 2]; rows.div_ceil(LANES)];
        let of_tiles = tiles.par_chunks_mut(steps * size_of::<Pair>()).zip(&mut scales);
        of_tiles.zip(numbers.par_chunks(columns * LANES)).for_each(|((tile, scales), rows)| {
            for (i, row) in rows.chunks_exact(columns).enumerate() {
                let (integers, scale) = quantize(row);
                for (k, integer) in integers.iter().enumerate() {
                    tile[k / 4 * 4 * LANES + 4 * i + k % 4] = *integer as u8;
                }
                let sum: i32 = integers.iter().map(|integer| i32::from(*integer)).sum();
                (scales[0][i], scales[1][i]) = (scale, scale * sum as f32);
            }
        });
        Ok(Self { rows, columns, tiles, scales })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }
}

impl fmt::Debug for EightMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EightMatrix").field("rows", &self.rows).field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// The integers of a row, and their scale: of some scales the one that leaves the least error. The largest weights of a row are
/// often alone, and cutting them off makes all others finer.
pub(super) fn quantize(row: &[f32]) -> (Vec<i8>, f32) {
    let largest = row.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let mut best = (vec![0; row.len()], if largest.is_finite() { 0.0 } else { f32::NAN }, f32::INFINITY);
    for share in [1.0, 0.9, 0.8, 0.7] {
        let inverse = MOST / (largest * share);
        if !inverse.is_normal() {
            break;
        }
        let integers: Vec<i8> = row.iter().map(|x| (x * inverse).round_ties_even().clamp(-MOST, MOST) as i8).collect();
        // The scale that fits these integers best, and the error it leaves: Σ x² - (Σ x·q)² / Σ q², of which the first part is common.
        let (products, squares) = row.iter().zip(&integers).fold((0.0, 0.0), |(products, squares), (x, q)| {
            let q = f32::from(*q);
            (products + x * q, squares + q * q)
        });
        let error = -products * products / squares;
        if error < best.2 {
            best = (integers, products / squares, error);
        }
    }
    (best.0, best.1)
}

/// A panel of rows, and the matrix it is multiplied with.
pub(super) struct EightPanel<'a> {
    pub(super) matrix: &'a EightMatrix,
    pub(super) x: &'a RowBytes,
    /// Or empty.
    pub(super) bias: &'a [f32],
    pub(super) out: Out<'a>,
}

impl EightPanel<'_> {
    /// `N` rows and `T` tiles.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "one number counts in several arrays, which all stay in registers")]
    fn block<S: Simd, const N: usize, const T: usize>(&mut self, s: S, tile: usize, token: usize) {
        let steps = self.matrix.columns.div_ceil(STEP);
        let pairs: &[Pair] = bytemuck::cast_slice(&self.matrix.tiles);
        let mut weights = [&pairs[..0]; T];
        for t in 0..T {
            weights[t] = &pairs[(tile + t) * steps..][..steps];
        }
        let mut x = [self.x.row(token); N];
        for n in 0..N {
            x[n] = self.x.row(token + n);
            x[n].numbers = &x[n].numbers[..steps];
        }
        let mut sums = [[s.splat_i32(0); T]; N];
        for k in 0..steps {
            for t in 0..T {
                let pair = [s.bytes(&weights[t][k][0]), s.bytes(&weights[t][k][1])];
                for n in 0..N {
                    sums[n][t] = s.dot_small(sums[n][t], pair, &x[n].numbers[k]);
                }
            }
        }
        for t in 0..T {
            let at = (tile + t) * LANES;
            let bias = self.bias.get(at..self.bias.len().min(at + LANES)).unwrap_or_default();
            let (bias, [scales, scaled_sums]) = (s.load_part(bias, 0.0), &self.matrix.scales[tile + t]);
            let (scales, scaled_sums) = (s.load(scales), s.load(scaled_sums));
            for n in 0..N {
                let rest = s.fma(scaled_sums, s.splat(x[n].low), bias);
                let rest =
                    s.fma(s.mul(column(s, weights[t], x[n].outlier.at), scales), s.splat(x[n].outlier.rest), rest);
                let product = s.fma(s.to_f32(sums[n][t]), s.mul(scales, s.splat(x[n].scale)), rest);
                s.store_part(product, self.out.place(token + n, at, self.matrix.rows));
            }
        }
    }
}

/// The integers of a column.
#[inline(always)]
fn column<S: Simd>(s: S, pairs: &[Pair], at: usize) -> S::F {
    let vector = s.bytes(&pairs[at / STEP][at % STEP / 4]);
    let mut one = [0; 4];
    one[at % 4] = 1;
    s.to_f32(s.dot_small(s.splat_i32(0), [vector; 2], &[one, [0; 4]]))
}

impl Kernel for EightPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (tokens, tiles) = (self.x.tokens(), self.matrix.scales.len());
        let mut tile = 0;
        while S::TOKENS >= 8 && tiles - tile >= 2 {
            equal_blocks!(tokens, [8, 6, 4, 2], |N, token| self.block::<S, N, 2>(s, tile, token));
            tile += 2;
        }
        // Three sums of two registers each leave room for weights and what is between.
        while tile < tiles {
            equal_blocks!(tokens, [3, 2], |N, token| self.block::<S, N, 1>(s, tile, token));
            tile += 1;
        }
    }
}
