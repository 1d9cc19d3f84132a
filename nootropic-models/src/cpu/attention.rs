//! Attention, with softmax taken as keys go by.
//!
//! A thread takes some queries of the heads that share keys and values, and lets all of them see a block of 64 keys and values, which
//! it unpacks first if there are many. Scores are never written out beyond a block.
//!
//! Source: Dao et al., *FlashAttention*, arXiv:2205.14135; Ainslie et al., *GQA*, arXiv:2305.13245.

use std::ops::Range;

use super::aligned::AlignedVec;
use super::disjoint::Disjoint;
use super::kv_cache::{BLOCK, KvCache, Singles, Vectors, WithVectors};
use super::math::{exp, tanh};
use super::pool::Pool;
use super::simd::{Isa, Kernel, LANES, Simd};
use crate::{Error, Result};

/// Vectors of scores in a block.
const QUARTERS: usize = BLOCK / LANES;

/// Rows (queries times heads) a thread takes at once: enough to pay for unpacking keys and values, few enough to stay cached.
const ROWS: usize = 64;

/// How queries attend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Heads of queries: a multiple of the cache's.
    pub heads: usize,
    /// What scores are multiplied with, mostly `1 / √head_dim`.
    pub scale: f32,
    /// Whether a query sees no later position than its own.
    pub causal: bool,
    /// How many positions back a query sees, its own included, and as many ahead if it sees any; all of them if none.
    pub window: Option<usize>,
    /// Squashes scaled scores to `cap · tanh(score / cap)`.
    pub soft_cap: Option<f32>,
}

/// Consecutive queries of a session.
#[derive(Debug, Clone, Copy)]
pub struct Queries<'a> {
    /// With the keys and values of these queries already in it.
    pub cache: &'a KvCache,
    /// Position of the first query.
    pub first: usize,
    /// How many queries.
    pub tokens: usize,
}

impl Attention {
    /// Attends from the queries of one or more sessions, one after the other in `q` and `out`.
    ///
    /// The output of a query has the same bits whatever other queries there are, in its session or beside it.
    ///
    /// # Shapes
    /// - `q` (rotated), `out`: `[tokens of all sessions, heads, head_dim]`
    ///
    /// # Errors
    /// [`Error::Invalid`] if lengths do not agree, or a cache does not hold all of its queries' positions.
    pub fn run(&self, pool: &Pool, sessions: &[Queries<'_>], q: &[f32], out: &mut [f32]) -> Result<()> {
        self.run_with(Isa::best(), pool, sessions, q, out)
    }

    fn run_with(&self, isa: Isa, pool: &Pool, sessions: &[Queries<'_>], q: &[f32], out: &mut [f32]) -> Result<()> {
        let Some(first) = sessions.first() else { return Ok(()) };
        let (kv_heads, head_dim) = (first.cache.heads(), first.cache.head_dim());
        self.check(sessions, q.len(), out.len())?;
        let group = self.heads / kv_heads;
        let per_task = (ROWS / group).max(1);
        let mut tasks = Vec::new();
        let mut start = 0;
        for session in sessions {
            for token in (0..session.tokens).step_by(per_task) {
                let tokens = token..session.tokens.min(token + per_task);
                tasks.extend((0..kv_heads).map(|head| (session, start, tokens.clone(), head)));
            }
            start += session.tokens;
        }
        let out = Disjoint::new(out);
        let row = self.heads * head_dim;
        let count = tasks.len();
        pool.run(count, |i| {
            // Later queries see more keys: the longest tasks first.
            let Some((session, start, tokens, head)) = tasks.get(count - 1 - i).cloned() else { return };
            let q = &q[(start + tokens.start) * row..(start + tokens.end) * row];
            let task = Task { attention: self, session, tokens, head, group, q };
            isa.run(Attend { task, out: &out, first_out: start });
        });
        Ok(())
    }

    fn check(&self, sessions: &[Queries<'_>], q: usize, out: usize) -> Result<()> {
        let invalid = |problem| Err(Error::Invalid { what: "attention".into(), problem });
        let mut numbers = 0;
        for Queries { cache, first, tokens } in sessions {
            let same = sessions
                .iter()
                .all(|other| (other.cache.heads(), other.cache.head_dim()) == (cache.heads(), cache.head_dim()));
            if !same || self.heads == 0 || !self.heads.is_multiple_of(cache.heads()) {
                return invalid(format!(
                    "{} heads of queries on {} of {}",
                    self.heads,
                    cache.heads(),
                    cache.head_dim()
                ));
            }
            if first.checked_add(*tokens).is_none_or(|end| end > cache.len()) {
                return invalid(format!("{tokens} queries from {first} on, of {} positions", cache.len()));
            }
            numbers += tokens * self.heads * cache.head_dim();
        }
        if q != numbers || out != numbers {
            return invalid(format!("{q} numbers of queries into {out}, where {numbers} are needed"));
        }
        if self.window == Some(0) {
            return invalid("a window of no positions".into());
        }
        Ok(())
    }

    /// The positions that a query at `position` sees.
    fn visible(&self, position: usize, len: usize) -> Range<usize> {
        let window = self.window.unwrap_or(len);
        let start = (position + 1).saturating_sub(window);
        let end = if self.causal { position + 1 } else { len.min(position.saturating_add(window)) };
        start..end
    }
}

/// Some queries of a session, and the heads that share head `head` of keys and values.
struct Task<'a> {
    attention: &'a Attention,
    session: &'a Queries<'a>,
    /// Counted from the session's first query.
    tokens: Range<usize>,
    head: usize,
    group: usize,
    /// `[tokens, heads, head_dim]`
    q: &'a [f32],
}

impl Task<'_> {
    fn rows(&self) -> usize {
        self.tokens.len() * self.group
    }

    /// Where the query of row `row` is, in `[tokens, heads, head_dim]`.
    fn place(&self, row: usize) -> Range<usize> {
        let head_dim = self.session.cache.head_dim();
        let (token, in_group) = (row / self.group, row % self.group);
        let start = (token * self.attention.heads + self.head * self.group + in_group) * head_dim;
        start..start + head_dim
    }

    /// What row `row` sees.
    fn visible(&self, row: usize) -> Range<usize> {
        let position = self.session.first + self.tokens.start + row / self.group;
        self.attention.visible(position, self.session.cache.len())
    }
}

/// What is known of a row after some keys.
#[derive(Clone, Copy)]
struct State {
    /// The largest score.
    largest: f32,
    /// Sums of `e^(score - largest)`, by lane.
    sums: [f32; LANES],
}

struct Attend<'a> {
    task: Task<'a>,
    out: &'a Disjoint<'a, f32>,
    /// Which row of `out` the session's first query is.
    first_out: usize,
}

/// Rows to which keys and values are worth unpacking: fewer read them as they are stored, a few at a time.
fn many<S: Simd>(rows: usize) -> bool {
    rows > if S::TOKENS >= 8 { 8 } else { 2 }
}

impl Kernel for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let task = &self.task;
        let cache = task.session.cache;
        let layout = cache.layout();
        let vectors = layout.dims / LANES;
        let rows = task.rows();
        let unpacked = if many::<S>(rows) { layout.dims * QUARTERS } else { 0 };
        let mut keys = AlignedVec::<[f32; LANES]>::zeros(unpacked);
        let mut values = AlignedVec::<[f32; LANES]>::zeros(unpacked);
        let mut scores = AlignedVec::<[f32; BLOCK]>::zeros(rows);
        let mut sums = AlignedVec::<[f32; LANES]>::zeros(rows * vectors);
        let mut states = vec![State { largest: f32::NEG_INFINITY, sums: [0.0; LANES] }; rows];
        let seen = task.visible(0).start..task.visible(rows - 1).end;
        for block in seen.start / BLOCK..seen.end.div_ceil(BLOCK) {
            let Some(head) = cache.head(block, task.head) else { break };
            let see = See { s, task, block, vectors, scores: &mut scores, sums: &mut sums, states: &mut states };
            if many::<S>(rows) {
                head.with(layout, Unpack { s, keys: &mut keys, values: &mut values });
                see.run(Singles(&keys), Singles(&values));
            } else {
                head.with(layout, see);
            }
        }
        for (row, state) in states.iter().enumerate() {
            let place = task.place(row);
            let start = (self.first_out + task.tokens.start) * task.attention.heads * cache.head_dim();
            #[expect(unsafe_code, reason = "threads fill parts of the same output")]
            // SAFETY: tasks differ in tokens or heads, and rows of a task in one of them.
            let out = unsafe { self.out.part(start + place.start..start + place.end) };
            let factor = s.splat(1.0 / s.sum(s.load(&state.sums)));
            for (sum, out) in sums[row * vectors..].iter().zip(out.chunks_mut(LANES)) {
                s.store_part(s.mul(s.load(sum), factor), out);
            }
        }
    }
}

/// Writes keys, `[dims][64]`, and values, `[64][dims]`, as plain numbers.
struct Unpack<'a, S> {
    s: S,
    keys: &'a mut [[f32; LANES]],
    values: &'a mut [[f32; LANES]],
}

impl<S: Simd> WithVectors for Unpack<'_, S> {
    #[inline(always)]
    fn run(self, keys: impl Vectors, values: impl Vectors) {
        let s = self.s;
        self.keys.iter_mut().enumerate().for_each(|(i, to)| s.store(keys.load(s, i), to));
        self.values.iter_mut().enumerate().for_each(|(i, to)| s.store(values.load(s, i), to));
    }
}

/// All rows of a task see a block.
struct See<'a, S> {
    s: S,
    task: &'a Task<'a>,
    block: usize,
    /// Vectors of a value.
    vectors: usize,
    scores: &'a mut [[f32; BLOCK]],
    /// `[rows, vectors]`
    sums: &'a mut [[f32; LANES]],
    states: &'a mut [State],
}

impl<S: Simd> WithVectors for See<'_, S> {
    #[inline(always)]
    fn run(self, keys: impl Vectors, values: impl Vectors) {
        let Self { s, task, block, vectors, scores, sums, states } = self;
        score_rows(s, task, keys, scores);
        let rows = scores.iter_mut().zip(sums.chunks_exact_mut(vectors)).zip(states).enumerate();
        for (row, ((scores, sums), state)) in rows {
            let visible = in_block(&task.visible(row), block);
            if visible.is_empty() {
                *scores = [0.0; BLOCK]; // adds nothing below
            } else {
                take_softmax(s, task.attention, visible, scores, state, sums);
            }
        }
        add_values(s, scores, values, vectors, sums);
    }
}

/// The part of `range` that is in block `block`, counted from its start.
fn in_block(range: &Range<usize>, block: usize) -> Range<usize> {
    let within = |position: usize| position.saturating_sub(block * BLOCK).min(BLOCK);
    within(range.start)..within(range.end)
}

/// Calls `$body` for blocks of rows: `$n` of them, from `$row` on.
macro_rules! row_blocks {
    ($S:ident, $rows:expr, |$n:ident, $row:ident| $body:expr) => {{
        let mut $row = 0;
        // Four rows of four vectors fill the registers of AVX-512.
        if $S::TOKENS >= 8 {
            const $n: usize = 4;
            while $rows - $row >= $n {
                $body;
                $row += $n;
            }
        }
        if $S::TOKENS >= 8 {
            const $n: usize = 2;
            while $rows - $row >= $n {
                $body;
                $row += $n;
            }
        }
        const $n: usize = 1;
        while $rows - $row >= $n {
            $body;
            $row += $n;
        }
    }};
}

/// Products of all rows with the keys of a block.
#[inline(always)]
fn score_rows<S: Simd>(s: S, task: &Task<'_>, keys: impl Vectors, scores: &mut [[f32; BLOCK]]) {
    row_blocks!(S, scores.len(), |N, row| {
        let mut q = [task.q; N];
        for (i, q) in q.iter_mut().enumerate() {
            *q = &task.q[task.place(row + i)];
        }
        score::<S, N>(s, q, keys, &mut scores[row..row + N]);
    });
}

/// Products of `N` rows with 64 keys, each summed over dimensions in order.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "one number counts in several arrays, which all stay in registers")]
fn score<S: Simd, const N: usize>(s: S, mut q: [&[f32]; N], keys: impl Vectors, scores: &mut [[f32; BLOCK]]) {
    let dims = q[0].len();
    for q in &mut q {
        *q = &q[..dims];
    }
    let mut sums = [[s.zero(); QUARTERS]; N];
    for d in 0..dims {
        let key = |quarter| keys.load(s, d * QUARTERS + quarter);
        let [a, b, c, e] = [key(0), key(1), key(2), key(3)];
        for i in 0..N {
            let x = s.splat(q[i][d]);
            let sums = &mut sums[i];
            *sums = [s.fma(a, x, sums[0]), s.fma(b, x, sums[1]), s.fma(c, x, sums[2]), s.fma(e, x, sums[3])];
        }
    }
    for (sums, scores) in sums.iter().zip(scores) {
        for (sum, to) in sums.iter().zip(scores.as_chunks_mut().0) {
            s.store(*sum, to);
        }
    }
}

/// Turns the scores of a row into weights, those it does not see into zeros, and rescales what it has summed.
#[inline(always)]
fn take_softmax<S: Simd>(
    s: S,
    attention: &Attention,
    visible: Range<usize>,
    scores: &mut [f32; BLOCK],
    state: &mut State,
    sums: &mut [[f32; LANES]],
) {
    let scale = s.splat(attention.scale);
    for scores in scores.as_chunks_mut().0 {
        let mut x = s.mul(s.load(scores), scale);
        if let Some(cap) = attention.soft_cap {
            x = s.mul(tanh(s, s.div(x, s.splat(cap))), s.splat(cap));
        }
        s.store(x, scores);
    }
    scores[..visible.start].fill(f32::NEG_INFINITY);
    scores[visible.end..].fill(f32::NEG_INFINITY);
    let mut largest = s.splat(state.largest);
    for scores in scores.as_chunks().0 {
        largest = s.max(s.load(scores), largest);
    }
    let new = s.largest(largest);
    let largest = s.splat(new);
    let factor = exp(s, s.sub(s.splat(state.largest), largest));
    state.largest = new;
    let mut total = s.mul(s.load(&state.sums), factor);
    for scores in scores.as_chunks_mut().0 {
        let weight = exp(s, s.sub(s.load(scores), largest));
        total = s.add(total, weight);
        s.store(weight, scores);
    }
    s.store(total, &mut state.sums);
    for sum in sums {
        let rescaled = s.mul(s.load(sum), factor);
        s.store(rescaled, sum);
    }
}

/// Adds the values of a block, as their weights say, to all rows.
#[inline(always)]
fn add_values<S: Simd>(
    s: S,
    weights: &[[f32; BLOCK]],
    values: impl Vectors,
    vectors: usize,
    sums: &mut [[f32; LANES]],
) {
    row_blocks!(S, weights.len(), |N, row| {
        let weights = &weights[row..row + N];
        let sums = &mut sums[row * vectors..(row + N) * vectors];
        let mut from = 0;
        while vectors - from >= 4 {
            add::<S, N, 4>(s, weights, values, vectors, from, sums);
            from += 4;
        }
        while from < vectors {
            add::<S, N, 1>(s, weights, values, vectors, from, sums);
            from += 1;
        }
    });
}

/// The same for `N` rows and `V` vectors of dimensions, from vector `from` on. Positions are summed in order.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "one number counts in several arrays, which all stay in registers")]
fn add<S: Simd, const N: usize, const V: usize>(
    s: S,
    weights: &[[f32; BLOCK]],
    values: impl Vectors,
    vectors: usize,
    from: usize,
    sums: &mut [[f32; LANES]],
) {
    let mut totals = [[s.zero(); V]; N];
    for i in 0..N {
        for v in 0..V {
            totals[i][v] = s.load(&sums[i * vectors + from + v]);
        }
    }
    let weights: &[[f32; BLOCK]; N] = match weights.first_chunk() {
        Some(weights) => weights,
        None => return,
    };
    for key in 0..BLOCK {
        let mut loaded = [s.zero(); V];
        for v in 0..V {
            loaded[v] = values.load(s, key * vectors + from + v);
        }
        for i in 0..N {
            let weight = s.splat(weights[i][key]);
            for v in 0..V {
                totals[i][v] = s.fma(loaded[v], weight, totals[i][v]);
            }
        }
    }
    for i in 0..N {
        for v in 0..V {
            s.store(totals[i][v], &mut sums[i * vectors + from + v]);
        }
    }
}

#[cfg(test)]
mod tests;
