//! Files against their outlines, texts and columns.

use std::ops::{ControlFlow, Range};

use nootropic_core::{KeyRange, Result};

use super::words::Cutter;
use super::{Checker, IndexProblem};
use crate::index::class::PathClass;
use crate::index::columns::ChunkHead;
use crate::index::record::{FILES, FileRecord, OUTLINES, Outline, path_key};
use crate::index::text::{TEXTS, unpack_text};
use crate::walk::RelPath;

impl Checker<'_> {
    /// Every record of a file, and what hangs on it.
    pub(super) fn files(&mut self) -> Result<()> {
        let txn = self.txn;
        txn.scan(FILES, &KeyRange::all(), &mut |key, value| {
            match FileRecord::decode(value) {
                Err(e) => self.state.record(FILES, key, e.0),
                Ok(record) => self.file(key, &record)?,
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    fn file(&mut self, key: &[u8], record: &FileRecord) -> Result<()> {
        let (path, id) = (record.path.as_slice(), record.id);
        if *path_key(path) != *key {
            self.state.file(path, "is kept under the key of another path");
        }
        if id >= self.state.meta.next_file {
            self.state.file(path, format!("has number {id}, which was never given out"));
        }
        if self.state.indexed.contains(&id) || self.state.skipped.contains(&id) {
            self.state.file(path, format!("shares its number {id} with another file"));
            return Ok(());
        }
        if record.skipped.is_some() {
            self.state.skipped.insert(id);
            self.state.report.skipped += 1;
            if (record.chunks, record.words, record.bytes) != (0, 0, 0) {
                self.state.file(path, "is not indexed and has content");
            }
            return Ok(());
        }
        self.state.indexed.insert(id);
        self.state.report.files += 1;
        self.state.report.chunks += u64::from(record.chunks);
        self.state.words += u64::from(record.words);
        self.state.bytes += u64::from(record.bytes);
        let (outline, text) = (self.txn.get(OUTLINES, &id.to_be_bytes())?, self.txn.get(TEXTS, &id.to_be_bytes())?);
        let (Some(outline), Some(text)) = (outline, text) else {
            self.state.file(path, "has no outline or no text");
            return Ok(());
        };
        match (Outline::decode(outline), unpack_text(text)) {
            (Ok(outline), Ok(text)) => self.content(record, &outline, &text),
            (Err(e), _) => self.state.record(OUTLINES, &id.to_be_bytes(), e.0),
            (_, Err(problem)) => self.state.record(TEXTS, &id.to_be_bytes(), &problem),
        }
        Ok(())
    }

    fn content(&mut self, record: &FileRecord, outline: &Outline, text: &str) {
        let path = record.path.as_slice();
        let shown = RelPath::new(path).map(|path| (path.to_text().into_owned(), path.is_lossy()));
        if shown.is_none_or(|(shown, lossy)| shown != outline.path || lossy != outline.path_is_lossy) {
            self.state.file(path, format!("has the outline of {}", outline.path));
        }
        if text.len() as u64 != u64::from(record.bytes) {
            self.state.file(path, format!("has a text of {} bytes instead of {}", text.len(), record.bytes));
        }
        if outline.passages.len() as u64 != u64::from(record.chunks) || outline.first_chunk != record.first_chunk {
            let (first, n) = (outline.first_chunk, outline.passages.len());
            let (of, chunks) = (record.first_chunk, record.chunks);
            self.state.file(path, format!("has {n} passages from chunk {first}, and {chunks} chunks from {of}"));
            return;
        }
        if let Err(detail) = spans(outline, text) {
            self.state.file(path, detail);
            return;
        }
        self.chunks(record, outline, text);
    }

    fn chunks(&mut self, record: &FileRecord, outline: &Outline, text: &str) {
        let (class, mut cutter, mut total) = (PathClass::of(&outline.path), Cutter::default(), 0u32);
        let defined = definitions(outline);
        for (i, passage) in outline.passages.iter().enumerate() {
            let here = defined.get(defined.partition_point(|(at, _)| *at < i)..).unwrap_or_default();
            let here = here.iter().take_while(|(at, _)| *at == i);
            let names: Vec<&str> = here.map(|(_, name)| *name).collect();
            let (held, words) = cutter.cut(text.get(passage.span.bytes()).unwrap_or_default(), &names);
            total += u32::from(words);
            let symbol = passage.symbol.and_then(|s| outline.symbols.get(s as usize));
            let expected = ChunkHead {
                file: record.id,
                ordinal: u16::try_from(i).unwrap_or(u16::MAX),
                words,
                class,
                language: outline.language.map_or(0, |l| l.code()),
                kind: symbol.map_or(0, |s| s.kind.code()),
            };
            let chunk = record.first_chunk.saturating_add(i as u32);
            self.claim(chunk, &expected, held);
        }
        if total != record.words {
            let words = record.words;
            self.state.file(&record.path, format!("counts {words} words, and its passages have {total}"));
        }
    }

    fn claim(&mut self, chunk: u32, expected: &ChunkHead, held: super::Sum) {
        let slot = self.columns.slot(chunk).filter(|slot| self.columns.head(*slot).is_some());
        let (Some(slot), true) = (slot, chunk < self.state.meta.next_chunk) else {
            let detail = format!("is a chunk of file {} and not among the live ones", expected.file);
            self.state.note(IndexProblem::Chunk { chunk, detail });
            return;
        };
        let found = self.columns.head(slot);
        if found != Some(expected) {
            let detail = format!("is kept as {found:?} and should be {expected:?}");
            self.state.note(IndexProblem::Chunk { chunk, detail });
        }
        if let Some(terms) = self.state.terms.get_mut(slot) {
            (terms.claimed, terms.file, terms.held) = (true, expected.file, held);
        }
    }
}

/// The names of definitions with the passage that they begin in, in order of passages.
fn definitions(outline: &Outline) -> Vec<(usize, &str)> {
    let at = |start| outline.passages.partition_point(|passage| passage.span.end_byte <= start);
    let mut out: Vec<_> = outline.symbols.iter().map(|s| (at(s.span.start_byte), s.name.as_str())).collect();
    out.sort_by_key(|(at, _)| *at);
    out
}

/// Whether the passages cut the text as they should: in order, at characters, with nothing but white space between, and
/// with the right numbers of lines.
fn spans(outline: &Outline, text: &str) -> Result<(), String> {
    let blank = |range: Range<usize>| text.get(range).is_some_and(|gap| gap.trim().is_empty());
    let breaks = |range: Range<usize>| text.as_bytes()[range].iter().filter(|b| **b == b'\n').count() as u32;
    let (mut at, mut line) = (0, 1);
    for (i, passage) in outline.passages.iter().enumerate() {
        let range = passage.span.bytes();
        if text.get(range.clone()).is_none_or(str::is_empty) || range.start < at {
            return Err(format!("passage {i} is bytes {range:?} of {}, after {at}", text.len()));
        }
        if !blank(at..range.start) {
            return Err(format!("no passage holds bytes {at}..{}", range.start));
        }
        line += breaks(at..range.start);
        let end = line + breaks(range.clone());
        if (passage.span.start_line, passage.span.end_line) != (line, end) {
            let (first, last) = (passage.span.start_line, passage.span.end_line);
            return Err(format!("passage {i} is kept as lines {first} to {last} and is lines {line} to {end}"));
        }
        if passage.symbol.is_some_and(|symbol| symbol as usize >= outline.symbols.len()) {
            return Err(format!("passage {i} is named by a symbol that is not there"));
        }
        (at, line) = (range.end, end);
    }
    if blank(at..text.len()) { Ok(()) } else { Err(format!("no passage holds bytes {at}..{}", text.len())) }
}
