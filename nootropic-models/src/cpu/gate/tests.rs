//! Against f64; the error function, which Rust has none of, against its integral.

use super::{Activation, activate, gate};
use crate::cpu::Pool;

/// `erf` by Simpson's rule.
fn erf(x: f64) -> f64 {
    const STEPS: usize = 2000;
    let h = x / STEPS as f64;
    let f = |i: usize| (-(h * i as f64).powi(2)).exp();
    let inner: f64 = (1..STEPS).map(|i| f(i) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    std::f64::consts::FRAC_2_SQRT_PI * h / 3.0 * (f(0) + inner + f(STEPS))
}

fn reference(f: Activation, x: f64) -> f64 {
    match f {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu => x * 0.5 * (1.0 + erf(x / 2.0_f64.sqrt())),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            x * 0.5 * (1.0 + inner.tanh())
        }
        Activation::Relu => x.max(0.0),
    }
}

#[test]
fn activations_are_near_their_definitions() {
    let pool = Pool::new(2).unwrap();
    let x: Vec<f32> = (-1000..1000).map(|i| i as f32 * 0.013).collect();
    let up: Vec<f32> = (0..x.len()).map(|i| i as f32 * 0.01 - 5.0).collect();
    for f in [Activation::Silu, Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
        let (mut alone, mut gated) = (x.clone(), x.clone());
        activate(&pool, f, &mut alone);
        gate(&pool, f, &mut gated, &up).unwrap();
        for i in 0..x.len() {
            let expected = reference(f, f64::from(x[i]));
            let error = (f64::from(alone[i]) - expected).abs();
            assert!(error <= 4e-7 * (1.0 + f64::from(x[i]).abs()), "{f:?} of {}: {}, not {expected}", x[i], alone[i]);
            assert_eq!(gated[i], alone[i] * up[i], "{f:?} of {}", x[i]);
        }
        let mut extremes = [f32::NEG_INFINITY, -1e30, -100.0, 100.0, 1e30, f32::NAN];
        activate(&pool, f, &mut extremes);
        assert!(extremes[1].abs() < 1e-8 && extremes[2].abs() < 1e-30, "{f:?}: {extremes:?}");
        assert_eq!(extremes[3..5], [100.0, 1e30], "{f:?}");
        assert!(extremes[5].is_nan(), "{f:?}");
    }
    assert!(gate(&pool, Activation::Silu, &mut [0.0; 3], &[0.0; 4]).is_err());
}
