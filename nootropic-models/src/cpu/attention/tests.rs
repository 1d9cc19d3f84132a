//! Against attention as the formula has it, in f64, and the same bits however queries are cut up.

use std::sync::LazyLock;

use super::{Attention, Queries};
use crate::cpu::simd::Isa;
use crate::cpu::{KvCache, KvPrecision, Pool};
use crate::random::Random;

static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::new(3).unwrap());

fn normal(seed: u64, len: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..len).map(|_| random.normal()).collect()
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    len: usize,
}

const SHAPES: [Shape; 4] = [
    Shape { heads: 7, kv_heads: 1, head_dim: 64, len: 150 },
    Shape { heads: 2, kv_heads: 2, head_dim: 80, len: 70 },
    Shape { heads: 4, kv_heads: 2, head_dim: 128, len: 65 },
    Shape { heads: 2, kv_heads: 2, head_dim: 5, len: 20 },
];

/// Queries of all positions, and a cache with their keys and values.
struct Case {
    shape: Shape,
    q: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    cache: KvCache,
}

fn case(shape: Shape, precision: KvPrecision) -> Case {
    let q = normal(1, shape.len * shape.heads * shape.head_dim);
    let keys = normal(2, shape.len * shape.kv_heads * shape.head_dim);
    let values = normal(3, shape.len * shape.kv_heads * shape.head_dim);
    let mut cache = KvCache::new(precision, shape.kv_heads, shape.head_dim).unwrap();
    cache.append(&POOL, &keys, &values).unwrap();
    Case { shape, q, keys, values, cache }
}

fn attention(shape: Shape) -> [Attention; 5] {
    let plain = Attention {
        heads: shape.heads,
        scale: 1.0 / (shape.head_dim as f32).sqrt(),
        causal: true,
        window: None,
        soft_cap: None,
    };
    [
        plain,
        Attention { window: Some(7), ..plain },
        Attention { window: Some(66), soft_cap: Some(2.0), ..plain },
        Attention { causal: false, ..plain },
        Attention { causal: false, window: Some(9), ..plain },
    ]
}

fn reference(case: &Case, attention: &Attention) -> Vec<f64> {
    let Shape { heads, kv_heads, head_dim, len } = case.shape;
    let mut out = vec![];
    for position in 0..len {
        for head in 0..heads {
            let q = &case.q[(position * heads + head) * head_dim..][..head_dim];
            let row = |key: usize| (key * kv_heads + head / (heads / kv_heads)) * head_dim;
            let start = attention.window.map_or(0, |window| (position + 1).saturating_sub(window));
            let ahead = attention.window.map_or(len, |window| len.min(position + window));
            let end = if attention.causal { position + 1 } else { ahead };
            let score = |key: usize| {
                let key = &case.keys[row(key)..][..head_dim];
                let dot: f64 = q.iter().zip(key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let scaled = dot * f64::from(attention.scale);
                attention.soft_cap.map_or(scaled, |cap| f64::from(cap) * (scaled / f64::from(cap)).tanh())
            };
            let weights: Vec<f64> = (start..end).map(|key| score(key).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for d in 0..head_dim {
                let pairs = weights.iter().zip(start..end);
                out.push(pairs.map(|(weight, key)| weight * f64::from(case.values[row(key) + d])).sum::<f64>() / sum);
            }
        }
    }
    out
}

fn run(isa: Isa, pool: &Pool, attention: &Attention, sessions: &[Queries<'_>], q: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; q.len()];
    attention.run_with(isa, pool, sessions, q, &mut out).unwrap();
    out
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

#[test]
fn attention_is_what_the_formula_says() {
    let pool = Pool::new(2).unwrap();
    for shape in SHAPES {
        for (precision, tolerance) in [(KvPrecision::F32, 1e-5), (KvPrecision::F16, 2e-3), (KvPrecision::Q8, 4e-2)] {
            let case = case(shape, precision);
            for attention in attention(shape) {
                let all = [Queries { cache: &case.cache, first: 0, tokens: shape.len }];
                let found = run(Isa::best(), &pool, &attention, &all, &case.q);
                for (i, (found, expected)) in found.iter().zip(reference(&case, &attention)).enumerate() {
                    let error = (f64::from(*found) - expected).abs();
                    assert!(error < tolerance, "{shape:?}, {precision:?}, {attention:?}, {i}: {found}, not {expected}");
                }
            }
        }
    }
}

#[test]
fn any_cut_any_company_and_any_instruction_set_give_the_same_bits() {
    let pools = [Pool::new(1).unwrap(), Pool::new(3).unwrap()];
    for shape in SHAPES {
        for precision in [KvPrecision::F32, KvPrecision::F16, KvPrecision::Q8] {
            let case = case(shape, precision);
            let row = shape.heads * shape.head_dim;
            for attention in attention(shape) {
                let all = [Queries { cache: &case.cache, first: 0, tokens: shape.len }];
                let expected = bits(&run(Isa::SCALAR, &pools[0], &attention, &all, &case.q));
                for isa in Isa::available() {
                    assert!(
                        bits(&run(isa, &pools[1], &attention, &all, &case.q)) == expected,
                        "{isa:?}, {attention:?}"
                    );
                }
                for step in [1, 3, 19, 64] {
                    // As a session sees it: keys come with their queries, and earlier ones may have been taken back.
                    let mut cache = KvCache::new(precision, shape.kv_heads, shape.head_dim).unwrap();
                    let kv = shape.kv_heads * shape.head_dim;
                    let (mut found, mut first) = (vec![], 0);
                    while first < shape.len {
                        let tokens = step.min(shape.len - first);
                        let range = first * kv..(first + tokens) * kv;
                        cache.append(&POOL, &case.values[range.clone()], &case.keys[range.clone()]).unwrap();
                        cache.truncate(first);
                        cache.append(&POOL, &case.keys[range.clone()], &case.values[range]).unwrap();
                        let cache = if attention.causal { &cache } else { &case.cache };
                        let part = [Queries { cache, first, tokens }];
                        let q = &case.q[first * row..(first + tokens) * row];
                        found.extend(run(Isa::best(), &pools[1], &attention, &part, q));
                        first += tokens;
                    }
                    assert!(bits(&found) == expected, "{shape:?}, {precision:?}, {attention:?}, {step} at once");
                }
            }
        }
    }
}

#[test]
fn sessions_do_not_see_each_other() {
    let pool = Pool::new(2).unwrap();
    let shape = SHAPES[0];
    let one = case(shape, KvPrecision::F16);
    let two = case(Shape { len: 33, ..shape }, KvPrecision::Q8);
    let attention = attention(shape)[0];
    let row = shape.heads * shape.head_dim;
    let (a, b) = (&one.q[149 * row..], &two.q[20 * row..]);
    let queries =
        [Queries { cache: &one.cache, first: 149, tokens: 1 }, Queries { cache: &two.cache, first: 20, tokens: 13 }];
    let together = run(Isa::best(), &pool, &attention, &queries, &[a, b].concat());
    let mut apart = run(Isa::best(), &pool, &attention, &queries[..1], a);
    apart.extend(run(Isa::best(), &pool, &attention, &queries[1..], b));
    assert_eq!(bits(&together), bits(&apart));
}

#[test]
fn a_clone_keeps_its_prefix() {
    let pool = Pool::new(1).unwrap();
    let case = case(SHAPES[0], KvPrecision::F16);
    let mut other = case.cache.clone();
    other.truncate(100);
    assert_eq!((other.len(), case.cache.len()), (100, 150));
    let kv = case.shape.kv_heads * case.shape.head_dim;
    other.append(&POOL, &normal(9, 40 * kv), &normal(10, 40 * kv)).unwrap();
    let row = case.shape.heads * case.shape.head_dim;
    let attention = attention(case.shape)[0];
    let q = &case.q[120 * row..121 * row];
    let mut fresh = KvCache::new(KvPrecision::F16, case.shape.kv_heads, case.shape.head_dim).unwrap();
    fresh.append(&POOL, &case.keys, &case.values).unwrap();
    let of =
        |cache: &KvCache| bits(&run(Isa::best(), &pool, &attention, &[Queries { cache, first: 120, tokens: 1 }], q));
    assert_eq!(of(&case.cache), of(&fresh));
    assert_ne!(of(&case.cache), of(&other));
    assert!(case.cache.bytes() >= 150 * kv * 4);
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let pool = Pool::new(1).unwrap();
    assert!(KvCache::new(KvPrecision::F16, 0, 64).is_err());
    assert!(KvCache::new(KvPrecision::F16, 2, 0).is_err());
    let mut cache = KvCache::new(KvPrecision::F16, 2, 4).unwrap();
    assert!(cache.append(&POOL, &[0.0; 8], &[0.0; 16]).is_err());
    assert!(cache.append(&POOL, &[0.0; 7], &[0.0; 7]).is_err());
    cache.append(&POOL, &[0.0; 8], &[0.0; 8]).unwrap();
    assert!(!cache.is_empty());
    let good = Attention { heads: 4, scale: 1.0, causal: true, window: None, soft_cap: None };
    let refused = |attention: Attention, first, tokens, q: usize, out: usize| {
        let queries = [Queries { cache: &cache, first, tokens }];
        assert!(attention.run(&pool, &queries, &vec![0.0; q], &mut vec![0.0; out]).is_err());
    };
    refused(good, 0, 2, 32, 32);
    refused(good, 1, 1, 16, 16);
    refused(good, usize::MAX, 1, 16, 16);
    refused(good, 0, 1, 15, 16);
    refused(good, 0, 1, 16, 15);
    refused(Attention { heads: 3, ..good }, 0, 1, 12, 12);
    refused(Attention { heads: 0, ..good }, 0, 1, 0, 0);
    refused(Attention { window: Some(0), ..good }, 0, 1, 16, 16);
    good.run(&pool, &[], &[], &mut []).unwrap();
    good.run(&pool, &[Queries { cache: &cache, first: 1, tokens: 0 }], &[], &mut []).unwrap();
}
