//! The numbers behind the ranking, in one place, so that they can be measured and explained. How much a kind of definition
//! and a part of a path say is counted into the index, in `lexical/words.rs`.

use std::ops::RangeInclusive;

use crate::index::PathClass;

/// Weight of a definition's name that is the whole question, or that a `symbol:` filter names, beside that of a word.
pub(super) const ONLY_NAME: f32 = 12.0;
/// The same for a name of several parts among other words.
pub(super) const COMPOUND_NAME: f32 = 3.0;
/// The same for a single word among others, which may be a name.
pub(super) const WORD_AS_NAME: f32 = 1.0;
/// Weight of an identifier that neighbouring words may spell, and for each of those words that of a definition's name.
pub(super) const JOINED: f32 = 0.5;
/// What one level of a definition's kind counts where its name is asked for.
pub(super) const DEFINITION_LEVEL: f32 = 0.5;
/// Files that are shorter or longer than the mean by more than these factors count as if they were not.
pub(super) const SIZES: RangeInclusive<f32> = 0.05..=20.0;
/// How many passages nearness speaks for.
pub(super) const NEIGHBORS: usize = 100;
/// How many passages are ranked before those of one file are held apart: so many for each one asked for, and at least.
pub(super) const CANDIDATES: (usize, usize) = (20, 200);
/// How many passages of equal score are put in order beyond those asked for.
pub(super) const MAX_TIES: usize = 100;

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
    /// What nearness loses of it where the best file by words holds every word of the question: who can spell what they look for
    /// needs no guess at what they mean.
    pub spelled: f32,
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
            vector: 0.8,
            spelled: 0.7,
        }
    }
}

impl Ranking {
    /// What nearness to the question's vector adds to a passage, in the units of the lexical score: the nearest neighbour, of
    /// share 1, counts as much as `vector` times the best match, `best`, would; the farthest, of share 0, nothing. `covered` is the share of
    /// the question's words, by rarity, that the best file by words holds.
    pub(super) fn nearness(&self, best: f32, covered: f32, share: f32) -> f32 {
        let unit = if best > 0.0 { best } else { 1.0 };
        self.vector * (1.0 - self.spelled * covered).max(0.0) * unit * share
    }

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
