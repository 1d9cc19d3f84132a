//! Each filter against the same filter written the plain way: everything sorted, in f64.

use nootropic_core::Sampling;

use super::{Sampler, StopStrings, log_probs};
use crate::Error;
use crate::random::Random;

const TOKENS: usize = 2_000;

fn logits(seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..TOKENS).map(|_| random.normal() * 3.0).collect()
}

fn choose(sampler: &mut Sampler, logits: &mut [f32]) -> u32 {
    sampler.choose(logits, |_| true).unwrap()
}

fn warm() -> Sampling {
    Sampling { temperature: 1.0, seed: 7, ..Sampling::default() }
}

/// Probabilities by softmax, likeliest first.
fn sorted(logits: &[f32]) -> Vec<(u32, f64)> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - highest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let mut all: Vec<(u32, f64)> = (0..).zip(weights.iter().map(|weight| weight / sum)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

/// The first of a list whose probabilities come to `p`.
fn until(list: &[(u32, f64)], p: f64) -> Vec<u32> {
    let mut sum = 0.0;
    let mut kept = Vec::new();
    for &(token, probability) in list {
        kept.push(token);
        sum += probability;
        if sum >= p {
            break;
        }
    }
    kept
}

/// Draws often, and compares how often each token comes with what the filter should leave of the softmax.
fn draws_as(options: Sampling, expected: impl Fn(&[(u32, f64)]) -> Vec<u32>) {
    for seed in 0..3 {
        let mut logits = logits(seed);
        let all = sorted(&logits);
        let kept = expected(&all);
        let probability = |token: u32| all.iter().find(|(other, _)| *other == token).unwrap().1;
        let sum: f64 = kept.iter().map(|&token| probability(token)).sum();
        let mut sampler = Sampler::new(&options, &[]);
        const DRAWS: usize = 3_000;
        let mut times = vec![0_usize; TOKENS];
        for _ in 0..DRAWS {
            let token = choose(&mut sampler, &mut logits);
            assert!(kept.contains(&token), "{options:?} lets {token} through");
            times[token as usize] += 1;
        }
        for &token in &kept {
            let share = probability(token) / sum;
            let (mean, deviation) = (share * DRAWS as f64, (share * (1.0 - share) * DRAWS as f64).sqrt());
            let off = (times[token as usize] as f64 - mean).abs();
            assert!(off <= 5.0 * deviation + 3.0, "{options:?}: token {token} came {} times", times[token as usize]);
        }
    }
}

#[test]
fn every_filter_keeps_what_its_definition_says() {
    draws_as(warm(), |all| all.iter().map(|(token, _)| *token).collect());
    draws_as(Sampling { top_k: 5, ..warm() }, |all| all[..5].iter().map(|(token, _)| *token).collect());
    for p in [0.3, 0.9, 0.99] {
        draws_as(Sampling { top_p: p, ..warm() }, |all| until(all, p.into()));
    }
    draws_as(Sampling { min_p: 0.1, ..warm() }, |all| {
        let least = all[0].1 * 0.1;
        all.iter().filter(|(_, probability)| *probability >= least).map(|(token, _)| *token).collect()
    });
    draws_as(Sampling { typical_p: 0.5, ..warm() }, |all| {
        let entropy: f64 = all.iter().map(|(_, p)| -p * p.ln()).sum();
        let mut typical = all.to_vec();
        let distance = |p: f64| (-p.ln() - entropy).abs();
        typical.sort_by(|a, b| distance(a.1).total_cmp(&distance(b.1)));
        until(&typical, 0.5)
    });
    draws_as(Sampling { top_k: 20, top_p: 0.8, ..warm() }, |all| {
        let sum: f64 = all[..20].iter().map(|(_, p)| p).sum();
        until(&all[..20].iter().map(|(token, p)| (*token, p / sum)).collect::<Vec<_>>(), f64::from(0.8_f32))
    });
}

#[test]
fn temperature_flattens_or_sharpens() {
    let count = |temperature| {
        let mut sampler = Sampler::new(&Sampling { temperature, ..warm() }, &[]);
        (0..4_000).filter(|_| choose(&mut sampler, &mut [1.0, 0.0]) == 0).count() as f64 / 4_000.0
    };
    for temperature in [0.5_f32, 1.0, 2.0] {
        let expected = 1.0 / (1.0 + (-1.0 / f64::from(temperature)).exp());
        assert!((count(temperature) - expected).abs() < 0.03, "at {temperature}");
    }
}

#[test]
fn greedy_takes_the_likeliest_and_of_equals_the_first() {
    let greedy = Sampling::default();
    assert_eq!(choose(&mut Sampler::new(&greedy, &[]), &mut [0.5, 2.0, f32::NAN, 2.0, -1.0]), 1);
    assert_eq!(choose(&mut Sampler::new(&greedy, &[]), &mut [f32::NAN, -3.0]), 1);
}

#[test]
fn the_same_seed_draws_the_same_tokens() {
    let draw = |seed| {
        let mut sampler = Sampler::new(&Sampling { seed, ..warm() }, &[]);
        let mut logits = logits(1);
        (0..50).map(|_| choose(&mut sampler, &mut logits)).collect::<Vec<_>>()
    };
    assert_eq!(draw(3), draw(3));
    assert_ne!(draw(3), draw(4));
}

#[test]
fn penalties_and_biases_change_logits_and_leave_no_trace() {
    let before = vec![2.0, 1.9, -1.0];
    let run = |options: Sampling, prompt: &[u32], steps: usize| {
        let mut logits = before.clone();
        let mut sampler = Sampler::new(&options, prompt);
        let tokens: Vec<u32> = (0..steps).map(|_| choose(&mut sampler, &mut logits)).collect();
        assert_eq!(logits, before);
        tokens
    };
    let greedy = Sampling::default();
    assert_eq!(run(Sampling { repetition_penalty: 1.2, ..greedy.clone() }, &[0], 1), [1], "the prompt counts");
    assert_eq!(run(Sampling { repetition_penalty: 0.5, ..greedy.clone() }, &[1], 1), [1], "below 1 it attracts");
    assert_eq!(run(Sampling { presence_penalty: 0.2, ..greedy.clone() }, &[0], 3), [0, 1, 0], "only what was produced");
    assert_eq!(run(Sampling { frequency_penalty: 0.07, ..greedy.clone() }, &[], 5), [0, 0, 1, 0, 1], "each time");
    let bias = [(2, 5.0), (0, f32::NEG_INFINITY), (900, 1.0)].into();
    assert_eq!(run(Sampling { logit_bias: bias, ..greedy.clone() }, &[], 1), [2]);
    let both = Sampling { logit_bias: [(0, -1.0)].into(), presence_penalty: 1.0, ..greedy };
    assert_eq!(run(both, &[], 2), [1, 0], "a token may be changed twice");
}

#[test]
fn what_is_forbidden_never_comes() {
    let mut logits = logits(5);
    for options in [Sampling::default(), warm(), Sampling { top_k: 1, ..warm() }] {
        let mut sampler = Sampler::new(&options, &[]);
        for _ in 0..100 {
            assert_eq!(sampler.choose(&mut logits, |token| token % 100 == 3).unwrap() % 100, 3);
        }
        let none = sampler.choose(&mut logits, |_| false);
        assert!(matches!(none, Err(Error::NoToken { tokens: TOKENS })), "{none:?}");
        let numbers = sampler.choose(&mut [f32::NAN, f32::NEG_INFINITY], |_| true);
        assert!(matches!(numbers, Err(Error::NoToken { tokens: 2 })), "{numbers:?}");
    }
}

#[test]
fn log_probabilities_are_the_models_own() {
    let mut logits = vec![0.0, 2.0_f32.ln(), 3.0_f32.ln(), f32::NEG_INFINITY];
    let options = Sampling { logit_bias: [(0, 10.0)].into(), ..Sampling::default() };
    let token = Sampler::new(&options, &[]).choose(&mut logits, |_| true).unwrap();
    assert_eq!(token, 0);
    let (chosen, alternatives) = log_probs(&logits, token, 2);
    assert_eq!(chosen.token, token);
    let close = |found: f32, share: f32| assert!((found - share.ln()).abs() < 1e-6, "{found} {share}");
    close(chosen.log_prob, 1.0 / 6.0);
    assert_eq!(alternatives.iter().map(|a| a.token).collect::<Vec<_>>(), [2, 1]);
    close(alternatives[0].log_prob, 0.5);
    close(alternatives[1].log_prob, 2.0 / 6.0);
    assert_eq!(log_probs(&logits, 1, 9).1.len(), 3, "what is impossible is no alternative");
}

fn stopped(strings: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
    let mut stop = StopStrings::new(&strings.iter().map(|&string| string.to_owned()).collect::<Vec<_>>());
    let mut out: Vec<String> = pieces.iter().map(|piece| stop.push(piece)).collect();
    out.push(stop.finish());
    (out, stop.stopped())
}

#[test]
fn a_stop_string_is_found_however_the_text_is_cut() {
    let text = "first line\n\nUser: second 漢字漢 end";
    for strings in [vec!["\n\nUser:"], vec!["漢字漢"], vec!["second", "\n\nUser: second 漢"], vec!["nowhere"], vec![]]
    {
        let end = strings.iter().filter_map(|s: &&str| text.find(s).map(|at| (at + s.len(), at))).min();
        let expected = end.map_or(text, |(_, at)| &text[..at]);
        for size in 1..=9 {
            let chars: Vec<char> = text.chars().collect();
            let pieces: Vec<String> = chars.chunks(size).map(String::from_iter).collect();
            let (out, found) = stopped(&strings, &pieces.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(out.concat(), expected, "{strings:?} in pieces of {size}");
            assert_eq!(found, end.is_some());
        }
    }
}

#[test]
fn text_is_held_back_only_while_it_may_become_a_stop_string() {
    let (out, found) = stopped(&["END"], &["the E", "N", "d", " EN"]);
    assert_eq!(out, ["the ", "", "ENd", " ", "EN"]);
    assert!(!found);
    let (out, found) = stopped(&["aab"], &["a", "a", "a", "b", "c"]);
    assert_eq!((out.concat(), found), ("a".to_owned(), true));
}
