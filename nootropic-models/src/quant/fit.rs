//! Finding scales: how a block of numbers is best expressed by small integers.

/// Half a block of 32.
pub(super) const NIBBLES: usize = 16;

/// 32 numbers of four bits.
pub(super) type Nibbles = [u8; NIBBLES];

/// The number of largest magnitude, with its sign; the first of several.
pub(super) fn largest(numbers: &[f32]) -> f32 {
    numbers.iter().fold(0.0, |largest: f32, number| if number.abs() > largest.abs() { *number } else { largest })
}

/// Minimum, step and inverse step that spread `levels + 1` values evenly from the smallest to the largest number.
pub(super) fn affine_ends(numbers: &[f32; 32], levels: f32) -> (f32, f32, f32) {
    let min = numbers.iter().fold(f32::INFINITY, |min, number| min.min(*number));
    let max = numbers.iter().fold(f32::NEG_INFINITY, |max, number| max.max(*number));
    let step = (max - min) / levels;
    (min, step, if step == 0.0 { 0.0 } else { 1.0 / step })
}

/// The integer nearest to `number`, halves to even. `number` must be within ±2²²: callers clamp.
pub(super) fn nearest(number: f32) -> i32 {
    nearest_whole(number) as i32
}

/// [`nearest`], still a float.
fn nearest_whole(number: f32) -> f32 {
    // Adding 1.5·2²³ leaves no room for a fraction. `f32::round_ties_even` is a call into libm where the instruction set has no
    // rounding, as in x86-64's baseline; this becomes vector instructions.
    const SHIFT: f32 = 12_582_912.0;
    (number + SHIFT) - SHIFT
}

/// How many sums are kept side by side. Float sums must not be reordered by the compiler, so one sum would be one slow chain
/// of additions; side by side, they are vector instructions, and the same on every machine.
const LANES: usize = 8;

/// Adds up sums that were kept side by side.
fn total(lanes: [f32; LANES]) -> f32 {
    lanes.iter().sum()
}

/// `x ≈ scale · q - min`, `min ≥ 0`, `q` from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Affine {
    pub(super) scale: f32,
    pub(super) min: f32,
}

/// Sums over a block from which the best scale and minimum for given integers `q` follow.
struct Sums {
    q: f32,
    qq: f32,
    qx: f32,
}

/// The scale and minimum for integers up to `levels` that give the least `Σ weight · (x - scale·q + min)²`, of some tries.
///
/// The tries are scales somewhat finer and coarser than what spans the block, each followed by the least-squares solution for
/// the integers it gives. Weights must be positive.
pub(super) fn fit_affine(numbers: &[f32; 32], weights: &[f32; 32], levels: f32) -> Affine {
    const TRIES: i32 = 32;
    let min = numbers.iter().fold(0.0, |min: f32, number| min.min(*number));
    let max = numbers.iter().fold(min, |max, number| max.max(*number));
    let range = max - min;
    if range <= f32::MIN_POSITIVE {
        return Affine { scale: 0.0, min: -min };
    }
    let (mut w, mut wx, mut wxx) = (0.0, 0.0, 0.0);
    for (x, weight) in numbers.iter().zip(weights) {
        w += weight;
        wx += weight * x;
        wxx += weight * x * x;
    }
    let mut best = Affine { scale: range / levels, min: -min };
    let mut least = f64::INFINITY;
    for step in 0..TRIES {
        // From about a level too few to one too many.
        let inverse = (levels - 0.9 + 0.06 * step as f32) / range;
        let sums = sums(numbers, weights, min, inverse, levels);
        let Some(found) = solve(&sums, w, wx) else { continue };
        let error = squared_error(&sums, w, wx, wxx, found);
        if error < least {
            (least, best) = (error, found);
        }
    }
    best
}

/// The sums for the integers that `inverse` gives.
fn sums(numbers: &[f32; 32], weights: &[f32; 32], min: f32, inverse: f32, levels: f32) -> Sums {
    let (mut q, mut qq, mut qx) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for (x, weight) in numbers.as_chunks::<LANES>().0.iter().zip(weights.as_chunks::<LANES>().0) {
        for i in 0..LANES {
            let whole = nearest_whole(((x[i] - min) * inverse).min(levels)); // never negative
            let weighted = weight[i] * whole;
            q[i] += weighted;
            qq[i] += weighted * whole;
            qx[i] += weighted * x[i];
        }
    }
    Sums { q: total(q), qq: total(qq), qx: total(qx) }
}

/// The least-squares scale and minimum for given integers.
fn solve(sums: &Sums, w: f32, wx: f32) -> Option<Affine> {
    let determinant = w * sums.qq - sums.q * sums.q;
    if determinant <= 0.0 {
        return None;
    }
    let min = (sums.q * sums.qx - sums.qq * wx) / determinant;
    let found = match min > 0.0 {
        true => Affine { scale: (w * sums.qx - wx * sums.q) / determinant, min },
        false => Affine { scale: sums.qx / sums.qq, min: 0.0 }, // the format cannot express a positive offset
    };
    (found.scale > 0.0 && found.scale.is_finite() && found.min.is_finite()).then_some(found)
}

/// `Σ w (x - s·q + m)²`, multiplied out. In f64, as the terms nearly cancel.
fn squared_error(sums: &Sums, w: f32, wx: f32, wxx: f32, Affine { scale, min }: Affine) -> f64 {
    let (s, m) = (f64::from(scale), f64::from(min));
    let [q, qq, qx, w, wx, wxx] = [sums.q, sums.qq, sums.qx, w, wx, wxx].map(f64::from);
    wxx + s * s * qq + m * m * w - 2.0 * s * qx + 2.0 * m * wx - 2.0 * s * m * q
}

/// The scale for integers from `-levels` to `levels - 1` that gives the least `Σ x² · (x - scale·q)²`, of some tries.
pub(super) fn fit_symmetric(numbers: &[f32; 16], levels: f32) -> f32 {
    const TRIES: i32 = 19;
    let largest = largest(numbers);
    if largest.abs() <= f32::MIN_POSITIVE {
        return 0.0;
    }
    // The best scale for given integers is Σx³q / Σx²q², and its error the less the greater (Σx³q)² / Σx²q² is. The weights x²
    // favour large numbers.
    let (mut best, mut most) = (0.0, 0.0);
    for step in 0..TRIES {
        let inverse = -(levels + 0.1 * (step - TRIES / 2) as f32) / largest;
        let (mut xq, mut qq) = ([0.0; LANES], [0.0; LANES]);
        for x in numbers.as_chunks::<LANES>().0 {
            for i in 0..LANES {
                let whole = nearest_whole((x[i] * inverse).max(-levels).min(levels - 1.0));
                let weighted = x[i] * x[i] * whole;
                xq[i] += weighted * x[i];
                qq[i] += weighted * whole;
            }
        }
        let (xq, qq) = (total(xq), total(qq));
        if qq > 0.0 && xq * xq > most * qq {
            (best, most) = (xq / qq, xq * xq / qq);
        }
    }
    best
}

/// The scale that best expresses non-negative `values` by integers up to `levels`, weighted.
pub(super) fn fit_scales<const N: usize>(values: &[f32; N], weights: &[f32; N], levels: f32) -> f32 {
    const TRIES: i32 = 9;
    let max = values.iter().fold(0.0, |max: f32, value| max.max(*value));
    if max <= f32::MIN_POSITIVE {
        return 0.0;
    }
    let mut best = max / levels;
    let mut least = f32::INFINITY;
    for step in 0..TRIES {
        let scale = max / (levels + 0.1 * (step - TRIES / 2) as f32);
        let error: f32 = (values.iter().zip(weights))
            .map(|(value, weight)| {
                let q = nearest((value / scale).clamp(0.0, levels)) as f32;
                weight * (value - scale * q).powi(2)
            })
            .sum();
        if error < least {
            (least, best) = (error, scale);
        }
    }
    best
}
