//! Rotary position embeddings: the angles.

/// How queries and keys are rotated by their position.
///
/// Pair `i` of a head is turned by `position · frequencies[i]` radians. Frequencies are final: every scaling for long contexts is
/// in them. Columns past the pairs are left as they are.
///
/// Source: Su et al., *RoFormer*, arXiv:2104.09864.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rope {
    pub(crate) pairs: Pairs,
    /// Radians per position, of each pair.
    pub(crate) frequencies: Vec<f32>,
    /// Other frequencies, for contexts of more positions than that.
    pub(crate) long: Option<(usize, Vec<f32>)>,
    /// What cosine and sine are multiplied by.
    pub(crate) magnitude: f32,
}

/// Which two columns of a head make a pair. Weights for one give nonsense with the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairs {
    /// `(i, i + pairs)`: the form models are published in, llama.cpp's NEOX type.
    Halves,
    /// `(2i, 2i + 1)`: the paper's form. GGUF files of the llama family have their rows in this order.
    Consecutive,
}

/// Cosines and sines, `[positions, pairs]` each, row after row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
}

impl Rope {
    /// Frequencies `base^(-2i/columns)` of the pairs of `columns` columns, without scaling.
    pub(super) fn plain(pairs: Pairs, base: f32, columns: usize) -> Self {
        let exponent = |i: usize| -2.0 * i as f64 / columns as f64;
        let frequencies = (0..columns / 2).map(|i| f64::from(base).powf(exponent(i)) as f32).collect();
        Self { pairs, frequencies, long: None, magnitude: 1.0 }
    }

    /// The table of `count` positions from `first`, in a session of at most `context` positions.
    pub(crate) fn table(&self, first: usize, count: usize, context: usize) -> Table {
        let frequencies = match &self.long {
            Some((above, long)) if context > *above => long,
            _ => &self.frequencies,
        };
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for position in first..first + count {
            for frequency in frequencies {
                let (s, c) = (position as f32 * frequency).sin_cos();
                cos.push(c * self.magnitude);
                sin.push(s * self.magnitude);
            }
        }
        Table { cos, sin }
    }
}
