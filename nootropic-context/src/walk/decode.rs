//! Bytes to text, whatever their encoding.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Bytes as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded<'a> {
    /// Without a byte order mark.
    pub(super) text: Cow<'a, str>,
    /// The name in the WHATWG encoding standard, in lower case except `UTF-32LE` and its like, which it lacks.
    pub(super) encoding: &'static str,
    /// Whether some bytes meant nothing and became U+FFFD.
    pub(super) lossy: bool,
}

/// Decodes text; `None` for what is not text.
///
/// A byte order mark decides; else valid UTF-8 is UTF-8; else UTF-16 shows by its NUL bytes; else the encoding is guessed
/// from the frequency of letters. Where carriage returns alone end the lines, they become line feeds.
pub(super) fn decode(bytes: &[u8]) -> Option<Decoded<'_>> {
    let decoded = decode_as_is(bytes)?;
    let old_mac = !decoded.text.contains('\n') && decoded.text.contains('\r');
    let text = if old_mac { Cow::Owned(decoded.text.replace('\r', "\n")) } else { decoded.text };
    Some(Decoded { text, ..decoded })
}

fn decode_as_is(bytes: &[u8]) -> Option<Decoded<'_>> {
    if let Some(decoded) = by_mark(bytes) {
        return decoded;
    }
    if is_known_binary(bytes) {
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(_) if looks_iso_2022_jp(bytes) => return guess(bytes),
        Ok(text) if !bytes.contains(&0) => {
            let fine = controls(text.bytes()) * 10 <= text.len();
            return fine.then_some(Decoded { text: Cow::Borrowed(text), encoding: UTF_8.name(), lossy: false });
        }
        _ => {}
    }
    if bytes.contains(&0) {
        return unmarked_utf16(bytes).and_then(|encoding| utf16(encoding, bytes));
    }
    if controls(bytes.iter().copied()) * 50 > bytes.len() {
        return None;
    }
    guess(bytes)
}

/// Decodes by the byte order mark; `None` if there is none.
fn by_mark(bytes: &[u8]) -> Option<Option<Decoded<'_>>> {
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        let (text, lossy) = UTF_8.decode_without_bom_handling(rest);
        return Some(textual(Decoded { text, encoding: UTF_8.name(), lossy }));
    }
    // Before UTF-16: its mark begins this one.
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe\0\0") {
        return Some(utf32(rest, "UTF-32LE", u32::from_le_bytes));
    }
    if let Some(rest) = bytes.strip_prefix(b"\0\0\xfe\xff") {
        return Some(utf32(rest, "UTF-32BE", u32::from_be_bytes));
    }
    let rest = |mark: &[u8]| bytes.strip_prefix(mark);
    match (rest(b"\xff\xfe"), rest(b"\xfe\xff")) {
        (Some(rest), _) => Some(utf16(UTF_16LE, rest)),
        (_, Some(rest)) => Some(utf16(UTF_16BE, rest)),
        _ => None,
    }
}

fn utf16(encoding: &'static Encoding, bytes: &[u8]) -> Option<Decoded<'static>> {
    let (text, lossy) = encoding.decode_without_bom_handling(bytes);
    textual(Decoded { text: Cow::Owned(text.into_owned()), encoding: encoding.name(), lossy })
}

fn utf32<'a>(bytes: &'a [u8], encoding: &'static str, unit: fn([u8; 4]) -> u32) -> Option<Decoded<'a>> {
    let (units, rest) = bytes.as_chunks::<4>();
    let mut lossy = !rest.is_empty();
    let mut one = |bytes: &[u8; 4]| {
        let char = char::from_u32(unit(*bytes));
        lossy |= char.is_none();
        char.unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    let text: String = units.iter().map(&mut one).collect();
    textual(Decoded { text: Cow::Owned(text), encoding, lossy })
}

/// Keeps what reads as text: hardly any control or replacement character, no NUL.
fn textual(decoded: Decoded<'_>) -> Option<Decoded<'_>> {
    let text = &decoded.text;
    let replaced = if decoded.lossy { text.matches(char::REPLACEMENT_CHARACTER).count() } else { 0 };
    let odd = controls(text.bytes()) + replaced;
    (!text.contains('\0') && odd * 10 <= text.chars().count()).then_some(decoded)
}

/// How many bytes are control characters that text does not have.
fn controls(bytes: impl Iterator<Item = u8>) -> usize {
    let odd = |b: &u8| matches!(b, 0..=7 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    bytes.filter(odd).count()
}

/// Formats that may hold no NUL byte and few control characters at first, but are not text.
fn is_known_binary(bytes: &[u8]) -> bool {
    const MAGIC: [&[u8]; 7] =
        [b"%PDF-", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"PK\x03\x04", b"\x1f\x8b\x08", b"\x7fELF"];
    MAGIC.iter().any(|magic| bytes.starts_with(magic))
}

/// The byte order of UTF-16 without a mark: nearly all units of source text are ASCII, so one byte of two is NUL.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(4096) & !1];
    if !bytes.len().is_multiple_of(2) || head.is_empty() {
        return None;
    }
    let zeros = |at: usize| head.iter().skip(at).step_by(2).filter(|&&b| b == 0).count();
    let (first, second, units) = (zeros(0), zeros(1), head.len() / 2);
    match () {
        () if first == 0 && second * 2 > units => Some(UTF_16LE),
        () if second == 0 && first * 2 > units => Some(UTF_16BE),
        () => None,
    }
}

/// ISO-2022-JP is made of ASCII bytes; its escapes to two-byte sets give it away.
fn looks_iso_2022_jp(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|three| matches!(three, b"\x1b$B" | b"\x1b$@"))
}

/// Guesses an encoding that carries no sign of itself.
fn guess(bytes: &[u8]) -> Option<Decoded<'_>> {
    if is_nearly_utf8(bytes) {
        let (text, lossy) = UTF_8.decode_without_bom_handling(bytes);
        return textual(Decoded { text, encoding: UTF_8.name(), lossy });
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    let mut encoding = detector.guess(None, Utf8Detection::Deny);
    let (mut text, mut lossy) = encoding.decode_without_bom_handling(bytes);
    if lossy && encoding != WINDOWS_1252 {
        // A guess that does not fit throughout is worth less than one that cannot fail.
        let odd = text.matches(char::REPLACEMENT_CHARACTER).count();
        if odd * 50 > text.len() {
            encoding = WINDOWS_1252;
            (text, lossy) = encoding.decode_without_bom_handling(bytes);
        }
    }
    textual(Decoded { text, encoding: encoding.name(), lossy })
}

/// Whether far more bytes make up well-formed multi-byte characters than not: UTF-8 with a few damaged places.
fn is_nearly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    bad > 0 && good >= 8 * bad
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(bytes: &[u8]) -> (String, &'static str, bool) {
        let decoded = decode(bytes).expect("text");
        (decoded.text.into_owned(), decoded.encoding, decoded.lossy)
    }

    fn encoded(encoding: &'static Encoding, text: &str) -> Vec<u8> {
        let (bytes, _, failed) = encoding.encode(text);
        assert!(!failed);
        bytes.into_owned()
    }

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn utf8_passes_with_and_without_a_mark() {
        assert_eq!(text_of("let größe = 1;\n".as_bytes()), ("let größe = 1;\n".into(), "UTF-8", false));
        assert_eq!(text_of(b"\xef\xbb\xbfa"), ("a".into(), "UTF-8", false));
        assert_eq!(text_of(b""), (String::new(), "UTF-8", false));
    }

    #[test]
    fn lines_that_carriage_returns_end_are_lines() {
        assert_eq!(text_of(b"int a;\rint b;\r").0, "int a;\nint b;\n");
        assert_eq!(text_of(b"int a;\r\nint b;\rc\n").0, "int a;\r\nint b;\rc\n", "some of many is not an end of line");
    }

    #[test]
    fn utf16_and_utf32_are_read_by_their_marks() {
        let text = "class Größe { }\r\n// 漢字 😀\r\n";
        let marked = |mark: &[u8], rest: Vec<u8>| [mark.to_vec(), rest].concat();
        let units = |unit: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| unit(c.into())).collect::<Vec<u8>>();
        assert_eq!(text_of(&marked(b"\xff\xfe", utf16(text, u16::to_le_bytes))), (text.into(), "UTF-16LE", false));
        assert_eq!(text_of(&marked(b"\xfe\xff", utf16(text, u16::to_be_bytes))), (text.into(), "UTF-16BE", false));
        assert_eq!(text_of(&marked(b"\xff\xfe\0\0", units(u32::to_le_bytes))), (text.into(), "UTF-32LE", false));
        assert_eq!(text_of(&marked(b"\0\0\xfe\xff", units(u32::to_be_bytes))), (text.into(), "UTF-32BE", false));
    }

    #[test]
    fn utf16_without_a_mark_is_recognized() {
        let text = "using System;\r\nnamespace Größe { }\r\n";
        assert_eq!(text_of(&utf16(text, u16::to_le_bytes)), (text.into(), "UTF-16LE", false));
        assert_eq!(text_of(&utf16(text, u16::to_be_bytes)), (text.into(), "UTF-16BE", false));
    }

    #[test]
    fn legacy_encodings_are_guessed() {
        let western = "/* Prüft die Größe der Übergabe für späteres Lösen */\nint größe = 0;\n";
        assert_eq!(text_of(&encoded(WINDOWS_1252, western)), (western.into(), "windows-1252", false));
        let japanese = "// これは日本語のコメントです。ファイルを読み込みます。\nint main(void) { return 0; }\n";
        assert_eq!(text_of(&encoded(encoding_rs::SHIFT_JIS, japanese)), (japanese.into(), "Shift_JIS", false));
        assert_eq!(text_of(&encoded(encoding_rs::EUC_JP, japanese)), (japanese.into(), "EUC-JP", false));
        assert_eq!(text_of(&encoded(encoding_rs::ISO_2022_JP, japanese)), (japanese.into(), "ISO-2022-JP", false));
        let russian = "# Проверка подключения к базе данных и повторная попытка\nx = 1\n";
        assert_eq!(text_of(&encoded(encoding_rs::WINDOWS_1251, russian)), (russian.into(), "windows-1251", false));
        let chinese = "// 这是一个用于测试编码检测的中文注释，包含足够多的汉字。\nint x;\n";
        assert_eq!(text_of(&encoded(encoding_rs::GBK, chinese)).0, chinese);
    }

    #[test]
    fn damaged_utf8_stays_utf8() {
        let mut bytes = "// Größe, Übergabe, Prüfung, Lösung, Maß, Straße, Ärger, Öl\n".as_bytes().to_vec();
        bytes.extend(b"// \xff here\n");
        let (text, encoding, lossy) = text_of(&bytes);
        assert!(lossy && encoding == "UTF-8");
        assert!(text.contains("Straße") && text.contains("// \u{fffd} here"));
    }

    #[test]
    fn escape_sequences_of_terminals_are_text() {
        let text = "echo '\x1b[31mred\x1b[0m (B $x'\n";
        assert_eq!(text_of(text.as_bytes()), (text.into(), "UTF-8", false));
    }

    #[test]
    fn what_is_not_text_is_refused() {
        let noise: Vec<u8> = (0..4000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
        let controls: Vec<u8> = (0..400).map(|i| if i % 4 == 0 { 1 } else { b'a' }).collect();
        for bytes in
            [&b"a\0b"[..], b"\x7fELF\x02\x01", b"%PDF-1.7\n", b"\0\0\0\0", b"\xff\xfe\0\0\0\0\0\0", &noise, &controls]
        {
            assert_eq!(decode(bytes), None, "{:?}", &bytes[..4]);
        }
    }
}
