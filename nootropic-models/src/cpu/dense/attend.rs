//! Attention over whole texts, in both directions.
//!
//! A thread takes a head of a text, packs its keys and values into tiles, and lets some queries at a time see all of them: two products,
//! with softmax between.

use std::ops::Range;

use super::super::aligned::AlignedVec;
use super::super::disjoint::Disjoint;
use super::super::float_tile::F32;
use super::super::math::exp;
use super::super::pool::Pool;
use super::super::simd::{Isa, Kernel, LANES, Simd};
use super::float::{FloatPanel, Strided};
use super::{Out, Spares};
use crate::{Error, Result};

/// Queries whose scores are there at once: few enough that they stay in the first cache.
const QUERIES: usize = 24;

/// How queries attend, and over which rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WholeTexts<'a> {
    pub(crate) heads: usize,
    pub(crate) head_dim: usize,
    /// What scores are multiplied with; more than 0.
    pub(crate) scale: f32,
    /// How many positions a query sees back and ahead, its own included; all of them if none.
    pub(crate) window: Option<usize>,
    /// The rows of each text.
    pub(crate) texts: &'a [Range<usize>],
    /// `[rows, 2, heads, head_dim]`: queries, then keys.
    pub(crate) queries_keys: &'a [f32],
    /// `[rows, heads, head_dim]`
    pub(crate) values: &'a [f32],
}

/// Room for what a thread packs, to be used again.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// `[keys / 16, head_dim]` tiles.
    keys: AlignedVec<[f32; LANES]>,
    /// `[head_dim / 16, keys]` tiles.
    values: AlignedVec<[f32; LANES]>,
    scores: Vec<f32>,
    /// `[queries, head_dim]`
    mixed: Vec<f32>,
}

impl WholeTexts<'_> {
    /// Writes what queries see to `out`, `[rows, heads, head_dim]`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if lengths do not agree.
    pub(crate) fn run(&self, pool: &Pool, rooms: &Spares<Room>, out: &mut [f32]) -> Result<()> {
        self.run_with(Isa::best(), pool, rooms, out)
    }

    pub(super) fn run_with(&self, isa: Isa, pool: &Pool, rooms: &Spares<Room>, out: &mut [f32]) -> Result<()> {
        let row = self.heads * self.head_dim;
        let rows = out.len().checked_div(row).unwrap_or(0);
        let fit = self.texts.iter().all(|text| text.start <= text.end && text.end <= rows);
        if !fit || [self.values.len(), self.queries_keys.len() / 2, out.len()] != [rows * row; 3] {
            let problem = format!("{} values for {} numbers in rows of {row}", self.values.len(), out.len());
            return Err(Error::Invalid { what: "attention".into(), problem });
        }
        let out = Disjoint::new(out);
        // The longest texts first, so that threads finish together.
        let mut texts: Vec<&Range<usize>> = self.texts.iter().collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        pool.run(texts.len() * self.heads, |i| {
            let Some(text) = texts.get(i / self.heads) else { return };
            let head = i % self.heads;
            rooms.with(|room| isa.run(Attend { texts: self, text, head, room, out: &out }));
        });
        Ok(())
    }
}

/// A head of a text.
struct Attend<'a> {
    texts: &'a WholeTexts<'a>,
    text: &'a Range<usize>,
    head: usize,
    room: &'a mut Room,
    out: &'a Disjoint<'a, f32>,
}

impl Attend<'_> {
    /// What the queries `from` of the text see of it.
    fn seen(&self, from: &Range<usize>) -> Range<usize> {
        let len = self.text.len();
        match self.texts.window {
            None => 0..len,
            Some(window) => {
                (from.start + 1).saturating_sub(window)..len.min(from.end.saturating_sub(1).saturating_add(window))
            }
        }
    }

    #[inline(always)]
    fn pack(&mut self) {
        let WholeTexts { heads, head_dim, queries_keys, values, .. } = *self.texts;
        let (len, row, at) = (self.text.len(), heads * head_dim, self.head * head_dim);
        let Room { keys: key_tiles, values: value_tiles, .. } = &mut *self.room;
        key_tiles.resize(len.div_ceil(LANES) * head_dim);
        for (i, tile) in key_tiles.chunks_exact_mut(head_dim).enumerate() {
            tile.fill([0.0; LANES]);
            for lane in 0..LANES.min(len - i * LANES) {
                let position = self.text.start + i * LANES + lane;
                let key = &queries_keys[position * 2 * row + row + at..][..head_dim];
                tile.iter_mut().zip(key).for_each(|(to, key)| to[lane] = *key);
            }
        }
        value_tiles.resize(head_dim.div_ceil(LANES) * len);
        for (i, tile) in value_tiles.chunks_exact_mut(len).enumerate() {
            let dims = at + i * LANES..at + head_dim.min((i + 1) * LANES);
            for (to, value) in tile.iter_mut().zip(values[self.text.start * row..].chunks_exact(row)) {
                match value[dims.clone()].as_array() {
                    Some(value) => *to = *value,
                    None => {
                        *to = [0.0; LANES];
                        to[..dims.len()].copy_from_slice(&value[dims.clone()]);
                    }
                }
            }
        }
    }

    /// Some queries see what there is to see.
    #[inline(always)]
    fn see<S: Simd>(&mut self, s: S, queries: Range<usize>) {
        let WholeTexts { heads, head_dim, scale, queries_keys, .. } = *self.texts;
        let (len, row, at) = (self.text.len(), heads * head_dim, self.head * head_dim);
        let all = self.seen(&queries);
        // Whole tiles of keys; what lies beyond is masked.
        let keys = all.start / LANES * LANES..all.end;
        let width = keys.len().next_multiple_of(LANES);
        self.room.scores.resize(QUERIES * width, 0.0);
        self.room.mixed.resize(QUERIES * head_dim, 0.0);
        let q = &queries_keys[(self.text.start + queries.start) * 2 * row + at..];
        let panel = FloatPanel::<F32> {
            x: Strided { numbers: q, stride: 2 * row },
            tokens: queries.len(),
            tiles: bytemuck::cast_slice(&self.room.keys[keys.start / LANES * head_dim..]),
            rows: width,
            columns: head_dim,
            bias: &[],
            out: Out::rows(&mut self.room.scores, width),
        };
        panel.run(s);
        let mut sums = [0.0; QUERIES];
        for (i, query) in queries.clone().enumerate() {
            let seen = self.seen(&(query..query + 1));
            let visible = seen.start - keys.start..seen.end - keys.start;
            sums[i] = take_softmax(s, scale, visible, &mut self.room.scores[i * width..][..width]);
        }
        // Each tile of values holds all positions: those that are seen are a part of it.
        for tile in 0..head_dim.div_ceil(LANES) {
            let panel = FloatPanel::<F32> {
                x: Strided { numbers: &self.room.scores, stride: width },
                tokens: queries.len(),
                tiles: bytemuck::cast_slice(&self.room.values[tile * len..][keys.clone()]),
                rows: LANES.min(head_dim - tile * LANES),
                columns: keys.len(),
                bias: &[],
                out: Out { numbers: &mut self.room.mixed, first: tile * LANES, stride: head_dim },
            };
            panel.run(s);
        }
        for (query, (mixed, sum)) in queries.zip(self.room.mixed.chunks_exact(head_dim).zip(sums)) {
            let start = (self.text.start + query) * row + at;
            #[expect(unsafe_code, reason = "threads fill parts of the same output")]
            // SAFETY: tasks differ in texts or heads, and queries of a task in rows.
            let out = unsafe { self.out.part(start..start + head_dim) };
            let factor = 1.0 / sum;
            out.iter_mut().zip(mixed).for_each(|(out, mixed)| *out = mixed * factor);
        }
    }
}

impl Kernel for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        self.pack();
        let len = self.text.len();
        for start in (0..len).step_by(QUERIES) {
            self.see(s, start..len.min(start + QUERIES));
        }
    }
}

/// Turns scores into weights, those that are not `visible` into zeros; the sum of them.
#[inline(always)]
fn take_softmax<S: Simd>(s: S, scale: f32, visible: Range<usize>, scores: &mut [f32]) -> f32 {
    scores[..visible.start].fill(f32::NEG_INFINITY);
    scores[visible.end..].fill(f32::NEG_INFINITY);
    let scores = scores.as_chunks_mut::<LANES>().0;
    let mut largest = s.splat(f32::NEG_INFINITY);
    for scores in scores.iter() {
        largest = s.max(s.load(scores), largest);
    }
    let (factor, most) = (s.splat(scale), s.splat(s.largest(largest)));
    let mut sum = s.zero();
    for scores in scores {
        let weight = exp(s, s.mul(s.sub(s.load(scores), most), factor));
        sum = s.add(sum, weight);
        s.store(weight, scores);
    }
    s.sum(sum)
}
