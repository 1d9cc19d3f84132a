//! What an answer about the repository stands on.

use std::fmt::Write;

use nootropic::{AskAnswer, AskSource, Highlighter};

use super::search::{Lines, passage};
use super::{NOTHING_FOUND, line};
use crate::color::Palette;
use crate::terminal::{count, line as one_line, width};

/// Passages that are shown where no model answers.
const QUOTED: usize = 5;

/// Below the answer of a model, what it cites; without one, the passages.
pub(crate) fn answer(answer: &AskAnswer, palette: Palette, terminal: bool) -> String {
    let mut text = String::new();
    match &answer.answer {
        _ if answer.sources.is_empty() => line!(text, "{NOTHING_FOUND}"),
        None => quotes(&mut text, answer, palette, terminal),
        Some(_) => {
            for source in answer.sources.iter().filter(|source| source.cited) {
                line!(text, "{}", heading(source, palette));
            }
            if answer.found && !answer.sources.iter().any(|source| source.cited) {
                line!(text, "{}", palette.hint("The answer cites none of the passages it was given: check it."));
            }
            if !answer.refused_citations.is_empty() {
                let passages = count(answer.refused_citations.len() as u64, "citation");
                line!(
                    text,
                    "{}",
                    palette.hint(format!("{passages} of what was not found were taken out: check the answer."))
                );
            }
        }
    }
    text
}

fn heading(source: &AskSource, palette: Palette) -> String {
    let place = format!("{}:{}-{}", one_line(&source.path), source.start_line, source.end_line);
    let symbol = source.symbol.as_ref().map(|symbol| format!("  {}", palette.symbol(one_line(symbol))));
    format!("[{}] {}{}", source.number, palette.path(place), symbol.unwrap_or_default())
}

fn quotes(text: &mut String, answer: &AskAnswer, palette: Palette, terminal: bool) {
    let width = if terminal { width() } else { usize::MAX };
    let highlighter = Highlighter::new(&answer.question);
    for source in answer.sources.iter().take(QUOTED) {
        line!(text, "{}", heading(source, palette));
        let lines = Lines { text: &source.text, start_line: source.start_line, symbol: source.symbol.as_deref() };
        passage(text, &lines, &highlighter, palette, width);
        text.push('\n');
    }
    let more = answer.sources.len().saturating_sub(QUOTED);
    if more > 0 {
        line!(
            text,
            "{}",
            palette.dim(format!("{} more: `nootropic search` shows them", count(more as u64, "passage")))
        );
    }
}
