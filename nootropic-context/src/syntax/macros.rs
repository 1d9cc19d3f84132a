//! Hides macros that would make C and C++ look like something else.
//!
//! A grammar sees a file before the preprocessor did. `API_EXPORT class Pool {` then reads as a function, and
//! `BEGIN_NAMESPACE` on a line of its own swallows what follows. Such words, written in capitals, are replaced by spaces
//! before parsing, so that every byte keeps its place. What is hidden is decided line by line:
//!
//! - capitals alone on a line, with or without arguments, where a declaration may begin
//! - capitals with an underscore before a keyword that begins a declaration
//! - capitals between `class`, `struct`, `union` or `enum` and the name that is defined

use std::borrow::Cow;
use std::ops::Range;

/// Words that can only begin or go on with a declaration.
const DECLARATORS: &[&str] = &[
    "auto",
    "bool",
    "char",
    "class",
    "const",
    "constexpr",
    "consteval",
    "constinit",
    "double",
    "enum",
    "explicit",
    "extern",
    "float",
    "friend",
    "inline",
    "int",
    "long",
    "namespace",
    "operator",
    "short",
    "signed",
    "static",
    "struct",
    "template",
    "typedef",
    "typename",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
];
const TYPES: &[&str] = &["class", "struct", "union", "enum"];

/// The text with such macros hidden; nothing else changes, and no byte moves.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    let mut hidden: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    // Whether the line above leaves nothing unfinished.
    let mut fresh = true;
    for line in text.split_inclusive('\n') {
        let code = line.trim();
        if code.starts_with('#') {
            fresh = !code.ends_with('\\');
        } else if !code.is_empty() && !code.starts_with("//") {
            let begin = at + line.len() - line.trim_start().len();
            let mut whole = false;
            if fresh {
                whole = is_alone(code);
                if whole {
                    hidden.push(begin..begin + code.len());
                } else {
                    before_keyword(code, begin, &mut hidden);
                }
            }
            after_type(code, begin, &mut hidden);
            let code = code.split_once("//").map_or(code, |(code, _)| code.trim_end());
            let ended = code.ends_with([';', '{', '}', ':', '/']);
            fresh = whole || ended || code.ends_with('>') && code.starts_with("template");
        }
        at += line.len();
    }
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut end = 0;
    for range in hidden {
        // What is hidden is ASCII, so a space stands for each byte.
        let (Some(kept), true) = (text.get(end..range.start), range.start >= end) else { continue };
        masked.push_str(kept);
        masked.extend(std::iter::repeat_n(' ', range.len()));
        end = range.end;
    }
    masked.push_str(text.get(end..).unwrap_or_default());
    Cow::Owned(masked)
}

/// The word a text begins with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn is_capitals(word: &str) -> bool {
    word.len() >= 3
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// `BEGIN_NAMESPACE`, `PRAGMA(push)`
fn is_alone(code: &str) -> bool {
    let name = word(code);
    let rest = code.get(name.len()..).unwrap_or_default().trim_start();
    let arguments = rest.starts_with('(') && rest.find(')').is_some_and(|close| close + 1 == rest.len());
    is_capitals(name) && name.contains('_') && code.is_ascii() && (rest.is_empty() || arguments)
}

/// `EXPORT_API template <…>`
fn before_keyword(code: &str, begin: usize, hidden: &mut Vec<Range<usize>>) {
    let mut rest = code;
    while is_capitals(word(rest)) && word(rest).contains('_') {
        let name = word(rest);
        let next = rest.get(name.len()..).unwrap_or_default().trim_start();
        if next.len() + name.len() == rest.len() || !(DECLARATORS.contains(&word(next)) || is_capitals(word(next))) {
            return;
        }
        let at = begin + code.len() - rest.len();
        if DECLARATORS.contains(&word(next)) {
            hidden.push(at..at + name.len());
        }
        rest = next;
    }
}

/// `class EXPORT_API Pool : Base {`
fn after_type(code: &str, begin: usize, hidden: &mut Vec<Range<usize>>) {
    for start in TYPES.iter().filter_map(|keyword| Some(find_word(code, keyword)? + keyword.len())) {
        let rest = code.get(start..).unwrap_or_default().trim_start();
        let rest = rest.strip_prefix("class ").map_or(rest, str::trim_start);
        let name = word(rest);
        let next = rest.get(name.len()..).unwrap_or_default().trim_start();
        let after = next.get(word(next).len()..).unwrap_or_default().trim_start();
        // `struct POOL_TYPE pool;` declares a variable.
        let defines = after.is_empty() || after.starts_with(['{', ':', '<']) || after.starts_with("final");
        if is_capitals(name) && !word(next).is_empty() && word(next) != "final" && defines {
            let at = begin + code.len() - rest.len();
            hidden.push(at..at + name.len());
            return;
        }
    }
}

fn find_word(code: &str, keyword: &str) -> Option<usize> {
    let at = code.find(keyword)?;
    let before = code.get(..at)?.chars().next_back();
    let after = code.get(at + keyword.len()..)?.chars().next();
    let ends = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    (ends(before) && ends(after)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::hide;

    #[test]
    fn macros_in_the_way_are_hidden_in_place() {
        let cases = [
            ("BEGIN_NAMESPACE\nnamespace a {\n", "               \nnamespace a {\n"),
            ("PRAGMA_GCC(push)\nint x;\n", "                \nint x;\n"),
            ("A_EXPORT template <class T>\n", "         template <class T>\n"),
            ("class A_API Pool : public Base {\n", "class       Pool : public Base {\n"),
            ("enum class A_API State {\n", "enum class       State {\n"),
            ("}  // namespace\n\nEND_NAMESPACE\n", "}  // namespace\n\n             \n"),
        ];
        for (text, masked) in cases {
            assert_eq!(hide(text), masked);
        }
    }

    #[test]
    fn what_is_no_such_macro_stays() {
        for text in [
            "HRESULT open(int x) {\n",
            "struct POOL_TYPE pool;\n",
            "struct POOL_TYPE *find(int id) {\n",
            "f(a,\n  MAX_SIZE\n);\n",
            "TEST_CASE(a, b) {\n}\n",
            "#define A_B \\\n  C_D\nint x;\n",
            "enum state { OPEN_NOW, CLOSED };\n",
            "return MAX_SIZE;\n",
            "é = CLASS_X;\n",
        ] {
            assert_eq!(hide(text), text);
        }
    }
}
