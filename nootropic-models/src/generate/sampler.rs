//! Chooses the next token.

use std::collections::HashMap;

use nootropic_core::Sampling;

use super::candidates::{Candidate, Candidates, Total, likeliest};
use crate::random::Random;
use crate::{Error, Result};

/// Chooses one token after another of one generation.
///
/// In this order, as in llama.cpp: penalties and biases on the logits; tokens that may not come are left out; `top_k`, `typical_p`,
/// `top_p`, `min_p` on the model's own probabilities; the draw, at the temperature. A temperature of 0 takes the likeliest after
/// penalties and biases.
#[derive(Debug)]
pub(crate) struct Sampler {
    options: Sampling,
    random: Random,
    /// Tokens that stood in the prompt or were produced, with how often they were produced.
    seen: HashMap<u32, u32>,
    candidates: Candidates,
    /// Logits before penalties, of the tokens that were changed: to put them back.
    changed: Vec<(u32, f32)>,
}

/// A token and the natural logarithm of its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogProb {
    pub(crate) token: u32,
    pub(crate) log_prob: f32,
}

impl Sampler {
    /// A sampler after `prompt`. The options have passed [`GenerateRequest::check`](nootropic_core::GenerateRequest::check).
    pub(crate) fn new(options: &Sampling, prompt: &[u32]) -> Self {
        Self {
            random: Random::new(options.seed),
            options: options.clone(),
            seen: prompt.iter().map(|&token| (token, 0)).collect(),
            candidates: Candidates::default(),
            changed: Vec::new(),
        }
    }

    /// Chooses from the logits of all tokens, of those that `allowed` names. The logits are afterwards what they were.
    ///
    /// # Errors
    /// [`Error::NoToken`] if every token is forbidden, or no logit is a number.
    pub(crate) fn choose(&mut self, logits: &mut [f32], allowed: impl Fn(u32) -> bool) -> Result<u32> {
        self.penalize(logits);
        let chosen = self.pick(logits, allowed);
        self.restore(logits);
        let token = chosen.ok_or(Error::NoToken { tokens: logits.len() })?;
        self.accept(token);
        Ok(token)
    }

    fn accept(&mut self, token: u32) {
        *self.seen.entry(token).or_default() += 1;
    }

    fn pick(&mut self, logits: &[f32], allowed: impl Fn(u32) -> bool) -> Option<u32> {
        let Sampling { temperature, top_k, top_p, min_p, typical_p, .. } = self.options;
        if temperature == 0.0 {
            return likeliest(logits, allowed);
        }
        // Not -∞, and a number.
        let candidates = (0..).zip(logits).filter(|&(token, logit)| *logit > f32::NEG_INFINITY && allowed(token));
        if !self.candidates.fill(candidates.map(|(token, &logit)| Candidate { token, logit })) {
            return None;
        }
        if top_k > 0 {
            self.candidates.top_k(top_k as usize);
        }
        if typical_p < 1.0 {
            self.candidates.typical(typical_p);
        }
        if top_p < 1.0 {
            self.candidates.top_p(top_p);
        }
        if min_p > 0.0 {
            self.candidates.min_p(min_p);
        }
        let uniform = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        self.candidates.draw(temperature, uniform).map(|drawn| drawn.token)
    }

    /// Changes the logits of tokens that were seen or have a bias.
    fn penalize(&mut self, logits: &mut [f32]) {
        self.changed.clear();
        let Sampling { repetition_penalty, presence_penalty, frequency_penalty, .. } = self.options;
        if (repetition_penalty, presence_penalty, frequency_penalty) != (1.0, 0.0, 0.0) {
            for (&token, &times) in &self.seen {
                let Some(logit) = logits.get_mut(token as usize) else { continue };
                self.changed.push((token, *logit));
                *logit = if *logit > 0.0 { *logit / repetition_penalty } else { *logit * repetition_penalty };
                if times > 0 {
                    *logit -= presence_penalty + frequency_penalty * times as f32;
                }
            }
        }
        for (&token, &bias) in &self.options.logit_bias {
            let Some(logit) = logits.get_mut(token as usize) else { continue };
            self.changed.push((token, *logit));
            *logit += bias;
        }
    }

    fn restore(&mut self, logits: &mut [f32]) {
        // A token may have been changed twice: the first change is undone last.
        for (token, before) in self.changed.drain(..).rev() {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = before;
            }
        }
    }
}

/// How likely a model holds `token`, and its `count` likeliest tokens, best first: by its own logits, before anything else changes
/// them.
pub(crate) fn log_probs(logits: &[f32], token: u32, count: usize) -> (LogProb, Vec<LogProb>) {
    let total = Total::of_logits(logits);
    let of = |token: u32, logit: f32| {
        let log_prob = total.log_probability(logit);
        LogProb { token, log_prob: if log_prob.is_nan() { f32::MIN } else { log_prob.clamp(f32::MIN, 0.0) } }
    };
    let logit = logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
    let mut found: Vec<LogProb> = match count {
        0 => Vec::new(),
        // What has no probability has no logarithm of one.
        _ => (0..).zip(logits).filter(|(_, logit)| logit.is_finite()).map(|(token, &logit)| of(token, logit)).collect(),
    };
    let likelier = |a: &LogProb, b: &LogProb| b.log_prob.total_cmp(&a.log_prob).then(a.token.cmp(&b.token));
    if count < found.len() {
        found.select_nth_unstable_by(count, likelier);
        found.truncate(count);
    }
    found.sort_unstable_by(likelier);
    (of(token, logit), found)
}
