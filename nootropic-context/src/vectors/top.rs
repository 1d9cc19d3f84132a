//! Keeping the best of many without sorting all.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A score in the order of answers: the greater is the worse, so that a heap shows the worst first.
#[derive(Debug, Clone, Copy)]
struct Ranked<K> {
    key: K,
    score: f32,
}

impl<K: Ord> Ord for Ranked<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.key.cmp(&other.key))
    }
}

impl<K: Ord> PartialOrd for Ranked<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for Ranked<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord> Eq for Ranked<K> {}

/// The best `keep` of what was offered: highest score first, equals by key.
#[derive(Debug)]
pub(super) struct Top<K> {
    keep: usize,
    threshold: f32,
    heap: BinaryHeap<Ranked<K>>,
}

impl<K: Ord + Copy> Top<K> {
    pub(super) fn new(keep: usize) -> Self {
        Self { keep, threshold: f32::NEG_INFINITY, heap: BinaryHeap::new() }
    }

    /// What scores less than this need not be offered.
    pub(super) fn threshold(&self) -> f32 {
        self.threshold
    }

    pub(super) fn offer(&mut self, key: K, score: f32) {
        let new = Ranked { key, score };
        if self.heap.len() < self.keep {
            self.heap.push(new);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && new < *worst
        {
            *worst = new;
        }
        if self.heap.len() == self.keep
            && let Some(worst) = self.heap.peek()
        {
            self.threshold = worst.score;
        }
    }

    /// Offers what `candidate` makes of each place in `values` that, with `shift` added, reaches the threshold.
    pub(super) fn offer_reaching(
        &mut self,
        values: &[f32],
        shift: f32,
        mut candidate: impl FnMut(usize) -> Option<(K, f32)>,
    ) {
        const LANES: usize = 16; // looked at together: hardly any chunk has one
        for (chunk, values) in values.chunks(LANES).enumerate() {
            let bar = self.threshold - shift;
            if !values.iter().fold(false, |any, value| any | (*value >= bar)) {
                continue;
            }
            for (i, &value) in values.iter().enumerate() {
                if value >= self.threshold - shift
                    && let Some((key, score)) = candidate(chunk * LANES + i)
                {
                    self.offer(key, score);
                }
            }
        }
    }

    /// The best, in no order.
    pub(super) fn keys(&self) -> impl Iterator<Item = K> + '_ {
        self.heap.iter().map(|ranked| ranked.key)
    }

    /// The best, best first.
    pub(super) fn into_sorted(self) -> impl Iterator<Item = (K, f32)> {
        self.heap.into_sorted_vec().into_iter().map(|ranked| (ranked.key, ranked.score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::testing::Random;

    #[test]
    fn the_best_are_those_of_a_full_sort() {
        let mut random = Random::new(7);
        for keep in [0, 1, 3, 10, 100, 2000] {
            let scores: Vec<f32> = (0..1000).map(|_| (random.next() % 50) as f32).collect(); // many ties
            let mut top = Top::new(keep);
            for (key, score) in scores.iter().copied().enumerate().rev() {
                let needed = score >= top.threshold();
                top.offer(key, score);
                assert!(needed || top.keys().all(|other| other != key));
            }
            let mut shifted = Top::new(keep);
            let lower: Vec<_> = scores.iter().map(|score| score - 7.0).collect();
            shifted.offer_reaching(&lower, 7.0, |key| Some((key, scores[key])));

            let mut all: Vec<(usize, f32)> = scores.into_iter().enumerate().collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.truncate(keep);
            assert_eq!(top.into_sorted().collect::<Vec<_>>(), all, "{keep}");
            assert_eq!(shifted.into_sorted().collect::<Vec<_>>(), all, "{keep}");
        }
    }
}
