//! Text from repositories, made harmless for a terminal.

use std::borrow::Cow;

/// The width to write for: that of the terminal, or 100 columns.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0).max(40))
}

/// A message with everything that a terminal would act upon replaced by a visible sign: escape sequences would let a file
/// or its name write over what is shown, and bidirectional overrides reorder it. Lines stay lines.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    replaced(text, |c| c == '\n')
}

/// As [`plain`], on one line: for a name or a path, which may hold line breaks.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    replaced(text, |_| false)
}

/// As [`plain`], with its tabs: for a text that is shown as it is, and is harmless for a terminal so.
pub(crate) fn block(text: &str) -> Cow<'_, str> {
    replaced(text, |c| c == '\n' || c == '\t')
}

fn replaced(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_active(c) && !stays(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if stays(c) { c } else { visible(c) }).collect())
}

/// JSON that says the same, with everything that a terminal would act upon escaped: JSON itself only asks for that below
/// U+0020, and U+009B begins an escape sequence too.
pub(crate) fn json(text: String) -> String {
    let acts = |c: char| is_active(c) && c != '\n';
    if !text.contains(acts) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match acts(c) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}

/// What is shown for a character.
pub(crate) fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        // The control pictures stand in the order of the control characters.
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        c if is_active(c) => '\u{fffd}',
        c => c,
    }
}

fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// `12,345`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 file`, `2 files`.
pub(crate) fn count(n: u64, one: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {one}{plural}", thousands(n))
}

/// `1.2 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match (unit, units.get(unit)) {
        (0, _) => format!("{bytes} bytes"),
        (_, name) => format!("{value:.1} {}", name.copied().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_repository_moves_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\r\u{9b}c\u{202e}d"), "a␛[2Jb␍\u{fffd}c\u{fffd}d");
        assert_eq!(plain("two\nlines\tof é漢"), "two\nlines of é漢");
        assert_eq!(line("two\nlines\tof é漢"), "two␊lines of é漢");
        assert_eq!(block("two\nlines\tof\u{1b}é漢"), "two\nlines\tof␛é漢");
        assert_eq!(json("{\n \"a\": \"\u{9b}1m\u{7f}é\"}".into()), "{\n \"a\": \"\\u009b1m\\u007fé\"}");
        assert!(matches!(plain("plain é"), Cow::Borrowed(_)));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!((size(1023), size(1536), size(3 << 30)), ("1023 bytes".into(), "1.5 KiB".into(), "3.0 GiB".into()));
        assert_eq!((count(1, "file"), count(0, "file")), ("1 file".into(), "0 files".into()));
    }
}
