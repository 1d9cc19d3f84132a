//! Activations times matrices.

use std::ops::Range;

use super::activations::{Activations, Row};
use super::disjoint::Disjoint;
use super::float_tile::Column;
use super::format::ByFormat;
use super::matrix::PackedMatrix;
use super::pack::Pack;
use super::pool::Pool;
use super::simd::{Isa, Kernel, LANES, Simd};
use super::tile::{GROUP, Tile};
#[cfg(target_arch = "x86_64")]
use super::tiled::{Unpacked, per_group};
use crate::{Error, Result};

/// A matrix, and where its product goes.
#[derive(Debug)]
pub struct Product<'a> {
    /// `[rows, columns]`
    pub matrix: &'a PackedMatrix,
    /// `[tokens, rows]`; overwritten.
    pub out: &'a mut [f32],
}

/// Multiplies the same activations with one or more matrices: `out[t][r] = Σ x[t][c] · matrix[r][c]`.
///
/// Quantized weights are multiplied with `x` in eight bits, for which `buffer` is used; plain floats with `x` itself. Several
/// small matrices in one call are faster than several calls.
///
/// # Shapes
/// - `x`: `[tokens, columns]`, `columns` as all matrices have it
///
/// # Errors
/// [`Error::Invalid`] if lengths do not agree.
pub fn multiply(pool: &Pool, buffer: &mut Activations, x: &[f32], products: &mut [Product<'_>]) -> Result<()> {
    multiply_with(Isa::best(), pool, buffer, x, products)
}

pub(super) fn multiply_with(
    isa: Isa,
    pool: &Pool,
    buffer: &mut Activations,
    x: &[f32],
    products: &mut [Product<'_>],
) -> Result<()> {
    let Some(columns) = products.first().map(|product| product.matrix.columns()) else { return Ok(()) };
    let tokens = x.len() / columns;
    for Product { matrix, out } in products.iter() {
        if matrix.columns() != columns || x.len() != tokens * columns || out.len() != tokens * matrix.rows() {
            let problem = format!(
                "{} numbers times {} rows of {} columns are not {}",
                x.len(),
                matrix.rows(),
                matrix.columns(),
                out.len()
            );
            return Err(Error::Invalid { what: "product".into(), problem });
        }
    }
    if products.iter().any(|product| product.matrix.format().is_quantized()) {
        buffer.quantize_with(isa, pool, x, columns);
        #[cfg(target_arch = "x86_64")]
        if use_amx(isa, tokens, columns) {
            buffer.gather_sixteens(pool);
        }
    }
    let tiles = |product: &Product<'_>| product.matrix.rows().div_ceil(LANES);
    let all = products.iter().map(tiles).sum::<usize>();
    let per_chunk = tiles_per_chunk(all, tokens, pool.threads());
    let mut jobs = Vec::with_capacity(products.len());
    let mut chunks = 0;
    for product in products {
        let first = chunks;
        chunks += tiles(product).div_ceil(per_chunk);
        let Product { matrix, out } = product;
        jobs.push((first, Job { isa, matrix, quantized: buffer, x, tokens, out: Disjoint::new(out) }));
    }
    pool.run(chunks, |chunk| {
        let job = jobs.iter().rev().find(|(first, _)| *first <= chunk);
        if let Some((first, job)) = job {
            let start = (chunk - first) * per_chunk;
            job.matrix.format().visit(Chunk { job, tiles: start..start + per_chunk });
        }
    });
    Ok(())
}

/// Whether sixteen tokens at a time are multiplied by AMX, which takes two groups of columns at once.
#[cfg(target_arch = "x86_64")]
fn use_amx(isa: Isa, tokens: usize, columns: usize) -> bool {
    isa.amx().is_some() && tokens >= LANES && columns >= 2 * GROUP
}

/// Small enough that threads finish together, large enough that claiming a chunk costs nothing.
fn tiles_per_chunk(tiles: usize, tokens: usize, threads: usize) -> usize {
    let most = if tokens < 16 { 16 } else { 4 };
    (tiles / (threads * 8)).clamp(1, most)
}

/// A product in the making.
struct Job<'a> {
    isa: Isa,
    matrix: &'a PackedMatrix,
    quantized: &'a Activations,
    x: &'a [f32],
    tokens: usize,
    out: Disjoint<'a, f32>,
}

impl Job<'_> {
    /// Stores the outputs of a tile for a token.
    ///
    /// Must be called by one thread at a time for a tile.
    #[inline(always)]
    fn store<S: Simd>(&self, s: S, tile: usize, token: usize, x: S::F) {
        let rows = self.matrix.rows();
        let start = token * rows + tile * LANES;
        let end = (start + LANES).min((token + 1) * rows);
        #[expect(unsafe_code, reason = "threads fill parts of the same product")]
        // SAFETY: tiles are different rows, and each tile is one thread's.
        let out = unsafe { self.out.part(start..end) };
        s.store_part(x, out);
    }
}

/// Some tiles of a product.
struct Chunk<'a> {
    job: &'a Job<'a>,
    tiles: Range<usize>,
}

/// The bytes of tiles `range`.
fn tiles<'a, T: bytemuck::Pod>(job: &'a Job<'_>, range: &Range<usize>, per_tile: usize) -> Vec<(usize, &'a [T])> {
    let all: &[T] = bytemuck::cast_slice(job.matrix.data());
    all.chunks_exact(per_tile).enumerate().skip(range.start).take(range.len()).collect()
}

impl ByFormat for Chunk<'_> {
    type Output = ();

    fn quantized<T: Pack>(self) {
        let per_tile = self.job.matrix.columns() / (GROUP * T::GROUPS);
        #[cfg(target_arch = "x86_64")]
        if use_amx(self.job.isa, self.job.tokens, self.job.matrix.columns()) {
            return self.job.isa.run(Tiled::<T> { job: self.job, tiles: tiles(self.job, &self.tiles, per_tile) });
        }
        self.job.isa.run(Quantized::<T> { job: self.job, tiles: tiles(self.job, &self.tiles, per_tile) });
    }

    fn plain<C: Column>(self) {
        let per_tile = self.job.matrix.columns();
        self.job.isa.run(Plain::<C> { job: self.job, tiles: tiles(self.job, &self.tiles, per_tile) });
    }
}

/// Calls `$block::<S, T, n>` for blocks of as many tokens as fit, up to the whole panel.
macro_rules! token_blocks {
    ($s:ident, $S:ident, $tokens:expr, |$n:ident, $token:ident| $body:expr) => {{
        let tokens: Range<usize> = $tokens;
        let mut $token = tokens.start;
        token_blocks!(@at 8, $s, $S, tokens, $n, $token, $body);
        token_blocks!(@at 4, $s, $S, tokens, $n, $token, $body);
        token_blocks!(@at 2, $s, $S, tokens, $n, $token, $body);
        token_blocks!(@at 1, $s, $S, tokens, $n, $token, $body);
    }};
    (@at $count:literal, $s:ident, $S:ident, $tokens:ident, $n:ident, $token:ident, $body:expr) => {
        if $S::TOKENS >= $count {
            while $tokens.end - $token >= $count {
                const $n: usize = $count;
                $body;
                $token += $count;
            }
        }
    };
}

/// Tokens that are multiplied with some tiles before the next ones: what fits the cache beside the tiles.
const PANEL: usize = 64;

struct Quantized<'a, T> {
    job: &'a Job<'a>,
    tiles: Vec<(usize, &'a [T])>,
}

impl<T: Tile> Kernel for Quantized<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { job, tiles } = self;
        for panel in (0..job.tokens).step_by(PANEL) {
            for (tile, blocks) in &tiles {
                token_blocks!(s, S, panel..job.tokens.min(panel + PANEL), |N, token| {
                    let sums = quantized_block::<S, T, N>(s, blocks, job.quantized, token, token == panel);
                    for (i, sums) in sums.iter().enumerate() {
                        job.store(s, *tile, token + i, *sums);
                    }
                });
            }
        }
    }
}

/// By AMX, sixteen tokens at a time, and the rest as without.
#[cfg(target_arch = "x86_64")]
struct Tiled<'a, T> {
    job: &'a Job<'a>,
    tiles: Vec<(usize, &'a [T])>,
}

#[cfg(target_arch = "x86_64")]
impl<T: Tile> Kernel for Tiled<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        /// Bytes of activations that stay in the second cache while tiles of weights pass.
        const CACHED: usize = 1 << 20;
        let Self { job, tiles } = self;
        // AMX comes with AVX-512: other instruction sets need no copy of this.
        let (true, Some(amx)) = (S::TOKENS >= 8, job.isa.amx()) else { return };
        let (blocks, rest) = (job.tokens / LANES, job.tokens / LANES * LANES..job.tokens);
        let per_panel = (CACHED / job.matrix.columns() / LANES).max(1);
        let mut unpacked = Unpacked::default();
        let configured = amx.configure(GROUP / per_group::<T>());
        for panel in (0..blocks).step_by(per_panel) {
            for (tile, weights) in &tiles {
                unpacked.fill(s, weights);
                for block in panel..blocks.min(panel + per_panel) {
                    let sums = unpacked.multiply::<S, T>(s, &configured, job.quantized, block);
                    for (i, sums) in sums.iter().enumerate() {
                        job.store(s, *tile, block * LANES + i, *sums);
                    }
                }
            }
        }
        for (tile, weights) in &tiles {
            token_blocks!(s, S, rest.clone(), |N, token| {
                let sums = quantized_block::<S, T, N>(s, weights, job.quantized, token, false);
                for (i, sums) in sums.iter().enumerate() {
                    job.store(s, *tile, token + i, *sums);
                }
            });
        }
    }
}

/// The sixteen outputs of a tile for each of `N` tokens. The `first` tokens fetch the weights from memory.
#[inline(always)]
fn quantized_block<S: Simd, T: Tile, const N: usize>(
    s: S,
    blocks: &[T],
    x: &Activations,
    token: usize,
    first: bool,
) -> [S::F; N] {
    let mut rows = [x.row(token); N];
    for (i, row) in rows.iter_mut().enumerate().skip(1) {
        *row = x.row(token + i);
    }
    let mut sums = [s.zero(); N];
    let mut at = 0;
    for block in blocks {
        for g in 0..T::GROUPS {
            if first {
                let part = size_of::<T>() / T::GROUPS;
                for line in bytemuck::bytes_of(block)[g * part..(g + 1) * part].chunks(64) {
                    s.prefetch(line);
                }
            }
            let group = block.group(s, g);
            let [a, b, c, d, e, f, g, h] = group.weights;
            if T::HALVES {
                let dots = dot4::<S, T, N>(s, start::<S, T, N>(s, &rows, at, [1, 0]), [a, b, c, d], &rows, at, 0);
                add_scaled(s, &mut sums, dots, group.scales[0], &rows, at);
                let dots = dot4::<S, T, N>(s, start::<S, T, N>(s, &rows, at, [0, 1]), [e, f, g, h], &rows, at, 4);
                add_scaled(s, &mut sums, dots, group.scales[1], &rows, at);
            } else {
                let dots = start::<S, T, N>(s, &rows, at, [1, 1]);
                let dots = dot4::<S, T, N>(s, dots, [a, b, c, d], &rows, at, 0);
                let dots = dot4::<S, T, N>(s, dots, [e, f, g, h], &rows, at, 4);
                add_scaled(s, &mut sums, dots, group.scales[0], &rows, at);
            }
            if T::MINIMUM {
                for i in 0..N {
                    sums[i] = s.fma(group.minimum, s.splat(rows[i].scaled_sums[at]), sums[i]);
                }
            }
            at += 1;
        }
    }
    sums
}

// The loops over tokens are short and small, one for each vector of weights, so that the compiler unrolls them and all stays in
// registers.

/// What the offset of the weights is too much, for the halves of group `at` counted as often as `halves` says.
#[inline(always)]
fn start<S: Simd, T: Tile, const N: usize>(s: S, rows: &[Row<'_>; N], at: usize, halves: [i32; 2]) -> [S::I; N] {
    let offset = if T::SIGNED { S::SIGNED_OFFSET } else { T::OFFSET };
    let mut dots = [s.splat_i32(0); N];
    if offset != 0 {
        for i in 0..N {
            let [low, high] = rows[i].sums[at];
            dots[i] = s.splat_i32(-offset * (halves[0] * low + halves[1] * high));
        }
    }
    dots
}

/// Adds the products of four vectors, the first of which is number `first` of group `at`.
#[inline(always)]
fn dot4<S: Simd, T: Tile, const N: usize>(
    s: S,
    mut dots: [S::I; N],
    weights: [S::B; 4],
    rows: &[Row<'_>; N],
    at: usize,
    first: usize,
) -> [S::I; N] {
    let [a, b, c, d] = weights;
    dot::<S, T, N>(s, &mut dots, a, rows, at, first);
    dot::<S, T, N>(s, &mut dots, b, rows, at, first + 1);
    dot::<S, T, N>(s, &mut dots, c, rows, at, first + 2);
    dot::<S, T, N>(s, &mut dots, d, rows, at, first + 3);
    dots
}

#[inline(always)]
fn dot<S: Simd, T: Tile, const N: usize>(
    s: S,
    dots: &mut [S::I; N],
    weights: S::B,
    rows: &[Row<'_>; N],
    at: usize,
    j: usize,
) {
    for i in 0..N {
        let x = rows[i].numbers[at].as_chunks::<4>().0[j];
        dots[i] = if T::SIGNED { s.dot_signed(dots[i], weights, x) } else { s.dot(dots[i], weights, x) };
    }
}

/// Adds the sums of integers, times the scales of weights and activations.
#[inline(always)]
fn add_scaled<S: Simd, const N: usize>(
    s: S,
    sums: &mut [S::F; N],
    dots: [S::I; N],
    scale: S::F,
    rows: &[Row<'_>; N],
    at: usize,
) {
    for i in 0..N {
        sums[i] = s.fma(s.mul(s.to_f32(dots[i]), scale), s.splat(rows[i].scales[at]), sums[i]);
    }
}

struct Plain<'a, C> {
    job: &'a Job<'a>,
    tiles: Vec<(usize, &'a [C])>,
}

impl<C: Column> Kernel for Plain<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { job, tiles } = self;
        let columns = job.matrix.columns();
        for panel in (0..job.tokens).step_by(PANEL) {
            for (tile, weights) in &tiles {
                token_blocks!(s, S, panel..job.tokens.min(panel + PANEL), |N, token| {
                    let mut rows = [&job.x[..0]; N];
                    for (i, row) in rows.iter_mut().enumerate() {
                        *row = &job.x[(token + i) * columns..][..columns];
                    }
                    for (i, sums) in plain_block(s, weights, rows, token == panel).iter().enumerate() {
                        job.store(s, *tile, token + i, *sums);
                    }
                });
            }
        }
    }
}

/// The sixteen outputs of a tile for each of `N` tokens. Even and odd columns are summed apart, as one chain of additions is
/// slower than memory.
#[inline(always)]
fn plain_block<S: Simd, C: Column, const N: usize>(s: S, weights: &[C], rows: [&[f32]; N], first: bool) -> [S::F; N] {
    let mut sums = [[s.zero(); 2]; N];
    let (pairs, last) = weights.as_chunks::<2>();
    for (i, pair) in pairs.iter().enumerate() {
        if first {
            for line in bytemuck::bytes_of(pair).chunks(64) {
                s.prefetch(line);
            }
        }
        let [even, odd] = [pair[0].load(s), pair[1].load(s)];
        for (row, sums) in rows.iter().zip(&mut sums) {
            sums[0] = s.fma(even, s.splat(row[2 * i]), sums[0]);
            sums[1] = s.fma(odd, s.splat(row[2 * i + 1]), sums[1]);
        }
    }
    for weights in last {
        let even = weights.load(s);
        for (row, sums) in rows.iter().zip(&mut sums) {
            sums[0] = s.fma(even, s.splat(row.last().copied().unwrap_or_default()), sums[0]);
        }
    }
    let mut totals = [s.zero(); N];
    for (total, [even, odd]) in totals.iter_mut().zip(&sums) {
        *total = s.add(*even, *odd);
    }
    totals
}

#[cfg(test)]
mod tests;
