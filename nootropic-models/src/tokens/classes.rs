//! Sets of characters by Unicode property.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// Ranges of code points, ascending.
struct Ranges(Vec<(char, char)>);

impl Ranges {
    /// The characters of a class such as `\p{Mn}`.
    fn of(class: &str) -> Self {
        match regex_syntax::parse(class).map(regex_syntax::hir::Hir::into_kind) {
            Ok(HirKind::Class(Class::Unicode(class))) => Self(class.iter().map(|r| (r.start(), r.end())).collect()),
            _ => Self(Vec::new()), // the tests below name every class
        }
    }

    fn contains(&self, c: char) -> bool {
        self.0
            .binary_search_by(|(start, end)| match (*start <= c, c <= *end) {
                (false, _) => std::cmp::Ordering::Greater,
                (_, false) => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Equal,
            })
            .is_ok()
    }
}

/// ASCII punctuation, which counts `$`, `+`, `<`, `|` and the like, and what Unicode calls punctuation.
pub(crate) fn is_punctuation(c: char) -> bool {
    static RANGES: LazyLock<Ranges> = LazyLock::new(|| Ranges::of(r"\p{P}"));
    c.is_ascii_punctuation() || (!c.is_ascii() && RANGES.contains(c))
}

/// Marks that take no space of their own, such as accents.
pub(crate) fn is_nonspacing_mark(c: char) -> bool {
    static RANGES: LazyLock<Ranges> = LazyLock::new(|| Ranges::of(r"\p{Mn}"));
    !c.is_ascii() && RANGES.contains(c)
}

/// Every mark.
pub(crate) fn is_mark(c: char) -> bool {
    static RANGES: LazyLock<Ranges> = LazyLock::new(|| Ranges::of(r"\p{M}"));
    !c.is_ascii() && RANGES.contains(c)
}

/// Characters that show nothing and are no white space: controls, formats, private use.
pub(crate) fn is_control(c: char) -> bool {
    static RANGES: LazyLock<Ranges> = LazyLock::new(|| Ranges::of(r"[\p{Cc}\p{Cf}\p{Co}]"));
    !matches!(c, '\t' | '\n' | '\r') && RANGES.contains(c)
}

/// Chinese characters, as BERT counts them.
pub(crate) fn is_chinese(c: char) -> bool {
    matches!(c as u32,
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F | 0x2B740..=0x2B81F
        | 0x2B920..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_characters() {
        assert!(is_punctuation('…') && is_punctuation('$') && !is_punctuation('€') && !is_punctuation('a'));
        assert!(is_nonspacing_mark('\u{301}') && !is_nonspacing_mark('\u{903}') && is_mark('\u{903}') && !is_mark('a'));
        assert!(is_control('\0') && is_control('\u{200D}') && is_control('\u{E000}') && !is_control('\n'));
        assert!(is_chinese('字') && !is_chinese('か'));
    }
}
