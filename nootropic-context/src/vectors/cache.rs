//! The exact index of one embedder's vectors, kept in step with the store.

use std::sync::{Arc, Mutex, PoisonError};

use nootropic_core::{ChunkId, ReadTxn};

use super::exact::ExactIndex;
use super::table::{Mark, VectorTable};
use crate::Result;

/// Indexes kept: the newest, and the one before it for a reader that began a moment earlier.
const KEPT: usize = 2;

/// Holds an [`ExactIndex`] in memory and brings it to whatever state a transaction shows.
///
/// Only what changed is read. Answers never mix states: an index handed out stays as it is.
#[derive(Debug)]
pub struct IndexCache {
    table: VectorTable,
    recent: Mutex<Vec<(Mark, Arc<ExactIndex>)>>,
}

impl IndexCache {
    /// A cache that has read nothing yet.
    pub fn new(table: VectorTable) -> Self {
        Self { table, recent: Mutex::default() }
    }

    /// Whose vectors these are.
    pub fn table(&self) -> &VectorTable {
        &self.table
    }

    /// The index of exactly what `txn` shows. The first call reads all codes, later ones what changed.
    ///
    /// # Errors
    /// Whatever the store returns.
    pub fn at(&self, txn: &dyn ReadTxn) -> Result<Arc<ExactIndex>> {
        let now = self.table.mark(txn)?;
        // A panic while holding the lock leaves the list as it was.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, index)) = recent.iter().find(|(mark, _)| *mark == now) {
            return Ok(index.clone());
        }
        let mut advanced = None;
        for (mark, index) in recent.iter() {
            if let Some(changed) = self.table.changed_since(txn, *mark)? {
                advanced = Some(self.advance(txn, index, &changed)?);
                break;
            }
        }
        let index = match advanced {
            Some(index) => Arc::new(index),
            None => Arc::new(self.load(txn)?),
        };
        recent.insert(0, (now, index.clone()));
        recent.sort_by_key(|(mark, _)| std::cmp::Reverse(mark.seq));
        recent.truncate(KEPT);
        Ok(index)
    }

    fn load(&self, txn: &dyn ReadTxn) -> Result<ExactIndex> {
        let mut index = ExactIndex::new(self.table.dim())?;
        self.table.scan_codes(txn, &mut |id, code| index.append_code(id, code.scale, code.code))?;
        index.recentre();
        Ok(index)
    }

    fn advance(&self, txn: &dyn ReadTxn, old: &ExactIndex, changed: &[ChunkId]) -> Result<ExactIndex> {
        let mut index = old.clone();
        for &id in changed {
            self.table.with_code(txn, id, |code| match code {
                Some(code) => index.insert_code(id, code.scale, code.code),
                None => drop(index.remove(id)),
            })?;
        }
        Ok(index)
    }
}

#[cfg(test)]
mod tests;
