//! The patterns by which vocabularies split text.

use std::ops::Range;

use crate::{Error, Result};

/// A regular expression of a vocabulary.
///
/// Nearly all end in `|\s+(?!\S)|\s+`: white space, but without its last character if a word follows. That look-ahead is done
/// by hand here, so that the rest runs on an automaton in linear time; a pattern with any other look-around runs on a
/// backtracking engine with a limit.
#[derive(Debug)]
pub(crate) struct Pattern {
    engine: Engine,
    /// The hand-made alternative for white space, if it comes last.
    spaces: Option<Spaces>,
}

#[derive(Debug)]
enum Engine {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

/// How white space matches that nothing before it in the pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spaces {
    /// `\s+(?!\S)|\s+`
    All,
    /// `\s+(?!\S)`: a single one before a word is not matched.
    NotBeforeWord,
}

const SPACE_TAILS: [(&str, Spaces); 2] = [(r"|\s+(?!\S)|\s+", Spaces::All), (r"|\s+(?!\S)", Spaces::NotBeforeWord)];

impl Pattern {
    /// Compiles a pattern written for Oniguruma, as those of vocabularies are; says what is wrong with it otherwise.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let (pattern, possessive) = translated(pattern);
        if possessive { Self::backtracking(&pattern) } else { Self::as_is(&pattern) }
    }

    /// Compiles a pattern written for Rust.
    pub(crate) fn as_is(pattern: &str) -> Result<Self, String> {
        let head = SPACE_TAILS.iter().find_map(|(tail, spaces)| Some((pattern.strip_suffix(tail)?, *spaces)));
        // An alternative in parentheses would not be the last of the whole pattern, but then the head does not compile.
        if let Some((head, spaces)) = head
            && let Ok(regex) = regex::Regex::new(head)
        {
            return Ok(Self { engine: Engine::Linear(regex), spaces: Some(spaces) });
        }
        if let Ok(regex) = regex::Regex::new(pattern) {
            return Ok(Self { engine: Engine::Linear(regex), spaces: None });
        }
        Self::backtracking(pattern)
    }

    fn backtracking(pattern: &str) -> Result<Self, String> {
        match fancy_regex::Regex::new(pattern) {
            Ok(regex) => Ok(Self { engine: Engine::Backtracking(Box::new(regex)), spaces: None }),
            Err(error) => Err(crate::error::printable_up_to(&error.to_string(), 200)),
        }
    }

    /// Calls `found` for each match from left to right.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the backtracking engine gave up on `text`.
    pub(crate) fn matches(&self, text: &str, mut found: impl FnMut(Range<usize>)) -> Result<()> {
        match &self.engine {
            Engine::Linear(regex) => match self.spaces {
                Some(spaces) => matches_with_spaces(regex, spaces, text, found),
                None => regex.find_iter(text).for_each(|m| found(m.range())),
            },
            Engine::Backtracking(regex) => {
                for m in regex.find_iter(text) {
                    let gave_up = |error: fancy_regex::Error| Error::Invalid {
                        what: "text to tokenize".into(),
                        problem: format!("the vocabulary's pattern cannot split it: {error}"),
                    };
                    found(m.map_err(gave_up)?.range());
                }
            }
        }
        Ok(())
    }
}

/// A pattern for Oniguruma as one for Rust, and whether it has possessive quantifiers, which Rust would read as repetitions of
/// repetitions. For Oniguruma, joiners are no part of words, and those fractions and powers that Latin-1 has are.
fn translated(pattern: &str) -> (String, bool) {
    const WORD: &str = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}²³¹¼½¾";
    let (mut out, mut possessive, mut depth) = (String::with_capacity(pattern.len()), false, 0_usize);
    let (mut chars, mut before) = (pattern.chars().peekable(), '(');
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('w' | 'W')) => {
                let negated = if chars.next() == Some('W') { "^" } else { "" };
                out.extend(["[", negated, WORD, "]"]);
                before = 'w';
                continue;
            }
            ('\\', Some('b')) if depth == 0 => {
                chars.next();
                out.push_str(&format!("(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"));
                before = 'b';
                continue;
            }
            ('\\', Some(_)) => {
                out.push(c);
                out.extend(chars.next());
                before = 'w'; // an escaped character is nothing but itself
                continue;
            }
            ('[', _) => depth += 1,
            (']', _) => depth = depth.saturating_sub(1),
            ('?' | '*' | '+', Some('+')) if depth == 0 && before != '(' => possessive = true,
            _ => {}
        }
        out.push(c);
        before = c;
    }
    (out, possessive)
}

/// Matches of `regex|\s+(?!\S)|\s+`, or without its end.
fn matches_with_spaces(regex: &regex::Regex, spaces: Spaces, text: &str, mut found: impl FnMut(Range<usize>)) {
    let mut at = 0;
    let mut next = regex.find(text);
    // Where the next white space starts, at or after `at`.
    let mut space = next_space(text, 0);
    loop {
        if next.is_some_and(|m| m.start() < at) {
            next = regex.find_at(text, at);
        }
        if space.is_some_and(|start| start < at) {
            space = next_space(text, at);
        }
        let range = match (next.map(|m| m.range()), space) {
            // Of two that start together the earlier alternative wins.
            (Some(range), Some(space)) if range.start <= space => range,
            (Some(range), None) => range,
            (_, Some(space)) => match end_of_spaces(text, space) {
                (end, true) if spaces == Spaces::NotBeforeWord => {
                    at = end;
                    continue;
                }
                (end, _) => space..end,
            },
            (None, None) => return,
        };
        if range.is_empty() {
            // An empty match: step over one character, as regular expression engines do.
            let Some(c) = text.get(range.start..).and_then(|rest| rest.chars().next()) else { return };
            at = range.start + c.len_utf8();
            if range.start >= text.len() {
                return;
            }
            found(range);
            continue;
        }
        at = range.end;
        found(range);
    }
}

fn next_space(text: &str, from: usize) -> Option<usize> {
    text.get(from..)?.find(char::is_whitespace).map(|start| from + start)
}

/// Where `\s+(?!\S)|\s+` ends that starts at `start`, and whether it is a single one before a word.
fn end_of_spaces(text: &str, start: usize) -> (usize, bool) {
    let rest = text.get(start..).unwrap_or_default();
    let Some(length) = rest.find(|c: char| !c.is_whitespace()) else { return (text.len(), false) };
    let spaces = rest.get(..length).unwrap_or_default();
    let last = spaces.chars().next_back().map_or(0, char::len_utf8);
    if last < length { (start + length - last, false) } else { (start + length, true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split<'a>(pattern: &Pattern, text: &'a str) -> Vec<&'a str> {
        let mut pieces = Vec::new();
        pattern.matches(text, |range| pieces.push(&text[range])).unwrap();
        pieces
    }

    /// The hand-made look-ahead against a backtracking engine that knows look-around, on random text.
    #[test]
    fn white_space_is_split_as_a_backtracking_engine_does() {
        let patterns = [
            r"'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            r"'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
            r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"foo|\s+(?!\S)|\s+",
        ];
        let letters =
            [" ", " ", "  ", "\n", "\r\n", "\t", "a", "foo", "Ä", "9", "-", "'s", "\u{a0}", "\u{85}", "字", "\u{3000}"];
        for pattern in patterns {
            let (ours, reference) = (Pattern::new(pattern).unwrap(), fancy_regex::Regex::new(pattern).unwrap());
            assert!(ours.spaces.is_some());
            let mut state = 7_u64;
            for length in 0..400 {
                let mut text = String::new();
                for _ in 0..length % 40 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    text.push_str(letters[(state >> 33) as usize % letters.len()]);
                }
                let expected: Vec<&str> = reference.find_iter(&text).map(|m| m.unwrap().as_str()).collect();
                assert_eq!(split(&ours, &text), expected, "{pattern} on {text:?}");
            }
        }
    }

    #[test]
    fn other_look_around_runs_with_a_limit() {
        let digits = Pattern::new(r"\d{1,3}(?=(?:\d{3})*\b)").unwrap();
        assert!(matches!(digits.engine, Engine::Backtracking(_)));
        assert_eq!(split(&digits, "1234567"), ["1", "234", "567"]);
        let explosive = Pattern::new(r"(a|a)*(?!b)c").unwrap();
        assert!(explosive.matches(&"a".repeat(60), |_| {}).is_err());
        assert!(Pattern::new("(").is_err());
    }

    #[test]
    fn patterns_for_oniguruma_mean_what_they_mean_there() {
        assert!(translated(r"a?+b").1);
        assert!(!translated(r"(?:a)\++[+*+]a+?\p{N}{1,3}+").1);
        let possessive = Pattern::new(r"[^a]?+\p{L}+").unwrap();
        assert_eq!(split(&possessive, "--ab"), ["-ab"]);
        let words = Pattern::new(r"\w+|[^\W_]").unwrap();
        assert_eq!(split(&words, "a\u{200D}b_1½"), ["a", "b_1½"]);
    }
}
