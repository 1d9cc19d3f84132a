//! Quantized rows of up to [`ROWS`] vectors, laid out for the scan.

use nootropic_core::ChunkId;

use super::code::Prepared;
use super::kernel::{BLOCK, Kernel, Terms};

/// Most rows in a page: small enough to copy when a reader still holds it, large enough to scan at full speed.
pub(super) const ROWS: usize = 512;

/// What a row is, apart from its sign bits.
///
/// A row `x` is one bit a dimension of `r = x − centre`. By RaBitQ (Gao and Long, arXiv:2405.12497)
/// `⟨r, q⟩ ≈ ‖r‖² / ‖r‖₁ · ⟨sign r, q⟩`; with `q − centre` in place of `q` the error is smaller, and
/// `⟨r, centre⟩` makes up for it exactly. The paper's error bound says which rows need a closer look: wherever scores lie
/// close together there are more of them, where they lie far apart hardly any.
#[derive(Debug, Clone, Default)]
pub(super) struct Page {
    ids: Vec<ChunkId>,
    /// Bounds on identities, perhaps wider than needed: most pages are ruled out by them.
    bounds: Option<(ChunkId, ChunkId)>,
    /// What one byte of the code is worth.
    scales: Vec<f32>,
    /// `[rows, dim]`.
    codes: Vec<i8>,
    /// `⟨r, centre⟩`.
    offsets: Vec<f32>,
    /// `‖r‖² / ‖r‖₁`.
    factors: Vec<f32>,
    /// Standard error of the estimate, for a query residual of length 1.
    errors: Vec<f32>,
    /// `[blocks, words, BLOCK]`; bits of rows that are not there mean nothing.
    bits: Vec<u64>,
}

impl Page {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn ids(&self) -> &[ChunkId] {
        &self.ids
    }

    pub(super) fn find(&self, id: ChunkId) -> Option<usize> {
        let (low, high) = self.bounds?;
        if id < low || id > high {
            return None;
        }
        self.ids.iter().position(|&other| other == id)
    }

    fn widen(&mut self, id: ChunkId) {
        self.bounds = Some(self.bounds.map_or((id, id), |(low, high)| (low.min(id), high.max(id))));
    }

    /// Adds a row, which counts once it is [derived](Self::derive).
    pub(super) fn push(&mut self, id: ChunkId, scale: f32, code: &[i8]) {
        let row = self.ids.len();
        self.ids.push(id);
        self.widen(id);
        self.scales.push(scale);
        self.codes.extend_from_slice(code);
        self.offsets.push(0.0);
        self.factors.push(0.0);
        self.errors.push(0.0);
        let words = code.len().div_ceil(64);
        self.bits.resize((row / BLOCK + 1) * BLOCK * words, 0);
    }

    /// Puts another vector in a row's place.
    pub(super) fn replace(&mut self, row: usize, scale: f32, code: &[i8]) {
        let dim = code.len();
        if let (Some(old_scale), Some(old)) = (self.scales.get_mut(row), self.codes.get_mut(row * dim..(row + 1) * dim))
        {
            *old_scale = scale;
            old.copy_from_slice(code);
        }
    }

    /// Takes the last row off.
    pub(super) fn pop(&mut self, dim: usize) -> Option<(ChunkId, f32, Vec<i8>)> {
        let id = self.ids.pop()?;
        self.offsets.pop();
        self.factors.pop();
        self.errors.pop();
        let code = self.codes.split_off(self.ids.len() * dim);
        let blocks = self.ids.len().div_ceil(BLOCK);
        self.bits.truncate(blocks * BLOCK * dim.div_ceil(64));
        Some((id, self.scales.pop()?, code))
    }

    /// Puts another row in a row's place, with its identity.
    pub(super) fn move_in(&mut self, row: usize, (id, scale, code): (ChunkId, f32, Vec<i8>)) {
        if let Some(old) = self.ids.get_mut(row) {
            *old = id;
            self.widen(id);
            self.replace(row, scale, &code);
        }
    }

    /// Adds every row to `sum`, coordinate by coordinate.
    pub(super) fn add_to(&self, sum: &mut [f32]) {
        for (code, scale) in self.codes.chunks_exact(sum.len()).zip(&self.scales) {
            sum.iter_mut().zip(code).for_each(|(s, &c)| *s += scale * f32::from(c));
        }
    }

    /// Derives every row's bits anew, for another centre.
    pub(super) fn recentre(&mut self, centre: &[f32]) {
        (0..self.len()).for_each(|row| self.derive(row, centre));
    }

    /// Derives from a row's code, and the centre, all that the scan reads.
    pub(super) fn derive(&mut self, row: usize, centre: &[f32]) {
        let dim = centre.len();
        let words = dim.div_ceil(64);
        let scale = self.scales.get(row).copied().unwrap_or_default();
        let block = (row / BLOCK) * BLOCK * words;
        let (mut squares, mut absolutes, mut offset) = (0.0_f32, 0.0_f32, 0.0_f32);
        for w in 0..words {
            let at = w * 64..dim.min((w + 1) * 64);
            let mut word = 0_u64;
            let code = self.codes.get(row * dim + at.start..row * dim + at.end).unwrap_or_default();
            for (i, (&code, c)) in code.iter().zip(&centre[at]).enumerate() {
                let r = scale * f32::from(code) - c;
                word |= u64::from(r > 0.0) << i;
                squares += r * r;
                absolutes += r.abs();
                offset += r * c;
            }
            if let Some(slot) = self.bits.get_mut(block + w * BLOCK + row % BLOCK) {
                *slot = word;
            }
        }
        if let (Some(o), Some(f), Some(e)) =
            (self.offsets.get_mut(row), self.factors.get_mut(row), self.errors.get_mut(row))
        {
            *o = offset;
            *f = if absolutes > 0.0 { squares / absolutes } else { 0.0 };
            // The angle between r and its signs, cos = ‖r‖₁ / (‖r‖ √dim); the error is random in what it leaves open.
            let open = (*f / absolutes * dim as f32 - 1.0).max(0.0);
            *e = if absolutes > 0.0 { (squares * open / (dim as f32 - 1.0).max(1.0)).sqrt() } else { 0.0 };
        }
    }

    /// Estimates every row's score by its sign bits: what is likely, and the most it may be. Both lack
    /// [`Prepared::shift`]; there must be room for all rows.
    pub(super) fn estimate(&self, kernel: Kernel, query: &Prepared, likely: &mut [f32], most: &mut [f32]) {
        let mut distances = [0_i32; ROWS];
        kernel.distances(&self.bits, &query.planes, &mut distances);
        let terms = Terms { offsets: &self.offsets, factors: &self.factors, errors: &self.errors };
        kernel.estimates(&distances, terms, query, likely, most);
    }

    /// The cosine that a row's code gives.
    pub(super) fn score(&self, kernel: Kernel, query: &Prepared, row: usize) -> f32 {
        let dim = query.wide.len();
        let code = self.codes.get(row * dim..(row + 1) * dim).unwrap_or_default();
        query.score(kernel, self.scales.get(row).copied().unwrap_or_default(), code)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.codes.capacity() + 8 * self.bits.capacity() + 20 * self.ids.capacity()
    }
}
