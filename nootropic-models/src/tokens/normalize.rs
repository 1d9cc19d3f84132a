//! Normalizing text before it is split.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

use super::classes::{is_chinese, is_control, is_mark, is_nonspacing_mark};
use super::pattern::Pattern;
use crate::Result;

/// One step of normalization.
#[derive(Debug)]
pub(crate) enum Normalizer {
    /// Canonical composition.
    Nfc,
    /// Canonical decomposition.
    Nfd,
    /// Compatibility composition.
    Nfkc,
    /// Compatibility decomposition.
    Nfkd,
    /// Lower case, character by character.
    Lowercase,
    /// Leaves out every mark.
    StripAccents,
    /// Leaves out white space at the ends.
    Strip { left: bool, right: bool },
    /// Puts a text before every text but the empty one.
    Prepend(String),
    /// One text for another.
    Replace { from: String, to: String },
    /// A text for every match.
    ReplaceMatches { from: Pattern, to: String },
    /// Bytes as printable characters.
    ByteLevel,
    /// What BERT does.
    Bert(Bert),
}

/// BERT's normalization.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bert {
    pub(crate) clean: bool,
    pub(crate) chinese: bool,
    pub(crate) strip_accents: bool,
    pub(crate) lowercase: bool,
}

impl Normalizer {
    /// # Errors
    /// As [`Pattern::matches`].
    pub(crate) fn apply<'a>(&self, text: Cow<'a, str>) -> Result<Cow<'a, str>> {
        Ok(match self {
            Self::Nfc if is_nfc_quick(text.chars()) == IsNormalized::Yes => text,
            Self::Nfkc if is_nfkc_quick(text.chars()) == IsNormalized::Yes => text,
            Self::Nfc => text.nfc().collect(),
            Self::Nfd => text.nfd().collect(),
            Self::Nfkc => text.nfkc().collect(),
            Self::Nfkd => text.nfkd().collect(),
            Self::Lowercase => text.chars().flat_map(char::to_lowercase).collect(),
            Self::StripAccents => text.chars().filter(|c| !is_mark(*c)).collect(),
            Self::Strip { left, right } => {
                let kept = if *left { text.trim_start() } else { &text };
                let kept = if *right { kept.trim_end() } else { kept };
                Cow::Owned(kept.to_owned())
            }
            Self::Prepend(_) if text.is_empty() => text,
            Self::Prepend(prefix) => Cow::Owned(format!("{prefix}{text}")),
            Self::Replace { from, .. } if from.is_empty() || !text.contains(from.as_str()) => text,
            Self::Replace { from, to } => Cow::Owned(text.replace(from.as_str(), to)),
            Self::ReplaceMatches { from, to } => Cow::Owned(replace_matches(&text, from, to)?),
            Self::ByteLevel => {
                let mut mapped = String::with_capacity(text.len());
                super::byte_level::push_mapped(&text, &mut mapped);
                Cow::Owned(mapped)
            }
            Self::Bert(bert) => Cow::Owned(bert.apply(&text)),
        })
    }
}

fn replace_matches(text: &str, from: &Pattern, to: &str) -> Result<String> {
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    from.matches(text, |range| {
        out.push_str(text.get(done..range.start).unwrap_or_default());
        out.push_str(to);
        done = range.end;
    })?;
    out.push_str(text.get(done..).unwrap_or_default());
    Ok(out)
}

impl Bert {
    fn apply(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + text.len() / 4);
        for c in text.chars() {
            match c {
                '\0' | '\u{FFFD}' if self.clean => {}
                c if self.clean && is_control(c) => {}
                c if self.clean && c.is_whitespace() => out.push(' '),
                c if self.chinese && is_chinese(c) => out.extend([' ', c, ' ']),
                c => out.push(c),
            }
        }
        if self.strip_accents {
            out = out.nfd().filter(|c| !is_nonspacing_mark(*c)).collect();
        }
        if self.lowercase {
            out = out.chars().flat_map(char::to_lowercase).collect();
        }
        out
    }
}
