//! The words of one file, counted by passage and field, ready to be merged into a batch.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::HashTable;
use nootropic_core::{Symbol, SymbolKind};
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::posting::{Field, Frequencies};
use super::tokenize::{fold, fold_name, normalize};
use super::{identifiers, parts};
use crate::syntax::Parsed;

/// The kinds of term, each a name space of its own in the inverted index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum TermKind {
    /// A stemmed word or part of an identifier.
    Word = b'w',
    /// A whole compound identifier, folded.
    Identifier = b'i',
    /// The folded name of a definition that begins in the passage.
    Definition = b'd',
}

/// Distinct terms, numbered in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    table: HashTable<u32>,
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Terms {
    /// The number of a term, given a new one if it has none. `term` includes its kind.
    pub(crate) fn intern(&mut self, term: &[u8]) -> u32 {
        let hash = FxBuildHasher.hash_one(term);
        let (bytes, ends) = (&self.bytes, &self.ends);
        if let Some(id) = self.table.find(hash, |id| slice(bytes, ends, *id) == term) {
            return *id;
        }
        let id = self.ends.len() as u32;
        self.bytes.extend_from_slice(term);
        self.ends.push(self.bytes.len() as u32);
        let (bytes, ends) = (&self.bytes, &self.ends);
        self.table.insert_unique(hash, id, |id| FxBuildHasher.hash_one(slice(bytes, ends, *id)));
        id
    }

    pub(crate) fn get(&self, id: u32) -> &[u8] {
        slice(&self.bytes, &self.ends, id)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[u32], id: u32) -> &'a [u8] {
    let start = if id == 0 { 0 } else { ends[id as usize - 1] };
    &bytes[start as usize..ends[id as usize] as usize]
}

/// One term in one passage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) term: u32,
    pub(crate) piece: u32,
    pub(crate) freq: Frequencies,
}

/// The words of one file.
#[derive(Debug, Default)]
pub(crate) struct FileWords {
    pub(crate) terms: Terms,
    pub(crate) counts: Vec<Count>,
    /// Words in each passage, saturating.
    pub(crate) lengths: Vec<u16>,
}

/// Counts the words of a parsed file.
pub(crate) fn count_words(path: &str, text: &str, parsed: &Parsed) -> FileWords {
    let mut counter = Counter::default();
    let path_terms = counter.path_terms(path);
    let mut comments = parsed.comments.iter().peekable();
    let mut by_start = symbols_by_piece(parsed).into_iter().peekable();
    for (piece_no, piece) in parsed.pieces.iter().enumerate() {
        counter.begin(piece_no as u32);
        for (term, level) in &path_terms {
            counter.add(*term, Field::Path, *level);
        }
        if let Some(symbol) = piece.symbol.and_then(|i| parsed.symbols.get(i as usize)) {
            counter.symbol(symbol, piece.span.start_byte > symbol.span.start_byte);
        }
        while let Some((_, symbol)) = by_start.next_if(|(piece, _)| *piece <= piece_no) {
            counter.definition(symbol);
        }
        let base = piece.span.start_byte as usize;
        identifiers(text.get(piece.span.bytes()).unwrap_or_default(), |word| {
            let at = (base + word.start) as u32;
            while comments.next_if(|range| range.end <= at).is_some() {}
            let comment = comments.peek().is_some_and(|range| range.start <= at);
            counter.word(word.text, if comment { Field::Comment } else { Field::Body });
        });
        counter.words.lengths.push(counter.length);
    }
    counter.words
}

/// Definitions with the passage they begin in, in order.
fn symbols_by_piece(parsed: &Parsed) -> Vec<(usize, &Symbol)> {
    let mut out: Vec<_> = parsed
        .symbols
        .iter()
        .filter_map(|symbol| {
            let at = parsed.pieces.partition_point(|piece| piece.span.end_byte <= symbol.span.start_byte);
            (at < parsed.pieces.len()).then_some((at, symbol))
        })
        .collect();
    out.sort_by_key(|(piece, _)| *piece);
    out
}

#[derive(Default)]
struct Counter<'a> {
    words: FileWords,
    /// Identifier as written, to the terms it stands for, in `flat`.
    seen: FxHashMap<&'a str, Range<usize>>,
    flat: Vec<u32>,
    /// For each term, one past the place of its count in the current passage.
    slots: Vec<(u32, u32)>,
    piece: u32,
    length: u16,
    scratch: Vec<u8>,
    term: Vec<u8>,
}

impl<'a> Counter<'a> {
    fn begin(&mut self, piece: u32) {
        self.piece = piece;
        self.length = 0;
    }

    fn add(&mut self, term: u32, field: Field, times: u16) {
        let index = term as usize;
        if index >= self.slots.len() {
            self.slots.resize(self.words.terms.len().max(index + 1), (u32::MAX, 0));
        }
        let (piece, at) = self.slots[index];
        let at = if piece == self.piece {
            at as usize
        } else {
            self.slots[index] = (self.piece, self.words.counts.len() as u32);
            self.words.counts.push(Count { term, piece: self.piece, freq: Frequencies::default() });
            self.words.counts.len() - 1
        };
        self.words.counts[at].freq.add(field, times);
    }

    fn word(&mut self, text: &'a str, field: Field) {
        let range = match self.seen.get(text) {
            Some(range) => range.clone(),
            None => {
                let range = self.resolve(text);
                self.seen.insert(text, range.clone());
                range
            }
        };
        self.length = self.length.saturating_add(1);
        for i in range {
            self.add(self.flat[i], field, 1);
        }
    }

    /// Interns what an identifier stands for: its parts, and itself if it has several.
    fn resolve(&mut self, text: &str) -> Range<usize> {
        let start = self.flat.len();
        let mut n = 0;
        parts(text, |part| {
            n += 1;
            if part.len() > 1 && normalize(part, &mut self.scratch) {
                let id = intern(&mut self.words.terms, &mut self.term, TermKind::Word, &self.scratch);
                if !self.flat[start..].contains(&id) {
                    self.flat.push(id);
                }
            }
        });
        if n > 1 && fold(text, &mut self.scratch) {
            self.flat.push(intern(&mut self.words.terms, &mut self.term, TermKind::Identifier, &self.scratch));
        }
        start..self.flat.len()
    }

    /// The words of a path with how much they say: a folder 1, a part of the file name 2, the whole name 3.
    /// Where the name says nothing (`mod.rs`, `index.js`), the folder stands for it.
    fn path_terms(&mut self, path: &str) -> Vec<(u32, u16)> {
        let mut names: Vec<&str> = path.split('/').collect();
        if let Some(last) = names.last_mut() {
            // The extension says the language, which has a filter of its own.
            *last = last.rsplit_once('.').map_or(*last, |(stem, _)| if stem.is_empty() { *last } else { stem });
        }
        if names.len() > 1 && names.last().is_some_and(|name| EMPTY_NAMES.contains(name)) {
            names.pop();
        }
        let mut out: Vec<(u32, u16)> = Vec::new();
        for (i, name) in names.iter().enumerate().rev() {
            let is_file_name = i + 1 == names.len();
            let start = self.flat.len();
            let mut whole = 0;
            identifiers(name, |word| {
                let range = self.resolve(word.text);
                // The whole of a compound name comes last.
                whole = if word.text.len() == name.len() { range.end } else { 0 };
            });
            for (at, term) in (start..).zip(self.flat.drain(start..)) {
                let level = match is_file_name {
                    true if at + 1 == whole => 3,
                    true => 2,
                    false => 1,
                };
                if out.iter().all(|(seen, _)| *seen != term) {
                    out.push((term, level));
                }
            }
        }
        out
    }

    fn symbol(&mut self, symbol: &Symbol, continues: bool) {
        // A passage that continues a definition is about it as well, though it does not show the name.
        if continues {
            self.name(&symbol.name, 1);
        }
        if let Some(container) = &symbol.container {
            self.name(container, 1);
        }
    }

    fn definition(&mut self, symbol: &Symbol) {
        self.name(&symbol.name, 2);
        fold_name(&symbol.name, &mut self.scratch);
        let id = intern(&mut self.words.terms, &mut self.term, TermKind::Definition, &self.scratch);
        self.add(id, Field::Symbol, definition_weight(symbol.kind));
    }

    fn name(&mut self, name: &str, level: u16) {
        let start = self.flat.len();
        identifiers(name, |word| {
            self.resolve(word.text);
        });
        // A name of one word is about that word alone.
        let level = if self.flat.len() - start == 1 { level + 1 } else { level };
        for i in start..self.flat.len() {
            self.add(self.flat[i], Field::Symbol, level);
        }
        self.flat.truncate(start);
    }
}

/// How much a definition of this kind is what someone means who asks for its name.
pub(crate) fn definition_weight(kind: SymbolKind) -> u16 {
    match kind {
        SymbolKind::Field | SymbolKind::Variable | SymbolKind::Key | SymbolKind::Heading | SymbolKind::Impl => 1,
        SymbolKind::Method | SymbolKind::Constant => 2,
        _ => 4,
    }
}

/// File names that only say that the folder's name is the one to read.
const EMPTY_NAMES: &[&str] = &["mod", "index", "__init__", "lib", "main", "init", "package-info"];

fn intern(terms: &mut Terms, buffer: &mut Vec<u8>, kind: TermKind, text: &[u8]) -> u32 {
    buffer.clear();
    buffer.push(kind as u8);
    buffer.extend_from_slice(text);
    terms.intern(buffer)
}
