//! Nearest neighbours of a vector.
//!
//! The truth is a [`VectorTable`] in the store: one unit vector a chunk, apart for every embedder. Indexes over it are
//! derived, and answer through one trait: [`ExactIndex`] scans quantized codes in memory, the approximate index reads
//! trees from a disposable folder. Both find candidates only; the score of every answer is the cosine of the stored
//! vectors themselves.

#[cfg(feature = "arroy")]
mod arroy;
mod cache;
mod code;
mod exact;
mod kernel;
mod page;
mod rotate;
mod search;
mod table;
mod top;

#[cfg(test)]
mod testing;

use std::fmt;

use nootropic_core::{ChunkId, Error as CoreError};

use crate::Result;

#[cfg(feature = "arroy")]
pub use arroy::{ArroyCache, ArroyIndex, Rebuild};
pub use cache::IndexCache;
pub use exact::ExactIndex;
pub use search::{Choice, VectorSearch, choose};
pub use table::{Mark, TableRows, VECTORS, VectorTable};

/// Most dimensions a vector may have.
pub const MAX_DIM: usize = 16_384;

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// Whose vector it is.
    pub id: ChunkId,
    /// Cosine of the angle to the query, in `-1..=1` up to rounding.
    pub score: f32,
}

/// Full-precision vectors, for rescoring what an index found.
pub trait Rows {
    /// Cosine of the stored vector and `query`, a unit vector of as many dimensions; `None` if nothing is stored.
    ///
    /// # Errors
    /// Why the vector could not be read.
    fn cosine(&self, id: ChunkId, query: &[f32]) -> Result<Option<f32>>;
}

/// Which chunks may be among the answers.
pub type Accept<'a> = &'a dyn Fn(ChunkId) -> bool;

/// Finds the vectors nearest to another.
pub trait VectorIndex: fmt::Debug + Send + Sync {
    /// Dimensions of every vector.
    fn dim(&self) -> usize;

    /// How many vectors there are to find.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `k` nearest to `query` of those that `accept` takes: best first, equals by identity.
    ///
    /// `query` need not have unit length. What `rows` no longer holds is left out.
    ///
    /// # Errors
    /// [`Dimension`](CoreError::Dimension) if `query` is of another dimension,
    /// [`NoDirection`](CoreError::NoDirection) if it is zero or not finite, and whatever `rows` returns.
    fn search(&self, rows: &dyn Rows, query: &[f32], k: usize, accept: Option<Accept<'_>>) -> Result<Vec<Neighbor>>;
}

const _: fn(&dyn VectorIndex, &dyn Rows) = |_, _| {}; // retrieval holds `Arc<dyn VectorIndex>`

/// `vector` at unit length, if it has `dim` dimensions and a direction.
fn unit(vector: &[f32], dim: usize) -> Result<Vec<f32>> {
    if vector.len() != dim {
        return Err(CoreError::Dimension { got: vector.len(), expected: dim }.into());
    }
    Ok(nootropic_core::Embedding::normalized(vector.to_vec())?.into_vec())
}

fn check_dim(dim: usize) -> Result<()> {
    if (1..=MAX_DIM).contains(&dim) {
        return Ok(());
    }
    Err(CoreError::invalid("dimensions", format!("{dim}, not 1 to {MAX_DIM}")).into())
}
