//! Text from repositories, made harmless for a terminal.

use std::borrow::Cow;

/// The width to write for: that of the terminal, or 100 columns.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0).max(40))
}

/// One line or several with everything that a terminal would act upon replaced by a visible sign: escape sequences would
/// let a file or its name write over what is shown, and bidirectional overrides reorder it.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && is_active(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if c == '\n' { c } else { visible(c) }).collect())
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
