//! Comments and the passages they describe: what an embedder for code can be fitted to.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use crate::Result;
use crate::syntax::{ChunkOptions, Language, Parsed, Piece, parse};
use crate::walk::{Found, Reader, RelPath, WalkOptions, walk};

/// Passages of fewer words say nothing that could be learned.
const FEWEST_WORDS: usize = 8;
/// What is read of a comment: its first paragraph, up to the sentence that ends before this many bytes.
const LONGEST: usize = 240;
/// Most pairs of one folder, spread evenly over its files, so that a large one does not drown the others.
const MOST_PAIRS: usize = 12_000;

/// What a comment says, and the passage it stands in, without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documented {
    /// The first paragraph of the comment, without its marks.
    pub comment: String,
    /// As an embedder reads it: path, name of the definition, and text.
    pub passage: String,
}

/// The commented passages of all files below `root` that are code and that no ignore file excludes; of those that say the same, the first.
///
/// # Errors
/// As [`walk`]. What cannot be read below the root is left out.
pub fn documented_below(root: &Path, cancel: &(dyn Fn() -> bool + Sync)) -> Result<Vec<Documented>> {
    let options = WalkOptions::default();
    let mut paths = Vec::new();
    walk(root, &options, cancel, &mut |found| {
        if let Found::File { path, .. } = found {
            paths.push(path);
        }
    })?;
    let reader = Reader::new(root, &options)?;
    let of_file = |path: &RelPath| match reader.read(path) {
        Ok(content) if !cancel() => documented(&path.to_text(), &content.text),
        _ => Vec::new(),
    };
    let mut found: Vec<Documented> = paths.par_iter().flat_map_iter(of_file).collect();
    if cancel() {
        return Err(nootropic_core::Error::Cancelled.into());
    }
    let mut seen = HashSet::new();
    found.retain(|pair| seen.insert(pair.comment.clone()));
    let n = found.len();
    let kept = |i: usize| i * MOST_PAIRS / n != (i + 1) * MOST_PAIRS / n;
    let mut i = 0..;
    found.retain(|_| n <= MOST_PAIRS || i.next().is_some_and(kept));
    Ok(found)
}

/// The commented passages of one file; none of prose and data.
pub fn documented(path: &str, text: &str) -> Vec<Documented> {
    let parsed = parse(path, text, &ChunkOptions::default());
    if parsed.symbols.is_empty() || parsed.language.is_none_or(is_prose_or_data) {
        return Vec::new();
    }
    parsed.pieces.iter().filter_map(|piece| of_piece(path, text, &parsed, piece)).collect()
}

fn is_prose_or_data(language: Language) -> bool {
    matches!(language, Language::Markdown | Language::Json | Language::Yaml | Language::Toml)
}

fn of_piece(path: &str, text: &str, parsed: &Parsed, piece: &Piece) -> Option<Documented> {
    let (start, end) = (piece.span.start_byte as usize, piece.span.end_byte as usize);
    // The comment that says most; of equal ones the first.
    let said = comments(text, parsed, start..end).filter_map(|range| Some((prose(text.get(range.clone())?)?, range)));
    let (comment, range) = said.reduce(|best, next| if next.0.len() > best.0.len() { next } else { best })?;
    let rest = format!("{}{}", text.get(start..range.start)?, text.get(range.end..end)?);
    if rest.split_whitespace().count() < FEWEST_WORDS {
        return None;
    }
    let symbol = piece.symbol.and_then(|symbol| parsed.symbols.get(symbol as usize));
    let symbol = symbol.map_or(String::new(), |symbol| match &symbol.container {
        Some(container) => format!("{container}.{}", symbol.name),
        None => symbol.name.clone(),
    });
    Some(Documented { comment, passage: format!("{path}\n{symbol}\n{rest}") })
}

/// The comments within a range; lines that follow each other are one.
fn comments<'a>(text: &'a str, parsed: &'a Parsed, within: Range<usize>) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut merged: Vec<Range<usize>> = Vec::new();
    for comment in &parsed.comments {
        let (start, end) = (comment.start as usize, comment.end as usize);
        if start < within.start || end > within.end {
            continue;
        }
        match merged.last_mut() {
            Some(last)
                if text
                    .get(last.end..start)
                    .is_some_and(|gap| gap.trim().is_empty() && gap.matches('\n').count() < 2) =>
            {
                last.end = end;
            }
            Some(last) if start < last.end => last.end = last.end.max(end),
            _ => merged.push(start..end),
        }
    }
    merged.into_iter()
}

/// Marks that begin lines of comments, longest first.
const MARKS: &[&str] = &[
    "@moduledoc",
    "\"\"\"",
    "'''",
    "<!--",
    "@doc",
    "///",
    "//!",
    "/**",
    "/*!",
    "--[[",
    "/*",
    "*/",
    "//",
    "#:",
    "##",
    "--",
    "%%",
    ";;",
    "~S",
    "#",
    "%",
    "*",
];
/// Marks that end them.
const END_MARKS: &[&str] = &["*/", "\"\"\"", "'''", "-->", "]]"];
/// What begins a list of parameters, an example or a rule, where what is said of the whole has ended.
const SECTIONS: &[&str] =
    &["@", ":", "\\", "args:", "param", "return:", "returns:", "example", "```", ">>>", "---", "===", "<p>"];
/// What says that a comment is for lawyers and tools.
const NOT_PROSE: &[&str] = &[
    "copyright",
    "spdx",
    "licen",
    "all rights",
    "warrant",
    "todo",
    "fixme",
    "xxx",
    "eslint",
    "@ts-",
    "noqa",
    "nolint",
    "pylint",
    "rubocop:",
    "generated",
    "go:build",
];

/// The first paragraph of a comment, if people wrote it for people.
fn prose(comment: &str) -> Option<String> {
    let mut said = String::new();
    for line in comment.lines() {
        let line = without_marks(line);
        let lower = line.to_lowercase();
        let ends = SECTIONS.iter().any(|section| lower.starts_with(section)) || line.is_empty();
        match (ends, said.split_whitespace().count() < 3) {
            (true, true) => said.clear(),
            (true, false) => break,
            (false, _) => {
                said.push_str(line);
                said.push(' ');
            }
        }
    }
    let said = first_sentences(&without_tags(&said));
    let lower = said.to_lowercase();
    let letters = said.chars().filter(|c| c.is_alphabetic() || *c == ' ').count();
    let is_prose = said.split_whitespace().count() >= 3
        && letters * 100 >= said.chars().count() * 85
        && NOT_PROSE.iter().all(|mark| !lower.contains(mark));
    is_prose.then_some(said)
}

fn without_marks(line: &str) -> &str {
    let mut line = line.trim();
    while let Some(rest) = MARKS.iter().find_map(|mark| line.strip_prefix(mark)) {
        line = rest.trim_start();
    }
    while let Some(rest) = END_MARKS.iter().find_map(|mark| line.strip_suffix(mark)) {
        line = rest.trim_end();
    }
    line
}

/// Without what formats it: tags, braces of links, backquotes.
fn without_tags(said: &str) -> String {
    let mut out = String::with_capacity(said.len());
    let mut rest = said;
    while let Some(at) = rest.find(['<', '{', '}', '`', '[', ']']) {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let end = match tag.chars().next() {
            Some('<') => tag.find('>').map_or(1, |end| end + 1),
            Some('{') if tag.starts_with("{@") => tag.find(' ').map_or(1, |end| end + 1),
            _ => 1,
        };
        if !tag.starts_with('`') {
            out.push(' ');
        }
        rest = tag.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn first_sentences(said: &str) -> String {
    if said.len() <= LONGEST {
        return said.to_owned();
    }
    let cut = (0..=LONGEST).rev().find(|at| said.is_char_boundary(*at)).unwrap_or(0);
    let begun = said.get(..cut).unwrap_or_default();
    match begun.rfind(". ") {
        Some(stop) => begun.get(..=stop).unwrap_or(begun).to_owned(),
        None => begun.to_owned(),
    }
}

#[cfg(all(test, feature = "languages"))]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_taken_from_the_passage_it_describes() {
        let rust = "/// Waits longer each time, up to a limit.\n///\n/// # Errors\n/// None.\nfn back_off(attempt: u32) -> Duration {\n    let factor = 1 << attempt.min(6);\n    BASE * factor + jitter(attempt) + more(attempt)\n}\n";
        let found = documented("src/retry.rs", rust);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].comment, "Waits longer each time, up to a limit.");
        assert!(found[0].passage.starts_with("src/retry.rs\nback_off\n"), "{}", found[0].passage);
        assert!(!found[0].passage.contains("Waits") && found[0].passage.contains("BASE * factor"));
    }

    #[test]
    fn comments_of_many_languages_are_read_without_their_marks() {
        let said =
            |path: &str, text: &str| documented(path, text).into_iter().map(|pair| pair.comment).collect::<Vec<_>>();
        let python = "def close(self, code, reason):\n    \"\"\"Closes the connection and tells the peer why.\n\n    :param code: a code\n    \"\"\"\n    self.writer.send(code, reason)\n    self.closed = True\n    return self.closed and self.writer.done\n";
        assert_eq!(said("a.py", python), ["Closes the connection and tells the peer why."]);
        let java = "class A {\n  /**\n   * Returns the {@link Adapter} for <code>type</code>,\n   * or null.\n   * @param type the type\n   */\n  Adapter of(Type type) {\n    Adapter found = cache.get(type);\n    return found != null ? found : make(type);\n  }\n}\n";
        assert_eq!(said("A.java", java), ["Returns the Adapter for type , or null."]);
        let go = "package a\n\n// Serve accepts connections\n// until the listener is closed.\nfunc Serve(l net.Listener) error {\n\tfor {\n\t\tc, err := l.Accept()\n\t\tif err != nil { return err }\n\t\tgo handle(c)\n\t}\n}\n";
        assert_eq!(said("a.go", go), ["Serve accepts connections until the listener is closed."]);
    }

    #[test]
    fn licences_orders_to_tools_and_commented_code_are_no_prose() {
        for comment in [
            "// Copyright 2026 the authors of this file",
            "// eslint-disable-next-line no-console in this file",
            "// TODO make this faster some day",
            "// if (a[i] != b[i]) { return x->y(z); }",
            "// see",
        ] {
            assert_eq!(prose(comment), None, "{comment}");
        }
        let long = format!("// It says one thing. {}", "And then very much more. ".repeat(30));
        let said = prose(&long).unwrap();
        assert!(said.len() <= LONGEST && said.ends_with('.'), "{said}");
    }

    #[test]
    fn of_a_folder_each_thing_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let function = |name: &str| {
            format!(
                "/// Adds the two numbers it is given.\nfn {name}(a: u32, b: u32) -> u32 {{\n    let sum = a + b;\n    assert!(sum >= a);\n    sum\n}}\n"
            )
        };
        std::fs::write(folder.path().join("a.rs"), function("add")).unwrap();
        std::fs::write(folder.path().join("b.rs"), function("plus")).unwrap();
        std::fs::write(
            folder.path().join("README.md"),
            "# Adds the two numbers it is given.\n\nSome text about this here.\n",
        )
        .unwrap();
        let found = documented_below(folder.path(), &|| false).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].passage.starts_with("a.rs\nadd\n"));
        assert!(documented_below(folder.path(), &|| true).is_err());
    }
}
