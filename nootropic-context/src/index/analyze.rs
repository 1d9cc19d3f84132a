//! One file on its way into the index: read, hash, cut, count. Pure work, done on every core.

use super::class::PathClass;
use super::embed::InlineVectors;
use super::record::{Outline, Passage};
use super::text::pack;
use crate::lexical::words::{FileWords, count_words};
use crate::syntax::{self, ChunkOptions};
use crate::vectors::EncodedVector;
use crate::walk::{Content, FileStamp, Reader, RelPath, SkipReason};

/// A file that looks new or changed.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) path: RelPath,
    /// Bytes it had when it was found.
    pub(crate) size: u64,
    /// The hash of what is indexed, if it is.
    pub(crate) known: Option<[u8; 16]>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Analyzed {
    pub(crate) path: RelPath,
    pub(crate) stamp: FileStamp,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    /// New content.
    Text(Box<Text>),
    /// The content that is indexed already; its hash.
    Same([u8; 16]),
    /// Not worth indexing.
    Skipped(SkipReason),
}

/// The content of a file, ready to be written.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) hash: [u8; 16],
    pub(crate) bytes: u32,
    pub(crate) class: PathClass,
    /// Without chunk numbers, which are given out as it is written.
    pub(crate) outline: Outline,
    pub(crate) packed: Vec<u8>,
    pub(crate) words: FileWords,
    /// One for each passage, or none.
    pub(crate) vectors: Vec<EncodedVector>,
}

/// Reads and analyses one file.
pub(crate) fn analyze(reader: &Reader, job: Job, chunks: &ChunkOptions, vectors: Option<&InlineVectors>) -> Analyzed {
    let content = match reader.read(&job.path) {
        Ok(content) => content,
        Err(skip) => return Analyzed { path: job.path, stamp: skip.stamp, outcome: Outcome::Skipped(skip.reason) },
    };
    let (hash, stamp) = (half(&content), content.stamp);
    let outcome = if job.known == Some(hash) {
        Outcome::Same(hash)
    } else {
        Outcome::Text(Box::new(text(&job.path, content, hash, chunks, vectors)))
    };
    Analyzed { path: job.path, stamp, outcome }
}

fn half(content: &Content) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&content.hash[..16]);
    half
}

fn text(
    path: &RelPath,
    content: Content,
    hash: [u8; 16],
    chunks: &ChunkOptions,
    vectors: Option<&InlineVectors>,
) -> Text {
    let shown = path.to_text().into_owned();
    let parsed = syntax::parse(&shown, &content.text, chunks);
    let words = count_words(&shown, &content.text, &parsed);
    let class = PathClass::of(&shown);
    let outline = Outline {
        path: shown,
        path_is_lossy: path.is_lossy(),
        language: parsed.language,
        first_chunk: 0,
        passages: parsed.pieces.iter().map(|p| Passage { span: p.span, symbol: p.symbol }).collect(),
        symbols: parsed.symbols,
        references: parsed.references,
    };
    Text {
        hash,
        bytes: u32::try_from(content.text.len()).unwrap_or(u32::MAX),
        class,
        packed: pack(&content.text),
        words,
        vectors: vectors.map(|vectors| vectors.of(&outline, &content.text)).unwrap_or_default(),
        outline,
    }
}
