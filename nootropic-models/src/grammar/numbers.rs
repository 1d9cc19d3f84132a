//! Numbers that every reader of JSON can hold.

/// Digits of an exponent, and of all else of a number. With both, it stays below the largest `f64`, about 1.8e308.
const EXPONENT: usize = 2;
const DIGITS: usize = 200;

/// Whether `word` makes the number at the end of `text` one that may be too large, or begins such a one.
pub(super) fn may_overflow(text: &[u8], word: &[u8]) -> bool {
    let number: Vec<u8> = number_before(text).iter().chain(number_at(word)).copied().collect();
    let digits = |bytes: &[u8]| bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    match number.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => digits(number.get(at..).unwrap_or_default()) > EXPONENT,
        None => number.len() > DIGITS,
    }
}

/// What `word` makes of a number that is `-0` so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NegativeZero {
    No,
    /// It may go on, as `-0.5`.
    Begun,
    /// It is the whole number, which some readers take for an integer and some do not.
    Whole,
}

/// Whether `word` makes the value at the end of `text` a `-0`.
pub(super) fn negative_zero(text: &[u8], word: &[u8]) -> NegativeZero {
    let (before, at) = (number_before(text), number_at(word));
    let ahead = text.get(..text.len() - before.len()).unwrap_or_default().last();
    let is_value = ahead.is_none_or(|byte| b"[:, \t\r\n".contains(byte));
    match is_value && before.iter().chain(at).eq(b"-0") {
        false => NegativeZero::No,
        true if at.len() == word.len() => NegativeZero::Begun,
        true => NegativeZero::Whole,
    }
}

fn part(byte: &u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'e' | b'E' | b'+' | b'-' | b'.')
}

fn number_before(text: &[u8]) -> &[u8] {
    let start = text.len() - text.iter().rev().take_while(|byte| part(byte)).count();
    text.get(start..).unwrap_or_default()
}

fn number_at(word: &[u8]) -> &[u8] {
    word.get(..word.iter().take_while(|byte| part(byte)).count()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_zeros_are_seen() {
        use NegativeZero::{Begun, No, Whole};
        for (text, word, right) in [
            ("{\"a\": -", "0", Begun),
            ("{\"a\":", "-0", Begun),
            ("-", "0}", Whole),
            ("[-0", ",", Whole),
            ("[-0", ".5", No),
            ("[-", "07", No),
            ("[-1", "0", No),
            ("\"A-", "0", No),
            ("[1, ", "-1", No),
        ] {
            assert_eq!(negative_zero(text.as_bytes(), word.as_bytes()), right, "{text}{word}");
        }
    }

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
