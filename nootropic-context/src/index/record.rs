//! What the index keeps of each file, and how it is encoded.

use std::borrow::Cow;
use std::ops::ControlFlow;

use nootropic_core::{Chunk, ChunkId, Error, KeyRange, ReadTxn, Reference, Result, Span, Symbol, SymbolKind, Table};

use super::text::read_part;
use crate::codec::{Decoded, Malformed, Reader, put_bytes, put_varint};
use crate::lexical::words::definition_weight;
use crate::syntax::Language;
use crate::walk::{FileStamp, SkipReason};

/// Index-wide counters, and the options the index was made with.
pub const META: Table = Table::new("index");
/// Path → [`FileRecord`].
pub const FILES: Table = Table::new("files");
/// File number (u32, big-endian) → [`Outline`].
pub const OUTLINES: Table = Table::new("outlines");

/// Counts up whenever words, passages or records are made differently, so that an index of another make is rebuilt.
pub const INDEX_VERSION: u32 = 3;

const META_KEY: &[u8] = b"meta";

/// Index-wide counters. The first four stay where they are in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexMeta {
    /// [`INDEX_VERSION`] of whoever wrote it.
    pub version: u32,
    /// The next chunk number; numbers are never given out twice.
    pub next_chunk: u32,
    /// The next file number.
    pub next_file: u32,
    /// The next segment number.
    pub next_segment: u32,
    /// Indexed files.
    pub files: u32,
    /// Chunks that can be found.
    pub chunks: u32,
    /// Words in them.
    pub words: u64,
    /// Bytes of text in them.
    pub bytes: u64,
}

impl IndexMeta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for value in [self.version, self.next_chunk, self.next_file, self.next_segment, self.files, self.chunks] {
            put_varint(&mut out, value.into());
        }
        put_varint(&mut out, self.words);
        put_varint(&mut out, self.bytes);
        out
    }

    fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = Reader::new(bytes);
        let meta = Self {
            version: r.u32()?,
            next_chunk: r.u32()?,
            next_file: r.u32()?,
            next_segment: r.u32()?,
            files: r.u32()?,
            chunks: r.u32()?,
            words: r.varint()?,
            bytes: r.varint()?,
        };
        r.end()?;
        Ok(meta)
    }

    /// The counters as the transaction sees them; `None` before the first index.
    ///
    /// # Errors
    /// As [`ReadTxn::get`]; [`IndexVersion`](crate::Error::IndexVersion) for an index that another version made.
    pub fn read(txn: &dyn ReadTxn) -> Result<Option<Self>> {
        let Some(bytes) = txn.get(META, META_KEY)? else { return Ok(None) };
        let corrupt = |e: Malformed| Error::corrupt(META, META_KEY, e.0);
        let found = Reader::new(bytes).u32().map_err(corrupt)?;
        if found != INDEX_VERSION {
            return Err(crate::Error::IndexVersion { found, supported: INDEX_VERSION }.into());
        }
        Self::decode(bytes).map(Some).map_err(corrupt)
    }

    /// The counters of an empty index.
    pub(crate) fn empty() -> Self {
        Self { version: INDEX_VERSION, ..Self::default() }
    }

    /// The counters of an empty index that takes the place of this one, whatever its version: numbers go on where they
    /// were, so that nobody takes a new passage for an old one.
    pub(crate) fn successor(txn: &dyn ReadTxn) -> Result<Self> {
        let numbers = |bytes: &[u8]| -> Decoded<Self> {
            let mut r = Reader::new(bytes);
            r.u32()?;
            let (next_chunk, next_file, next_segment) = (r.u32()?, r.u32()?, r.u32()?);
            Ok(Self { next_chunk, next_file, next_segment, ..Self::default() })
        };
        let old = txn.get(META, META_KEY)?.and_then(|bytes| numbers(bytes).ok()).unwrap_or_default();
        Ok(Self { version: INDEX_VERSION, ..old })
    }

    pub(crate) fn write(&self, txn: &mut dyn nootropic_core::WriteTxn) -> Result<()> {
        txn.put(META, META_KEY, &self.encode())
    }
}

/// The version of whoever wrote the index, if there is one.
pub(crate) fn stored_version(txn: &dyn ReadTxn) -> Result<Option<u32>> {
    let bytes = txn.get(META, META_KEY)?;
    bytes.map(|bytes| Reader::new(bytes).u32().map_err(|e| Error::corrupt(META, META_KEY, e.0))).transpose()
}

/// The key of a path: itself, or a long one's beginning and hash.
pub(crate) fn path_key(path: &[u8]) -> Cow<'_, [u8]> {
    const LONGEST: usize = nootropic_core::MAX_KEY_LEN - 16;
    if path.len() <= LONGEST {
        return Cow::Borrowed(path);
    }
    let mut key = path[..LONGEST].to_vec();
    key.extend_from_slice(&blake3::hash(path).as_bytes()[..16]);
    Cow::Owned(key)
}

/// What is known of a file without opening it.
#[derive(Debug, Clone, PartialEq)]
pub struct FileRecord {
    /// Its number; kept while the path stays.
    pub id: u32,
    /// How it looked when it was read.
    pub stamp: FileStamp,
    /// First half of the BLAKE3 hash of its bytes; zeros for one that has to be cut anew even if it is the same.
    pub hash: [u8; 16],
    /// Why it is not indexed, if it is not.
    pub skipped: Option<SkipReason>,
    /// Number of its first chunk.
    pub first_chunk: u32,
    /// How many chunks follow each other from there.
    pub chunks: u32,
    /// Words in its chunks.
    pub words: u32,
    /// Bytes of its text.
    pub bytes: u32,
    /// Its path, as the file system spells it.
    pub path: Vec<u8>,
}

impl FileRecord {
    /// The hash of no file.
    pub(crate) const NO_HASH: [u8; 16] = [0; 16];

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + self.path.len());
        put_varint(&mut out, self.id.into());
        put_bytes(&mut out, &self.stamp.to_bytes());
        out.extend_from_slice(&self.hash);
        put_bytes(&mut out, self.skipped.map_or("", SkipReason::as_str).as_bytes());
        for value in [self.first_chunk, self.chunks, self.words, self.bytes] {
            put_varint(&mut out, value.into());
        }
        put_bytes(&mut out, &self.path);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = Reader::new(bytes);
        let id = r.u32()?;
        let stamp = r.bytes()?.try_into().map_err(|_| Malformed("stamp of another length"))?;
        let record = Self {
            id,
            stamp: FileStamp::from_bytes(stamp),
            hash: r.array()?,
            skipped: match r.str()? {
                "" => None,
                name => Some(reason(name).ok_or(Malformed("unknown reason"))?),
            },
            first_chunk: r.u32()?,
            chunks: r.u32()?,
            words: r.u32()?,
            bytes: r.u32()?,
            path: r.bytes()?.to_vec(),
        };
        r.end()?;
        Ok(record)
    }

    /// Visits the record of every known file, in order of keys: by path, but for very long ones.
    ///
    /// # Errors
    /// As [`ReadTxn::scan`], and whatever `visit` returns.
    pub fn each(txn: &dyn ReadTxn, visit: &mut dyn FnMut(Self) -> Result<()>) -> Result<()> {
        txn.scan(FILES, &KeyRange::all(), &mut |key, value| {
            visit(Self::decode(value).map_err(|e| Error::corrupt(FILES, key, e.0))?)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The record of a path, if it is known.
    ///
    /// # Errors
    /// As [`ReadTxn::get`].
    pub fn read(txn: &dyn ReadTxn, path: &[u8]) -> Result<Option<Self>> {
        let key = path_key(path);
        txn.get(FILES, &key)?.map(|bytes| Self::decode(bytes).map_err(|e| Error::corrupt(FILES, &key, e.0))).transpose()
    }
}

/// Where a passage stands, and which symbol of the outline names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// Lines and bytes.
    pub span: Span,
    /// Index into [`Outline::symbols`].
    pub symbol: Option<u32>,
}

/// Whether a question asks for a definition in the file of this path.
pub(crate) type Asked<'a> = dyn Fn(&Symbol, &str) -> bool + 'a;

/// A file's passages, definitions and references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// `/`-separated; lossy if the real name is not UTF-8.
    pub path: String,
    /// Whether `path` is lossy.
    pub path_is_lossy: bool,
    /// Its language, if it is known.
    pub language: Option<Language>,
    /// Number of its first chunk; the others follow.
    pub first_chunk: u32,
    /// One for each chunk, in order.
    pub passages: Vec<Passage>,
    /// What it defines, in order.
    pub symbols: Vec<Symbol>,
    /// What it uses.
    pub references: Vec<Reference>,
}

impl Outline {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.symbols.len() * 24 + self.references.len() * 12);
        put_bytes(&mut out, self.path.as_bytes());
        out.push(u8::from(self.path_is_lossy));
        out.push(self.language.map_or(0, Language::code));
        put_varint(&mut out, self.first_chunk.into());
        put_varint(&mut out, self.passages.len() as u64);
        for passage in &self.passages {
            put_span(&mut out, &passage.span);
            put_varint(&mut out, passage.symbol.map_or(0, |i| u64::from(i) + 1));
        }
        put_varint(&mut out, self.symbols.len() as u64);
        for symbol in &self.symbols {
            put_bytes(&mut out, symbol.name.as_bytes());
            out.push(symbol.kind.code());
            put_span(&mut out, &symbol.span);
            put_bytes(&mut out, symbol.container.as_deref().unwrap_or_default().as_bytes());
        }
        put_varint(&mut out, self.references.len() as u64);
        for reference in &self.references {
            put_bytes(&mut out, reference.name.as_bytes());
            put_varint(&mut out, reference.line.into());
        }
        out
    }

    fn decode_head(r: &mut Reader<'_>) -> Decoded<Self> {
        Ok(Self {
            path: r.str()?.to_owned(),
            path_is_lossy: r.u8()? != 0,
            language: Language::from_code(r.u8()?),
            first_chunk: r.u32()?,
            passages: Vec::new(),
            symbols: Vec::new(),
            references: Vec::new(),
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut references = Vec::new();
        let outline =
            Self::decode_parts(bytes, |name, line| references.push(Reference { name: name.to_owned(), line }))?;
        Ok(Self { references, ..outline })
    }

    /// Decodes all but the references, which are many and are passed on as they stand.
    pub(crate) fn decode_parts(bytes: &[u8], mut reference: impl FnMut(&str, u32)) -> Decoded<Self> {
        let mut r = Reader::new(bytes);
        let mut outline = Self::decode_head(&mut r)?;
        let n = r.count(5)?;
        outline.passages.reserve(n);
        for _ in 0..n {
            outline.passages.push(passage(&mut r)?);
        }
        let n = r.count(7)?;
        outline.symbols.reserve(n);
        for _ in 0..n {
            outline.symbols.push(symbol(&mut r)?);
        }
        for _ in 0..r.count(2)? {
            reference(r.str()?, r.u32()?);
        }
        r.end()?;
        Ok(outline)
    }

    /// The outline with no passage but that of chunk `id`, no symbol but the one it is named by, and no references;
    /// `None` if the number is not one of its chunks. An answer needs no more, and files may hold thousands.
    ///
    /// A definition in the passage that `asked` takes goes before the one that names the passage.
    fn decode_one(bytes: &[u8], id: u32, asked: &Asked<'_>) -> Decoded<Option<Self>> {
        let mut r = Reader::new(bytes);
        let mut outline = Self::decode_head(&mut r)?;
        let Some(index) = id.checked_sub(outline.first_chunk) else { return Ok(None) };
        let n = r.count(5)?;
        for i in 0..n {
            if i == index as usize {
                outline.passages.push(passage(&mut r)?);
            } else {
                r.skip_varints(5)?;
            }
        }
        let Some(found) = outline.passages.first_mut() else { return Ok(None) };
        outline.first_chunk = id;
        let within = found.span.start_byte..found.span.end_byte;
        let (mut named, mut best) = (None, 0);
        for i in 0..r.count(7)? as u32 {
            let view = SymbolView::decode(&mut r)?;
            if within.contains(&view.span.start_byte) {
                let symbol = view.to_symbol()?;
                let weight = definition_weight(symbol.kind);
                if weight > best && asked(&symbol, &outline.path) {
                    (named, best) = (Some(symbol), weight);
                    continue;
                }
            }
            if found.symbol == Some(i) && best == 0 {
                named = Some(view.to_symbol()?);
            }
            // Definitions stand in the order they begin.
            if view.span.start_byte >= within.end && found.symbol.is_none_or(|names_it| names_it <= i) {
                break;
            }
        }
        found.symbol = named.is_some().then_some(0);
        outline.symbols.extend(named);
        Ok(Some(outline))
    }

    /// The chunks that show a definition: the one it begins in, and those that are named by it.
    pub(crate) fn chunks_of(&self, index: u32, symbol: &Symbol) -> impl Iterator<Item = u32> {
        let begins = self.passages.partition_point(|passage| passage.span.end_byte <= symbol.span.start_byte);
        let shows = move |at: &usize| *at == begins || self.passages[*at].symbol == Some(index);
        (0..self.passages.len()).filter(shows).map(|at| self.first_chunk + at as u32)
    }

    /// A chunk of this file, its text cut from `text`; `None` if the number is not one of its chunks.
    pub fn chunk(&self, id: u32, text: &str) -> Option<Chunk> {
        let passage = self.passages.get(id.checked_sub(self.first_chunk)? as usize)?;
        Some(self.chunk_of(id, passage, text.get(passage.span.bytes()).unwrap_or_default().to_owned()))
    }

    /// What an embedder reads of each passage: where it stands, what names it, and as much of `text` as it has.
    pub(crate) fn embedded<'t>(&'t self, text: &'t str) -> impl Iterator<Item = String> + 't {
        self.passages.iter().map(move |passage| {
            let (container, name) = match self.named_by(passage) {
                Some(Symbol { container: Some(container), name, .. }) => (container.as_str(), name.as_str()),
                Some(Symbol { name, .. }) => ("", name.as_str()),
                None => ("", ""),
            };
            let dot = if container.is_empty() { "" } else { "." };
            format!("{}\n{container}{dot}{name}\n{}", self.path, text.get(passage.span.bytes()).unwrap_or_default())
        })
    }

    fn named_by(&self, passage: &Passage) -> Option<&Symbol> {
        passage.symbol.and_then(|i| self.symbols.get(i as usize))
    }

    fn chunk_of(&self, id: u32, passage: &Passage, text: String) -> Chunk {
        let symbol = self.named_by(passage);
        Chunk {
            id: ChunkId(id),
            path: self.path.clone(),
            span: passage.span,
            language: self.language.map(|l| l.name().to_owned()),
            symbol: symbol.map(|s| match &s.container {
                Some(container) => format!("{container}.{}", s.name),
                None => s.name.clone(),
            }),
            kind: symbol.map(|s| s.kind),
            text,
        }
    }

    /// Chunk `id` of a file, and whether its path is lossy, without reading the rest of the file; `None` if the number
    /// is not one of its chunks. It is named by the definition in it that `asked` takes, if there is one.
    ///
    /// # Errors
    /// As [`Outline::read`] and [`read_text`](super::read_text).
    pub fn read_chunk(txn: &dyn ReadTxn, file: u32, id: u32, asked: &Asked<'_>) -> Result<Option<(Chunk, bool)>> {
        let key = file.to_be_bytes();
        let one =
            Self::decode_one(Self::bytes(txn, &key)?, id, asked).map_err(|e| Error::corrupt(OUTLINES, &key, e.0))?;
        let Some(outline) = one else { return Ok(None) };
        let Some(passage) = outline.passages.first() else { return Ok(None) };
        let text = read_part(txn, file, passage.span.bytes())?;
        Ok(Some((outline.chunk_of(id, passage, text), outline.path_is_lossy)))
    }

    /// The outline of a file.
    ///
    /// # Errors
    /// As [`ReadTxn::get`]; `Corrupt` if there is none, for a number the index has given out.
    pub fn read(txn: &dyn ReadTxn, file: u32) -> Result<Self> {
        let key = file.to_be_bytes();
        Self::decode(Self::bytes(txn, &key)?).map_err(|e| Error::corrupt(OUTLINES, &key, e.0))
    }

    /// The outline of a file with no references, and of its definitions only those whose name `wanted` takes, each with its
    /// place among all of them.
    ///
    /// # Errors
    /// As [`Outline::read`].
    pub(crate) fn read_named(
        txn: &dyn ReadTxn,
        file: u32,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<(Self, Vec<(u32, Symbol)>)> {
        let key = file.to_be_bytes();
        Self::decode_named(Self::bytes(txn, &key)?, wanted).map_err(|e| Error::corrupt(OUTLINES, &key, e.0))
    }

    fn decode_named(bytes: &[u8], wanted: &dyn Fn(&str) -> bool) -> Decoded<(Self, Vec<(u32, Symbol)>)> {
        let mut r = Reader::new(bytes);
        let mut outline = Self::decode_head(&mut r)?;
        for _ in 0..r.count(5)? {
            outline.passages.push(passage(&mut r)?);
        }
        let mut found = Vec::new();
        for i in 0..r.count(7)? as u32 {
            let view = SymbolView::decode(&mut r)?;
            if wanted(&String::from_utf8_lossy(view.name)) {
                found.push((i, view.to_symbol()?));
            }
        }
        Ok((outline, found))
    }

    /// The path of a file, as [`Outline::path`], without reading the rest.
    ///
    /// # Errors
    /// As [`Outline::read`].
    pub(crate) fn read_path(txn: &dyn ReadTxn, file: u32) -> Result<String> {
        let key = file.to_be_bytes();
        let head = Self::decode_head(&mut Reader::new(Self::bytes(txn, &key)?));
        head.map(|outline| outline.path).map_err(|e| Error::corrupt(OUTLINES, &key, e.0))
    }

    fn bytes<'t>(txn: &'t dyn ReadTxn, key: &[u8]) -> Result<&'t [u8]> {
        txn.get(OUTLINES, key)?.ok_or_else(|| Error::corrupt(OUTLINES, key, "missing"))
    }
}

fn passage(r: &mut Reader<'_>) -> Decoded<Passage> {
    Ok(Passage { span: span(r)?, symbol: r.u32()?.checked_sub(1) })
}

fn symbol(r: &mut Reader<'_>) -> Decoded<Symbol> {
    SymbolView::decode(r)?.to_symbol()
}

/// A symbol as it is stored; of most nothing but the place is looked at.
#[derive(Clone, Copy)]
struct SymbolView<'a> {
    name: &'a [u8],
    kind: u8,
    span: Span,
    container: &'a [u8],
}

impl<'a> SymbolView<'a> {
    fn decode(r: &mut Reader<'a>) -> Decoded<Self> {
        Ok(Self { name: r.bytes()?, kind: r.u8()?, span: span(r)?, container: r.bytes()? })
    }

    fn to_symbol(self) -> Decoded<Symbol> {
        let text = |bytes| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed("text is not UTF-8"));
        Ok(Symbol {
            name: text(self.name)?,
            kind: SymbolKind::from_code(self.kind).ok_or(Malformed("unknown kind of symbol"))?,
            span: self.span,
            container: (!self.container.is_empty()).then(|| text(self.container)).transpose()?,
        })
    }
}

fn reason(name: &str) -> Option<SkipReason> {
    serde_json::from_value(serde_json::Value::from(name)).ok()
}

fn put_span(out: &mut Vec<u8>, span: &Span) {
    put_varint(out, span.start_line.into());
    put_varint(out, span.end_line.saturating_sub(span.start_line).into());
    put_varint(out, span.start_byte.into());
    put_varint(out, span.end_byte.saturating_sub(span.start_byte).into());
}

fn span(r: &mut Reader<'_>) -> Decoded<Span> {
    let add = |a: u32, b: u32| a.checked_add(b).ok_or(Malformed("span out of range"));
    let start_line = r.u32()?;
    let end_line = add(start_line, r.u32()?)?;
    let start_byte = r.u32()?;
    let end_byte = add(start_byte, r.u32()?)?;
    Ok(Span { start_line, end_line, start_byte, end_byte })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline() -> Outline {
        let span =
            |line: u32| Span { start_line: line, end_line: line + 3, start_byte: line * 30, end_byte: line * 30 + 90 };
        let name = |i: u32| Symbol {
            name: format!("name{i}"),
            kind: SymbolKind::Function,
            span: span(i * 5),
            container: i.is_multiple_of(2).then(|| "Outer".to_owned()),
        };
        Outline {
            path: "src/wheel.rs".into(),
            path_is_lossy: false,
            language: Some(Language::Rust),
            first_chunk: 700,
            passages: (0..40).map(|i| Passage { span: span(i * 4), symbol: (i % 3 > 0).then_some(i) }).collect(),
            symbols: (0..40).map(name).collect(),
            references: (0..9).map(|i| Reference { name: format!("used{i}"), line: i }).collect(),
        }
    }

    #[test]
    fn one_chunk_reads_as_it_does_from_the_whole() {
        let (whole, text) = (outline(), "0123456789".repeat(600));
        let bytes = whole.encode();
        assert_eq!(Outline::decode(&bytes), Ok(whole.clone()));
        for id in 700..740 {
            let one = Outline::decode_one(&bytes, id, &|_, _| false).unwrap().unwrap();
            assert_eq!(one.chunk(id, &text), whole.chunk(id, &text), "{id}");
        }
        assert_eq!(Outline::decode_one(&bytes, 699, &|_, _| false), Ok(None));
        assert_eq!(Outline::decode_one(&bytes, 740, &|_, _| false), Ok(None));
    }

    #[test]
    fn definitions_of_a_name_keep_their_place() {
        let whole = outline();
        let (part, found) = Outline::decode_named(&whole.encode(), &|name| name.ends_with('7')).unwrap();
        assert_eq!(part, Outline { symbols: Vec::new(), references: Vec::new(), ..whole.clone() });
        let wanted: Vec<_> = [7, 17, 27, 37].map(|i| (i, whole.symbols[i as usize].clone())).into();
        assert_eq!(found, wanted);
    }

    #[test]
    fn outlines_cut_short_are_refused() {
        let bytes = outline().encode();
        for cut in 0..bytes.len() {
            assert!(Outline::decode(&bytes[..cut]).is_err(), "cut at {cut}");
            // Where the cut lies behind what is asked for there is nothing to find: the checksum is for that.
            let _ = Outline::decode_one(&bytes[..cut], 720, &|_, _| true);
        }
    }
}
