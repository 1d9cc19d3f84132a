//! Every product and every attention against plain sums in f64, and the same bits on every instruction set.

use std::ops::Range;

use super::super::Pool;
use super::super::simd::Isa;
use super::*;
use crate::random::Random;

fn normal(seed: u64, len: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..len).map(|_| random.normal()).collect()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

fn bytes_of(kind: TensorType, numbers: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; kind.row_bytes(numbers.len() as u64).unwrap() as usize];
    kind.quantize(numbers, &mut bytes).unwrap();
    bytes
}

/// On one instruction set, into rows that have room to the left and to the right.
fn product(isa: Isa, matrix: &Dense, x: &[f32]) -> Vec<f32> {
    let (rows, tokens) = (matrix.rows(), x.len() / matrix.columns());
    let (first, stride) = (3, rows + 5);
    let mut out = vec![f32::NAN; tokens * stride];
    let mut bytes = RowBytes::default();
    bytes.quantize(isa, x, matrix.columns());
    let input = Input { x, bytes: &bytes };
    matrix.multiply_with(isa, &input, Out { numbers: &mut out, first, stride }).unwrap();
    assert_eq!(out.iter().filter(|x| x.is_nan()).count(), tokens * 5, "written beside the rows");
    out.chunks(stride).flat_map(|row| row[first..first + rows].to_vec()).collect()
}

/// The products in f64, and how large their terms may be together.
fn expected(weights: &[f32], bias: &[f32], x: &[f32], columns: usize) -> Vec<(f64, f64)> {
    let mut expected = Vec::new();
    for x in x.chunks(columns) {
        for (weights, bias) in weights.chunks(columns).zip(bias) {
            let pairs = x.iter().zip(weights).map(|(x, w)| (f64::from(*x), f64::from(*w)));
            let (sum, squares) = pairs.fold((0.0, 0.0), |(sum, squares), (x, w)| {
                // Small numbers are off by as much as those of size 1.
                (sum + x * w, squares + (x * x + 1.0) * (w * w + 1.0))
            });
            expected.push((sum + f64::from(*bias), squares.sqrt()));
        }
    }
    expected
}

fn matrices(rows: usize, columns: usize) -> (Vec<Dense>, Vec<f32>, Vec<f32>) {
    // Numbers that bf16 has, so that all kinds hold the same.
    let weights: Vec<f32> = normal(1, rows * columns).iter().map(|x| half::bf16::from_f32(*x).to_f32()).collect();
    let bias = normal(2, rows);
    let mut matrices: Vec<Dense> = [TensorType::F32, TensorType::F16, TensorType::BF16]
        .map(|kind| Dense::float(kind, rows, columns, &bytes_of(kind, &weights), bias.clone()).unwrap())
        .into();
    matrices.push(Dense::eight(rows, columns, &weights, bias.clone()).unwrap());
    (matrices, weights, bias)
}

#[test]
fn products_are_right_and_have_the_same_bits_on_every_instruction_set() {
    for (rows, columns, tokens) in [(1, 1, 1), (16, 8, 5), (37, 32, 13), (48, 77, 24), (70, 900, 31)] {
        let (matrices, weights, bias) = matrices(rows, columns);
        let mut x = normal(3, tokens * columns);
        x[columns / 2] = 40.0; // far from the others
        let right = expected(&weights, &bias, &x, columns);
        for (i, matrix) in matrices.iter().enumerate() {
            let found = product(Isa::SCALAR, matrix, &x);
            let share = if i < 3 { 2e-6 } else { 0.05 };
            for ((right, size), found) in right.iter().zip(&found) {
                let error = (f64::from(*found) - right).abs();
                assert!(
                    error <= share * size + 1e-5,
                    "{rows} × {columns}, kind {i}: {found} for {right} (± {size} · {share})"
                );
            }
            for isa in Isa::available() {
                assert!(bits(&product(isa, matrix, &x)) == bits(&found), "{isa:?}, {rows} × {columns}, kind {i}");
            }
        }
    }
}

#[test]
fn a_row_has_the_same_bits_in_any_panel() {
    let (matrices, ..) = matrices(40, 72);
    let x = normal(4, 29 * 72);
    for matrix in &matrices {
        let together = product(Isa::best(), matrix, &x);
        for size in [1, 2, 3, 5, 7, 11, 28] {
            let parts: Vec<f32> = x.chunks(size * 72).flat_map(|x| product(Isa::best(), matrix, x)).collect();
            assert!(bits(&parts) == bits(&together), "panels of {size}");
        }
    }
}

#[test]
fn the_largest_integers_do_not_overflow() {
    // All weights and activations at their ends, of one sign in each row.
    let columns = 64;
    let weights: Vec<f32> = [1.0, -1.0].iter().flat_map(|x| vec![*x; columns]).collect();
    let matrix = Dense::eight(2, columns, &weights, Vec::new()).unwrap();
    let mut x = vec![2.0; columns];
    x[7] = -1.0;
    x[8] = -1.0; // not one number alone
    for isa in Isa::available() {
        for (found, right) in product(isa, &matrix, &x).iter().zip([122.0, -122.0]) {
            assert!((found - right).abs() < 1e-3, "{isa:?}: {found}, not {right}");
        }
    }
}

#[test]
fn what_is_no_number_stays_none() {
    let matrix = Dense::eight(3, 40, &normal(5, 120), Vec::new()).unwrap();
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = normal(6, 80);
        x[45] = wrong;
        for isa in Isa::available() {
            let mut bytes = RowBytes::default();
            bytes.quantize(isa, &x, 40);
            let mut out = [0.0; 6];
            matrix.multiply_with(isa, &Input { x: &x, bytes: &bytes }, Out::rows(&mut out, 3)).unwrap();
            assert!(out[..3].iter().all(|x| x.is_finite()) && out[3..].iter().all(|x| x.is_nan()), "{out:?}");
        }
    }
    let zeros = product(Isa::best(), &matrix, &[0.0; 40]);
    assert_eq!(zeros, [0.0; 3]);
    assert!(Dense::eight(3, 40, &normal(5, 119), Vec::new()).is_err());
    assert!(Dense::eight(3, 40, &normal(5, 120), vec![0.0; 2]).is_err());
    assert!(Dense::float(TensorType::Q8_0, 1, 32, &[0; 34], Vec::new()).is_err());
    let input = Input { x: &[0.0; 41], bytes: &RowBytes::default() };
    assert!(matrix.multiply(&input, Out::rows(&mut [0.0; 3], 3)).is_err());
}

fn texts(lens: &[usize]) -> Vec<Range<usize>> {
    let mut end = 0;
    let place = |len: &usize| {
        end += len;
        end - len..end
    };
    lens.iter().map(place).collect()
}

fn attend(isa: Isa, texts: &[Range<usize>], sizes: [usize; 2], window: Option<usize>, inputs: [&[f32]; 2]) -> Vec<f32> {
    let ([heads, head_dim], [queries_keys, values]) = (sizes, inputs);
    let whole = WholeTexts { heads, head_dim, scale: 0.3, window, texts, queries_keys, values };
    let mut out = vec![f32::NAN; values.len()];
    whole.run_with(isa, &Pool::new(2).unwrap(), &Spares::default(), &mut out).unwrap();
    out
}

#[test]
fn attention_is_right_and_has_the_same_bits_on_every_instruction_set() {
    for (head_dim, window) in [(8, None), (32, Some(9)), (40, None), (64, Some(1)), (16, Some(500))] {
        let (heads, texts) = (2, texts(&[1, 16, 61, 100, 3]));
        let (rows, row) = (181, heads * head_dim);
        let (queries_keys, values) = (normal(7, rows * 2 * row), normal(8, rows * row));
        let found = attend(Isa::SCALAR, &texts, [heads, head_dim], window, [&queries_keys, &values]);
        for text in &texts {
            for (query, head) in text.clone().flat_map(|query| (0..heads).map(move |head| (query, head))) {
                let part = |row_start: usize| row_start + head * head_dim..row_start + (head + 1) * head_dim;
                let q = &queries_keys[part(query * 2 * row)];
                let sees = |key: &usize| window.is_none_or(|window| key.abs_diff(query) < window);
                let (mut sum, mut mixed) = (0.0, vec![0.0; head_dim]);
                for key in text.clone().filter(sees) {
                    let k = &queries_keys[part((key * 2 + 1) * row)];
                    let score = q.iter().zip(k).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum::<f64>() * 0.3;
                    sum += score.exp();
                    let value = &values[part(key * row)];
                    mixed.iter_mut().zip(value).for_each(|(mixed, x)| *mixed += score.exp() * f64::from(*x));
                }
                for (mixed, found) in mixed.iter().zip(&found[part(query * row)]) {
                    assert!((mixed / sum - f64::from(*found)).abs() < 1e-5, "{head_dim}, {window:?}: {found}");
                }
            }
        }
        for isa in Isa::available() {
            let again = attend(isa, &texts, [heads, head_dim], window, [&queries_keys, &values]);
            assert!(bits(&again) == bits(&found), "{isa:?}, {head_dim}, {window:?}");
        }
    }
}
