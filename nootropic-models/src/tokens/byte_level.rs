//! Bytes as printable characters, the alphabet of byte-level BPE.

use std::sync::LazyLock;

/// The characters that stand for the 256 bytes in byte-level BPE, in GPT-2's order: printable bytes stand for themselves, the
/// others for characters from U+0100.
pub(crate) fn byte_characters() -> impl Iterator<Item = char> {
    bytes_in_order().map(|(_, character)| character)
}

/// Bytes with their characters, in GPT-2's order.
fn bytes_in_order() -> impl Iterator<Item = (u8, char)> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..=255).filter(move |byte| !printable(byte)).zip(256..);
    let others = others.filter_map(|(byte, code)| Some((byte, char::from_u32(code)?)));
    (0..=255).filter(printable).map(|byte| (byte, char::from(byte))).chain(others)
}

struct Tables {
    characters: [char; 256],
    /// By code point; the highest is U+0143.
    bytes: [Option<u8>; 0x144],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables { characters: ['\0'; 256], bytes: [None; 0x144] };
    for (byte, character) in bytes_in_order() {
        if let Some(slot) = tables.characters.get_mut(usize::from(byte)) {
            *slot = character;
        }
        if let Some(slot) = tables.bytes.get_mut(character as usize) {
            *slot = Some(byte);
        }
    }
    tables
});

/// Appends the characters that stand for the bytes of `text`.
pub(crate) fn push_mapped(text: &str, out: &mut String) {
    let characters = &TABLES.characters;
    out.extend(text.bytes().filter_map(|byte| characters.get(usize::from(byte))));
}

/// The bytes that the characters of a token stand for; `None` if one of them stands for no byte.
pub(crate) fn bytes_of(token: &str) -> Option<Vec<u8>> {
    let bytes = &TABLES.bytes;
    token.chars().map(|c| bytes.get(c as usize).copied().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let text: String = (0..=0x24F).filter_map(char::from_u32).collect();
        let mut mapped = String::new();
        push_mapped(&text, &mut mapped);
        assert!(!mapped.contains([' ', '\n', '\0']));
        assert_eq!(bytes_of(&mapped).as_deref(), Some(text.as_bytes()));
        assert_eq!(bytes_of("a b"), None);
        assert_eq!(bytes_of("Ġthe"), Some(b" the".to_vec()));
    }
}
