//! One vector of the vectors of all positions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the vectors of a text's positions become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first position.
    Cls,
    /// The largest of each dimension.
    Max,
    /// That of the last position.
    Last,
}

impl Pooling {
    /// From `vectors`, `[positions, columns]`, of one position at least.
    pub(crate) fn pool(self, vectors: &[f32], columns: usize) -> Vec<f32> {
        let mut rows = vectors.chunks_exact(columns);
        match self {
            Self::Cls => rows.next().unwrap_or_default().to_vec(),
            Self::Last => rows.next_back().unwrap_or_default().to_vec(),
            Self::Max => fold(rows, columns, f32::NEG_INFINITY, f32::max),
            Self::Mean => {
                let count = rows.len().max(1) as f32;
                let mut sum = fold(rows, columns, 0.0, |sum, x| sum + x);
                sum.iter_mut().for_each(|x| *x /= count);
                sum
            }
        }
    }
}

fn fold<'a>(
    rows: impl Iterator<Item = &'a [f32]>,
    columns: usize,
    start: f32,
    f: impl Fn(f32, f32) -> f32,
) -> Vec<f32> {
    let mut all = vec![start; columns];
    for row in rows {
        all.iter_mut().zip(row).for_each(|(all, x)| *all = f(*all, *x));
    }
    all
}
