//! Parses parts of a text again, as source, that a grammar left as bare tokens.

use std::ops::Range;
use std::time::{Duration, Instant};

use tree_sitter::{Point, Tree};

use super::lines::Lines;
use super::{Language, parser};

/// How often a byte may be parsed again, on average of the text. Parts lie in parts.
const MAX_TIMES: usize = 4;
/// Most parts of a text that are parsed again. A parse costs something however short the part is.
const MAX_PARTS: usize = 1_024;

/// What may still be parsed again of a text, so that no text costs more than a few times its first parse.
#[derive(Debug)]
pub(super) struct Reparse<'t> {
    language: Language,
    text: &'t str,
    /// When the first parse began, and how long all of them together may take.
    begun: Instant,
    limit: Duration,
    parts: usize,
    bytes: usize,
}

impl<'t> Reparse<'t> {
    /// Of a text whose own parse, begun at `begun`, is done.
    pub(super) fn new(language: Language, text: &'t str, begun: Instant, limit: Duration) -> Self {
        Self { language, text, begun, limit, parts: MAX_PARTS, bytes: text.len().saturating_mul(MAX_TIMES) }
    }

    /// The tree of a part, its nodes where they stand in the whole text; `None` if it would cost too much.
    pub(super) fn parse(&mut self, part: Range<usize>, lines: &Lines<'_>) -> Option<Tree> {
        let bytes = self.bytes.checked_sub(part.len())?;
        let parts = self.parts.checked_sub(1)?;
        (self.bytes, self.parts) = (bytes, parts);
        let range = tree_sitter::Range {
            start_byte: part.start,
            end_byte: part.end,
            start_point: point(part.start, lines),
            end_point: point(part.end, lines),
        };
        let tree =
            parser::parse(self.language, self.text, Some(range), self.limit.saturating_sub(self.begun.elapsed()));
        if tree.is_none() {
            self.parts = 0;
        }
        tree
    }
}

fn point(byte: usize, lines: &Lines<'_>) -> Point {
    let row = lines.row_of(byte as u32);
    Point { row: row as usize, column: byte - lines.start(row) as usize }
}
