//! Prompts by AMX: tiles of weights are unpacked once for many tokens, and multiplied with 16 of them at a time.
//!
//! The integers are the same as with other instructions, and the floats are added in the same order, so the bits are the same.

use super::activations::{Activations, SixteenScales};
use super::aligned::AlignedVec;
use super::amx::{Sums, Tiles};
use super::simd::{LANES, Simd};
use super::tile::{GROUP, Tile};

/// A tile with signed bytes for weights.
#[derive(Default)]
pub(super) struct Unpacked {
    /// `[groups, 8, 64]`, as [`Tile`] has them.
    weights: AlignedVec<[u8; 4 * LANES]>,
    /// `[groups]`, twice as many if each half of a group has its own.
    scales: AlignedVec<[f32; LANES]>,
    /// `[groups]`
    minima: AlignedVec<[f32; LANES]>,
}

impl Unpacked {
    /// Tiles are unpacked one after the other into the same memory.
    #[inline(always)]
    pub(super) fn fill<S: Simd, T: Tile>(&mut self, s: S, blocks: &[T]) {
        let groups = blocks.len() * T::GROUPS;
        self.weights.resize(groups * 8);
        self.scales.resize(groups * per_group::<T>());
        self.minima.resize(if T::MINIMUM { groups } else { 0 });
        let offset = if T::SIGNED { 128 } else { T::OFFSET as u8 };
        for at in 0..groups {
            let group = blocks[at / T::GROUPS].group(s, at % T::GROUPS);
            for (weights, to) in group.weights.iter().zip(&mut self.weights[at * 8..at * 8 + 8]) {
                s.store_bytes(*weights, offset, to);
            }
            let scales = &mut self.scales[at * per_group::<T>()..];
            for (scale, to) in group.scales.iter().zip(scales).take(per_group::<T>()) {
                s.store(*scale, to);
            }
            if T::MINIMUM {
                s.store(group.minimum, &mut self.minima[at]);
            }
        }
    }

    /// The sixteen outputs of the tile for each of sixteen tokens. There must be two groups or more.
    #[inline(always)]
    pub(super) fn multiply<S: Simd, T: Tile>(
        &self,
        s: S,
        tiles: &Tiles,
        x: &Activations,
        block: usize,
    ) -> [S::F; LANES] {
        let stride = x.columns();
        let (numbers, scales) = x.sixteen(block);
        let (weights, own, minima) = (self.weights.as_flattened(), &*self.scales, &*self.minima);
        let mut outputs = [s.zero(); LANES];
        let groups = scales.len();
        // Two products at a time: both halves of a group, or two groups. The last of an odd number of groups is taken together
        // with the one before, again.
        let step = if T::HALVES { 1 } else { 2 };
        let start = |at: usize| if T::HALVES { at } else { at.min(groups.saturating_sub(2)) };
        let products = |at: usize, sums: &mut [Sums; 2]| {
            let first = start(at) * GROUP;
            tiles.products(&numbers[first..], stride, &weights[first * LANES..], sums);
        };
        // The next products are on their way while the last ones are scaled.
        let mut sums = [[Sums::default(); 2]; 2];
        products(0, &mut sums[0]);
        for (turn, at) in (0..groups).step_by(step).enumerate() {
            let [even, odd] = &mut sums;
            let (now, next) = if turn % 2 == 0 { (even, odd) } else { (odd, even) };
            if at + step < groups {
                products(at + step, next);
            }
            if T::HALVES {
                add_scaled(s, &mut outputs, &now[0], &own[2 * at], &scales[at].scales);
                add_scaled(s, &mut outputs, &now[1], &own[2 * at + 1], &scales[at].scales);
                continue;
            }
            if start(at) == at {
                add_group::<S, T>(s, &mut outputs, &now[0], &scales[at], &own[at], minima.get(at));
            }
            let second = start(at) + 1;
            add_group::<S, T>(s, &mut outputs, &now[1], &scales[second], &own[second], minima.get(second));
        }
        outputs
    }
}

/// Adds the sums of a group, times its scales, and its minimum.
#[inline(always)]
fn add_group<S: Simd, T: Tile>(
    s: S,
    outputs: &mut [S::F; LANES],
    sums: &Sums,
    x: &SixteenScales,
    scale: &[f32; LANES],
    minimum: Option<&[f32; LANES]>,
) {
    add_scaled(s, outputs, sums, scale, &x.scales);
    if let (true, Some(minimum)) = (T::MINIMUM, minimum) {
        let minimum = s.load(minimum);
        for (output, sum) in outputs.iter_mut().zip(&x.scaled_sums) {
            *output = s.fma(minimum, s.splat(*sum), *output);
        }
    }
}

/// Scales of a group of columns.
pub(super) const fn per_group<T: Tile>() -> usize {
    if T::HALVES { 2 } else { 1 }
}

#[inline(always)]
fn add_scaled<S: Simd>(s: S, outputs: &mut [S::F; LANES], sums: &Sums, scale: &[f32; LANES], x: &[f32; LANES]) {
    let scale = s.load(scale);
    for i in 0..LANES {
        outputs[i] = s.fma(s.mul(s.to_f32(s.load_i32(&sums.0[i])), scale), s.splat(x[i]), outputs[i]);
    }
}
