//! The terms of a passage, as one number: sets of terms are compared by the sum of their hashes.

use std::hash::BuildHasher;
use std::ops::Range;

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::lexical::words::TermKind;
use crate::lexical::{fold, fold_name, identifiers, normalize, parts};

/// A set of terms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    hash: u64,
    /// How many terms.
    pub(super) count: u32,
}

impl Sum {
    /// Adds a term by its [`hash`].
    pub(super) fn add(&mut self, hash: u64) {
        self.hash = self.hash.wrapping_add(hash);
        self.count += 1;
    }
}

/// The hash of a term with its kind in front.
pub(super) fn hash(term: &[u8]) -> u64 {
    FxBuildHasher.hash_one(term)
}

/// Cuts the passages of one file into the terms that the index should hold, as `lexical::words` does.
#[derive(Debug, Default)]
pub(super) struct Cutter<'a> {
    /// Identifier as written, to the terms it stands for, in `flat`.
    seen: FxHashMap<&'a str, Range<usize>>,
    flat: Vec<u64>,
    held: FxHashSet<u64>,
    scratch: Vec<u8>,
}

impl<'a> Cutter<'a> {
    /// The terms of a passage that defines `names`, and how many words it has.
    pub(super) fn cut(&mut self, text: &'a str, names: &[&'a str]) -> (Sum, u16) {
        self.held.clear();
        let mut sum = Sum::default();
        let mut length = 0u16;
        identifiers(text, |word| {
            length = length.saturating_add(1);
            let range = match self.seen.get(word.text) {
                Some(range) => range.clone(),
                None => {
                    let range = self.resolve(word.text);
                    self.seen.insert(word.text, range.clone());
                    range
                }
            };
            for hash in &self.flat[range] {
                if self.held.insert(*hash) {
                    sum.add(*hash);
                }
            }
        });
        for name in names {
            fold_name(name, &mut self.scratch);
            let hash = of(TermKind::Definition, &self.scratch);
            if self.held.insert(hash) {
                sum.add(hash);
            }
        }
        (sum, length)
    }

    fn resolve(&mut self, text: &str) -> Range<usize> {
        let start = self.flat.len();
        let mut n = 0;
        parts(text, |part| {
            n += 1;
            if part.len() > 1 && normalize(part, &mut self.scratch) {
                self.flat.push(of(TermKind::Word, &self.scratch));
            }
        });
        if n > 1 && fold(text, &mut self.scratch) {
            self.flat.push(of(TermKind::Identifier, &self.scratch));
        }
        start..self.flat.len()
    }
}

fn of(kind: TermKind, term: &[u8]) -> u64 {
    let mut bytes = Vec::with_capacity(1 + term.len());
    bytes.push(kind as u8);
    bytes.extend_from_slice(term);
    hash(&bytes)
}
