//! The tokens of a model: text, kind and number of each.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

/// A token, as models count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub u32);

impl std::fmt::Display for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a token is for; the numbers are those of GGUF's `tokenizer.ggml.token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum TokenKind {
    /// A piece of text.
    Normal = 1,
    /// Stands for what the vocabulary has no token for.
    Unknown = 2,
    /// Steers the model: begin and end of texts and turns, tools, infill. Text of users never becomes one.
    Control = 3,
    /// A piece of text that is never split, added to the trained vocabulary.
    UserDefined = 4,
    /// Not in use.
    Unused = 5,
    /// A single byte, for characters without a token.
    Byte = 6,
}

impl TokenKind {
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        use TokenKind::*;
        [Normal, Unknown, Control, UserDefined, Unused, Byte].into_iter().find(|kind| *kind as i32 == number)
    }
}

/// Texts by number and numbers by text. Texts are those of the file, e.g. `Ġthe`, `▁the`, `##ing` or `<0x0A>`.
pub(crate) struct Vocabulary {
    text: String,
    /// Where each token's text ends.
    ends: Vec<u32>,
    kinds: Vec<TokenKind>,
    index: HashTable<u32>,
    /// Keyed at random: a file cannot choose texts that collide.
    hasher: DefaultHashBuilder,
    longest: usize,
}

impl Vocabulary {
    pub(crate) fn with_capacity(tokens: usize) -> Self {
        Self {
            text: String::new(),
            ends: Vec::with_capacity(tokens),
            kinds: Vec::with_capacity(tokens),
            index: HashTable::with_capacity(tokens),
            hasher: DefaultHashBuilder::default(),
            longest: 0,
        }
    }

    /// Adds the token of the next number. An empty text is a hole in the numbering. Returns false, and adds nothing, if the text
    /// is there already or texts grow beyond 4 GiB.
    pub(crate) fn push(&mut self, text: &str, kind: TokenKind) -> bool {
        let id = self.ends.len() as u32;
        let Ok(end) = u32::try_from(self.text.len() + text.len()) else { return false };
        if !text.is_empty() {
            let Self { text: texts, ends, index, hasher, .. } = self;
            // The new token is not among `ends` yet, and does not move while it is inserted.
            let of = |id: &u32| text_of(texts, ends, *id);
            match index.entry(hasher.hash_one(text), |id| of(id) == text, |id| hasher.hash_one(of(id))) {
                Entry::Occupied(_) => return false,
                Entry::Vacant(slot) => _ = slot.insert(id),
            }
        }
        self.text.push_str(text);
        self.ends.push(end);
        self.kinds.push(kind);
        self.longest = self.longest.max(text.len());
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Length in bytes of the longest token.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// The token of exactly this text.
    pub(crate) fn id(&self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.index.find(hash, |id| text_of(&self.text, &self.ends, *id) == text).copied()
    }

    /// The token of exactly this text, if text may become it: control tokens are only ever asked for by name.
    pub(crate) fn text_id(&self, text: &str) -> Option<u32> {
        self.id(text).filter(|id| !matches!(self.kind(*id), TokenKind::Control | TokenKind::Unknown | TokenKind::Byte))
    }

    pub(crate) fn text(&self, id: u32) -> &str {
        text_of(&self.text, &self.ends, id)
    }

    /// [`TokenKind::Unused`] for numbers without a token.
    pub(crate) fn kind(&self, id: u32) -> TokenKind {
        self.kinds.get(id as usize).copied().unwrap_or(TokenKind::Unused)
    }

    pub(crate) fn set_kind(&mut self, id: u32, kind: TokenKind) {
        if let Some(slot) = self.kinds.get_mut(id as usize) {
            *slot = kind;
        }
    }

    /// Numbers of the tokens `<0x00>` to `<0xFF>`, if all are there.
    pub(crate) fn bytes(&self) -> Option<Box<[u32; 256]>> {
        let mut ids = Box::new([0; 256]);
        for (byte, slot) in ids.iter_mut().enumerate() {
            *slot = self.id(&format!("<0x{byte:02X}>"))?;
        }
        Some(ids)
    }
}

fn text_of<'a>(text: &'a str, ends: &[u32], id: u32) -> &'a str {
    let id = id as usize;
    let start = id.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let end = ends.get(id).copied().unwrap_or(start);
    text.get(start as usize..end as usize).unwrap_or_default()
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.len())
    }
}
