//! Parses with a limit on time, keeping one parser a language and thread.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tree_sitter::{ParseOptions, ParseState, Parser, Range, Tree};

use super::grammars::grammar;
use super::{Language, spec::Table};

const LANGUAGES: usize = Language::ALL.len() + 1;

thread_local! {
    /// Indexed by language code. Making a parser costs more than parsing a small file.
    static PARSERS: RefCell<[Option<Parser>; LANGUAGES]> = const { RefCell::new([const { None }; LANGUAGES]) };
}

/// What the nodes of a language mean.
pub(super) fn table(language: Language) -> &'static Table {
    static TABLES: [OnceLock<Table>; LANGUAGES] = [const { OnceLock::new() }; LANGUAGES];
    let make = || {
        let (grammar, spec) = grammar(language);
        Table::new(&grammar, spec)
    };
    match TABLES.get(usize::from(language.code())) {
        Some(table) => table.get_or_init(make),
        None => unreachable!("language codes are 1 to {}", Language::ALL.len()),
    }
}

/// How much of a text the parser is given at a time.
const CHUNK: usize = 4 * 1024;

/// The tree of a text, or of a part of it with every node where it stands in the whole; `None` if it takes longer than
/// `limit`. The root may end one byte after the text.
///
/// The parser itself asks about the time only between tokens, and on some texts looks over the whole rest for each
/// character before it has the next token. So the text is given in chunks, and ends for the parser when time is up. It
/// always ends in a line break, since a scanner may look for one for ever (tree-sitter-kotlin-ng 1.1.0 does, after `@`).
pub(super) fn parse(language: Language, text: &str, part: Option<Range>, limit: Duration) -> Option<Tree> {
    PARSERS.with_borrow_mut(|parsers| {
        let slot = parsers.get_mut(usize::from(language.code()))?;
        if slot.is_none() {
            let mut parser = Parser::new();
            parser.set_language(&grammar(language).0).ok()?;
            *slot = Some(parser);
        }
        let parser = slot.as_mut()?;
        parser.set_included_ranges(part.as_slice()).ok()?;
        let begun = Instant::now();
        // Where the text ends because time was up.
        let cut = Cell::new(None);
        let mut in_time = |_: &ParseState| {
            if cut.get().is_none() && begun.elapsed() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let mut read = |at: usize, _| match cut.get() {
            None if begun.elapsed() < limit => chunk(text, at),
            Some(end) if at > end => "",
            _ => {
                cut.set(Some(at));
                "\n"
            }
        };
        let options = ParseOptions::new().progress_callback(&mut in_time);
        let tree = parser.parse_with_options(&mut read, None, Some(options)).filter(|_| cut.get().is_none());
        if tree.is_none() {
            // A parser that was stopped would take the next text for the rest of this one, and has grown large.
            *slot = None;
        }
        tree
    })
}

/// The text from a byte on, of whole characters, and a line break after the last.
fn chunk(text: &str, at: usize) -> &str {
    if at == text.len() && !text.ends_with('\n') {
        return "\n";
    }
    let mut end = text.len().min(at.saturating_add(CHUNK));
    while !text.is_char_boundary(end) {
        end += 1;
    }
    text.get(at..end).unwrap_or_default()
}
