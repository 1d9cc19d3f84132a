//! Ranked passages, with the words of the question highlighted.

use std::fmt::Write;

use nootropic::{Highlighter, SearchAnswer, SearchHit};

use super::lines::{Line, choose, split};
use super::{NOTHING_FOUND, line};
use crate::color::Palette;
use crate::terminal::{count, line as one_line, visible, width};

/// Most lines shown of a passage.
const MOST_LINES: usize = 7;

/// The answer to `question`; on a terminal, lines are cut to its width.
pub(crate) fn search(answer: &SearchAnswer, question: &str, palette: Palette, terminal: bool) -> String {
    let width = if terminal { width() } else { usize::MAX };
    let mut text = String::new();
    let highlighter = Highlighter::new(question);
    for hit in &answer.hits {
        heading(&mut text, hit, palette);
        let lines = Lines { text: &hit.snippet, start_line: hit.start_line, symbol: hit.symbol.as_deref() };
        passage(&mut text, &lines, &highlighter, palette, width);
        signals(&mut text, hit, palette);
        text.push('\n');
    }
    let found = if answer.hits.is_empty() {
        NOTHING_FOUND.to_owned()
    } else {
        let passages = count(answer.hits.len() as u64, "passage");
        palette.dim(format!("{passages} in {:.1} ms, snapshot {}", answer.took_ms, answer.snapshot))
    };
    line!(text, "{found}");
    text
}

fn heading(text: &mut String, hit: &SearchHit, palette: Palette) {
    let place = format!("{}:{}-{}", one_line(&hit.path), hit.start_line, hit.end_line);
    let _ = write!(text, "{}", palette.path(place));
    if let Some(symbol) = &hit.symbol {
        let _ = write!(text, "  {}", palette.symbol(one_line(symbol)));
    }
    let mut notes: Vec<&str> = [hit.kind.as_deref(), hit.language.as_deref()].into_iter().flatten().collect();
    if hit.path_is_lossy {
        notes.push("name is not UTF-8");
    }
    if notes.is_empty() {
        text.push('\n');
    } else {
        line!(text, "  {}", palette.dim(notes.join(", ")));
    }
}

/// Lines of a file.
pub(super) struct Lines<'a> {
    pub(super) text: &'a str,
    pub(super) start_line: u32,
    /// The definition they begin with or lie in.
    pub(super) symbol: Option<&'a str>,
}

pub(super) fn passage(
    text: &mut String,
    passage: &Lines<'_>,
    highlighter: &Highlighter,
    palette: Palette,
    width: usize,
) {
    let lines = split(passage.text, highlighter.find(passage.text));
    let chosen = choose(&lines, passage.symbol, MOST_LINES);
    let shown = || chosen.iter().filter_map(|i| lines.get(*i));
    let indent = shown().map(|line| line.text.len() - line.text.trim_start().len()).min().unwrap_or_default();
    let last = chosen.last().map_or(0, |i| passage.start_line as usize + i);
    let digits = last.to_string().len().max(3);
    let mut before = None;
    for i in chosen {
        let gap = before.map_or(0..0, |before: usize| before + 1..i);
        before = Some(i);
        // A single line takes no more room than the sign that it is missing.
        let show = if gap.len() == 1 { gap.start..i + 1 } else { i..i + 1 };
        if gap.len() > 1 {
            line!(text, "  {}", palette.dim(format!("{:>digits$} ⋮", "")));
        }
        for (i, line) in show.filter_map(|i| Some((i, lines.get(i)?))) {
            let number = palette.dim(format!("{:>digits$} │", passage.start_line as usize + i));
            let shown = painted(line, indent, palette, width.saturating_sub(digits + 5));
            line!(text, "  {}", format!("{number} {shown}").trim_end());
        }
    }
}

/// A line without its common indent, its found words painted, cut to `width` characters so that the first of them is
/// seen.
fn painted(line: &Line<'_>, indent: usize, palette: Palette, width: usize) -> String {
    let indent = if line.text.is_char_boundary(indent) { indent } else { 0 };
    let mut cells: Vec<(char, bool)> = Vec::new();
    for (at, c) in line.text.char_indices().skip_while(|(at, _)| *at < indent) {
        let found = line.found.iter().any(|(range, _)| range.contains(&at));
        let repeat = if c == '\t' { 4 } else { 1 };
        cells.extend(std::iter::repeat_n((visible(c), found), repeat));
    }
    while cells.last().is_some_and(|(c, _)| *c == ' ') {
        cells.pop();
    }
    let first = cells.iter().position(|(_, found)| *found).unwrap_or_default();
    let start = if cells.len() > width && first > width * 3 / 4 { first - width / 4 } else { 0 };
    let mut out = String::new();
    if start > 0 {
        out.push_str(&palette.dim("…"));
    }
    let room = width.saturating_sub(usize::from(start > 0));
    let rest = cells.get(start..).unwrap_or_default();
    let cut = rest.len() > room;
    let shown = rest.get(..if cut { room.saturating_sub(1) } else { rest.len() }).unwrap_or_default();
    for run in shown.chunk_by(|a, b| a.1 == b.1) {
        let text: String = run.iter().map(|(c, _)| *c).collect();
        match run.first() {
            Some((_, true)) => out.push_str(&palette.found(text)),
            _ => out.push_str(&text),
        }
    }
    if cut {
        out.push_str(&palette.dim("…"));
    }
    out
}

fn signals(text: &mut String, hit: &SearchHit, palette: Palette) {
    if hit.signals.is_empty() {
        return;
    }
    let share = |signal: &nootropic::SignalShare| {
        let sign = if signal.factor { "×" } else { "+" };
        format!("{} {sign}{}", one_line(&signal.name), brief(signal.value))
    };
    let shares: Vec<_> = hit.signals.iter().map(share).collect();
    line!(text, "  {}", palette.dim(format!("score {}: {}", brief(hit.score), shares.join(", "))));
}

/// Two digits after the point, or three significant ones where that would make nothing of it.
fn brief(value: f64) -> String {
    match value.abs() {
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        size if size >= 1e-4 => format!("{}", format!("{value:.2e}").parse().unwrap_or(value)),
        _ => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted_line(text: &str, word: &str, width: usize) -> String {
        let found = text.match_indices(word).map(|(at, word)| (at..at + word.len(), 1)).collect();
        painted(&Line { text, found }, 0, Palette::none(), width)
    }

    #[test]
    fn long_lines_show_the_word_that_was_asked_for() {
        let long = format!("{} needle {}", "a".repeat(200), "b".repeat(200));
        let shown = painted_line(&long, "needle", 60);
        assert!(shown.contains("needle") && shown.starts_with('…') && shown.ends_with('…'), "{shown}");
        assert_eq!(shown.chars().count(), 60);
        assert_eq!(painted_line("short", "needle", 60), "short");
    }

    #[test]
    fn a_small_share_is_shown_as_what_it_is() {
        let shown = [0.0, 12.345, 0.5, 0.05, 0.012_345, 0.000_125, 6.25e-6, -0.25].map(brief);
        assert_eq!(shown, ["0.00", "12.35", "0.50", "0.05", "0.0123", "0.000125", "6.25e-6", "-0.25"]);
    }

    #[test]
    fn escape_sequences_are_shown_and_not_obeyed() {
        assert_eq!(painted_line("a\u{1b}[31mb\t|", "b", usize::MAX), "a␛[31mb    |");
    }
}
