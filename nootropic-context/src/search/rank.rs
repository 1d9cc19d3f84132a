//! From scores to an order: priors, coverage, filters, nearest neighbours, and one file's passages held apart.

use std::cmp::Ordering;

use rustc_hash::{FxHashMap, FxHashSet};

use super::query::Query;
use super::ranking::Ranking;
use super::score::{Norms, Scores};
use crate::index::Columns;
use crate::vectors::Neighbor;

/// A passage on its way through the ranking, with what made its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) slot: u32,
    pub(crate) file: u32,
    pub(crate) score: f32,
    /// BM25F of the passage.
    pub(crate) passage: f32,
    /// Weighted BM25F of its file.
    pub(crate) of_file: f32,
    /// What nearness to the question's vector added.
    pub(crate) nearness: f32,
    /// Factors.
    pub(crate) prior: f32,
    pub(crate) coverage: f32,
    pub(crate) repeat: f32,
}

/// What a filtered question may find.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    /// Places in [`Columns::files`]; `None` for all.
    pub(crate) files: Option<FxHashSet<u32>>,
    /// Slots; `None` for all.
    pub(crate) slots: Option<FxHashSet<u32>>,
}

impl Allowed {
    fn passes(&self, slot: u32, file: u32) -> bool {
        self.files.as_ref().is_none_or(|files| files.contains(&file))
            && self.slots.as_ref().is_none_or(|slots| slots.contains(&slot))
    }
}

/// How many passages of equal score are put in order beyond those asked for.
const MAX_TIES: usize = 100;

fn better(a: &Candidate, b: &Candidate) -> Ordering {
    b.score.total_cmp(&a.score).then(a.slot.cmp(&b.slot))
}

/// Everything the order is made from.
pub(crate) struct Ranker<'a> {
    pub(crate) columns: &'a Columns,
    pub(crate) query: &'a Query,
    pub(crate) scores: &'a Scores,
    pub(crate) allowed: &'a Allowed,
    pub(crate) neighbors: &'a [Neighbor],
    pub(crate) norms: &'a Norms,
    pub(crate) ranking: &'a Ranking,
}

/// What the scores of a file's passages are multiplied by, worked out for the files that have some.
struct Factors {
    /// Prior and coverage by place in [`Columns::files`]; not a number until asked for.
    files: Vec<(f32, f32)>,
    /// Coverage by the words a file holds, as bits: a question of few words leaves few cases.
    coverage: FxHashMap<u32, f32>,
}

impl Factors {
    fn new(ranker: &Ranker<'_>) -> Self {
        Self { files: vec![(f32::NAN, 0.0); ranker.columns.files().len()], coverage: FxHashMap::default() }
    }

    #[inline]
    fn of(&mut self, ranker: &Ranker<'_>, file: u32) -> (f32, f32) {
        let known = self.files[file as usize];
        if known.0.is_nan() { self.work_out(ranker, file as usize) } else { known }
    }

    fn work_out(&mut self, ranker: &Ranker<'_>, file: usize) -> (f32, f32) {
        let class = ranker.columns.files()[file].class;
        let prior = if ranker.query.wants.contains(&class) { 1.0 } else { ranker.ranking.prior(class) };
        let held = ranker.scores.words[file];
        let coverage = self.coverage.entry(held).or_insert_with(|| {
            let share = ranker.scores.coverage(held);
            share.powf(ranker.ranking.coverage)
        });
        let factors = (prior * ranker.norms.size(file), *coverage);
        self.files[file] = factors;
        factors
    }
}

impl Ranker<'_> {
    /// The best `limit` passages, best first, and a few more that the last one is equal to: which of them comes first is
    /// for the caller to say, who knows their paths.
    pub(crate) fn rank(&self, limit: usize) -> Vec<Candidate> {
        let mut candidates = self.best((limit * 20).max(200));
        candidates.sort_unstable_by(better);
        self.hold_back_repeats(&mut candidates);
        let cut = limit.checked_sub(1).and_then(|last| candidates.get(last)).map_or(f32::MAX, |last| last.score);
        let equal = candidates.iter().skip(limit).take(MAX_TIES).take_while(|c| c.score == cut).count();
        candidates.truncate(limit + equal);
        candidates
    }

    /// The best `keep` passages before repeats are held back, in no order.
    fn best(&self, keep: usize) -> Vec<Candidate> {
        let near = self.nearness();
        let mut factors = Factors::new(self);
        let mut best: Vec<Candidate> = Vec::with_capacity(2 * keep);
        let mut floor = f32::NEG_INFINITY;
        let mut consider = |slot: u32| {
            let Some(candidate) = self.candidate(slot, &near, &mut factors) else { return };
            if candidate.score < floor {
                return;
            }
            best.push(candidate);
            if best.len() == 2 * keep {
                floor = best.select_nth_unstable_by(keep - 1, better).1.score;
                best.truncate(keep);
            }
        };
        if self.query.terms.is_empty() && !self.query.filters.is_empty() {
            // Only filters: the head of each file that passes, or the passages themselves.
            let whole = self.allowed.slots.is_some();
            let wanted = |slot: &u32| self.columns.head(*slot as usize).is_some_and(|h| h.ordinal == 0 || whole);
            (0..self.columns.slots() as u32).filter(wanted).for_each(consider);
        } else {
            self.scores.touched.iter().copied().for_each(&mut consider);
            near.keys().copied().filter(|slot| self.scores.chunks[*slot as usize] == 0.0).for_each(consider);
        }
        if best.len() > keep {
            best.select_nth_unstable_by(keep, better);
            best.truncate(keep);
        }
        best
    }

    #[inline]
    fn candidate(&self, slot: u32, near: &FxHashMap<u32, f32>, factors: &mut Factors) -> Option<Candidate> {
        let file = self.columns.file_of(slot as usize);
        if file == u32::MAX || !self.allowed.passes(slot, file) {
            return None;
        }
        let (prior, coverage) = factors.of(self, file);
        let passage = self.scores.chunks[slot as usize];
        let of_file = self.ranking.file * self.scores.files[file as usize];
        let nearness = if near.is_empty() { 0.0 } else { near.get(&slot).copied().unwrap_or(0.0) };
        let score = ((passage + of_file) * coverage + nearness) * prior;
        Some(Candidate { slot, file, score, passage, of_file, nearness, prior, coverage, repeat: 1.0 })
    }

    /// Neighbours by slot, in the units of the lexical score: the nearest counts as much as the best match.
    fn nearness(&self) -> FxHashMap<u32, f32> {
        let (Some(first), Some(last)) = (self.neighbors.first(), self.neighbors.last()) else {
            return FxHashMap::default();
        };
        let best = |scores: &[f32]| scores.iter().copied().fold(0.0f32, f32::max);
        let unit = match best(&self.scores.chunks) + self.ranking.file * best(&self.scores.files) {
            unit if unit > 0.0 => unit,
            _ => 1.0,
        };
        let span = (first.score - last.score).max(f32::EPSILON);
        self.neighbors
            .iter()
            .filter_map(|neighbor| {
                let slot = self.columns.slot(neighbor.id.0)?;
                let share = (neighbor.score - last.score) / span;
                Some((slot as u32, self.ranking.vector * unit * share))
            })
            .collect()
    }

    /// Each further passage of a file keeps less of its score, so that one file does not fill the answer.
    fn hold_back_repeats(&self, candidates: &mut [Candidate]) {
        let mut seen: FxHashMap<u32, i32> = FxHashMap::default();
        for candidate in candidates.iter_mut() {
            let n = seen.entry(candidate.file).or_default();
            candidate.repeat = self.ranking.repeat.powi(*n);
            candidate.score *= candidate.repeat;
            *n += 1;
        }
        candidates.sort_by(better);
    }
}
