//! Functions of numbers, on vectors. Polynomials and single IEEE operations: the same bits on every instruction set, which the
//! library functions of platforms do not give.

use super::simd::{Simd, TO_INTEGER};

/// `eˣ`, off by at most 2 units in the last place; 0 below -87.3, the largest at 88.3 and above. NaN stays NaN.
#[inline(always)]
pub(super) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    // x = n·ln 2 + r, |r| ≤ ln 2 / 2; eˣ = 2ⁿ·eʳ, and eʳ as its Taylor series, of which the rest is below 1e-8.
    const LOWEST: f32 = -87.336_54; // 2ⁿ is normal
    const HIGHEST: f32 = 88.029_69; // n ≤ 127
    const LN_2_HIGH: f32 = 0.693_145_75; // its product with n is exact
    const LN_2_LOW: f32 = 1.428_606_8e-6;
    let inside = s.min(s.splat(HIGHEST), s.max(s.splat(LOWEST), x)); // in this order, NaN stays NaN
    let shifted = s.fma(inside, s.splat(std::f32::consts::LOG2_E), s.splat(TO_INTEGER));
    let n = s.sub(shifted, s.splat(TO_INTEGER));
    let r = s.fma(n, s.splat(-LN_2_LOW), s.fma(n, s.splat(-LN_2_HIGH), inside));
    let mut series = s.splat(1.0 / 5040.0);
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = s.fma(series, r, s.splat(coefficient));
    }
    let result = s.mul(series, s.power_of_two(shifted));
    // What is below the lowest, such as the -∞ of a masked score, is nothing at all.
    s.select_less(x, s.splat(LOWEST), s.zero(), result)
}

/// Off by at most 2e-7.
#[inline(always)]
pub(super) fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    let magnitude = s.max(x, s.sub(s.zero(), x));
    // With the negative exponent nothing overflows: (1 - e⁻²ˣ) / (1 + e⁻²ˣ).
    let e = exp(s, s.mul(magnitude, s.splat(-2.0)));
    s.copysign(s.div(s.sub(one, e), s.add(one, e)), x)
}

/// Off by at most 3e-7.
///
/// An odd polynomial over an even one, fitted where the function is not yet 1. Source: the coefficients of Eigen's `erf` for `f32`.
#[inline(always)]
pub(super) fn erf<S: Simd>(s: S, x: S::F) -> S::F {
    const ABOVE: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const BELOW: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let inside = s.min(s.splat(4.0), s.max(s.splat(-4.0), x)); // in this order, NaN stays NaN
    let square = s.mul(inside, inside);
    let (mut above, mut below) = (s.splat(ABOVE[0]), s.splat(BELOW[0]));
    for coefficient in &ABOVE[1..] {
        above = s.fma(above, square, s.splat(*coefficient));
    }
    for coefficient in &BELOW[1..] {
        below = s.fma(below, square, s.splat(*coefficient));
    }
    let ratio = s.div(s.mul(inside, above), below);
    // Exactly 1 where it is that but for rounding, so that nothing is left of large negative numbers in a GELU.
    let magnitude = s.max(x, s.sub(s.zero(), x));
    s.select_less(s.splat(3.95), magnitude, s.copysign(s.splat(1.0), x), ratio)
}

/// `1 / (1 + e⁻ˣ)`
#[inline(always)]
pub(super) fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.zero(), x))))
}
