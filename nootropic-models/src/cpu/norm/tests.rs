//! Against f64.

use super::{layer_norm, rms_norm, rms_norm_in_place};
use crate::cpu::{Pool, softmax};
use crate::random::Random;

fn normal(seed: u64, len: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..len).map(|_| random.normal() * 3.0 + 0.5).collect()
}

fn close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() <= tolerance * (1.0 + expected.abs()), "{i}: {found}, {expected}");
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

#[test]
fn norms_are_those_of_the_papers() {
    let pool = Pool::new(2).unwrap();
    for columns in [1, 15, 16, 64, 77, 896] {
        let (x, weight, bias) = (normal(1, 40 * columns), normal(2, columns), normal(3, columns));
        let (mut rms, mut layer, mut plain) = (vec![], vec![], vec![]);
        for row in wide(&x).chunks(columns) {
            let mean = row.iter().sum::<f64>() / columns as f64;
            let square = row.iter().map(|x| x * x).sum::<f64>() / columns as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / columns as f64;
            for ((x, weight), bias) in row.iter().zip(wide(&weight)).zip(wide(&bias)) {
                rms.push(x / (square + 1e-5).sqrt() * weight);
                layer.push((x - mean) / (variance + 1e-5).sqrt() * weight + bias);
                plain.push((x - mean) / (variance + 1e-5).sqrt() * weight);
            }
        }
        let mut out = vec![f32::NAN; x.len()];
        rms_norm(&pool, &x, &weight, 1e-5, &mut out).unwrap();
        close(&out, &rms, 1e-5);
        let mut in_place = x.clone();
        rms_norm_in_place(&pool, &mut in_place, &weight, 1e-5).unwrap();
        assert_eq!(in_place, out);
        let tolerance = if columns == 1 { 1.0 } else { 1e-5 }; // a row of one has no variance
        layer_norm(&pool, &x, &weight, &bias, 1e-5, &mut out).unwrap();
        close(&out, &layer, tolerance);
        layer_norm(&pool, &x, &weight, &[], 1e-5, &mut out).unwrap();
        close(&out, &plain, tolerance);
    }
    for (x, weight, bias, out) in [(4, 3, 0, 4), (4, 2, 1, 4), (4, 0, 0, 4), (4, 2, 0, 2)] {
        let (x, weight, bias, mut out) = (vec![0.0; x], vec![0.0; weight], vec![0.0; bias], vec![0.0; out]);
        assert!(layer_norm(&pool, &x, &weight, &bias, 1e-5, &mut out).is_err());
    }
    assert!(rms_norm(&pool, &[0.0; 4], &[1.0; 3], 1e-5, &mut [0.0; 4]).is_err());
    assert!(rms_norm_in_place(&pool, &mut [0.0; 4], &[1.0; 3], 1e-5).is_err());
}

#[test]
fn softmax_sums_to_one_and_leaves_out_what_is_masked() {
    let pool = Pool::new(2).unwrap();
    for columns in [1, 5, 16, 100, 5000] {
        let mut x = normal(4, 7 * columns);
        if columns > 1 {
            x.iter_mut().step_by(3).for_each(|x| *x = f32::NEG_INFINITY);
            x[1] = 300.0; // e³⁰⁰ is infinite
        }
        let mut expected = vec![];
        for row in wide(&x).chunks(columns) {
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|x| (x - max).exp()).sum();
            expected.extend(row.iter().map(|x| (x - max).exp() / sum));
        }
        let mut found = x.clone();
        softmax(&pool, &mut found, columns).unwrap();
        close(&found, &expected, 1e-6);
        let masked = found.iter().zip(&x).filter(|(_, x)| x.is_infinite());
        assert!(masked.clone().all(|(found, _)| *found == 0.0));
    }
    assert!(softmax(&pool, &mut [0.0; 4], 3).is_err());
    assert!(softmax(&pool, &mut [0.0; 4], 0).is_err());
}
