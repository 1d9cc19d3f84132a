//! Vectors for tests.

use std::collections::BTreeMap;

use nootropic_core::ChunkId;

use super::{Cosine, Neighbor, Rows, code};

/// A small generator (xorshift64*), the same numbers on every machine.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Roughly normal, of variance 1.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..12).map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0
    }

    pub(crate) fn unit(&mut self, dim: usize) -> Vec<f32> {
        normalized((0..dim).map(|_| self.normal()).collect())
    }

    /// Vectors in clusters that share a direction, as embeddings of code are.
    pub(crate) fn clustered(&mut self, count: usize, dim: usize, clusters: usize) -> Vec<Vec<f32>> {
        let common = self.unit(dim);
        let centres: Vec<_> = (0..clusters).map(|_| self.unit(dim)).collect();
        let mut near = |centre: &[f32]| {
            let noise = self.unit(dim);
            let mixed = common.iter().zip(centre).zip(&noise).map(|((a, b), c)| 0.5 * a + 0.7 * b + 0.6 * c);
            normalized(mixed.collect())
        };
        (0..count).map(|i| near(&centres[i % clusters])).collect()
    }
}

pub(crate) fn normalized(v: Vec<f32>) -> Vec<f32> {
    nootropic_core::Embedding::normalized(v).unwrap().into_vec()
}

/// Rows in memory.
#[derive(Debug, Default, Clone)]
pub(crate) struct MemoryRows(pub(crate) BTreeMap<ChunkId, Vec<f32>>);

impl Rows for MemoryRows {
    fn cosine<'a>(&'a self, query: &'a [f32]) -> Cosine<'a> {
        Box::new(|id| Ok(self.0.get(&id).map(|row| code::dot(row, query))))
    }
}

impl MemoryRows {
    pub(crate) fn numbered(rows: Vec<Vec<f32>>) -> Self {
        Self((0..).map(ChunkId).zip(rows).collect())
    }

    /// The right answer, by looking at everything.
    pub(crate) fn nearest(&self, query: &[f32], k: usize, accept: impl Fn(ChunkId) -> bool) -> Vec<Neighbor> {
        let query = normalized(query.to_vec());
        let accepted = self.0.iter().filter(|(id, _)| accept(**id));
        let mut all: Vec<_> = accepted.map(|(&id, row)| Neighbor { id, score: code::dot(row, &query) }).collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        all.truncate(k);
        all
    }
}

/// Which share of `expected` is in `got`.
pub(crate) fn recall(got: &[Neighbor], expected: &[Neighbor]) -> f64 {
    let found = expected.iter().filter(|e| got.iter().any(|g| g.id == e.id)).count();
    found as f64 / expected.len().max(1) as f64
}
