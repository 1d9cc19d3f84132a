//! The tokenizer of a model, wherever its vocabulary came from.

use std::borrow::Cow;
use std::path::Path;

use super::added::{Added, Allowed};
use super::bpe::{Bpe, ScoredBpe};
use super::decode::{DecodeStream, Decoding, TokenBytes};
use super::normalize::Normalizer;
use super::pre_tokenize::{Pieces, PreTokenizer};
use super::special::SpecialTokens;
use super::unigram::Unigram;
use super::vocabulary::{TokenId, TokenKind, Vocabulary};
use super::wordpiece::WordPiece;
use crate::{Error, Gguf, Result};

/// Longer texts are refused; positions in a text fit 32 bits.
const LONGEST_TEXT: usize = 1 << 30;

/// Whether the texts of control tokens become control tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// They do: for prompts whose every part is trusted.
    Parse,
    /// They stay text: for what users, tools and files say.
    AsText,
}

/// Turns text into the tokens of a model and back.
///
/// It is built from a GGUF file's metadata or a `tokenizer.json`, and splits text exactly as the model was trained to see it.
/// Encoding takes time in proportion to the text (times its logarithm at worst), whatever the text.
#[derive(Debug)]
pub struct Tokenizer {
    pub(super) vocabulary: Vocabulary,
    pub(super) parts: Parts,
    bytes: TokenBytes,
    special: SpecialTokens,
    reads_plain_words: bool,
}

/// What happens to a text on its way to tokens and back.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Looked for in the text as it is.
    pub(crate) added: Added,
    /// Looked for in the normalized text.
    pub(crate) added_normalized: Added,
    pub(crate) normalizers: Vec<Normalizer>,
    pub(crate) pre_tokenizers: Vec<PreTokenizer>,
    pub(crate) model: Algorithm,
    /// Tokens that begin and end every text.
    pub(crate) ends: (Vec<u32>, Vec<u32>),
    pub(crate) decoding: Decoding,
}

/// How words become tokens.
#[derive(Debug)]
pub(crate) enum Algorithm {
    Bpe(Bpe),
    ScoredBpe(ScoredBpe),
    Unigram(Unigram),
    WordPiece(WordPiece),
    /// Whole words only; the token of any other.
    Words(Option<u32>),
}

/// A lower-case letter or digit of ASCII.
fn is_plain(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

impl Parts {
    /// Whether nothing happens to a word of plain letters before it is looked up as a whole.
    fn read_plain_words(&self, vocabulary: &Vocabulary) -> bool {
        let Algorithm::WordPiece(pieces) = &self.model else { return false };
        let plain = ('a'..='z').chain('0'..='9');
        pieces.longest_word >= vocabulary.longest()
            && self.normalizers.iter().all(|step| matches!(step, Normalizer::Bert(_)))
            && !self.pre_tokenizers.iter().any(|step| plain.clone().any(|c| step.may_split_at(c)))
            && ![&self.added, &self.added_normalized]
                .into_iter()
                .any(|added| added.any(|text| text.chars().all(is_plain)))
    }
}

impl Tokenizer {
    /// Reads the vocabulary in a GGUF file's metadata: of the kinds `gpt2`, `llama` and `bert`.
    ///
    /// # Errors
    /// [`Error::MissingKey`], [`Error::WrongType`], [`Error::Malformed`] for a vocabulary that is not whole or contradicts itself;
    /// [`Error::UnsupportedType`] for a kind of vocabulary or a pre-tokenizer that is not known.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        super::gguf::load(gguf)
    }

    /// Reads a `tokenizer.json`; `name` stands for it in errors. What begins and ends a text and a generation is only known in
    /// part from this file: see [`from_folder`](Self::from_folder).
    ///
    /// # Errors
    /// [`Error::Malformed`] for a file that is not whole or contradicts itself; [`Error::UnsupportedType`] for parts that are
    /// not known; [`Error::OverLimit`].
    pub fn from_json(name: &str, json: &[u8]) -> Result<Self> {
        super::json::load(name, json, None)
    }

    /// Reads `tokenizer.json` and, if it is there, `tokenizer_config.json` of a folder.
    ///
    /// # Errors
    /// [`Error::Io`], and as [`from_json`](Self::from_json).
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self> {
        let (tokenizer, config) = super::json::read_folder(folder.as_ref())?;
        super::json::load(&tokenizer.0, &tokenizer.1, config.as_deref())
    }

    /// Puts a checked vocabulary together.
    pub(super) fn assemble(vocabulary: Vocabulary, parts: Parts, special: SpecialTokens, file: &str) -> Result<Self> {
        let bytes = TokenBytes::new(&vocabulary, &parts.decoding).ok_or_else(|| Error::Malformed {
            file: file.into(),
            place: crate::Place::key("decoder"),
            problem: "tokens decode to more than 4 GiB".into(),
        })?;
        let reads_plain_words = parts.read_plain_words(&vocabulary);
        Ok(Self { vocabulary, parts, bytes, special, reads_plain_words })
    }

    /// How many tokens there are; numbers are below.
    pub fn len(&self) -> usize {
        self.vocabulary.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tokens of a text, without what begins and ends texts (see [`with_ends`](Self::with_ends)).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text beyond 1 GiB, or one on which the vocabulary's pattern does not come to an end.
    pub fn encode(&self, text: &str, special: Special) -> Result<Vec<TokenId>> {
        match special {
            Special::Parse => self.encode_allowed(text, Allowed::All),
            Special::AsText => self.encode_allowed(text, Allowed::NoControl),
        }
    }

    /// Adds the tokens that begin and end a text, such as BOS and EOS, or `[CLS]` and `[SEP]`, if the vocabulary has it so.
    #[must_use]
    pub fn with_ends(&self, tokens: Vec<TokenId>) -> Vec<TokenId> {
        let (first, last) = &self.parts.ends;
        if first.is_empty() && last.is_empty() {
            return tokens;
        }
        let ids = |ids: &[u32]| ids.iter().copied().map(TokenId).collect::<Vec<_>>();
        [ids(first), tokens, ids(last)].concat()
    }

    /// What begins and what ends a text.
    pub(crate) fn ends(&self) -> (&[u32], &[u32]) {
        (&self.parts.ends.0, &self.parts.ends.1)
    }

    /// The text of tokens; control tokens and the one for unknown text are left out. Bytes that are no characters become U+FFFD.
    pub fn decode(&self, tokens: &[TokenId]) -> String {
        self.decode_with(DecodeStream::new(), tokens)
    }

    /// The text of tokens, all of it from `stream`'s point of view.
    pub(crate) fn decode_with(&self, mut stream: DecodeStream, tokens: &[TokenId]) -> String {
        let mut text: String = tokens.iter().map(|token| stream.push(self, *token)).collect();
        text.push_str(&stream.finish());
        text
    }

    /// The bytes a token adds to a text, not at its beginning; often no whole characters. Of a control token, its name. Empty
    /// for a number without a token.
    pub fn token_bytes(&self, token: TokenId) -> &[u8] {
        self.bytes.get(token.0)
    }

    /// What a token is for; [`TokenKind::Unused`] for a number without a token.
    pub fn kind(&self, token: TokenId) -> TokenKind {
        self.vocabulary.kind(token.0)
    }

    /// The token that stands in the vocabulary under exactly this text, for example `<|im_end|>`.
    pub fn find(&self, text: &str) -> Option<TokenId> {
        self.vocabulary.id(text).map(TokenId)
    }

    /// What a token stands under in the vocabulary, for example `Ġthe`.
    pub fn token_text(&self, token: TokenId) -> &str {
        self.vocabulary.text(token.0)
    }

    /// The token that begins a text, whether or not every text begins with it.
    pub fn bos(&self) -> Option<TokenId> {
        self.special.bos.map(TokenId)
    }

    /// The token that ends a text.
    pub fn eos(&self) -> Option<TokenId> {
        self.special.eos.map(TokenId)
    }

    /// Whether a generation ends with this token: the end of a text, a turn or a message.
    pub fn ends_generation(&self, token: TokenId) -> bool {
        self.special.ends.binary_search(&token.0).is_ok()
    }

    pub(crate) fn special(&self) -> &SpecialTokens {
        &self.special
    }

    pub(super) fn decoding(&self) -> &Decoding {
        &self.parts.decoding
    }

    /// The bytes of a word at the beginning of a text: no space stands before it, and a `##` shows.
    pub(super) fn first_word(&self, token: TokenId) -> &[u8] {
        match self.token_bytes(token) {
            [b' ', word @ ..] => word,
            _ => self.vocabulary.text(token.0).as_bytes(),
        }
    }

    /// Every control token's text.
    pub(crate) fn control_texts(&self) -> impl Iterator<Item = &str> {
        let ids = 0..self.vocabulary.len() as u32;
        ids.filter(|id| self.vocabulary.kind(*id) == TokenKind::Control).map(|id| self.vocabulary.text(id))
    }

    /// The token of a word of lower-case letters and digits of ASCII, where it is clear without encoding it that it gives that token alone.
    pub(crate) fn whole_word(&self, word: &str) -> Option<TokenId> {
        let is_plain = || word.bytes().all(|byte| is_plain(byte.into()));
        if self.reads_plain_words && is_plain() { self.vocabulary.text_id(word).map(TokenId) } else { None }
    }

    pub(crate) fn encode_allowed(&self, text: &str, allowed: Allowed<'_>) -> Result<Vec<TokenId>> {
        if text.len() > LONGEST_TEXT {
            let problem = format!("{} bytes, at most {LONGEST_TEXT} are read", text.len());
            return Err(Error::Invalid { what: "text to tokenize".into(), problem });
        }
        let mut out = Vec::with_capacity(text.len() / 3 + 4);
        self.parts.added.split(text, &self.vocabulary, allowed, |range, token| {
            if let Some(id) = token {
                out.push(id);
                return Ok(());
            }
            // Where parts of this text must not become control tokens, none of its normalized form does.
            let inner = match allowed {
                Allowed::NoControlAcross(places) if places.iter().any(|place| range.contains(place)) => {
                    Allowed::NoControl
                }
                Allowed::NoControlAcross(_) => Allowed::All,
                other => other,
            };
            let mut normalized = Cow::Borrowed(text.get(range.clone()).unwrap_or_default());
            for normalizer in &self.parts.normalizers {
                normalized = normalizer.apply(normalized)?;
            }
            self.parts.added_normalized.split(&normalized, &self.vocabulary, inner, |part, token| {
                match token {
                    Some(id) => out.push(id),
                    None => {
                        let first = range.start == 0 && part.start == 0;
                        self.encode_words(normalized.get(part).unwrap_or_default(), first, &mut out)?;
                    }
                }
                Ok(())
            })
        })?;
        Ok(out.into_iter().map(TokenId).collect())
    }

    fn encode_words(&self, text: &str, first: bool, out: &mut Vec<u32>) -> Result<()> {
        let mut pieces = Pieces::whole(text.to_owned(), first);
        for step in &self.parts.pre_tokenizers {
            step.apply(&mut pieces)?;
        }
        let vocabulary = &self.vocabulary;
        for word in pieces.iter() {
            match &self.parts.model {
                Algorithm::Bpe(bpe) => bpe.encode(vocabulary, word, out),
                Algorithm::ScoredBpe(bpe) => bpe.encode(vocabulary, word, out),
                Algorithm::Unigram(unigram) => unigram.encode(word, out),
                Algorithm::WordPiece(pieces) => pieces.encode(vocabulary, word, out),
                Algorithm::Words(unknown) => out.extend(vocabulary.text_id(word).or(*unknown)),
            }
        }
        Ok(())
    }
}
