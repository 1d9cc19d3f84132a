//! The tokens that may come next, and the filters that narrow them.
//!
//! A vocabulary has 150,000 tokens and more, and a filter usually keeps a few dozen. So nothing here is sorted whole: the best
//! are taken out in growing portions until the filter is satisfied, which gives what sorting would give.

use std::cmp::Ordering;

/// One token that may come next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) token: u32,
    pub(super) logit: f32,
}

/// How many are sorted first.
const PORTION: usize = 128;

/// Tokens that may come next, at least one, in an order that depends on nothing but their logits.
#[derive(Debug, Default)]
pub(super) struct Candidates(Vec<Candidate>);

impl Candidates {
    /// Takes what may come; `false` if nothing may.
    pub(super) fn fill(&mut self, candidates: impl Iterator<Item = Candidate>) -> bool {
        self.0.clear();
        self.0.extend(candidates);
        !self.0.is_empty()
    }

    /// The likeliest; of equals the one with the lowest number.
    pub(super) fn best(&self) -> Option<Candidate> {
        self.0.iter().copied().min_by(likelier)
    }

    /// Keeps the `k` likeliest.
    pub(super) fn top_k(&mut self, k: usize) {
        if k < self.0.len() {
            self.0.select_nth_unstable_by(k, likelier);
            self.0.truncate(k);
        }
    }

    /// Keeps the likeliest that together have probability `p`, at least one.
    pub(super) fn top_p(&mut self, p: f32) {
        let total = Total::of(&self.0);
        self.keep_first(p, likelier, |candidate| total.probability(candidate.logit));
    }

    /// Keeps those at least `share` as likely as the likeliest.
    pub(super) fn min_p(&mut self, share: f32) {
        let highest = self.highest();
        let least = highest + share.ln();
        self.0.retain(|candidate| candidate.logit >= least);
    }

    /// Keeps those whose information is closest to the expected one, until together they have probability `p`.
    ///
    /// Source: Meister et al. 2023, *Locally Typical Sampling*, arXiv:2202.00666.
    pub(super) fn typical(&mut self, p: f32) {
        let total = Total::of(&self.0);
        let information = |logit: f32| -total.log_probability(logit);
        let of_one =
            |c: &Candidate| f64::from(total.probability(c.logit)) * f64::from(information(c.logit).min(f32::MAX));
        let expected = self.0.iter().map(of_one).sum::<f64>() as f32;
        let distance = |candidate: &Candidate| (information(candidate.logit) - expected).abs();
        let closer = |a: &Candidate, b: &Candidate| distance(a).total_cmp(&distance(b)).then_with(|| likelier(a, b));
        self.keep_first(p, closer, |candidate| total.probability(candidate.logit));
    }

    /// Draws one, with `uniform` from `0..1`: the probability of each is its softmax at `temperature`.
    pub(super) fn draw(&mut self, temperature: f32, uniform: f64) -> Option<Candidate> {
        let highest = self.highest();
        let weight = |candidate: &Candidate| f64::from(((candidate.logit - highest) / temperature).exp());
        // The order in which the filters left them is not promised by `select_nth_unstable`.
        self.0.sort_unstable_by_key(|candidate| candidate.token);
        let mut left = uniform * self.0.iter().map(weight).sum::<f64>();
        let drawn = self.0.iter().find(|candidate| {
            left -= weight(candidate);
            left < 0.0
        });
        drawn.copied().or_else(|| self.best()) // rounding may leave a little at the end
    }

    fn highest(&self) -> f32 {
        self.0.iter().map(|candidate| candidate.logit).fold(f32::NEG_INFINITY, f32::max)
    }

    /// Keeps the first in `order` whose weights come to `wanted`, at least one.
    fn keep_first(
        &mut self,
        wanted: f32,
        order: impl Fn(&Candidate, &Candidate) -> Ordering,
        weight: impl Fn(&Candidate) -> f32,
    ) {
        let (mut sorted, mut sum) = (0, 0.0_f64);
        let mut portion = PORTION;
        while sorted < self.0.len() {
            let rest = self.0.get_mut(sorted..).unwrap_or_default();
            let take = portion.min(rest.len());
            if take < rest.len() {
                rest.select_nth_unstable_by(take, &order);
            }
            let best = rest.get_mut(..take).unwrap_or_default();
            best.sort_unstable_by(&order);
            for (index, candidate) in best.iter().enumerate() {
                sum += f64::from(weight(candidate));
                if sum >= f64::from(wanted) {
                    self.0.truncate(sorted + index + 1);
                    return;
                }
            }
            sorted += take;
            portion *= 4;
        }
    }
}

/// Likelier ones first; of equals the one with the lowest number.
fn likelier(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.token.cmp(&b.token))
}

/// The denominator of a softmax.
#[derive(Debug, Clone, Copy)]
pub(super) struct Total {
    highest: f32,
    /// Logarithm of the sum of `exp(logit - highest)`.
    log_sum: f32,
}

impl Total {
    fn of(candidates: &[Candidate]) -> Self {
        Self::of_logits(candidates.iter().map(|candidate| candidate.logit))
    }

    /// Over all of these logits.
    pub(super) fn of_logits(logits: impl Iterator<Item = f32> + Clone) -> Self {
        let highest = logits.clone().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.map(|logit| f64::from((logit - highest).exp())).sum();
        Self { highest, log_sum: sum.ln() as f32 }
    }

    /// Natural logarithm of a token's probability.
    pub(super) fn log_probability(&self, logit: f32) -> f32 {
        logit - self.highest - self.log_sum
    }

    fn probability(&self, logit: f32) -> f32 {
        self.log_probability(logit).exp()
    }
}
