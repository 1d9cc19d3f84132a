//! The words of code: identifiers, and the parts that people read in them.

/// A word found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// As written.
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub start: usize,
}

/// Visits every run of letters, digits and underscores.
pub fn identifiers<'a>(text: &'a str, mut visit: impl FnMut(Word<'a>)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        if !WORD[bytes[at] as usize] {
            at += 1;
            continue;
        }
        let mut ascii = true;
        while at < bytes.len() && WORD[bytes[at] as usize] {
            ascii &= bytes[at] < 0x80;
            at += 1;
        }
        if ascii {
            visit(Word { text: &text[start..at], start });
        } else {
            unicode_identifiers(&text[start..at], start, &mut visit);
        }
    }
}

/// Bytes that may belong to an identifier; those from 0x80 are looked at as characters.
static WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = b >= 0x80 || b == b'_' as usize || (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    table
};

#[cold]
fn unicode_identifiers<'a>(run: &'a str, offset: usize, visit: &mut impl FnMut(Word<'a>)) {
    let mut start = None;
    for (i, c) in run.char_indices() {
        match (c == '_' || c.is_alphanumeric(), start) {
            (true, None) => start = Some(i),
            (false, Some(from)) => {
                visit(Word { text: &run[from..i], start: offset + from });
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        visit(Word { text: &run[from..], start: offset + from });
    }
}

/// Visits the parts of an identifier: split at underscores, at case changes, and between letters and digits.
/// `HTTPServer2` gives `HTTP`, `Server`, `2`.
pub fn parts<'a>(identifier: &'a str, mut visit: impl FnMut(&'a str)) {
    #[derive(Clone, Copy, PartialEq)]
    enum Class {
        Lower,
        Upper,
        Digit,
        Other,
    }
    let class = |c: char| match c {
        'a'..='z' => Class::Lower,
        'A'..='Z' => Class::Upper,
        '0'..='9' => Class::Digit,
        '_' => Class::Other,
        c if c.is_uppercase() => Class::Upper,
        c if c.is_numeric() => Class::Digit,
        _ => Class::Lower,
    };
    let mut start = 0;
    let mut previous: Option<(usize, Class)> = None;
    let mut before_upper_run = 0;
    for (i, c) in identifier.char_indices() {
        let now = class(c);
        if let Some((at, was)) = previous {
            let cut = match (was, now) {
                (Class::Upper, Class::Lower) if before_upper_run < at => Some(at),
                (Class::Upper, Class::Lower) => None,
                _ if was != now => Some(i),
                _ => None,
            };
            if let Some(cut) = cut {
                if cut > start && was != Class::Other {
                    visit(&identifier[start..cut]);
                }
                start = cut;
            }
            if now == Class::Upper && was != Class::Upper {
                before_upper_run = i;
            }
        }
        previous = Some((i, now));
    }
    if previous.is_some_and(|(_, was)| was != Class::Other) && start < identifier.len() {
        visit(&identifier[start..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(identifier: &str) -> Vec<&str> {
        let mut out = Vec::new();
        parts(identifier, |part| out.push(part));
        out
    }

    #[test]
    fn identifiers_split_where_people_read_a_word() {
        assert_eq!(split("HTTPServer2"), ["HTTP", "Server", "2"]);
        assert_eq!(split("join_set"), ["join", "set"]);
        assert_eq!(split("__init__"), ["init"]);
        assert_eq!(split("getURLFromDB"), ["get", "URL", "From", "DB"]);
        assert_eq!(split("MAX_KEY_LEN"), ["MAX", "KEY", "LEN"]);
        assert_eq!(split("x86_64"), ["x", "86", "64"]);
        assert_eq!(split("ÜberMaß"), ["Über", "Maß"]);
        assert_eq!(split("_"), Vec::<&str>::new());
        assert_eq!(split("A"), ["A"]);
    }

    #[test]
    fn words_are_found_with_their_place() {
        let mut out = Vec::new();
        identifiers("fn é_x(a: u8) → naïve", |w| out.push((w.text, w.start)));
        assert_eq!(out, [("fn", 0), ("é_x", 3), ("a", 8), ("u8", 11), ("naïve", 19)]);
    }
}
