//! From scores to an order: priors, coverage, filters, nearest neighbours, and one file's passages held apart.

use std::cmp::Ordering;

use rustc_hash::{FxHashMap, FxHashSet};

use super::query::Query;
use super::ranking::{CANDIDATES, MAX_TIES, Ranking};
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
    pub(crate) length: f32,
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
    pub(crate) fn passes_file(&self, file: u32) -> bool {
        self.files.as_ref().is_none_or(|files| files.contains(&file))
    }

    pub(crate) fn passes_slot(&self, slot: u32) -> bool {
        self.slots.as_ref().is_none_or(|slots| slots.contains(&slot))
    }
}

/// Sums made in another order differ in their last bits: no passage exceeds its file's bound by more than this.
const BOUND_SLACK: f32 = 1.0001;

fn better(a: &Candidate, b: &Candidate) -> Ordering {
    b.score.total_cmp(&a.score).then(a.slot.cmp(&b.slot))
}

/// The passages nearest to the question's vector.
#[derive(Debug, Default)]
pub(crate) struct Neighborhood {
    /// Best first.
    pub(crate) nearest: Vec<Neighbor>,
    /// The cosine at which nearness begins.
    pub(crate) edge: f32,
}

/// Everything the order is made from.
pub(crate) struct Ranker<'a> {
    pub(crate) columns: &'a Columns,
    pub(crate) query: &'a Query,
    pub(crate) scores: &'a Scores,
    pub(crate) allowed: &'a Allowed,
    pub(crate) near: &'a Neighborhood,
    pub(crate) norms: &'a Norms,
    pub(crate) ranking: &'a Ranking,
}

/// What the scores of a file's passages are multiplied by.
#[derive(Clone, Copy)]
struct Factors {
    prior: f32,
    length: f32,
    coverage: f32,
}

/// The best passages so far, and the score that one more must reach.
struct Best {
    keep: usize,
    floor: f32,
    found: Vec<Candidate>,
}

impl Best {
    fn new(keep: usize) -> Self {
        Self { keep, floor: f32::NEG_INFINITY, found: Vec::new() }
    }

    #[inline]
    fn push(&mut self, candidate: Candidate) {
        if candidate.score < self.floor {
            return;
        }
        self.found.push(candidate);
        if self.found.len() == 2 * self.keep {
            self.floor = self.found.select_nth_unstable_by(self.keep - 1, better).1.score;
            self.found.truncate(self.keep);
        }
    }

    fn end(mut self) -> Vec<Candidate> {
        if self.found.len() > self.keep {
            self.found.select_nth_unstable_by(self.keep, better);
            self.found.truncate(self.keep);
        }
        self.found
    }
}

impl Ranker<'_> {
    /// The best `limit` passages, best first, and a few more that the last one is equal to: which of them comes first is
    /// for the caller to say, who knows their paths.
    pub(crate) fn rank(&self, limit: usize) -> Vec<Candidate> {
        // No more can be found than there are passages, whatever was asked for.
        let limit = limit.min(self.columns.slots());
        let mut candidates = self.best((limit * CANDIDATES.0).max(CANDIDATES.1));
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
        let mut near = near.as_slice();
        let mut best = Best::new(keep);
        // A question of few words leaves few cases.
        let mut coverages = FxHashMap::default();
        let only_filters = self.query.terms.is_empty() && !self.query.filters.is_empty();
        for (file, slots) in self.columns.file_slots().enumerate() {
            let (near_here, further) = near.split_at(near.partition_point(|(slot, _)| *slot < slots.end));
            near = further;
            let found = self.scores.words[file] != 0 || !near_here.is_empty() || only_filters;
            if !found || !self.allowed.passes_file(file as u32) {
                continue;
            }
            let (prior, length) = (self.prior(file), self.norms.size(file));
            let bound = (self.scores.tops[file] + self.ranking.file * self.scores.files[file]) * prior * length;
            if bound * BOUND_SLACK < best.floor && near_here.is_empty() {
                continue;
            }
            let held = self.scores.words[file];
            let coverage = *coverages.entry(held).or_insert_with(|| self.coverage(held));
            let factors = Factors { prior, length, coverage };
            for slot in slots {
                let nearness = near_here.iter().find(|(near, _)| *near == slot).map(|(_, score)| *score);
                let wanted = if only_filters {
                    // The head of each file that passes, or the passages themselves.
                    let whole = !self.query.filters.symbols.is_empty();
                    self.columns.head(slot as usize).is_some_and(|head| head.ordinal == 0 || whole)
                } else {
                    self.scores.chunks[slot as usize] != 0.0 || nearness.is_some()
                };
                if wanted && self.allowed.passes_slot(slot) {
                    best.push(self.candidate(slot, file as u32, factors, nearness.unwrap_or(0.0)));
                }
            }
        }
        best.end()
    }

    fn prior(&self, file: usize) -> f32 {
        let class = self.columns.files()[file].class;
        if self.query.wants.contains(&class) { 1.0 } else { self.ranking.prior(class) }
    }

    fn coverage(&self, held: u32) -> f32 {
        self.scores.coverage(held).powf(self.ranking.coverage)
    }

    #[inline]
    fn candidate(&self, slot: u32, file: u32, factors: Factors, nearness: f32) -> Candidate {
        let Factors { prior, length, coverage } = factors;
        let passage = self.scores.chunks[slot as usize];
        let of_file = self.ranking.file * self.scores.files[file as usize];
        let score = ((passage + of_file) * coverage + nearness) * prior * length;
        Candidate { slot, file, score, passage, of_file, nearness, prior, length, coverage, repeat: 1.0 }
    }

    /// Neighbours in order of slots, each with what its nearness adds.
    fn nearness(&self) -> Vec<(u32, f32)> {
        let Neighborhood { nearest, edge } = self.near;
        let Some(first) = nearest.first() else { return Vec::new() };
        let best = |scores: &[f32]| scores.iter().copied().fold(0.0f32, f32::max);
        let most = best(&self.scores.chunks) + self.ranking.file * best(&self.scores.files);
        let (span, covered) = ((first.score - edge).max(f32::EPSILON), self.covered());
        let weigh = |neighbor: &Neighbor| {
            let slot = self.columns.slot(neighbor.id.0)?;
            let share = (neighbor.score - edge) / span;
            Some((slot as u32, self.ranking.nearness(most, covered, share)))
        };
        let mut near: Vec<(u32, f32)> = nearest.iter().filter_map(weigh).collect();
        near.sort_unstable_by_key(|(slot, _)| *slot);
        near
    }

    /// The share of the question's words that the best file by words holds.
    fn covered(&self) -> f32 {
        let score = |file: usize| {
            let words = self.scores.tops[file] + self.ranking.file * self.scores.files[file];
            words * self.coverage(self.scores.words[file]) * self.prior(file) * self.norms.size(file)
        };
        let found = (0..self.scores.files.len()).filter(|file| self.scores.words[*file] != 0);
        let best = found.map(|file| (score(file), file)).max_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or(0.0, |(_, file)| self.scores.coverage(self.scores.words[file]))
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
