//! Languages, passages and symbols, by tree-sitter.
//!
//! [`parse`] cuts a text into passages at the seams of its syntax and takes out what it defines and uses, in one walk
//! over the tree. Without the feature `languages`, and for text in no known language, passages are cut by blank lines
//! and indentation, and nothing is taken out.

mod language;
#[cfg_attr(not(feature = "languages"), expect(dead_code, reason = "only trees need all of it"))]
mod lines;
#[cfg_attr(not(feature = "languages"), expect(dead_code, reason = "only trees need all of it"))]
mod outline;
mod pieces;

#[cfg(feature = "languages")]
mod extract;
#[cfg(feature = "languages")]
mod grammars;
#[cfg(feature = "languages")]
mod guard;
#[cfg(feature = "languages")]
mod macros;
#[cfg(feature = "languages")]
mod parser;
#[cfg(feature = "languages")]
mod reparse;
#[cfg(feature = "languages")]
mod spec;

#[cfg(test)]
mod tests;

#[cfg(feature = "languages")]
use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;
#[cfg(feature = "languages")]
use std::time::Instant;

use nootropic_core::{Reference, Span, Symbol};

pub use language::Language;

use lines::Lines;
use outline::Outline;

/// How to cut, and how much work to do for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkOptions {
    /// Most lines in a passage; at least 1.
    pub max_lines: u32,
    /// Most bytes in a passage; at least 4. Only a line longer than this is cut inside.
    pub max_bytes: usize,
    /// How many lines a passage should have where the syntax leaves the choice.
    pub ideal_lines: u32,
    /// Texts of more bytes are not parsed but cut as text.
    pub max_parse_bytes: usize,
    /// Texts that take longer to parse are cut as text.
    pub max_parse_time: Duration,
}

impl Default for ChunkOptions {
    /// Passages of about 20 lines, never more than 40.
    fn default() -> Self {
        Self {
            max_lines: 40,
            max_bytes: 3_200,
            ideal_lines: 20,
            max_parse_bytes: 1 << 20,
            max_parse_time: Duration::from_secs(2),
        }
    }
}

impl ChunkOptions {
    fn line_limit(&self) -> u32 {
        self.max_lines.clamp(1, 10_000)
    }

    fn byte_limit(&self) -> usize {
        self.max_bytes.max(4)
    }

    fn ideal(&self) -> i32 {
        self.ideal_lines.clamp(1, self.line_limit()) as i32
    }
}

/// A passage of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Whole lines without the last line break, except where a single line had to be cut.
    pub span: Span,
    /// Index into [`Parsed::symbols`]: the definition one would name the passage by, because the passage is it, holds it
    /// or lies in it.
    pub symbol: Option<u32>,
}

/// What [`parse`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The language; `None` if it is not known.
    pub language: Option<Language>,
    /// Passages, in order, without overlap; together they hold everything but blank lines.
    pub pieces: Vec<Piece>,
    /// Definitions, by where they begin, outer before inner; at most 16,384.
    pub symbols: Vec<Symbol>,
    /// Uses of names (calls, types, imports), by line and name, each once a line; at most 4,096.
    pub references: Vec<Reference>,
    /// Bytes of comments and documentation strings, ascending.
    pub comments: Vec<Range<u32>>,
    /// Whether a text in a known language was cut as text because it is too large or took too long.
    pub truncated_parse: bool,
}

/// Cuts a text into passages and takes out its definitions, uses and comments.
///
/// Never fails: a text with syntax errors is taken as far as it can be understood, one that is too large or takes too
/// long to parse is cut as text. A text of 4 GiB or more gives no passages at all.
pub fn parse(path: &str, text: &str, options: &ChunkOptions) -> Parsed {
    let language = Language::detect(path, text);
    if u32::try_from(text.len()).is_err() {
        return Parsed { language, truncated_parse: true, ..Parsed::default() };
    }
    let lines = Lines::new(text);
    match language {
        None => parse_as_text(&lines, options),
        Some(language) => {
            let parsed = parse_as(language, &lines, options);
            Parsed { language: Some(language), ..parsed }
        }
    }
}

fn parse_as_text(lines: &Lines<'_>, options: &ChunkOptions) -> Parsed {
    let outline = Outline::new(lines.len(), false);
    Parsed { pieces: pieces::pieces(lines, &outline, &[], options), ..Parsed::default() }
}

#[cfg(feature = "languages")]
fn parse_as(language: Language, lines: &Lines<'_>, options: &ChunkOptions) -> Parsed {
    let text = lines.text();
    let small = text.len() <= options.max_parse_bytes && guard::is_tame(language, text);
    let seen = match language {
        Language::C | Language::Cpp => macros::hide(text),
        _ => Cow::Borrowed(text),
    };
    let begun = Instant::now();
    let Some(tree) = small.then(|| parser::parse(language, &seen, None, options.max_parse_time)).flatten() else {
        return Parsed { truncated_parse: true, ..parse_as_text(lines, options) };
    };
    let reparse = reparse::Reparse::new(language, &seen, begun, options.max_parse_time);
    let mut outline = Outline::new(lines.len(), true);
    let extract::Extract { symbols, references, comments } =
        extract::extract(&tree, parser::table(language), lines, reparse, &mut outline);
    let pieces = pieces::pieces(lines, &outline, &symbols, options);
    Parsed { language: None, pieces, symbols, references, comments, truncated_parse: false }
}

#[cfg(not(feature = "languages"))]
fn parse_as(_language: Language, lines: &Lines<'_>, options: &ChunkOptions) -> Parsed {
    parse_as_text(lines, options)
}
