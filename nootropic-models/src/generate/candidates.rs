//! The tokens that may come next, and the filters that narrow them.
//!
//! A vocabulary has 150,000 tokens and more, and a filter usually keeps a few dozen. So nothing here is sorted whole: the best
//! are taken out in growing portions until the filter is satisfied, which gives what sorting would give.

use std::cmp::Ordering;

use crate::cpu::exponentials;

/// One token that may come next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) token: u32,
    pub(super) logit: f32,
}

/// How many are sorted first.
const PORTION: usize = 128;

/// Neighbours of which the likeliest is known, so that most are never looked at.
const NEIGHBOURS: usize = 64;

/// Tokens that may come next, at least one, in an order that depends on nothing but their logits.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    all: Vec<Candidate>,
    /// Room for a number of each.
    numbers: Vec<f32>,
}

impl Candidates {
    /// Takes what may come; `false` if nothing may.
    pub(super) fn fill(&mut self, candidates: impl Iterator<Item = Candidate>) -> bool {
        self.all.clear();
        self.all.extend(candidates);
        !self.all.is_empty()
    }

    /// Keeps the `k` likeliest.
    pub(super) fn top_k(&mut self, k: usize) {
        if k >= self.all.len() {
            return;
        }
        // As many as there are neighbourhoods are at least as likely as the likeliest of theirs.
        self.numbers.clear();
        self.numbers.extend(self.all.chunks(NEIGHBOURS).map(highest));
        if k < self.numbers.len() {
            let (_, least, _) = self.numbers.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
            let least = *least;
            self.all.retain(|candidate| candidate.logit >= least);
        }
        if k < self.all.len() {
            self.all.select_nth_unstable_by(k, likelier);
            self.all.truncate(k);
        }
    }

    /// Keeps the likeliest that together have probability `p`, at least one.
    pub(super) fn top_p(&mut self, p: f32) {
        let total = self.total();
        self.keep_first(p, likelier, |candidate| total.probability(candidate.logit));
    }

    /// Keeps those at least `share` as likely as the likeliest.
    pub(super) fn min_p(&mut self, share: f32) {
        let least = highest(&self.all) + share.ln();
        self.all.retain(|candidate| candidate.logit >= least);
    }

    /// Keeps those whose information is closest to the expected one, until together they have probability `p`.
    ///
    /// Source: Meister et al. 2023, *Locally Typical Sampling*, arXiv:2202.00666.
    pub(super) fn typical(&mut self, p: f32) {
        let total = self.total();
        let information = |logit: f32| -total.log_probability(logit);
        let of_one =
            |(c, weight): (&Candidate, &f32)| f64::from(*weight) * f64::from(information(c.logit).min(f32::MAX));
        let sum = self.all.iter().zip(&self.numbers).map(of_one).sum::<f64>();
        let expected = (sum / total.sum) as f32;
        let distance = |candidate: &Candidate| (information(candidate.logit) - expected).abs();
        let closer = |a: &Candidate, b: &Candidate| distance(a).total_cmp(&distance(b)).then_with(|| likelier(a, b));
        self.keep_first(p, closer, |candidate| total.probability(candidate.logit));
    }

    /// Draws one, with `uniform` from `0..1`: the probability of each is its softmax at `temperature`.
    pub(super) fn draw(&mut self, temperature: f32, uniform: f64) -> Option<Candidate> {
        // The order in which the filters left them is not promised by `select_nth_unstable`.
        self.all.sort_unstable_by_key(|candidate| candidate.token);
        let highest = highest(&self.all);
        let mut left = uniform * self.weigh(highest, temperature);
        let drawn = self.all.iter().zip(&self.numbers).find(|(_, weight)| {
            left -= f64::from(**weight);
            left < 0.0
        });
        let best = || self.all.iter().min_by(|a, b| likelier(a, b)); // rounding may leave a little at the end
        drawn.map(|(candidate, _)| candidate).or_else(best).copied()
    }

    /// Makes the numbers to `e^((logit - highest) / temperature)`; returns their sum.
    fn weigh(&mut self, highest: f32, temperature: f32) -> f64 {
        self.numbers.clear();
        self.numbers.extend(self.all.iter().map(|candidate| candidate.logit));
        exponentials(&mut self.numbers, highest, 1.0 / temperature)
    }

    /// The denominator of their softmax. The numbers are the numerators then.
    fn total(&mut self) -> Total {
        let highest = highest(&self.all);
        Total::new(highest, self.weigh(highest, 1.0))
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
        while sorted < self.all.len() {
            let rest = self.all.get_mut(sorted..).unwrap_or_default();
            let take = portion.min(rest.len());
            if take < rest.len() {
                rest.select_nth_unstable_by(take, &order);
            }
            let best = rest.get_mut(..take).unwrap_or_default();
            best.sort_unstable_by(&order);
            for (index, candidate) in best.iter().enumerate() {
                sum += f64::from(weight(candidate));
                if sum >= f64::from(wanted) {
                    self.all.truncate(sorted + index + 1);
                    return;
                }
            }
            sorted += take;
            portion *= 4;
        }
    }
}

/// The likeliest token that is allowed, if its logit is above -∞; of equals the first. What is no number is left out.
pub(crate) fn likeliest(logits: &[f32], allowed: impl Fn(u32) -> bool) -> Option<u32> {
    let mut best = (f32::NEG_INFINITY, None);
    for (number, logits) in logits.chunks(NEIGHBOURS).enumerate() {
        if largest(logits) <= best.0 {
            continue;
        }
        for (i, logit) in logits.iter().enumerate() {
            let token = (number * NEIGHBOURS + i) as u32;
            if *logit > best.0 && allowed(token) {
                best = (*logit, Some(token));
            }
        }
    }
    best.1
}

/// In sixteen lanes, as a processor compares them.
fn largest(logits: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (whole, rest) = logits.as_chunks::<16>();
    for logits in whole {
        lanes.iter_mut().zip(logits).for_each(|(lane, logit)| *lane = larger(*lane, *logit));
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger)
}

fn highest(candidates: &[Candidate]) -> f32 {
    candidates.iter().map(|candidate| candidate.logit).fold(f32::NEG_INFINITY, f32::max)
}

/// Likelier ones first; of equals the one with the lowest number.
fn likelier(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.token.cmp(&b.token))
}

/// The denominator of a softmax.
#[derive(Debug, Clone, Copy)]
pub(super) struct Total {
    highest: f32,
    /// Of `exp(logit - highest)`.
    sum: f64,
    log_sum: f32,
}

impl Total {
    fn new(highest: f32, sum: f64) -> Self {
        Self { highest, sum, log_sum: sum.ln() as f32 }
    }

    /// Over all of these logits but those that are no numbers.
    pub(super) fn of_logits(logits: &[f32]) -> Self {
        let mut numbers: Vec<f32> = logits.iter().copied().filter(|logit| !logit.is_nan()).collect();
        let highest = largest(&numbers);
        Self::new(highest, exponentials(&mut numbers, highest, 1.0))
    }

    /// Natural logarithm of a token's probability.
    pub(super) fn log_probability(&self, logit: f32) -> f32 {
        logit - self.highest - self.log_sum
    }

    fn probability(&self, logit: f32) -> f32 {
        self.log_probability(logit).exp()
    }
}
