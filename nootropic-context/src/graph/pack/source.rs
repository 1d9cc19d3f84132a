//! The files that passages come from, as one snapshot shows them.

use std::ops::Range;

use nootropic_core::{ChunkId, ReadTxn, Result, Span, Symbol};
use rustc_hash::FxHashMap;

use crate::index::{Columns, Outline, Passage, read_text};

/// A file some passage comes from.
#[derive(Debug)]
pub(super) struct SourceFile {
    pub(super) path: String,
    pub(super) path_is_lossy: bool,
    pub(super) language: Option<&'static str>,
    pub(super) symbols: Vec<Symbol>,
    pub(super) passages: Vec<Passage>,
    pub(super) text: String,
    /// First byte of each line.
    starts: Vec<u32>,
}

impl SourceFile {
    /// The text of lines `first..=last`, 1-based, with its last line break.
    pub(super) fn lines(&self, first: u32, last: u32) -> &str {
        let start = self.starts.get(first.saturating_sub(1) as usize).copied().unwrap_or(self.text.len() as u32);
        let end = self.starts.get(last as usize).copied().unwrap_or(self.text.len() as u32);
        self.text.get(start as usize..end.max(start) as usize).unwrap_or_default()
    }

    pub(super) fn is_blank(&self, line: u32) -> bool {
        self.lines(line, line).trim().is_empty()
    }

    /// How many lines there are.
    pub(super) fn line_count(&self) -> u32 {
        self.starts.len() as u32
    }
}

/// Where a passage stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) chunk: ChunkId,
    /// How many passages were named before it.
    pub(super) rank: u32,
    pub(super) file: u32,
    /// First and last line, 1-based and inclusive.
    pub(super) lines: (u32, u32),
    pub(super) span: Span,
    /// The place of its definition among those of its file.
    pub(super) symbol: Option<u32>,
}

/// Everything that is read of a snapshot.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: FxHashMap<u32, SourceFile>,
    places: FxHashMap<ChunkId, Place>,
}

impl Sources {
    pub(super) fn load(txn: &dyn ReadTxn, chunks: &[ChunkId]) -> Result<Self> {
        let columns = Columns::load(txn)?;
        let mut sources = Self::default();
        for (rank, chunk) in chunks.iter().enumerate() {
            let Some(head) = columns.slot(chunk.0).and_then(|slot| columns.head(slot)) else { continue };
            let file = match sources.files.entry(head.file) {
                std::collections::hash_map::Entry::Occupied(held) => held.into_mut(),
                std::collections::hash_map::Entry::Vacant(slot) => slot.insert(read_file(txn, head.file)?),
            };
            let Some(passage) = file.passages.get(usize::from(head.ordinal)) else { continue };
            let span = passage.span;
            let symbol = passage.symbol.filter(|at| (*at as usize) < file.symbols.len());
            let last = file.line_count();
            let lines =
                (span.start_line.clamp(1, last.max(1)), span.end_line.clamp(span.start_line.max(1), last.max(1)));
            let place = Place { chunk: *chunk, rank: rank as u32, file: head.file, lines, span, symbol };
            sources.places.entry(*chunk).or_insert(place);
        }
        Ok(sources)
    }

    pub(super) fn place(&self, chunk: ChunkId) -> Option<Place> {
        self.places.get(&chunk).copied()
    }

    pub(super) fn file(&self, id: u32) -> Option<&SourceFile> {
        self.files.get(&id)
    }

    /// The text of a passage.
    pub(super) fn text(&self, place: &Place) -> &str {
        let bytes: Range<usize> = place.span.bytes();
        self.file(place.file).and_then(|file| file.text.get(bytes)).unwrap_or_default()
    }
}

fn read_file(txn: &dyn ReadTxn, id: u32) -> Result<SourceFile> {
    let Outline { path, path_is_lossy, language, passages, symbols, .. } = Outline::read(txn, id)?;
    let text = read_text(txn, id)?;
    let mut starts = vec![0];
    starts.extend(text.match_indices('\n').map(|(at, _)| at as u32 + 1).filter(|at| (*at as usize) < text.len()));
    Ok(SourceFile { path, path_is_lossy, language: language.map(|l| l.name()), symbols, passages, text, starts })
}
