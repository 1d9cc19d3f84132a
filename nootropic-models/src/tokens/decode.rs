//! Tokens back to text.

use super::byte_level::bytes_of;
use super::vocabulary::{TokenKind, Vocabulary};
use super::{TokenId, Tokenizer};

/// How the text of a token becomes bytes.
#[derive(Debug, Default)]
pub(crate) struct Decoding {
    /// Characters stand for bytes.
    pub(crate) byte_level: bool,
    /// `<0x0A>` stands for a byte.
    pub(crate) byte_tokens: bool,
    /// Texts that stand for others, e.g. `▁` for a space.
    pub(crate) replace: Vec<(String, String)>,
    /// Tokens are words; the mark before those that go on with one, and whether space before punctuation is left out.
    pub(crate) words: Option<(String, bool)>,
    /// What happens at the beginning of a text.
    pub(crate) start: Start,
}

/// What decoding leaves out at the beginning of a text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing.
    #[default]
    Keep,
    /// At most so many spaces.
    Spaces(usize),
    /// Every space the first token begins with.
    SpacesOfToken,
}

/// The bytes of every token.
pub(crate) struct TokenBytes {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl TokenBytes {
    /// Returns `None` if the bytes of all tokens together pass 4 GiB.
    pub(crate) fn new(vocabulary: &Vocabulary, decoding: &Decoding) -> Option<Self> {
        let mut table = Self { bytes: Vec::new(), ends: Vec::with_capacity(vocabulary.len()) };
        for id in 0..vocabulary.len() as u32 {
            decoding.push_token(vocabulary.text(id), vocabulary.kind(id), &mut table.bytes);
            table.ends.push(u32::try_from(table.bytes.len()).ok()?);
        }
        Some(table)
    }

    pub(crate) fn get(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = id.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(id).copied().unwrap_or(start);
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }
}

impl std::fmt::Debug for TokenBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bytes of {} tokens", self.ends.len())
    }
}

impl Decoding {
    fn push_token(&self, text: &str, kind: TokenKind, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if let Some((mark, clean)) = &self.words {
            let start = out.len();
            match text.strip_prefix(mark.as_str()) {
                Some(rest) => out.extend(rest.as_bytes()),
                None => out.extend([b" ", text.as_bytes()].into_iter().flatten()),
            }
            if *clean {
                clean_up(out, start);
            }
            return;
        }
        if self.byte_tokens
            && let Some(byte) = byte_token(text)
            && kind != TokenKind::UserDefined
        {
            return out.push(byte);
        }
        if self.byte_level
            && let Some(bytes) = bytes_of(text)
        {
            return out.extend(bytes);
        }
        // Tokens that are looked for as they are decode to themselves, but for a mark of a space.
        let mut text = std::borrow::Cow::Borrowed(text);
        for (from, to) in self.replace.iter().filter(|(from, _)| !from.is_empty()) {
            if text.contains(from.as_str()) {
                text = text.replace(from.as_str(), to).into();
            }
        }
        out.extend(text.as_bytes());
    }
}

/// The byte that `<0x0A>` stands for.
pub(crate) fn byte_token(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2 && !digits.starts_with('+')).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// Leaves out the space before punctuation in the word that begins at `start`.
fn clean_up(out: &mut Vec<u8>, start: usize) {
    const CLEANED: [(&str, &str); 11] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" do not", " don't"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    let word = out.get(start..).unwrap_or_default();
    // Hardly any word has one of them, and a vocabulary has tens of thousands.
    let is_cleaned = |rest: &[u8]| CLEANED.iter().any(|(from, _)| rest.starts_with(from.as_bytes()));
    if (0..word.len()).any(|at| word[at] == b' ' && is_cleaned(&word[at..]))
        && let Ok(word) = std::str::from_utf8(word)
    {
        let cleaned = CLEANED.iter().fold(word.to_owned(), |word, (from, to)| word.replace(from, to));
        out.truncate(start);
        out.extend(cleaned.as_bytes());
    }
}

/// Turns tokens into text as they come, in whole characters.
///
/// ```no_run
/// # fn main() -> nootropic_models::Result<()> {
/// # use nootropic_models::{DecodeStream, Special, TokenId, Tokenizer};
/// # let tokenizer = Tokenizer::from_folder("model")?;
/// let mut stream = DecodeStream::new();
/// for token in tokenizer.encode("naïve 🦀", Special::AsText)? {
///     print!("{}", stream.push(&tokenizer, token));
/// }
/// print!("{}", stream.finish());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct DecodeStream {
    pending: Vec<u8>,
    started: bool,
    show_control: bool,
    /// Control tokens that are shown by name.
    shown: Vec<TokenId>,
    /// Spaces still to be left out.
    spaces: usize,
}

impl DecodeStream {
    /// Decodes a text from its beginning: the space that some vocabularies put before every text is left out.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes what goes on from other tokens: nothing is left out.
    pub fn continuing() -> Self {
        Self { started: true, ..Self::default() }
    }

    /// Shows control tokens, and the one for unknown text, by name instead of leaving them out.
    #[must_use]
    pub fn show_control(mut self) -> Self {
        self.show_control = true;
        self
    }

    /// Shows these control tokens by name.
    pub(crate) fn showing(mut self, tokens: Vec<TokenId>) -> Self {
        self.shown = tokens;
        self
    }

    /// The text that is complete with this token; often none. A number without a token adds nothing.
    pub fn push(&mut self, tokenizer: &Tokenizer, token: TokenId) -> String {
        let control = matches!(tokenizer.kind(token), TokenKind::Control | TokenKind::Unknown);
        if control && !self.show_control && !self.shown.contains(&token) {
            return String::new();
        }
        let mut bytes = tokenizer.token_bytes(token);
        if !self.started && !bytes.is_empty() {
            self.started = true;
            match tokenizer.decoding().start {
                _ if tokenizer.decoding().words.is_some() => bytes = tokenizer.first_word(token),
                Start::Keep => {}
                Start::Spaces(count) => self.spaces = count,
                Start::SpacesOfToken => self.spaces = bytes.iter().take_while(|byte| **byte == b' ').count(),
            }
        }
        while self.spaces > 0 && !bytes.is_empty() {
            match bytes.strip_prefix(b" ") {
                Some(rest) => (bytes, self.spaces) = (rest, self.spaces - 1),
                None => self.spaces = 0,
            }
        }
        self.pending.extend(bytes);
        self.take_complete()
    }

    /// What is left: bytes that never became a character, as U+FFFD.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }

    /// Takes what is certain: everything but the beginning of a character that may still be completed.
    fn take_complete(&mut self) -> String {
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(rest) => {
                    text.push_str(rest);
                    self.pending.clear();
                    return text;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    text.push_str(&String::from_utf8_lossy(self.pending.get(..valid).unwrap_or_default()));
                    let Some(wrong) = error.error_len() else {
                        self.pending.drain(..valid);
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.pending.drain(..valid + wrong);
                }
            }
        }
    }
}
