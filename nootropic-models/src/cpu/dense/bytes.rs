//! Rows of numbers in eight bits.

use super::super::aligned::AlignedVec;
use super::super::simd::{Isa, Kernel, LANES, Simd, TO_INTEGER};
use super::eight::STEP;

/// The largest integer: see the weights, `eight.rs`.
const MOST: f32 = 91.0;

/// Rows of numbers as integers from 0 to 91: `x ≈ low + scale · q`, with a scale for each row.
///
/// The number that is farthest from the others is kept apart: in the normalized vectors of encoders it is often twice as far as the next,
/// always in the same column, and without it all others have twice the precision. Source: Dettmers et al., *LLM.int8()*,
/// arXiv:2208.07339.
///
/// A buffer: filled again and again.
#[derive(Debug, Default)]
pub(crate) struct RowBytes {
    columns: usize,
    /// `[tokens, columns rounded up]`
    numbers: AlignedVec<i8>,
    scales: Vec<Scale>,
}

/// What the integers of a row stand for.
#[derive(Debug, Clone, Copy, Default)]
struct Scale {
    scale: f32,
    low: f32,
    outlier: Outlier,
}

/// A number whose integer is 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outlier {
    /// Its column.
    pub(super) at: usize,
    /// What it is more than the low.
    pub(super) rest: f32,
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByteRow<'a> {
    pub(super) numbers: &'a [[[i8; 4]; 2]],
    pub(super) scale: f32,
    pub(super) low: f32,
    pub(super) outlier: Outlier,
}

impl RowBytes {
    /// Takes rows of `columns` numbers each. Numbers that are not finite make what they are multiplied to NaN.
    pub(super) fn quantize(&mut self, isa: Isa, x: &[f32], columns: usize) {
        let tokens = x.len() / columns;
        self.columns = columns;
        self.numbers.resize(tokens * columns.next_multiple_of(STEP));
        self.scales.resize(tokens, Scale::default());
        isa.run(Quantize { x, rows: self });
    }

    pub(super) fn tokens(&self) -> usize {
        self.scales.len()
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// A row below [`tokens`](Self::tokens).
    #[inline(always)]
    pub(super) fn row(&self, token: usize) -> ByteRow<'_> {
        let stride = self.columns.next_multiple_of(STEP);
        let numbers = &self.numbers[token * stride..(token + 1) * stride];
        let Scale { scale, low, outlier } = self.scales[token];
        ByteRow { numbers: bytemuck::cast_slice(numbers), scale, low, outlier }
    }
}

struct Quantize<'a> {
    x: &'a [f32],
    rows: &'a mut RowBytes,
}

impl Kernel for Quantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let RowBytes { columns, numbers, scales } = self.rows;
        let rows = self.x.chunks_exact(*columns).zip(numbers.chunks_exact_mut(columns.next_multiple_of(STEP)));
        for ((x, numbers), scale) in rows.zip(scales) {
            *scale = quantize(s, x, numbers);
        }
    }
}

#[inline(always)]
fn quantize<S: Simd>(s: S, x: &[f32], numbers: &mut [i8]) -> Scale {
    let (whole, rest) = x.as_chunks::<LANES>();
    let mut ends = Ends::new(s);
    for x in whole {
        let x = s.load(x);
        ends.take(s, x, x, x);
    }
    ends.take(s, s.load_part(rest, f32::INFINITY), s.load_part(rest, f32::NEG_INFINITY), s.load_part(rest, 0.0));
    let ([least, second_least], [most, second_most]) = (two(s, ends.least).map(|x| -x), two(s, ends.most));
    let above = most - second_most > second_least - least;
    let (low, high, outlier) = if above { (least, second_most, most) } else { (second_least, most, least) };
    let range = high - low;
    let inverse = if range > f32::MIN_POSITIVE { MOST / range } else { 0.0 };
    let sign = if above { 1.0 } else { -1.0 };
    let mut to = Integers {
        low: s.splat(low),
        inverse: s.splat(inverse),
        sign: s.splat(sign),
        farthest: s.splat(outlier * sign),
        here: s.load(&COUNT),
        at: s.zero(),
    };
    let (integers, rest_integers) = numbers.split_at_mut(whole.len() * LANES);
    for (x, integers) in whole.iter().zip(integers.as_chunks_mut().0) {
        to.put(s, s.load(x), integers);
    }
    if !rest.is_empty() {
        let mut last = [0; LANES];
        to.put(s, s.load_part(rest, low), &mut last);
        rest_integers.iter_mut().zip(last).for_each(|(to, number)| *to = number);
    }
    let at = (s.largest(to.at) as usize).min(x.len().saturating_sub(1));
    if let Some(number) = numbers.get_mut(at) {
        *number = 0;
    }
    Scale { scale: range / MOST + s.sum(ends.nothing), low, outlier: Outlier { at, rest: outlier - low } }
}

/// The ends of a row, by lane.
struct Ends<S: Simd> {
    /// The least number and the next, less than zero instead of greater: the largest of what is turned round.
    least: [S::F; 2],
    /// The largest number and the next.
    most: [S::F; 2],
    /// 0, or NaN if a number is infinite or NaN.
    nothing: S::F,
}

impl<S: Simd> Ends<S> {
    #[inline(always)]
    fn new(s: S) -> Self {
        let nowhere = [s.splat(f32::NEG_INFINITY); 2];
        Self { least: nowhere, most: nowhere, nothing: s.zero() }
    }

    /// The same numbers three times, with what changes nothing where there are none.
    #[inline(always)]
    fn take(&mut self, s: S, least: S::F, most: S::F, x: S::F) {
        let turned = s.sub(s.zero(), least);
        let ([a, b], [c, d]) = (self.least, self.most);
        self.least = [s.max(turned, a), s.max(s.min(turned, a), b)];
        self.most = [s.max(most, c), s.max(s.min(most, c), d)];
        self.nothing = s.fma(x, s.zero(), self.nothing);
    }
}

/// Makes integers, and looks for the outlier.
struct Integers<S: Simd> {
    low: S::F,
    inverse: S::F,
    /// -1 where the outlier is the least number.
    sign: S::F,
    farthest: S::F,
    /// Columns of the next numbers.
    here: S::F,
    /// The column of the outlier, in one lane.
    at: S::F,
}

impl<S: Simd> Integers<S> {
    #[inline(always)]
    fn put(&mut self, s: S, x: S::F, to: &mut [i8; LANES]) {
        let scaled = s.mul(s.sub(x, self.low), self.inverse);
        let inside = s.max(s.zero(), s.min(s.splat(MOST), scaled));
        s.store_integers(s.add(inside, s.splat(TO_INTEGER)), to);
        let found = s.select_less(s.mul(x, self.sign), self.farthest, s.zero(), self.here);
        self.at = s.max(found, self.at);
        self.here = s.add(self.here, s.splat(LANES as f32));
    }
}

/// Columns, as numbers.
const COUNT: [f32; LANES] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];

/// The two largest of all lanes, of which each has its two largest; twice the largest if there is no other.
#[inline(always)]
fn two<S: Simd>(s: S, most: [S::F; 2]) -> [f32; 2] {
    let first = s.largest(most[0]);
    let all = s.splat(first);
    let others = s.largest(s.select_less(most[0], all, most[0], most[1]));
    let times = s.sum(s.select_less(most[0], all, s.zero(), s.splat(1.0)));
    [first, if times > 1.0 || others == f32::NEG_INFINITY { first } else { others }]
}
