//! Principal components.

use rayon::prelude::*;

/// The `wanted` coordinates of largest variance of rows of `columns` numbers, about their mean; and the share of the variance that they
/// have. `wanted` is at most `columns`.
///
/// Source: Jolliffe, *Principal Component Analysis*, 2002; eigenvectors by Jacobi's rotations, Golub and Van Loan, *Matrix Computations*, 8.5.
pub(super) fn principal_components(rows: &[f32], columns: usize, wanted: usize) -> (Vec<f32>, f64) {
    let count = (rows.len() / columns).max(1);
    let mut mean = vec![0.0; columns];
    for row in rows.chunks_exact(columns) {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += f64::from(*x) / count as f64);
    }
    let centred: Vec<f64> = rows
        .chunks_exact(columns)
        .flat_map(|row| row.iter().zip(&mean).map(|(x, mean)| f64::from(*x) - mean))
        .collect();
    let covariance: Vec<f64> = (0..columns)
        .into_par_iter()
        .flat_map_iter(|i| {
            let mut sums = vec![0.0; columns];
            for row in centred.chunks_exact(columns) {
                let x = row[i];
                sums.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
            }
            sums
        })
        .collect();
    let (values, vectors) = eigen(covariance, columns);
    let mut order: Vec<usize> = (0..columns).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    order.truncate(wanted);
    let (kept, all) = (order.iter().map(|i| values[*i]).sum::<f64>(), values.iter().sum::<f64>());
    let reduced = centred
        .par_chunks_exact(columns)
        .flat_map_iter(|row| {
            let along = |i: &usize| row.iter().zip(&vectors[i * columns..]).map(|(x, v)| x * v).sum::<f64>() as f32;
            order.iter().map(along).collect::<Vec<f32>>()
        })
        .collect();
    (reduced, if all > 0.0 { (kept / all).clamp(0.0, 1.0) } else { 1.0 })
}

/// Eigenvalues and eigenvectors, one a row, of a symmetric matrix. Rows and columns are rotated in pairs until nothing is left beside the
/// diagonal.
fn eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    const SWEEPS: usize = 30;
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let size: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let beside: f64 = (0..n)
            .flat_map(|i| (0..n).filter(move |j| *j != i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * n + j].powi(2))
            .sum();
        if beside <= size * 1e-24 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, n, p, q);
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), vectors)
}

/// The rotation that makes `a[p][q]` zero.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let off = a[p * n + q];
    if off == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * off);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta == 0.0 { 1.0 } else { t };
    let cos = 1.0 / (t * t + 1.0).sqrt();
    let sin = t * cos;
    let turn = |x: &mut f64, y: &mut f64| (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
    for i in 0..n {
        let (left, right) = a.split_at_mut(i * n + q);
        turn(&mut left[i * n + p], &mut right[0]);
    }
    for of in [a, vectors] {
        let (above, below) = of.split_at_mut(q * n);
        let rows = above[p * n..][..n].iter_mut().zip(&mut below[..n]);
        rows.for_each(|(x, y)| turn(x, y));
    }
}

#[cfg(test)]
mod tests {
    use super::principal_components;

    #[test]
    fn the_widest_directions_come_first() {
        // Along (1, 1, 0) up to ±3, along (1, -1, 0) up to ±1, nothing along the third; all about (5, 6, 7).
        let points = [(3.0, 0.0), (-3.0, 0.0), (0.0, 1.0), (0.0, -1.0)];
        let rows: Vec<f32> = points.iter().flat_map(|(a, b)| [5.0 + a + b, 6.0 + a - b, 7.0]).collect();
        let (reduced, variance) = principal_components(&rows, 3, 1);
        let root = 2.0_f32.sqrt();
        let found: Vec<f32> = reduced.iter().map(|x| x.abs()).collect();
        for (found, right) in found.iter().zip([3.0 * root, 3.0 * root, 0.0, 0.0]) {
            assert!((found - right).abs() < 1e-5, "{reduced:?}");
        }
        assert!((variance - 0.9).abs() < 1e-9, "{variance}");
    }

    #[test]
    fn distances_are_kept_where_all_dimensions_are() {
        let columns = 12;
        let rows: Vec<f32> = (0..40 * columns).map(|i| ((i * i * 7 + i) % 101) as f32 / 10.0).collect();
        let (turned, variance) = principal_components(&rows, columns, columns);
        assert!((variance - 1.0).abs() < 1e-9);
        let distance = |rows: &[f32], i: usize, j: usize| {
            let row = |i: usize| &rows[i * columns..][..columns];
            row(i).iter().zip(row(j)).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
        };
        for (i, j) in [(0, 1), (3, 39), (17, 20)] {
            let (before, after) = (distance(&rows, i, j), distance(&turned, i, j));
            assert!((before - after).abs() < 1e-4 * before, "{before} became {after}");
        }
    }
}
