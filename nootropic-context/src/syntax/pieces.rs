//! Cuts a text into passages.
//!
//! Of all ways to cut between lines within the limits, the cheapest is taken: every passage costs a little (small
//! neighbours are merged), more if it is far from the ideal size, and every cut costs what [`Outline::costs`] says of the
//! line it is made at. A shortest path finds it in one pass. The aim is that of recursive split-then-merge over the
//! syntax tree (Zhang et al., *cAST*, arXiv:2506.15655), but the choice is made for the file as a whole, and text
//! without a tree is cut by the same pass.

use nootropic_core::{Span, Symbol, SymbolKind};

use super::lines::{Lines, is_blank};
use super::outline::{Outline, is_container};
use super::{ChunkOptions, Piece};

/// What each passage costs.
const PASSAGE: i32 = 40;
/// What an empty passage would cost more than an ideal one.
const SMALL: i32 = 80;
/// What the largest passage costs more than an ideal one.
const LARGE: i32 = 60;

/// Cuts the text of `lines`, and names each passage by one of `symbols` (sorted by where they begin).
pub(super) fn pieces(lines: &Lines<'_>, outline: &Outline, symbols: &[Symbol], options: &ChunkOptions) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (first, last) in cut(lines, outline, options) {
        let span = lines.span_of_rows(first, last);
        if (span.end_byte - span.start_byte) as usize <= options.byte_limit() {
            pieces.push(Piece { span, symbol: None });
        } else {
            split_line(lines.text(), span, options.byte_limit(), &mut pieces);
        }
    }
    name(&mut pieces, symbols, outline);
    pieces
}

/// The first and last row of each passage.
fn cut(lines: &Lines<'_>, outline: &Outline, options: &ChunkOptions) -> Vec<(u32, u32)> {
    let (filled, costs) = (lines.filled(), outline.costs(lines));
    let (max_lines, max_bytes) = (options.line_limit(), options.byte_limit());
    let sizes = size_costs(options);
    // The cheapest way to cut the first `n` filled lines, and where its last passage begins.
    let mut best: Vec<(i64, usize)> = Vec::with_capacity(filled.len() + 1);
    best.push((0, 0));
    for (at, &last) in filled.iter().enumerate() {
        let end = lines.end(last);
        let mut found = (i64::MAX, at);
        for begin in (0..=at).rev() {
            let Some(&first) = filled.get(begin) else { break };
            let (rows, bytes) = (last - first + 1, (end - lines.start(first)) as usize);
            // One line is a passage however long it is; it is split afterwards.
            if begin < at && (rows > max_lines || bytes > max_bytes) {
                break;
            }
            // Long lines fill a passage as many short ones do.
            let by_bytes = bytes.saturating_mul(max_lines as usize) / max_bytes;
            let size = (rows as usize).max(by_bytes).min(sizes.len() - 1);
            let before = best.get(begin).map_or(0, |&(cost, _)| cost);
            let cost = before + i64::from(costs.get(begin).copied().unwrap_or(0) + sizes[size]);
            if cost < found.0 {
                found = (cost, begin);
            }
        }
        best.push(found);
    }
    let mut cuts = Vec::new();
    let mut end = filled.len();
    while end > 0 {
        let begin = best.get(end).map_or(0, |&(_, begin)| begin).min(end - 1);
        if let (Some(&first), Some(&last)) = (filled.get(begin), filled.get(end - 1)) {
            cuts.push((first, last));
        }
        end = begin;
    }
    cuts.reverse();
    cuts
}

/// The cost of a passage of 0, 1, 2 … lines.
fn size_costs(options: &ChunkOptions) -> Vec<i32> {
    let (max, ideal) = (options.line_limit() as i32, options.ideal());
    let cost = |lines: i32| {
        if lines < ideal {
            SMALL * (ideal - lines) / ideal
        } else {
            let over = lines - ideal;
            let room = (max - ideal).max(1);
            (i64::from(LARGE) * i64::from(over) * i64::from(over) / (i64::from(room) * i64::from(room))) as i32
        }
    };
    (0..=max).map(|lines| PASSAGE + cost(lines)).collect()
}

/// Cuts a line that is longer than a passage may be, after a space or a separator where there is one.
fn split_line(text: &str, span: Span, max_bytes: usize, pieces: &mut Vec<Piece>) {
    let (mut start, end) = (span.start_byte as usize, span.end_byte as usize);
    while start < end {
        let mut cut = end.min(start + max_bytes);
        if cut < end {
            while cut > start && !text.is_char_boundary(cut) {
                cut -= 1;
            }
            let window = text.get(start + (cut - start) / 8 * 7..cut).unwrap_or_default();
            if let Some(at) = window.rfind([' ', '\t', ';', ',', '}', ')', '>']) {
                cut = cut - window.len() + at + 1;
            }
            if cut <= start {
                // The limit is less than one character.
                cut = text[start..].chars().next().map_or(end, |c| start + c.len_utf8());
            }
        }
        if text.get(start..cut).is_some_and(|part| !is_blank(part)) {
            let span = Span { start_byte: start as u32, end_byte: cut as u32, ..span };
            pieces.push(Piece { span, symbol: None });
        }
        start = cut;
    }
}

/// Gives each passage the definition one would name it by. The comments and attributes above a definition count as it.
fn name(pieces: &mut [Piece], symbols: &[Symbol], outline: &Outline) {
    let mut next = 0;
    // Definitions begun so far that have not ended, outermost first.
    let mut open: Vec<usize> = Vec::new();
    for piece in pieces {
        let span = piece.span;
        let mut best: Option<(u32, usize)> = None;
        let mut consider = |at: usize, symbol: &Symbol| {
            let lead = outline.lead_of(symbol.span.start_line.saturating_sub(1) as usize) as u32 + 1;
            let lines = (symbol.span.end_line.min(span.end_line) + 1).saturating_sub(lead.max(span.start_line)) * 4;
            // A namespace is only around things.
            let lines = if symbol.kind == SymbolKind::Module { lines.min(1) } else { lines };
            if lines > 0 && best.is_none_or(|(most, _)| lines > most) {
                best = Some((lines, at));
            }
        };
        while open.last().and_then(|&at| symbols.get(at)).is_some_and(|symbol| symbol.span.end_byte <= span.start_byte)
        {
            open.pop();
        }
        // What surrounds the passage names it only if nothing inside is worth it; what ends in it counts as inside.
        let mut around = None;
        for &at in open.iter().rev().take(8) {
            let Some(symbol) = symbols.get(at).filter(|symbol| symbol.span.end_byte > span.start_byte) else {
                continue;
            };
            if symbol.span.end_byte >= span.end_byte {
                around = Some(at);
                break;
            }
            consider(at, symbol);
        }
        while let Some(symbol) = symbols.get(next).filter(|symbol| symbol.span.start_byte < span.end_byte) {
            consider(next, symbol);
            while open
                .last()
                .and_then(|&at| symbols.get(at))
                .is_some_and(|above| above.span.end_byte <= symbol.span.start_byte)
            {
                open.pop();
            }
            open.push(next);
            next += 1;
        }
        // It may end in the comment of a definition that begins below.
        if let Some(symbol) = symbols.get(next).filter(|symbol| symbol.span.start_line > span.end_line) {
            consider(next, symbol);
        }
        let enough = best.filter(|&(lines, _)| match around.and_then(|at| symbols.get(at)) {
            None => true,
            Some(around) if around.kind == SymbolKind::Module => true,
            Some(around) if is_container(around.kind) => lines >= span.lines(),
            Some(_) => lines >= span.lines() * 3,
        });
        piece.symbol = enough.map(|(_, at)| at).or(around).map(|at| at as u32);
    }
}
