//! What attention remembers of a layer: the keys and values of all positions.

use std::sync::Arc;

use super::activations::quantize;
use super::simd::{Isa, Kernel, LANES, Simd};
use super::tile::GROUP;
use crate::{Error, Result};

/// Positions in a block. Attention takes blocks one by one, so that sums are cut where positions say, not where a prompt was.
pub(super) const BLOCK: usize = 64;

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvPrecision {
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
    blocks: Vec<Arc<[u8]>>,
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
            KvPrecision::F16 => 0,
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
        self.blocks.iter().map(|block| block.len()).sum()
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
    pub fn append(&mut self, keys: &[f32], values: &[f32]) -> Result<()> {
        let row = self.heads * self.head_dim;
        if keys.len() != values.len() || !keys.len().is_multiple_of(row) {
            let problem = format!("{} numbers of keys, {} of values, in rows of {row}", keys.len(), values.len());
            return Err(Error::Invalid { what: "keys and values".into(), problem });
        }
        let layout = self.layout();
        for (keys, values) in keys.chunks_exact(row).zip(values.chunks_exact(row)) {
            let at = self.len % BLOCK;
            if at == 0 {
                self.blocks.push(vec![0; layout.bytes() * self.heads].into());
            }
            if let Some(block) = self.blocks.last_mut() {
                let block = Arc::make_mut(block);
                Isa::best().run(Put { layout, head_dim: self.head_dim, block, at, keys, values });
            }
            self.len += 1;
        }
        Ok(())
    }

    pub(super) fn layout(&self) -> HeadLayout {
        let multiple = match self.precision {
            KvPrecision::F16 => LANES,
            KvPrecision::Q8 => GROUP,
        };
        HeadLayout { precision: self.precision, dims: self.head_dim.next_multiple_of(multiple) }
    }

    /// Head `head` in the block of positions `BLOCK * block` and on. Positions that are not there yet are zero, or were once.
    pub(super) fn head(&self, block: usize, head: usize) -> Option<HeadBlock<'_>> {
        let layout = self.layout();
        let head = self.blocks.get(block)?.chunks_exact(layout.bytes()).nth(head)?;
        Some(layout.split(head))
    }
}

/// Adds a position to a block.
struct Put<'a> {
    layout: HeadLayout,
    head_dim: usize,
    block: &'a mut [u8],
    /// Where in the block.
    at: usize,
    keys: &'a [f32],
    values: &'a [f32],
}

impl Kernel for Put<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { layout, head_dim, block, at, .. } = self;
        let heads = self.keys.chunks_exact(head_dim).zip(self.values.chunks_exact(head_dim));
        for (head, (key, value)) in block.chunks_exact_mut(layout.bytes()).zip(heads) {
            let (keys, rest) = head.split_at_mut(layout.numbers());
            let (values, rest) = rest.split_at_mut(layout.numbers());
            let (key_scales, value_scales) = rest.split_at_mut(layout.scales());
            match layout.precision {
                KvPrecision::F16 => put_f16(s, layout.dims, at, (key, value), keys, values),
                KvPrecision::Q8 => {
                    put_keys_q8(s, at, key, keys, key_scales);
                    put_values_q8(s, layout.dims, at, value, values, value_scales);
                }
            }
        }
    }
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

#[inline(always)]
fn load_scale(scales: &[[u8; 4]], i: usize) -> f32 {
    f32::from_ne_bytes(scales[i])
}

impl HeadBlock<'_> {
    /// The keys as `[dims][64]` numbers.
    #[inline(always)]
    pub(super) fn unpack_keys<S: Simd>(&self, s: S, layout: HeadLayout, to: &mut [[f32; LANES]]) {
        match layout.precision {
            KvPrecision::F16 => unpack_f16(s, self.keys, to),
            KvPrecision::Q8 => {
                let groups = to.chunks_exact_mut(GROUP * BLOCK / LANES);
                let groups = groups.zip(self.keys.chunks_exact(GROUP * BLOCK));
                for ((to, from), scales) in groups.zip(self.key_scales.chunks_exact(4 * BLOCK)) {
                    let mut quarters = [s.zero(); BLOCK / LANES];
                    for (quarter, scales) in quarters.iter_mut().zip(scales.chunks_exact(4 * LANES)) {
                        let mut lanes = [0.0; LANES];
                        for (i, lane) in lanes.iter_mut().enumerate() {
                            *lane = load_scale(scales.as_chunks().0, i);
                        }
                        *quarter = s.load(&lanes);
                    }
                    for (i, (to, from)) in to.iter_mut().zip(from.as_chunks().0).enumerate() {
                        s.store(s.mul(s.load_i8(from), quarters[i % (BLOCK / LANES)]), to);
                    }
                }
            }
        }
    }

    /// The values as `[64][dims]` numbers.
    #[inline(always)]
    pub(super) fn unpack_values<S: Simd>(&self, s: S, layout: HeadLayout, to: &mut [[f32; LANES]]) {
        match layout.precision {
            KvPrecision::F16 => unpack_f16(s, self.values, to),
            KvPrecision::Q8 => {
                let scales = self.value_scales.as_chunks().0;
                for (i, (to, from)) in to.iter_mut().zip(self.values.as_chunks().0).enumerate() {
                    let scale = s.splat(load_scale(scales, i * LANES / GROUP));
                    s.store(s.mul(s.load_i8(from), scale), to);
                }
            }
        }
    }
}

#[inline(always)]
fn unpack_f16<S: Simd>(s: S, from: &[u8], to: &mut [[f32; LANES]]) {
    for (to, from) in to.iter_mut().zip(from.as_chunks().0) {
        s.store(s.load_f16(from), to);
    }
}
