//! The numbers behind the ranking, in one place, so that they can be measured and explained.

use crate::index::PathClass;

/// How signals are weighed. The defaults are what measurement found; no rule names a repository or a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// BM25 saturation for a passage and for a whole file.
    pub k1: [f32; 2],
    /// BM25 length normalization for a passage and for a whole file.
    pub b: [f32; 2],
    /// Weight of an occurrence in code.
    pub body: f32,
    /// Weight of an occurrence in a comment or doc string.
    pub comment: f32,
    /// Weight of one level in the names a passage defines or lies in.
    pub symbol: f32,
    /// Weight of one level in the path.
    pub path: f32,
    /// Weight of a whole identifier beside that of its parts.
    pub identifier: f32,
    /// Weight of a definition whose name is asked for.
    pub definition: f32,
    /// Share of the file's score in that of its passages.
    pub file: f32,
    /// Exponent of the share of the question's words that a file holds.
    pub coverage: f32,
    /// Exponent of a file's length beside the mean: long files are where things are done.
    pub size: f32,
    /// What each further passage of a file keeps of its score.
    pub repeat: f32,
    /// Share of nearest-neighbour evidence, when there are vectors.
    pub vector: f32,
}

impl Default for Ranking {
    fn default() -> Self {
        Self {
            k1: [24.0, 32.0],
            b: [0.05, 0.6],
            body: 0.24,
            comment: 0.66,
            symbol: 0.55,
            path: 4.0,
            identifier: 1.6,
            definition: 0.15,
            file: 0.36,
            coverage: 0.15,
            size: 0.1,
            repeat: 0.05,
            vector: 1.0,
        }
    }
}

impl Ranking {
    /// What a file keeps of its score for the part it plays.
    pub fn prior(&self, class: PathClass) -> f32 {
        match class {
            PathClass::Source => 1.0,
            PathClass::Legacy => 0.6,
            PathClass::Declaration => 0.7,
            PathClass::Config => 0.6,
            PathClass::Docs => 0.6,
            PathClass::Example | PathClass::Bench => 0.4,
            PathClass::Test => 0.4,
            PathClass::Vendored => 0.4,
            PathClass::Locale => 0.4,
        }
    }
}
