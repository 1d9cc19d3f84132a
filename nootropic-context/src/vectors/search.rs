//! Which index answers.

#[cfg(feature = "arroy")]
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nootropic_core::{ChunkId, ReadTxn};

#[cfg(feature = "arroy")]
use super::arroy::ArroyCache;
use super::cache::IndexCache;
use super::table::VectorTable;
use super::{Neighbor, VectorIndex, stored};
use crate::Result;

/// Memory that the exact index may take by default, in bytes.
const MEMORY: u64 = 1 << 30;

/// A kind of index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// [`ExactIndex`](super::ExactIndex).
    Exact,
    /// `ArroyIndex`, on disk; feature `arroy`.
    Approximate,
}

/// The index for so many vectors: the exact one as long as its codes fit into `memory` bytes.
///
/// The exact scan was measured to be faster *and* to find more than every approximate index on disk, up to sizes where
/// its memory is what hurts (`docs/adr/0002-vector-index.md`).
pub fn choose(vectors: u64, dim: usize, memory: u64) -> Choice {
    let row = dim as u64 + dim.div_ceil(64) as u64 * 8 + 20;
    if cfg!(not(feature = "arroy")) || vectors.saturating_mul(row) <= memory {
        return Choice::Exact;
    }
    Choice::Approximate
}

/// Searches one embedder's vectors with whichever index suits.
#[derive(Debug)]
pub struct VectorSearch {
    exact: IndexCache,
    memory: u64,
    /// Whether someone has asked already.
    asked: AtomicBool,
    #[cfg(feature = "arroy")]
    approximate: Option<Arc<ArroyCache>>,
}

impl VectorSearch {
    /// Searches with the exact index, whatever its size, until [given another](Self::with_approximate).
    pub fn new(table: VectorTable) -> Self {
        Self {
            exact: IndexCache::new(table),
            memory: MEMORY,
            asked: AtomicBool::new(false),
            #[cfg(feature = "arroy")]
            approximate: None,
        }
    }

    /// Lets the approximate index in `folder`, once it is [built](Self::approximate), take over where the exact one would
    /// take more than `memory` bytes (1 GiB if `None`).
    ///
    /// # Errors
    /// As [`ArroyCache::open`].
    #[cfg(feature = "arroy")]
    pub fn with_approximate(mut self, folder: impl AsRef<Path>, memory: Option<u64>) -> Result<Self> {
        self.approximate = Some(Arc::new(ArroyCache::open(folder, self.exact.table().clone())?));
        self.memory = memory.unwrap_or(MEMORY);
        Ok(self)
    }

    /// The approximate index, to build it.
    #[cfg(feature = "arroy")]
    pub fn approximate(&self) -> Option<&Arc<ArroyCache>> {
        self.approximate.as_ref()
    }

    /// Whose vectors these are.
    pub fn table(&self) -> &VectorTable {
        self.exact.table()
    }

    /// Whether a [rebuild](ArroyCache::rebuild) of the approximate index would help: it is the one to use, and there is
    /// none, or one that is far behind.
    ///
    /// # Errors
    /// Whatever the store returns.
    #[cfg(feature = "arroy")]
    pub fn is_build_due(&self, txn: &dyn ReadTxn) -> Result<bool> {
        match &self.approximate {
            Some(approximate) if self.choice(txn)? == Choice::Approximate => approximate.is_due(txn),
            _ => Ok(false),
        }
    }

    fn choice(&self, txn: &dyn ReadTxn) -> Result<Choice> {
        let table = self.exact.table();
        Ok(choose(table.len(txn)?, table.dim(), self.memory))
    }

    /// The index of exactly what `txn` shows. Until an approximate one is built, the exact one stands in.
    ///
    /// # Errors
    /// Whatever the store returns.
    pub fn index(&self, txn: &dyn ReadTxn) -> Result<Arc<dyn VectorIndex>> {
        #[cfg(feature = "arroy")]
        if let Some(approximate) = &self.approximate
            && self.choice(txn)? == Choice::Approximate
            && let Some(index) = approximate.at(txn)?
        {
            return Ok(Arc::new(index));
        }
        Ok(self.exact.at(txn)?)
    }

    /// The `k` vectors nearest to `query` that `accept` takes, in what `txn` shows. See [`VectorIndex::search`].
    ///
    /// The first question is answered by a scan of what is stored: an index is made for those who ask again. An approximate index
    /// that fails is given up, and the exact one answers.
    ///
    /// # Errors
    /// As [`VectorIndex::search`], and whatever the store returns.
    pub fn search(
        &self,
        txn: &dyn ReadTxn,
        query: &[f32],
        k: usize,
        accept: Option<&dyn Fn(ChunkId) -> bool>,
    ) -> Result<Vec<Neighbor>> {
        if !self.asked.swap(true, Ordering::Relaxed) && self.choice(txn)? == Choice::Exact {
            return stored::search(self.table(), txn, query, k, accept);
        }
        let rows = self.table().rows(txn);
        match self.index(txn)?.search(&rows, query, k, accept) {
            #[cfg(feature = "arroy")]
            Err(crate::Error::Approximate { .. }) => self.exact.at(txn)?.search(&rows, query, k, accept),
            outcome => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_scanned_exactly() {
        assert_eq!(choose(100_000, 384, MEMORY), Choice::Exact);
        assert_eq!(choose(2_000_000, 384, MEMORY), Choice::Exact);
    }

    #[test]
    #[cfg(feature = "arroy")]
    fn what_does_not_fit_into_memory_is_left_on_disk() {
        assert_eq!(choose(100_000_000, 384, MEMORY), Choice::Approximate);
        assert_eq!(choose(u64::MAX, 384, MEMORY), Choice::Approximate);
        assert_eq!(choose(10, 384, 0), Choice::Approximate);
    }
}
