//! Texts that would abort the process inside a grammar's hand-written scanner.
//!
//! A scanner saves its state in 1,024 bytes. Three of the grammars we use can write more than that, or write what they
//! cannot read back, and an assertion in C then ends the process. Such texts are not parsed. The bounds are far above
//! what people write and below where the scanners break:
//!
//! - tree-sitter-python 0.25.0 saves two bytes a level of indentation, and may write one byte too many.
//! - tree-sitter-yaml 0.7.2 saves four bytes a level of nesting, 253 levels at most.
//! - tree-sitter-ruby 0.23.1 saves the length of a heredoc's end word in one byte, and five bytes a nested literal.

use super::Language;

/// Columns of indentation that a Python file may have; it cannot nest deeper than it is indented.
const PYTHON_COLUMNS: usize = 300;
/// Levels that a YAML file may nest.
const YAML_LEVELS: usize = 200;
/// Bytes that a heredoc's end word may have, and all of a line.
const RUBY_WORD: usize = 100;
const RUBY_WORDS_OF_LINE: usize = 400;
/// Interpolations that may be open at once.
const RUBY_LITERALS: usize = 50;

/// Whether a text can be given to the language's parser.
pub(super) fn is_tame(language: Language, text: &str) -> bool {
    match language {
        Language::Python => text.lines().all(|line| columns(line, 8) <= PYTHON_COLUMNS),
        Language::Yaml => yaml_levels(text) <= YAML_LEVELS,
        Language::Ruby => is_tame_ruby(text),
        _ => true,
    }
}

fn columns(line: &str, tab: usize) -> usize {
    line.bytes()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | 0x0c))
        .map(|byte| if byte == b' ' { 1 } else { tab })
        .sum()
}

/// No more levels can be open than columns of indentation and indicators after it in one line.
fn yaml_levels(text: &str) -> usize {
    let (mut indent, mut indicators) = (0, 0);
    for line in text.lines() {
        indent = indent.max(columns(line, 1));
        let ends = line.as_bytes().windows(2).filter(|pair| is_indicator(pair[0]) && matches!(pair[1], b' ' | b'\t'));
        indicators = indicators.max(ends.count() + usize::from(line.bytes().last().is_some_and(is_indicator)));
    }
    indent + indicators
}

fn is_indicator(byte: u8) -> bool {
    matches!(byte, b'-' | b'?' | b':')
}

fn is_tame_ruby(text: &str) -> bool {
    let mut open = 0usize;
    for line in text.lines() {
        let mut words = 0;
        for (at, _) in line.match_indices("<<") {
            let word = heredoc_word(text, line, at + 2);
            words += word;
            if word > RUBY_WORD || words > RUBY_WORDS_OF_LINE {
                return false;
            }
        }
        for (at, byte) in line.bytes().enumerate() {
            match byte {
                b'{' if at > 0 && line.as_bytes().get(at - 1) == Some(&b'#') => open += 1,
                b'}' => open = open.saturating_sub(1),
                _ => {}
            }
        }
        if open > RUBY_LITERALS {
            return false;
        }
    }
    true
}

/// How long the end word is that would begin at `at` of `line`, a part of `text`; a quoted one may go on over lines.
fn heredoc_word(text: &str, line: &str, at: usize) -> usize {
    let begin = line.as_ptr() as usize - text.as_ptr() as usize + at;
    let rest = text.get(begin..).unwrap_or_default();
    let rest = rest.strip_prefix(['-', '~']).unwrap_or(rest);
    match rest.chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => rest[1..].find(quote).unwrap_or(rest.len()),
        _ => rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()),
    }
}
