//! Numbers that every reader of JSON can hold.

/// Digits of an exponent, and of all else of a number. With both, it stays below the largest `f64`, about 1.8e308.
const EXPONENT: usize = 2;
const DIGITS: usize = 200;

/// Whether `word` makes the number at the end of `text` one that may be too large, or begins such a one.
pub(super) fn may_overflow(text: &[u8], word: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'e' | b'E' | b'+' | b'-' | b'.');
    let start = text.iter().rev().take_while(|byte| part(byte)).count();
    let before = text.get(text.len() - start..).unwrap_or_default();
    let number: Vec<u8> = before.iter().chain(word.iter().take_while(|byte| part(byte))).copied().collect();
    let digits = |bytes: &[u8]| bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    match number.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => digits(number.get(at..).unwrap_or_default()) > EXPONENT,
        None => number.len() > DIGITS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_have_two_digits_and_numbers_an_end() {
        for (text, word, overflows) in [
            ("{\"a\": 1", "e99", false),
            ("{\"a\": 1", "e100", true),
            ("{\"a\": 1.5e+3", "0", false),
            ("{\"a\": 1.5e+30", "7, ", true),
            ("[123", "4567], 1e5", false),
            ("\"e1\": 12", "34", false),
        ] {
            assert_eq!(may_overflow(text.as_bytes(), word.as_bytes()), overflows, "{text}{word}");
        }
        assert!(may_overflow(&[b'7'; DIGITS], b"7"));
    }
}
