//! Activations of eight bits.

use super::aligned::AlignedVec;
use super::disjoint::{Disjoint, for_each_part};
use super::pool::Pool;
use super::simd::{Isa, Kernel, LANES, Simd, TO_INTEGER};
use super::tile::GROUP;

/// Rows of numbers, each 32 as 32 integers and a scale: `x ≈ scale · q`, `q` from -127 to 127.
///
/// A buffer: filled again and again, so that a generation allocates once.
#[derive(Debug, Default)]
pub struct Activations {
    tokens: usize,
    groups: usize,
    /// `[tokens, groups, 32]`
    numbers: AlignedVec<[i8; GROUP]>,
    /// `[tokens, groups]`, like all that follows.
    scales: Vec<f32>,
    /// Scale times the sum of the integers.
    scaled_sums: Vec<f32>,
    /// The sums of the first and the second sixteen integers.
    sums: Vec<[i32; 2]>,
    /// `[tokens / 16, groups]`, where it was asked for.
    sixteen: AlignedVec<SixteenScales>,
}

/// Scales of a group for sixteen tokens.
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct SixteenScales {
    pub(super) scales: [f32; LANES],
    pub(super) scaled_sums: [f32; LANES],
}

/// The activations of a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) numbers: &'a [[i8; GROUP]],
    pub(super) scales: &'a [f32],
    pub(super) scaled_sums: &'a [f32],
    pub(super) sums: &'a [[i32; 2]],
}

impl Activations {
    /// Takes rows of `columns` numbers each; `columns` is a multiple of 32, and `x.len()` one of `columns`. What is over is left
    /// out.
    ///
    /// Numbers that are not finite make what they are multiplied to NaN.
    pub fn quantize(&mut self, pool: &Pool, x: &[f32], columns: usize) {
        self.quantize_with(Isa::best(), pool, x, columns);
    }

    pub(super) fn quantize_with(&mut self, isa: Isa, pool: &Pool, x: &[f32], columns: usize) {
        /// Groups to a chunk: some 10 µs.
        const CHUNK: usize = 512;
        self.groups = columns / GROUP;
        self.tokens = x.len().checked_div(columns).unwrap_or(0);
        let all = self.groups * self.tokens;
        self.numbers.resize(all);
        self.scales.resize(all, 0.0);
        self.scaled_sums.resize(all, 0.0);
        self.sums.resize(all, [0; 2]);
        let numbers = Disjoint::new(&mut self.numbers);
        let scales = Disjoint::new(&mut self.scales);
        let scaled_sums = Disjoint::new(&mut self.scaled_sums);
        let sums = Disjoint::new(&mut self.sums);
        let groups = x.as_chunks::<GROUP>().0;
        pool.run(all.div_ceil(CHUNK), |chunk| {
            let range = chunk * CHUNK..all.min((chunk + 1) * CHUNK);
            let Some(x) = groups.get(range.clone()) else { return };
            #[expect(unsafe_code, reason = "threads fill parts of the same buffers")]
            // SAFETY: each chunk has a range of its own, and is run once.
            let job = unsafe {
                Quantize {
                    x,
                    numbers: numbers.part(range.clone()),
                    scales: scales.part(range.clone()),
                    scaled_sums: scaled_sums.part(range.clone()),
                    sums: sums.part(range),
                }
            };
            isa.run(job);
        });
    }

    /// Makes [`sixteen`](Self::sixteen) ready.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "AMX only"))]
    pub(super) fn gather_sixteens(&mut self, pool: &Pool) {
        let groups = self.groups;
        self.sixteen.resize(self.tokens / LANES * groups);
        let (scales, scaled_sums) = (&self.scales, &self.scaled_sums);
        for_each_part(pool, &mut self.sixteen, groups, 1, |block, sixteen| {
            for (g, to) in sixteen.iter_mut().enumerate() {
                for i in 0..LANES {
                    let from = (block * LANES + i) * groups + g;
                    (to.scales[i], to.scaled_sums[i]) = (scales[from], scaled_sums[from]);
                }
            }
        });
    }

    /// The numbers from token `16 · block` on, and the scales of the sixteen from there.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "AMX only"))]
    #[inline(always)]
    pub(super) fn sixteen(&self, block: usize) -> (&[i8], &[SixteenScales]) {
        let numbers = self.numbers[block * LANES * self.groups..].as_flattened();
        (numbers, &self.sixteen[block * self.groups..(block + 1) * self.groups])
    }

    /// How many rows there are.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// How many numbers a row has.
    pub fn columns(&self) -> usize {
        self.groups * GROUP
    }

    /// The activations of a token below [`tokens`](Self::tokens).
    #[inline(always)]
    pub(super) fn row(&self, token: usize) -> Row<'_> {
        let range = token * self.groups..(token + 1) * self.groups;
        Row {
            numbers: &self.numbers[range.clone()],
            scales: &self.scales[range.clone()],
            scaled_sums: &self.scaled_sums[range.clone()],
            sums: &self.sums[range],
        }
    }
}

struct Quantize<'a> {
    x: &'a [[f32; GROUP]],
    numbers: &'a mut [[i8; GROUP]],
    scales: &'a mut [f32],
    scaled_sums: &'a mut [f32],
    sums: &'a mut [[i32; 2]],
}

impl Kernel for Quantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, numbers, scales, scaled_sums, sums } = self;
        let outputs = numbers.iter_mut().zip(scales).zip(scaled_sums).zip(sums);
        for (x, (((numbers, scale), scaled_sum), sums)) in x.iter().zip(outputs) {
            (*scale, *sums) = quantize(s, x, numbers);
            *scaled_sum = *scale * (sums[0] + sums[1]) as f32;
        }
    }
}

/// Scale, and the sums of both halves.
///
/// The largest magnitude becomes 127. The scale that then fits best, `Σ x·q / Σ q²`, leaves about 1/32 less error than dividing by
/// 127 again.
#[inline(always)]
pub(super) fn quantize<S: Simd>(s: S, x: &[f32; GROUP], numbers: &mut [i8; GROUP]) -> (f32, [i32; 2]) {
    let (halves, _) = x.as_chunks::<LANES>();
    let (low, high) = (s.load(&halves[0]), s.load(&halves[1]));
    let negative = s.splat(-1.0);
    let magnitude = s.max(s.max(low, s.mul(low, negative)), s.max(high, s.mul(high, negative)));
    let largest = s.largest(magnitude);
    let inverse = s.splat(if largest > f32::MIN_POSITIVE { 127.0 / largest } else { 0.0 });
    let (mut sums, mut total) = ([0; 2], 0.0);
    let (mut products, mut squares) = (s.zero(), s.zero());
    let halves = [s.mul(low, inverse), s.mul(high, inverse)];
    for i in 0..2 {
        let shifted = s.add(halves[i], s.splat(TO_INTEGER));
        s.store_integers(shifted, &mut numbers.as_chunks_mut().0[i]);
        let integers = s.sub(shifted, s.splat(TO_INTEGER));
        products = s.fma(halves[i], integers, products);
        squares = s.fma(integers, integers, squares);
        let sum = s.sum(integers); // of small integers: exact in any order
        sums[i] = sum as i32;
        total += sum;
    }
    let squares = s.sum(squares);
    let fit = if squares > 0.0 { s.sum(products) / squares } else { 1.0 };
    // NaN if a number was infinite or NaN: infinity times an inverse of zero is NaN, too.
    (largest / 127.0 * fit + total * 0.0, sums)
}
