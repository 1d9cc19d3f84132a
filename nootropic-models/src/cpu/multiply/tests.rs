//! Products against dequantized weights in f64, and the same bits whatever computes them.

use super::super::simd::Isa;
use super::super::{Activations, PackedMatrix, Pool, Product};
use super::{multiply, multiply_with};
use crate::TensorType;
use crate::random::Random;

fn kinds() -> impl Iterator<Item = TensorType> {
    TensorType::all().filter(|kind| kind.can_quantize())
}

fn normal(random: &mut Random, len: usize) -> Vec<f32> {
    (0..len).map(|_| random.normal()).collect()
}

/// Random weights as the bytes of a file, and the numbers they stand for.
fn weights(kind: TensorType, rows: usize, columns: usize, seed: u64) -> (Vec<u8>, Vec<f32>) {
    let numbers = normal(&mut Random::new(seed), rows * columns);
    let mut bytes = vec![0; kind.row_bytes((rows * columns) as u64).unwrap() as usize];
    kind.quantize(&numbers, &mut bytes).unwrap();
    let mut read = vec![0.0; rows * columns];
    kind.dequantize(&bytes, &mut read).unwrap();
    (bytes, read)
}

fn product(isa: Isa, pool: &Pool, matrix: &PackedMatrix, x: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len() / matrix.columns() * matrix.rows()];
    let mut products = [Product { matrix, out: &mut out }];
    multiply_with(isa, pool, &mut Activations::default(), x, &mut products).unwrap();
    out
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// Columns that are a multiple of 256 where the format needs it, and of as little as it takes otherwise.
fn columns(kind: TensorType) -> [usize; 2] {
    match kind.block_len() {
        256 => [256, 768],
        32 => [32, 416],
        _ => [1, 77],
    }
}

#[test]
fn products_are_those_of_the_dequantized_weights() {
    let pool = Pool::new(2).unwrap();
    for kind in kinds() {
        for columns in columns(kind) {
            let (rows, tokens) = (37, 5);
            let (bytes, numbers) = weights(kind, rows, columns, 1);
            let matrix = PackedMatrix::new(kind, rows, columns, &bytes).unwrap();
            let x = normal(&mut Random::new(2), tokens * columns);
            let found = product(Isa::best(), &pool, &matrix, &x);
            for (i, found) in found.iter().enumerate() {
                let (token, row) = (i / rows, i % rows);
                let pairs = x[token * columns..][..columns].iter().zip(&numbers[row * columns..][..columns]);
                let (mut sum, mut size) = (0.0, 0.0);
                for (a, b) in pairs {
                    let product = f64::from(*a) * f64::from(*b);
                    sum += product;
                    size += product * product;
                }
                // Eight bits of some three deviations: each product is off by up to 1.5 % of a typical one, at random.
                let allowed = if kind.block_len() == 1 { 1e-5 } else { 0.04 } * f64::sqrt(size) + 0.01;
                let error = (f64::from(*found) - sum).abs();
                assert!(error <= allowed, "{kind}, {columns} columns, {token}, {row}: {found} for {sum} (± {allowed})");
            }
        }
    }
}

/// With activations that eight bits express exactly, only rounding of sums is left.
#[test]
fn products_of_exact_activations_are_exact_but_for_rounding() {
    let pool = Pool::new(2).unwrap();
    for kind in kinds() {
        for columns in columns(kind) {
            let rows = 19;
            let (bytes, numbers) = weights(kind, rows, columns, 3);
            let matrix = PackedMatrix::new(kind, rows, columns, &bytes).unwrap();
            let mut random = Random::new(4);
            let mut x: Vec<f32> = (0..columns).map(|_| random.below(255) as f32 - 127.0).collect();
            x.iter_mut().step_by(32).for_each(|x| *x = 127.0);
            let found = product(Isa::best(), &pool, &matrix, &x);
            for (row, found) in found.iter().enumerate() {
                let pairs = || x.iter().zip(&numbers[row * columns..]).map(|(a, b)| f64::from(*a) * f64::from(*b));
                let (sum, size) = (pairs().sum::<f64>(), pairs().map(f64::abs).sum::<f64>());
                // Sums of groups with a minimum are larger than what is left of them.
                assert!((f64::from(*found) - sum).abs() <= 1e-6 * size, "{kind}, row {row}: {found} for {sum}");
            }
        }
    }
}

#[test]
fn every_instruction_set_and_any_company_give_the_same_bits() {
    let pools = [Pool::new(1).unwrap(), Pool::new(3).unwrap()];
    for kind in kinds() {
        for columns in columns(kind) {
            let (rows, tokens) = (70, 83);
            let (bytes, _) = weights(kind, rows, columns, 5);
            let matrix = PackedMatrix::new(kind, rows, columns, &bytes).unwrap();
            let mut x = normal(&mut Random::new(6), tokens * columns);
            // Halves that are rounded, both signs; a row of zeros; extremes.
            x[..columns]
                .iter_mut()
                .enumerate()
                .for_each(|(i, x)| *x = if i % 32 == 0 { 127.0 } else { i as f32 - 16.5 });
            x[columns..2 * columns].fill(0.0);
            x[2 * columns..3 * columns].iter_mut().for_each(|x| *x *= 1e-38);
            x[3 * columns..4 * columns].iter_mut().for_each(|x| *x *= 1e30);
            let expected = bits(&product(Isa::SCALAR, &pools[0], &matrix, &x));
            for isa in Isa::available() {
                for pool in &pools {
                    assert!(bits(&product(isa, pool, &matrix, &x)) == expected, "{kind}, {isa:?}, {pool:?}");
                }
            }
            for count in [1, 2, 3, 7, 12, 16, 20, 33] {
                let part = bits(&product(Isa::best(), &pools[1], &matrix, &x[..count * columns]));
                assert!(part == expected[..count * rows], "{kind}, {count} tokens");
            }
        }
    }
}

/// The largest integers of every format and of activations: nothing saturates.
#[test]
fn extreme_integers_do_not_overflow() {
    let pool = Pool::new(1).unwrap();
    for kind in kinds().filter(|kind| kind.block_len() > 1) {
        let (rows, columns) = (16, 256);
        for sign in [1.0, -1.0] {
            // A block of equal numbers is the largest integer throughout in some formats, and the smallest in others.
            let numbers = vec![sign; rows * columns];
            let mut bytes = vec![0; kind.row_bytes((rows * columns) as u64).unwrap() as usize];
            kind.quantize(&numbers, &mut bytes).unwrap();
            if kind == TensorType::Q8_0 {
                // -128, which no quantizer writes and every reader takes.
                for block in bytes.chunks_mut(kind.block_bytes()) {
                    block[2..].fill(0x80);
                }
            }
            let mut read = vec![0.0; rows * columns];
            kind.dequantize(&bytes, &mut read).unwrap();
            let matrix = PackedMatrix::new(kind, rows, columns, &bytes).unwrap();
            for activation in [127.0, -127.0] {
                for isa in Isa::available() {
                    let found = product(isa, &pool, &matrix, &vec![activation; columns]);
                    for (row, found) in found.iter().enumerate() {
                        let expected = read[row * columns..][..columns].iter().sum::<f32>() * activation;
                        assert!(
                            (found - expected).abs() <= expected.abs() * 1e-5,
                            "{kind}, {isa:?}: {found}, {expected}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn several_products_are_the_same_as_one_by_one() {
    let pool = Pool::new(2).unwrap();
    let columns = 256;
    let matrices: Vec<_> =
        [(TensorType::Q4_K, 64), (TensorType::Q6_K, 5), (TensorType::F16, 33), (TensorType::Q8_0, 16)]
            .into_iter()
            .map(|(kind, rows)| PackedMatrix::new(kind, rows, columns, &weights(kind, rows, columns, 7).0).unwrap())
            .collect();
    let x = normal(&mut Random::new(8), 3 * columns);
    let mut outs: Vec<_> = matrices.iter().map(|matrix| vec![f32::NAN; 3 * matrix.rows()]).collect();
    let mut products: Vec<_> = matrices.iter().zip(&mut outs).map(|(matrix, out)| Product { matrix, out }).collect();
    multiply(&pool, &mut Activations::default(), &x, &mut products).unwrap();
    for (matrix, out) in matrices.iter().zip(&outs) {
        assert_eq!(bits(out), bits(&product(Isa::best(), &pool, matrix, &x)), "{matrix:?}");
    }
}

#[test]
fn rows_are_read_back_as_they_were() {
    for kind in kinds() {
        for columns in columns(kind) {
            let rows = 21;
            let (bytes, numbers) = weights(kind, rows, columns, 9);
            let matrix = PackedMatrix::new(kind, rows, columns, &bytes).unwrap();
            for row in 0..rows {
                let mut found = vec![f32::NAN; columns];
                matrix.row(row, &mut found).unwrap();
                assert_eq!(found, numbers[row * columns..][..columns], "{kind}, row {row}");
            }
            assert!(matrix.row(rows, &mut vec![0.0; columns]).is_err());
            assert!(matrix.row(0, &mut vec![0.0; columns + 1]).is_err());
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_not_hidden() {
    let pool = Pool::new(1).unwrap();
    for kind in kinds() {
        let columns = 256;
        let matrix = PackedMatrix::new(kind, 16, columns, &weights(kind, 16, columns, 10).0).unwrap();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for isa in Isa::available() {
                let mut x = vec![0.5; 2 * columns];
                x[40] = bad;
                let found = product(isa, &pool, &matrix, &x);
                assert!(found[..16].iter().all(|x| !x.is_finite()), "{kind}, {isa:?}, {bad}");
                assert!(found[16..].iter().all(|x| x.is_finite()), "{kind}, {isa:?}: {bad} spread to another token");
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let pool = Pool::new(1).unwrap();
    let matrix = PackedMatrix::new(TensorType::F32, 2, 3, &[0; 24]).unwrap();
    for (x, out) in [(3, 1), (4, 2), (2, 2), (6, 2), (3, 4)] {
        let mut out = vec![0.0; out];
        let mut products = [Product { matrix: &matrix, out: &mut out }];
        let x = vec![0.0; x];
        assert!(multiply(&pool, &mut Activations::default(), &x, &mut products).is_err());
    }
    multiply(&pool, &mut Activations::default(), &[], &mut []).unwrap();
    for (kind, rows, columns, bytes) in [
        (TensorType::F32, 2, 3, 23),
        (TensorType::F32, 0, 3, 0),
        (TensorType::F32, 3, 0, 0),
        (TensorType::Q4_0, 1, 33, 18),
        (TensorType::Q4_K, 1, 32, 18),
        (TensorType::F32, usize::MAX, usize::MAX, 4),
        (TensorType::Q2_K, 1, 256, 84),
    ] {
        assert!(PackedMatrix::new(kind, rows, columns, &vec![0; bytes]).is_err(), "{kind} {rows} {columns}");
    }
}
