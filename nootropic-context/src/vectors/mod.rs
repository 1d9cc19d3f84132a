//! Nearest neighbours of a vector.
//!
//! The truth is a [`VectorTable`] in the store: one unit vector a chunk, or its quantized code alone, apart for every embedder.
//! Indexes over it are derived, and answer through one trait: [`ExactIndex`] scans quantized codes in memory, the
//! approximate index reads trees from a disposable folder. Both find candidates only; the score of every answer is the cosine
//! of what is stored.

#[cfg(feature = "arroy")]
mod arroy;
mod cache;
mod code;
mod exact;
mod kernel;
mod page;
mod rotate;
mod search;
mod stored;
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
pub use table::{EncodedVector, Kept, Mark, TableRows, VECTORS, VectorTable};

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

/// Says how near a chunk's stored vector is to a query: the cosine, `None` if nothing is stored, or why it could not be read.
pub type Cosine<'a> = Box<dyn Fn(ChunkId) -> Result<Option<f32>> + 'a>;

/// Vectors as they are stored, for rescoring what an index found.
pub trait Rows {
    /// Makes ready to measure against `query`, a unit vector of as many dimensions.
    fn cosine<'a>(&'a self, query: &'a [f32]) -> Cosine<'a>;
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
