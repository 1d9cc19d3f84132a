//! Splitting normalized text into the words that a model sees one by one.

use std::ops::Range;

use super::byte_level::push_mapped;
use super::classes::is_punctuation;
use super::pattern::Pattern;
use crate::Result;

/// One step of splitting.
#[derive(Debug)]
pub(crate) enum PreTokenizer {
    /// At the matches of a pattern, or with `invert` at what lies between them.
    Split { pattern: Splitter, behaviour: Behaviour, invert: bool },
    /// A space before each piece that does not begin with one.
    PrefixSpace,
    /// Bytes become printable characters.
    ByteLevel,
    /// Spaces become a visible mark.
    Metaspace { mark: char, prepend: Prepend, split: bool },
}

/// What is looked for.
#[derive(Debug)]
pub(crate) enum Splitter {
    Pattern(Pattern),
    /// This text, not empty.
    Literal(String),
    /// Each character of a kind.
    Chars(fn(char) -> bool),
    /// So many characters at a time.
    Length(usize),
}

/// What becomes of the places where a text is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// Where the mark for a space is put before a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prepend {
    Always,
    /// Only at the very beginning.
    First,
    Never,
}

/// A text and how it is split so far.
#[derive(Debug)]
pub(crate) struct Pieces {
    pub(crate) text: String,
    pub(crate) ranges: Vec<Range<usize>>,
    /// Whether the text begins where the whole text began.
    pub(crate) first: bool,
}

impl Pieces {
    /// One piece, or none of nothing.
    pub(crate) fn whole(text: String, first: bool) -> Self {
        #[expect(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
        let ranges = if text.is_empty() { Vec::new() } else { vec![0..text.len()] };
        Self { text, ranges, first }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.ranges.iter().filter_map(|range| self.text.get(range.clone()))
    }
}

impl PreTokenizer {
    /// Whether a text may be changed or split beside this character.
    pub(crate) fn may_split_at(&self, c: char) -> bool {
        match self {
            Self::Split { pattern: Splitter::Chars(are_looked_for), invert: false, .. } => are_looked_for(c),
            _ => true,
        }
    }

    /// # Errors
    /// As [`Pattern::matches`].
    pub(crate) fn apply(&self, pieces: &mut Pieces) -> Result<()> {
        match self {
            Self::Split { pattern, behaviour, invert } => split(pieces, pattern, *behaviour, *invert),
            Self::PrefixSpace => {
                rewrite(pieces, |piece, out, _| {
                    out.push_str(if piece.starts_with(' ') { "" } else { " " });
                    out.push_str(piece);
                });
                Ok(())
            }
            Self::ByteLevel => {
                rewrite(pieces, |piece, out, _| push_mapped(piece, out));
                Ok(())
            }
            Self::Metaspace { mark, prepend, split: splits } => {
                metaspace(pieces, *mark, *prepend);
                let pattern = Splitter::Literal(mark.to_string());
                if *splits { split(pieces, &pattern, Behaviour::MergedWithNext, false) } else { Ok(()) }
            }
        }
    }
}

fn metaspace(pieces: &mut Pieces, mark: char, prepend: Prepend) {
    let first = pieces.first;
    rewrite(pieces, |piece, out, at| {
        let wanted = match prepend {
            Prepend::Always => true,
            Prepend::First => first && at == 0,
            Prepend::Never => false,
        };
        if wanted && !piece.starts_with([' ', mark]) {
            out.push(mark);
        }
        out.extend(piece.chars().map(|c| if c == ' ' { mark } else { c }));
    });
}

/// Writes each piece anew; `write` gets where the piece started.
fn rewrite(pieces: &mut Pieces, write: impl Fn(&str, &mut String, usize)) {
    let mut out = String::with_capacity(pieces.text.len() + pieces.text.len() / 2);
    for range in &mut pieces.ranges {
        let start = out.len();
        write(pieces.text.get(range.clone()).unwrap_or_default(), &mut out, range.start);
        *range = start..out.len();
    }
    pieces.text = out;
}

fn split(pieces: &mut Pieces, pattern: &Splitter, behaviour: Behaviour, invert: bool) -> Result<()> {
    let mut ranges = Vec::with_capacity(pieces.ranges.len());
    let mut parts: Vec<(Range<usize>, bool)> = Vec::new();
    for piece in &pieces.ranges {
        let text = pieces.text.get(piece.clone()).unwrap_or_default();
        parts.clear();
        let mut done = 0;
        pattern.matches(text, |found| {
            if done < found.start {
                parts.push((done..found.start, invert));
            }
            done = found.end;
            parts.push((found, !invert));
        })?;
        if done < text.len() {
            parts.push((done..text.len(), invert));
        }
        let absolute = |range: Range<usize>| piece.start + range.start..piece.start + range.end;
        join(&parts, behaviour, |range| ranges.push(absolute(range)));
    }
    pieces.ranges = ranges;
    Ok(())
}

/// Puts matches and what lies between them together.
fn join(parts: &[(Range<usize>, bool)], behaviour: Behaviour, mut emit: impl FnMut(Range<usize>)) {
    let mut open: Option<(Range<usize>, bool)> = None;
    for (range, matched) in parts {
        let continues = open.as_ref().is_some_and(|(_, before)| match behaviour {
            Behaviour::Removed | Behaviour::Isolated => false,
            Behaviour::Contiguous => before == matched,
            Behaviour::MergedWithPrevious => *matched && !*before,
            Behaviour::MergedWithNext => *before && !*matched,
        });
        match &mut open {
            Some((current, before)) if continues => (current.end, *before) = (range.end, *matched),
            _ => {
                let closed = open.replace((range.clone(), *matched));
                emit_one(closed, behaviour, &mut emit);
            }
        }
    }
    emit_one(open, behaviour, &mut emit);
}

fn emit_one(part: Option<(Range<usize>, bool)>, behaviour: Behaviour, emit: &mut impl FnMut(Range<usize>)) {
    if let Some((range, matched)) = part
        && !range.is_empty()
        && !(matched && behaviour == Behaviour::Removed)
    {
        emit(range);
    }
}

impl Splitter {
    fn matches(&self, text: &str, mut found: impl FnMut(Range<usize>)) -> Result<()> {
        match self {
            Self::Pattern(pattern) => return pattern.matches(text, found),
            Self::Literal(literal) => {
                text.match_indices(literal.as_str()).for_each(|(at, m)| found(at..at + m.len()));
            }
            Self::Chars(is) => {
                text.char_indices().filter(|(_, c)| is(*c)).for_each(|(at, c)| found(at..at + c.len_utf8()));
            }
            Self::Length(length) => {
                let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).step_by(*length).collect();
                let ends = starts.iter().skip(1).copied().chain([text.len()]);
                starts.iter().zip(ends).for_each(|(start, end)| found(*start..end));
            }
        }
        Ok(())
    }
}

/// BERT's punctuation, for [`Splitter::Chars`].
pub(crate) fn punctuation() -> Splitter {
    Splitter::Chars(is_punctuation)
}
