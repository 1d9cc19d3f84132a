//! Where a name is used.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use nootropic_core::{Error, KeyRange, ReadTxn, Result};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::edges::family;
use crate::codec::Decoded;
use crate::index::{Columns, OUTLINES, Outline, PathClass};
use crate::lexical::posting::decode;
use crate::lexical::{POSTINGS, SegmentInfo, TermKind, fold, identifiers, normalize, parts};

/// Uses of a name, in files of languages that could mean the definition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SymbolUses {
    /// How many uses there are, counting one a line and file.
    pub count: usize,
    /// How many files they are in.
    pub files: usize,
    /// Files, sources first and those with most uses first; there may be more than are listed.
    pub places: Vec<UsePlace>,
}

/// The lines of a file that use a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsePlace {
    /// `/`-separated; lossy if the real name is not UTF-8.
    pub path: String,
    /// 1-based, ascending.
    pub lines: Vec<u32>,
}

/// What looking up terms needs of a snapshot.
pub(super) struct Lookup<'t> {
    pub(super) txn: &'t dyn ReadTxn,
    pub(super) columns: &'t Columns,
    pub(super) segments: &'t [SegmentInfo],
}

impl<'t> Lookup<'t> {
    /// Visits the posting lists of a term, with the first chunk of their segment.
    pub(super) fn lists(
        &self,
        kind: TermKind,
        text: &[u8],
        mut visit: impl FnMut(u32, &'t [u8]) -> Result<()>,
    ) -> Result<()> {
        for segment in self.segments {
            let key = term_key(segment.id, kind, text);
            if let Some(list) = self.txn.get(POSTINGS, &key)? {
                visit(segment.first, list)?;
            }
        }
        Ok(())
    }

    /// The files whose chunks a list names and that are still there.
    pub(super) fn files_in(&self, first: u32, list: &[u8], mut visit: impl FnMut(u32, PathClass)) -> Result<()> {
        decode(list, |posting| {
            let slot = self.columns.slot(first.wrapping_add(posting.chunk));
            if let Some(head) = slot.and_then(|slot| self.columns.head(slot)) {
                visit(head.file, head.class);
            }
        })
        .map_err(|e| Error::corrupt(POSTINGS, list.get(..8).unwrap_or(list), e.0))
    }

    /// Files that may hold `name` as an identifier; `None` if the index cannot tell.
    fn holders(&self, name: &str) -> Result<Option<BTreeSet<u32>>> {
        let (mut words, mut n, mut term) = (0, 0, Vec::new());
        identifiers(name, |word| words += usize::from(word.text == name));
        parts(name, |_| n += 1);
        let kind = if n > 1 { TermKind::Identifier } else { TermKind::Word };
        let known = words == 1
            && if n > 1 {
                fold(name, &mut term)
            } else {
                name.len() > 1 && normalize(name.trim_matches('_'), &mut term)
            };
        if !known {
            return Ok(None);
        }
        let mut files = BTreeSet::new();
        self.lists(kind, &term, |first, list| {
            self.files_in(first, list, |file, _| {
                files.insert(file);
            })
        })?;
        Ok(Some(files))
    }

    /// The outlines of some files, or of all.
    fn records(&self, files: Option<BTreeSet<u32>>) -> Result<Vec<(u32, &'t [u8])>> {
        let mut records = Vec::new();
        match files {
            Some(files) => {
                for file in files {
                    records.extend(self.txn.get(OUTLINES, &file.to_be_bytes())?.map(|bytes| (file, bytes)));
                }
            }
            None => self.txn.scan(OUTLINES, &KeyRange::all(), &mut |key, bytes| {
                let id =
                    key.try_into().map(u32::from_be_bytes).map_err(|_| Error::corrupt(OUTLINES, key, "bad key"))?;
                records.push((id, bytes));
                Ok(ControlFlow::Continue(()))
            })?,
        }
        Ok(records)
    }

    /// Passes every outline's number and bytes to `visit` on all cores and gathers what it makes of them, in order of
    /// file numbers.
    pub(super) fn each_outline<T: Send>(
        &self,
        files: Option<BTreeSet<u32>>,
        visit: impl Fn(u32, &[u8]) -> Decoded<T> + Sync + Send,
    ) -> Result<Vec<T>> {
        self.records(files)?
            .into_par_iter()
            .map(|(id, bytes)| visit(id, bytes).map_err(|e| Error::corrupt(OUTLINES, &id.to_be_bytes(), e.0)))
            .collect()
    }

    /// Where `name` is used in languages that could mean a definition in `language`; at most `limit` places are listed.
    pub(super) fn uses(&self, name: &str, language: Option<&str>, limit: usize) -> Result<SymbolUses> {
        let found = self.each_outline(self.holders(name)?, |_, bytes| {
            let mut lines = Vec::new();
            let outline = Outline::decode_parts(bytes, |used, line| {
                if used == name {
                    lines.push(line);
                }
            })?;
            let related = family(outline.language.map(|l| l.name())) == family(language);
            lines.sort_unstable();
            lines.dedup();
            Ok((related && !lines.is_empty()).then_some(UsePlace { path: outline.path, lines }))
        })?;
        let mut places: Vec<UsePlace> = found.into_iter().flatten().collect();
        let count = places.iter().map(|place| place.lines.len()).sum();
        let files = places.len();
        places.sort_by_cached_key(|place| {
            (PathClass::of(&place.path) != PathClass::Source, usize::MAX - place.lines.len(), place.path.clone())
        });
        places.truncate(limit);
        Ok(SymbolUses { count, files, places })
    }
}

pub(super) fn term_key(segment: u32, kind: TermKind, text: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(5 + text.len());
    key.extend_from_slice(&segment.to_be_bytes());
    key.push(kind as u8);
    key.extend_from_slice(text);
    key
}
