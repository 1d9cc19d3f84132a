//! What attention remembers of a layer: the keys and values of all positions.

use std::sync::Arc;

use bytemuck::Zeroable;

use super::activations::quantize;
use super::aligned::Line;
use super::disjoint::for_each_part;
use super::pool::Pool;
use super::simd::{Isa, Kernel, LANES, Simd};
use super::tile::GROUP;
use crate::{Error, Result};

/// Positions in a block. Attention takes blocks one by one, so that sums are cut where positions say, not where a prompt was.
pub(super) const BLOCK: usize = 64;

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvPrecision {
    /// As `f32`: as they are, to compare with.
    F32,
    /// As `f16`.
    F16,
    /// Of eight bits with an `f32` scale for each 32: 9/16 of the memory.
    Q8,
}

/// The keys and values of a layer in a session.
///
/// A clone shares the blocks of 64 positions, and copies a block when it writes to it: to keep a prefix, clone and
/// [`truncate`](Self::truncate).
///
/// A block holds for each head, one after the other, with `dims` the head's dimension rounded up to a multiple of 16 (32 for
/// [`KvPrecision::Q8`]):
///
/// ```text
/// keys     [dims][64]      so that one vector is sixteen positions
/// values   [64][dims]      so that one vector is sixteen dimensions
/// scales   [dims/32][64] of keys, [64][dims/32] of values, f32: Q8 only
/// ```
#[derive(Debug, Clone)]
pub struct KvCache {
    precision: KvPrecision,
    heads: usize,
    head_dim: usize,
    len: usize,
    blocks: Vec<Arc<[Line]>>,
}

/// Where in a block the parts of a head are.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLayout {
    pub(super) precision: KvPrecision,
    /// Rounded up.
    pub(super) dims: usize,
}

/// The parts of a head in a block.
pub(super) struct HeadBlock<'a> {
    keys: &'a [u8],
    values: &'a [u8],
    key_scales: &'a [u8],
    value_scales: &'a [u8],
}

impl HeadLayout {
    fn number_bytes(self) -> usize {
        match self.precision {
            KvPrecision::F32 => 4,
            KvPrecision::F16 => 2,
            KvPrecision::Q8 => 1,
        }
    }

    /// Bytes of all keys, or of all values.
    fn numbers(self) -> usize {
        self.dims * BLOCK * self.number_bytes()
    }

    fn scales(self) -> usize {
        match self.precision {
            KvPrecision::F32 | KvPrecision::F16 => 0,
            KvPrecision::Q8 => self.dims / GROUP * BLOCK * 4,
        }
    }

    fn bytes(self) -> usize {
        2 * (self.numbers() + self.scales())
    }

    fn split(self, head: &[u8]) -> HeadBlock<'_> {
        let (keys, rest) = head.split_at(self.numbers());
        let (values, rest) = rest.split_at(self.numbers());
        let (key_scales, value_scales) = rest.split_at(self.scales());
        HeadBlock { keys, values, key_scales, value_scales }
    }
}

impl KvCache {
    /// An empty cache of `heads` heads for keys and values.
    ///
    /// # Errors
    /// [`Error::Invalid`] without heads or dimensions.
    pub fn new(precision: KvPrecision, heads: usize, head_dim: usize) -> Result<Self> {
        const MOST: usize = 1 << 16;
        if !(1..=MOST).contains(&heads) || !(1..=MOST).contains(&head_dim) {
            let problem = format!("{heads} heads of {head_dim} dimensions");
            return Err(Error::Invalid { what: "cache of keys and values".into(), problem });
        }
        Ok(Self { precision, heads, head_dim, len: 0, blocks: Vec::new() })
    }

    /// How many positions it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heads of keys and values.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// Numbers in a key or a value.
    pub fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// Bytes of all blocks, shared ones included.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| size_of_val(&**block)).sum()
    }

    /// Forgets all positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.blocks.truncate(self.len.div_ceil(BLOCK));
    }

    /// Adds positions at the end.
    ///
    /// # Shapes
    /// - `keys` (rotated), `values`: `[tokens, heads, head_dim]`
    ///
    /// # Errors
    /// [`Error::Invalid`] if lengths do not agree.
    pub fn append(&mut self, pool: &Pool, keys: &[f32], values: &[f32]) -> Result<()> {
        /// Numbers that a thread puts away in some 10 µs.
        const NUMBERS: usize = 8192;
        let row = self.heads * self.head_dim;
        if keys.len() != values.len() || !keys.len().is_multiple_of(row) {
            let problem = format!("{} numbers of keys, {} of values, in rows of {row}", keys.len(), values.len());
            return Err(Error::Invalid { what: "keys and values".into(), problem });
        }
        let (layout, first, heads, head_dim) = (self.layout(), self.len, self.heads, self.head_dim);
        self.len += keys.len() / row;
        let empty = || vec![Line::zeroed(); layout.bytes() * heads / size_of::<Line>()].into();
        self.blocks.resize_with(self.len.div_ceil(BLOCK), empty);
        // Head by head in a block, so that what is written stays in the first cache.
        let blocks = self.blocks.iter_mut().enumerate().skip(first / BLOCK);
        let mut places: Vec<(usize, &mut [u8])> = blocks
            .flat_map(|(block, lines)| {
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(Arc::make_mut(lines));
                bytes.chunks_exact_mut(layout.bytes()).map(move |head| (block, head))
            })
            .collect();
        let at_once = (NUMBERS / (head_dim * (self.len - first).clamp(1, BLOCK))).max(1);
        for_each_part(pool, &mut places, 1, at_once, |number, places| {
            for (i, (block, bytes)) in places.iter_mut().enumerate() {
                let positions = (*block * BLOCK).max(first)..((*block + 1) * BLOCK).min(self.len);
                let start = (positions.start - first) * row + (number + i) % heads * head_dim;
                let (keys, values) = (&keys[start..], &values[start..]);
                let at = positions.start % BLOCK;
                Isa::best().run(Put { layout, head_dim, bytes, at, tokens: positions.len(), row, keys, values });
            }
        });
        Ok(())
    }

    pub(super) fn layout(&self) -> HeadLayout {
        let multiple = match self.precision {
            KvPrecision::F32 | KvPrecision::F16 => LANES,
            KvPrecision::Q8 => GROUP,
        };
        HeadLayout { precision: self.precision, dims: self.head_dim.next_multiple_of(multiple) }
    }

    /// Head `head` in the block of positions `BLOCK * block` and on. Positions that are not there yet are zero, or were once.
    pub(super) fn head(&self, block: usize, head: usize) -> Option<HeadBlock<'_>> {
        let layout = self.layout();
        let bytes: &[u8] = bytemuck::cast_slice(self.blocks.get(block)?);
        Some(layout.split(bytes.chunks_exact(layout.bytes()).nth(head)?))
    }
}

/// Adds positions to a head in a block.
struct Put<'a> {
    layout: HeadLayout,
    head_dim: usize,
    bytes: &'a mut [u8],
    /// Where in the block the first one goes.
    at: usize,
    tokens: usize,
    /// How far a position's numbers are from the next one's.
    row: usize,
    /// From the head's first on.
    keys: &'a [f32],
    values: &'a [f32],
}

impl Kernel for Put<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let layout = self.layout;
        let (keys, rest) = self.bytes.split_at_mut(layout.numbers());
        let (values, rest) = rest.split_at_mut(layout.numbers());
        let (key_scales, value_scales) = rest.split_at_mut(layout.scales());
        let positions = self.keys.chunks(self.row).zip(self.values.chunks(self.row)).take(self.tokens);
        for (at, (key, value)) in (self.at..).zip(positions) {
            let (key, value) = (&key[..self.head_dim], &value[..self.head_dim]);
            match layout.precision {
                KvPrecision::F32 => put_f32(layout.dims, at, (key, value), keys, values),
                KvPrecision::F16 => put_f16(s, layout.dims, at, (key, value), keys, values),
                KvPrecision::Q8 => {
                    put_keys_q8(s, at, key, keys, key_scales);
                    put_values_q8(s, layout.dims, at, value, values, value_scales);
                }
            }
        }
    }
}

fn put_f32(dims: usize, at: usize, (key, value): (&[f32], &[f32]), keys: &mut [u8], values: &mut [u8]) {
    for (column, key) in keys.chunks_exact_mut(4 * BLOCK).zip(key) {
        column[4 * at..4 * at + 4].copy_from_slice(&key.to_ne_bytes());
    }
    let row = &mut values[at * dims * 4..][..dims * 4];
    row.as_chunks_mut().0.iter_mut().zip(value).for_each(|(to, value)| *to = value.to_ne_bytes());
}

#[inline(always)]
fn put_f16<S: Simd>(s: S, dims: usize, at: usize, (key, value): (&[f32], &[f32]), keys: &mut [u8], values: &mut [u8]) {
    for (i, key) in key.chunks(LANES).enumerate() {
        let mut halves = [0; 2 * LANES];
        s.store_f16(s.load_part(key, 0.0), &mut halves);
        let columns = keys[i * LANES * BLOCK * 2..].chunks_exact_mut(2 * BLOCK);
        for (column, half) in columns.zip(halves.as_chunks::<2>().0) {
            column[2 * at..2 * at + 2].copy_from_slice(half);
        }
    }
    let row = &mut values[at * dims * 2..][..dims * 2];
    for (value, to) in value.chunks(LANES).zip(row.as_chunks_mut().0) {
        s.store_f16(s.load_part(value, 0.0), to);
    }
}

/// 32 numbers, or what there is of them and zeros, of eight bits; and their scale.
#[inline(always)]
fn eight_bits<S: Simd>(s: S, numbers: &[f32]) -> ([i8; GROUP], f32) {
    let mut group = [0.0; GROUP];
    for (to, number) in group.iter_mut().zip(numbers) {
        *to = *number;
    }
    let mut quantized = [0; GROUP];
    let (scale, _) = quantize(s, &group, &mut quantized);
    (quantized, scale)
}

#[inline(always)]
fn put_keys_q8<S: Simd>(s: S, at: usize, key: &[f32], keys: &mut [u8], scales: &mut [u8]) {
    let groups = keys.chunks_exact_mut(GROUP * BLOCK).zip(scales.chunks_exact_mut(4 * BLOCK));
    for (key, (columns, scales)) in key.chunks(GROUP).zip(groups) {
        let (numbers, scale) = eight_bits(s, key);
        scales[4 * at..4 * at + 4].copy_from_slice(&scale.to_ne_bytes());
        for (column, number) in columns.chunks_exact_mut(BLOCK).zip(&numbers) {
            column[at] = *number as u8;
        }
    }
}

#[inline(always)]
fn put_values_q8<S: Simd>(s: S, dims: usize, at: usize, value: &[f32], values: &mut [u8], scales: &mut [u8]) {
    let row = values[at * dims..][..dims].chunks_exact_mut(GROUP);
    let scales = scales[at * dims / GROUP * 4..].chunks_exact_mut(4);
    for (value, (row, to)) in value.chunks(GROUP).zip(row.zip(scales)) {
        let (numbers, scale) = eight_bits(s, value);
        to.copy_from_slice(&scale.to_ne_bytes());
        for (to, number) in row.iter_mut().zip(&numbers) {
            *to = *number as u8;
        }
    }
}

/// Keys or values of a head in a block, as they are stored: one vector of sixteen after the other.
pub(super) trait Vectors: Copy {
    /// Implementations are `#[inline(always)]`.
    fn load<S: Simd>(&self, s: S, i: usize) -> S::F;
}

/// As `f32`, unpacked or not.
#[derive(Clone, Copy)]
pub(super) struct Singles<'a>(pub(super) &'a [[f32; LANES]]);

impl Vectors for Singles<'_> {
    #[inline(always)]
    fn load<S: Simd>(&self, s: S, i: usize) -> S::F {
        s.load(&self.0[i])
    }
}

/// As `f16`.
#[derive(Clone, Copy)]
pub(super) struct Halves<'a>(&'a [[u8; 2 * LANES]]);

impl Vectors for Halves<'_> {
    #[inline(always)]
    fn load<S: Simd>(&self, s: S, i: usize) -> S::F {
        s.load_f16(&self.0[i])
    }
}

/// Of eight bits: a vector is sixteen positions of a dimension.
#[derive(Clone, Copy)]
pub(super) struct KeyBytes<'a> {
    numbers: &'a [[u8; LANES]],
    /// `[dims/32][64]`
    scales: &'a [[f32; LANES]],
}

impl Vectors for KeyBytes<'_> {
    #[inline(always)]
    fn load<S: Simd>(&self, s: S, i: usize) -> S::F {
        const QUARTERS: usize = BLOCK / LANES;
        let scales = &self.scales[i / (GROUP * QUARTERS) * QUARTERS + i % QUARTERS];
        s.mul(s.load_i8(&self.numbers[i]), s.load(scales))
    }
}

/// Of eight bits: a vector is sixteen dimensions of a position.
#[derive(Clone, Copy)]
pub(super) struct ValueBytes<'a> {
    numbers: &'a [[u8; LANES]],
    /// `[64][dims/32]`
    scales: &'a [f32],
}

impl Vectors for ValueBytes<'_> {
    #[inline(always)]
    fn load<S: Simd>(&self, s: S, i: usize) -> S::F {
        s.mul(s.load_i8(&self.numbers[i]), s.splat(self.scales[i * LANES / GROUP]))
    }
}

/// What is done with the keys and values of a head in a block, whatever they are stored as.
pub(super) trait WithVectors {
    /// Implementations are `#[inline(always)]`.
    fn run(self, keys: impl Vectors, values: impl Vectors);
}

impl HeadBlock<'_> {
    #[inline(always)]
    pub(super) fn with(&self, layout: HeadLayout, task: impl WithVectors) {
        let (keys, values) = (self.keys, self.values);
        match layout.precision {
            KvPrecision::F32 => task.run(Singles(bytemuck::cast_slice(keys)), Singles(bytemuck::cast_slice(values))),
            KvPrecision::F16 => task.run(Halves(keys.as_chunks().0), Halves(values.as_chunks().0)),
            KvPrecision::Q8 => {
                let (key_scales, value_scales) = (self.key_scales, self.value_scales);
                task.run(
                    KeyBytes { numbers: keys.as_chunks().0, scales: bytemuck::cast_slice(key_scales) },
                    ValueBytes { numbers: values.as_chunks().0, scales: bytemuck::cast_slice(value_scales) },
                );
            }
        }
    }
}
