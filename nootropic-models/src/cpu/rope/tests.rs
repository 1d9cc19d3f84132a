//! Against rotations of complex numbers in f64.

use super::{Pairs, Rotation};
use crate::cpu::Pool;
use crate::random::Random;

#[test]
fn pairs_are_rotated_and_the_rest_stays() {
    let pool = Pool::new(2).unwrap();
    let mut random = Random::new(1);
    for (tokens, heads, head_dim, pairs) in [(1, 14, 64, 32), (19, 3, 64, 32), (5, 2, 80, 16), (3, 1, 6, 3)] {
        let angles: Vec<f32> = (0..tokens * pairs).map(|_| random.normal() * 9.0).collect();
        let cos: Vec<f32> = angles.iter().map(|x| x.cos()).collect();
        let sin: Vec<f32> = angles.iter().map(|x| x.sin()).collect();
        let x: Vec<f32> = (0..tokens * heads * head_dim).map(|_| random.normal()).collect();
        for kind in [Pairs::Halves, Pairs::Neighbours] {
            let mut found = x.clone();
            let rotation = Rotation { pairs: kind, head_dim, tokens, cos: &cos, sin: &sin };
            rotation.apply(&pool, &mut found).unwrap();
            for token in 0..tokens {
                for head in 0..heads {
                    let start = (token * heads + head) * head_dim;
                    let (x, found) = (&x[start..][..head_dim], &found[start..][..head_dim]);
                    for i in 0..pairs {
                        let (a, b) = match kind {
                            Pairs::Halves => (i, i + pairs),
                            Pairs::Neighbours => (2 * i, 2 * i + 1),
                        };
                        let angle = f64::from(angles[token * pairs + i]);
                        let (re, im) = (f64::from(x[a]), f64::from(x[b]));
                        let expected = (re * angle.cos() - im * angle.sin(), im * angle.cos() + re * angle.sin());
                        assert!((f64::from(found[a]) - expected.0).abs() < 1e-5, "{kind:?} {token} {head} {i}");
                        assert!((f64::from(found[b]) - expected.1).abs() < 1e-5, "{kind:?} {token} {head} {i}");
                    }
                    assert_eq!(found[2 * pairs..], x[2 * pairs..]);
                }
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let pool = Pool::new(1).unwrap();
    let numbers = [0.0; 64];
    for (x, head_dim, tokens, cos, sin) in
        [(8, 4, 2, 4, 3), (8, 4, 2, 6, 6), (8, 4, 2, 3, 3), (9, 4, 2, 4, 4), (8, 4, 0, 4, 4), (8, 4, 0, 0, 0)]
    {
        let rotation = Rotation { pairs: Pairs::Halves, head_dim, tokens, cos: &numbers[..cos], sin: &numbers[..sin] };
        assert!(rotation.apply(&pool, &mut vec![0.0; x]).is_err(), "{x} {head_dim} {tokens} {cos} {sin}");
    }
    let none = Rotation { pairs: Pairs::Halves, head_dim: 4, tokens: 0, cos: &[], sin: &[] };
    none.apply(&pool, &mut []).unwrap();
}
