//! The exact scan: every vector is looked at, at rising precision.

use std::cell::Cell;
use std::sync::Arc;

use nootropic_core::ChunkId;
use rayon::prelude::*;

use super::code::{Prepared, encode};
use super::kernel::Kernel;
use super::page::{Page, ROWS};
use super::rotate::Rotation;
use super::top::Top;
use super::{Accept, Neighbor, Rows, VectorIndex, check_dim, unit};
use crate::Result;

/// Scans quantized codes of every vector and rescores the best with full precision.
///
/// Three precisions, each where the one before leaves doubt: sign bits of the rotated vector against a 4-bit query (every
/// vector), a byte a dimension (hundreds), the stored vectors (tens). Codes are in memory, about 1.2 bytes a dimension.
///
/// A clone is a snapshot: it costs a pointer a page, and neither it nor the original sees what the other does next.
#[derive(Debug, Clone)]
pub struct ExactIndex {
    dim: usize,
    rotation: Arc<Rotation>,
    /// Mean of the vectors when it was last taken, rotated. Any point is right; the mean makes sign bits say most.
    centre: Arc<[f32]>,
    /// How many vectors there were then.
    centred_at: usize,
    /// Full but for the last.
    pages: Vec<Arc<Page>>,
    kernel: Kernel,
}

impl ExactIndex {
    /// An empty one, for vectors of `dim` dimensions.
    ///
    /// # Errors
    /// [`InvalidInput`](nootropic_core::Error::InvalidInput) unless `dim` is 1 to [`MAX_DIM`](super::MAX_DIM).
    pub fn new(dim: usize) -> Result<Self> {
        check_dim(dim)?;
        Ok(Self {
            dim,
            rotation: Arc::new(Rotation::new(dim)),
            centre: vec![0.0; dim].into(),
            centred_at: 0,
            pages: Vec::new(),
            kernel: Kernel::best(),
        })
    }

    /// One that holds `rows`; of two with the same identity, the later.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`insert`](Self::insert).
    pub fn from_rows<'a>(dim: usize, rows: impl IntoIterator<Item = (ChunkId, &'a [f32])>) -> Result<Self> {
        let mut index = Self::new(dim)?;
        for (id, row) in rows {
            index.insert(id, row)?;
        }
        index.recentre();
        Ok(index)
    }

    /// Adds a vector, or replaces the one of that identity. It need not have unit length.
    ///
    /// # Errors
    /// [`Dimension`](nootropic_core::Error::Dimension) if it is of another dimension,
    /// [`NoDirection`](nootropic_core::Error::NoDirection) if it is zero or not finite.
    pub fn insert(&mut self, id: ChunkId, vector: &[f32]) -> Result<()> {
        let mut rotated = unit(vector, self.dim)?;
        self.rotation.apply(&mut rotated);
        let mut code = Vec::with_capacity(self.dim);
        let scale = encode(&rotated, &mut code);
        self.insert_code(id, scale, &code);
        Ok(())
    }

    /// Adds a code of `dim` dimensions, or replaces the one of that identity.
    pub(super) fn insert_code(&mut self, id: ChunkId, scale: f32, code: &[i8]) {
        if let Some((page, row)) = self.find(id) {
            let page = Arc::make_mut(&mut self.pages[page]);
            page.replace(row, scale, code);
            page.derive(row, &self.centre);
            return;
        }
        self.append_code(id, scale, code);
        if let Some(page) = self.pages.last_mut() {
            let page = Arc::make_mut(page);
            page.derive(page.len() - 1, &self.centre);
        }
        if self.len() >= (2 * self.centred_at).max(ROWS) {
            self.recentre();
        }
    }

    /// Adds a code of an identity that is not there yet; nothing is found before [`recentre`](Self::recentre).
    pub(super) fn append_code(&mut self, id: ChunkId, scale: f32, code: &[i8]) {
        if self.pages.last().is_none_or(|page| page.len() == ROWS) {
            self.pages.push(Arc::default());
        }
        if let Some(page) = self.pages.last_mut() {
            Arc::make_mut(page).push(id, scale, code);
        }
    }

    /// Removes a vector; says whether it was there.
    pub fn remove(&mut self, id: ChunkId) -> bool {
        let Some((page, row)) = self.find(id) else { return false };
        let Some(last) = self.pages.last_mut() else { return false };
        let (moved, emptied) = (Arc::make_mut(last).pop(self.dim), last.len() == 0);
        if emptied {
            self.pages.pop();
        }
        // The last row closes the gap, unless it was the one to go.
        if let Some(moved) = moved
            && moved.0 != id
        {
            let page = Arc::make_mut(&mut self.pages[page]);
            page.move_in(row, moved);
            page.derive(row, &self.centre);
        }
        true
    }

    /// Whether a vector of that identity is in it.
    pub fn contains(&self, id: ChunkId) -> bool {
        self.find(id).is_some()
    }

    /// Identities of all vectors, in no order.
    pub fn ids(&self) -> impl Iterator<Item = ChunkId> + '_ {
        self.pages.iter().flat_map(|page| page.ids().iter().copied())
    }

    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        self.pages.iter().map(|page| page.bytes()).sum()
    }

    fn find(&self, id: ChunkId) -> Option<(usize, usize)> {
        self.pages.iter().enumerate().find_map(|(at, page)| Some((at, page.find(id)?)))
    }

    /// Takes the mean anew, and derives all sign bits from it.
    pub(super) fn recentre(&mut self) {
        if self.centred_at == self.len() {
            return;
        }
        let mut sum = vec![0.0; self.dim];
        self.pages.iter().for_each(|page| page.add_to(&mut sum));
        let count = self.len() as f32;
        self.centre = sum.iter().map(|x| x / count).collect();
        self.centred_at = self.len();
        let centre = &self.centre;
        self.pages.par_iter_mut().for_each(|page| Arc::make_mut(page).recentre(centre));
    }

    /// The `keep` rows of the best codes, or nearly so: rows whose sign bits rule them out are not looked at.
    fn nearest_by_code(&self, query: &Prepared, keep: usize, accept: Option<Accept<'_>>) -> Top<ChunkId> {
        let accepted = |id: ChunkId| accept.is_none_or(|accept| accept(id));
        let mut bounds = SCRATCH.take();
        bounds.resize(self.pages.len() * ROWS, 0.0);
        let mut likeliest = Top::new(keep);
        for ((at, page), bounds) in self.pages.iter().enumerate().zip(bounds.chunks_exact_mut(ROWS)) {
            let mut likely = [0.0; ROWS];
            page.estimate(self.kernel, query, &mut likely, bounds);
            likeliest.offer_reaching(&likely[..page.len()], 0.0, |row| {
                accepted(page.ids()[row]).then(|| (at * ROWS + row, likely[row]))
            });
        }
        // What sign bits take for the best sets the bar that all others have to clear.
        let mut nearest = Top::new(keep);
        for place in likeliest.keys() {
            let (page, row) = (&self.pages[place / ROWS], place % ROWS);
            nearest.offer(page.ids()[row], page.score(self.kernel, query, row));
            bounds[place] = f32::NAN; // clears no bar
        }
        for (page, bounds) in self.pages.iter().zip(bounds.chunks_exact(ROWS)) {
            nearest.offer_reaching(&bounds[..page.len()], query.shift, |row| {
                let id = page.ids()[row];
                accepted(id).then(|| (id, page.score(self.kernel, query, row)))
            });
        }
        SCRATCH.set(bounds);
        nearest
    }

    fn prepare(&self, query: &[f32]) -> Result<Prepared> {
        let unit = unit(query, self.dim)?;
        let mut rotated = unit.clone();
        self.rotation.apply(&mut rotated);
        Ok(Prepared::new(unit, &rotated, &self.centre))
    }
}

thread_local! {
    /// Room for a bound a row, kept from one search to the next: getting it anew takes longer than filling it.
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// How many of the best by code are rescored, for `k` answers.
pub(super) fn rescored(k: usize) -> usize {
    k.saturating_add(k / 4).saturating_add(6)
}

impl VectorIndex for ExactIndex {
    fn dim(&self) -> usize {
        self.dim
    }

    fn len(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * ROWS + last.len())
    }

    fn search(&self, rows: &dyn Rows, query: &[f32], k: usize, accept: Option<Accept<'_>>) -> Result<Vec<Neighbor>> {
        let query = self.prepare(query)?;
        if k == 0 {
            return Ok(Vec::new());
        }
        let near = self.nearest_by_code(&query, rescored(k).min(self.len()), accept);
        rescore(rows, &query.unit, k, near.keys())
    }
}

/// The `k` best of `candidates` by the stored vectors.
pub(super) fn rescore(
    rows: &dyn Rows,
    unit: &[f32],
    k: usize,
    candidates: impl Iterator<Item = ChunkId>,
) -> Result<Vec<Neighbor>> {
    let (mut nearest, cosine) = (Top::new(k), rows.cosine(unit));
    for id in candidates {
        if let Some(score) = cosine(id)? {
            nearest.offer(id, score);
        }
    }
    Ok(nearest.into_sorted().map(|(id, score)| Neighbor { id, score }).collect())
}

#[cfg(test)]
mod tests;
