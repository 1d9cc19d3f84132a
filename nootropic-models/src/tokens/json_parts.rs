//! The parts of a `tokenizer.json` that are tagged with their type: normalizer, pre-tokenizer, post-processor, decoder.

use serde_json::Value;

use super::decode::{Decoding, Start};
use super::normalize::{Bert, Normalizer};
use super::pattern::Pattern;
use super::pre_tokenize::{Behaviour, PreTokenizer, Prepend, Splitter, punctuation};
use super::vocabulary::Vocabulary;
use crate::{Error, Place, Result};

/// How byte-level BPE splits text unless told otherwise.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// A file's name, for errors that name it.
pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
}

/// Text, or the `content` of an object.
pub(super) fn text_of(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

fn flag(value: &Value, key: &str, default: bool) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(default)
}

fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

impl Reader<'_> {
    pub(super) fn malformed(&self, key: &str, problem: impl Into<String>) -> Error {
        let place = if key.is_empty() { Place::Offset(0) } else { Place::key(key) };
        let problem = crate::error::printable_up_to(&problem.into(), 200);
        Error::Malformed { file: self.file.into(), place, problem }
    }

    pub(super) fn unsupported(&self, what: &str, found: &str) -> Error {
        Error::UnsupportedType {
            what: format!("{}, {what}", self.file),
            found: crate::error::printable(found),
            op: "read",
        }
    }

    fn text<'v>(&self, value: &'v Value, key: &str) -> Result<&'v str> {
        let text = value.get(key).and_then(Value::as_str);
        text.ok_or_else(|| self.malformed(key, format!("a {} needs it, as text", kind(value))))
    }

    fn number(&self, value: &Value, key: &str) -> Result<usize> {
        let number = value.get(key).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| self.malformed(key, format!("a {} needs it, as a number", kind(value))))
    }

    /// Calls `each` with every part of a sequence, however nested, or with the one part there is. The parser has limited
    /// the depth.
    fn flatten(&self, value: &Value, list: &str, each: &mut dyn FnMut(&Value) -> Result<()>) -> Result<()> {
        match (value, kind(value)) {
            (Value::Null, _) => Ok(()),
            (_, "Sequence") => {
                let parts = value.get(list).and_then(Value::as_array);
                let parts = parts.ok_or_else(|| self.malformed(list, "a sequence needs it, as a list"))?;
                parts.iter().try_for_each(|part| self.flatten(part, list, each))
            }
            _ => each(value),
        }
    }

    /// `{"String": …}` as it is, or `{"Regex": …}` as a pattern.
    fn splitter(&self, value: &Value) -> Result<Splitter> {
        let pattern = value.get("pattern").unwrap_or(&Value::Null);
        match (pattern.get("String").and_then(Value::as_str), pattern.get("Regex").and_then(Value::as_str)) {
            (Some(text), _) if !text.is_empty() => Ok(Splitter::Literal(text.to_owned())),
            (_, Some(regex)) => Ok(Splitter::Pattern(self.pattern(regex)?)),
            _ => Err(self.malformed("pattern", "it is neither a text nor a regular expression")),
        }
    }

    fn pattern(&self, pattern: &str) -> Result<Pattern> {
        Pattern::new(pattern).map_err(|error| self.malformed("pattern", error))
    }

    pub(super) fn normalizers(&self, value: &Value) -> Result<Vec<Normalizer>> {
        let mut out = Vec::new();
        self.flatten(value, "normalizers", &mut |part| {
            out.push(self.normalizer(part)?);
            Ok(())
        })?;
        Ok(out)
    }

    fn normalizer(&self, value: &Value) -> Result<Normalizer> {
        Ok(match kind(value) {
            "NFC" => Normalizer::Nfc,
            "NFD" => Normalizer::Nfd,
            "NFKC" => Normalizer::Nfkc,
            "NFKD" => Normalizer::Nfkd,
            "Lowercase" => Normalizer::Lowercase,
            "StripAccents" => Normalizer::StripAccents,
            "Strip" => {
                Normalizer::Strip { left: flag(value, "strip_left", true), right: flag(value, "strip_right", true) }
            }
            "Prepend" => Normalizer::Prepend(self.text(value, "prepend")?.to_owned()),
            "Replace" => {
                let to = self.text(value, "content")?.to_owned();
                match self.splitter(value)? {
                    Splitter::Pattern(from) => Normalizer::ReplaceMatches { from, to },
                    Splitter::Literal(from) => Normalizer::Replace { from, to },
                    _ => return Err(self.malformed("pattern", "it is neither a text nor a regular expression")),
                }
            }
            "ByteLevel" => Normalizer::ByteLevel,
            "BertNormalizer" => {
                let lowercase = flag(value, "lowercase", true);
                Normalizer::Bert(Bert {
                    clean: flag(value, "clean_text", true),
                    chinese: flag(value, "handle_chinese_chars", true),
                    strip_accents: flag(value, "strip_accents", lowercase),
                    lowercase,
                })
            }
            other => return Err(self.unsupported("normalizer", other)),
        })
    }

    pub(super) fn pre_tokenizers(&self, value: &Value) -> Result<Vec<PreTokenizer>> {
        let mut out = Vec::new();
        self.flatten(value, "pretokenizers", &mut |part| self.pre_tokenizer(part, &mut out))?;
        Ok(out)
    }

    fn pre_tokenizer(&self, value: &Value, out: &mut Vec<PreTokenizer>) -> Result<()> {
        let split = |pattern, behaviour| PreTokenizer::Split { pattern, behaviour, invert: false };
        match kind(value) {
            "ByteLevel" => {
                if flag(value, "add_prefix_space", true) {
                    out.push(PreTokenizer::PrefixSpace);
                }
                if flag(value, "use_regex", true) {
                    out.push(split(Splitter::Pattern(self.pattern(GPT2)?), Behaviour::Isolated));
                }
                out.push(PreTokenizer::ByteLevel);
            }
            "Split" => out.push(PreTokenizer::Split {
                pattern: self.splitter(value)?,
                behaviour: self.behaviour(value, "MergedWithNext")?,
                invert: flag(value, "invert", false),
            }),
            "Digits" => {
                let behaviour =
                    if flag(value, "individual_digits", false) { Behaviour::Isolated } else { Behaviour::Contiguous };
                out.push(split(Splitter::Chars(char::is_numeric), behaviour));
            }
            "Punctuation" => out.push(split(punctuation(), self.behaviour(value, "Isolated")?)),
            "WhitespaceSplit" => out.push(split(Splitter::Chars(char::is_whitespace), Behaviour::Removed)),
            "Whitespace" => out.push(PreTokenizer::Split {
                pattern: Splitter::Pattern(
                    Pattern::as_is(r"\w+|[^\w\s]+").map_err(|error| self.malformed("pattern", error))?,
                ),
                behaviour: Behaviour::Removed,
                invert: true,
            }),
            "BertPreTokenizer" => {
                out.push(split(Splitter::Chars(char::is_whitespace), Behaviour::Removed));
                out.push(split(punctuation(), Behaviour::Isolated));
            }
            "CharDelimiterSplit" => {
                let delimiter = self.text(value, "delimiter")?;
                if delimiter.is_empty() {
                    return Err(self.malformed("delimiter", "it is empty"));
                }
                out.push(split(Splitter::Literal(delimiter.to_owned()), Behaviour::Removed));
            }
            "FixedLength" => {
                let length = self.number(value, "length")?;
                if length == 0 {
                    return Err(self.malformed("length", "it is 0"));
                }
                out.push(split(Splitter::Length(length), Behaviour::Isolated));
            }
            "Metaspace" => out.push(PreTokenizer::Metaspace {
                mark: self.mark(value)?,
                prepend: self.prepend(value)?,
                split: flag(value, "split", true),
            }),
            other => return Err(self.unsupported("pre-tokenizer", other)),
        }
        Ok(())
    }

    fn behaviour(&self, value: &Value, default: &str) -> Result<Behaviour> {
        match value.get("behavior").and_then(Value::as_str).unwrap_or(default) {
            "Removed" => Ok(Behaviour::Removed),
            "Isolated" => Ok(Behaviour::Isolated),
            "MergedWithPrevious" => Ok(Behaviour::MergedWithPrevious),
            "MergedWithNext" => Ok(Behaviour::MergedWithNext),
            "Contiguous" => Ok(Behaviour::Contiguous),
            other => Err(self.unsupported("behavior", other)),
        }
    }

    fn mark(&self, value: &Value) -> Result<char> {
        let mut chars = self.text(value, "replacement")?.chars();
        match (chars.next(), chars.next()) {
            (Some(mark), None) => Ok(mark),
            _ => Err(self.malformed("replacement", "it is not one character")),
        }
    }

    fn prepend(&self, value: &Value) -> Result<Prepend> {
        match value.get("prepend_scheme").and_then(Value::as_str) {
            Some("always") => Ok(Prepend::Always),
            Some("first") => Ok(Prepend::First),
            Some("never") => Ok(Prepend::Never),
            Some(other) => Err(self.unsupported("prepend_scheme", other)),
            // Older files say it with a flag.
            None if flag(value, "add_prefix_space", true) => Ok(Prepend::Always),
            None => Ok(Prepend::Never),
        }
    }

    /// What a post-processor puts before and after a single text.
    pub(super) fn ends(&self, value: &Value, vocabulary: &Vocabulary) -> Result<(Vec<u32>, Vec<u32>)> {
        let mut ends = (Vec::new(), Vec::new());
        self.flatten(value, "processors", &mut |part| {
            match kind(part) {
                "ByteLevel" => {}
                "BertProcessing" | "RobertaProcessing" => {
                    let id = |key: &str| self.known(part.get(key).and_then(|pair| pair.get(1)), key, vocabulary);
                    ends = (vec![id("cls")?], vec![id("sep")?]);
                }
                "TemplateProcessing" => ends = self.template(part, vocabulary)?,
                other => return Err(self.unsupported("post-processor", other)),
            }
            Ok(())
        })?;
        Ok(ends)
    }

    fn known(&self, id: Option<&Value>, key: &str, vocabulary: &Vocabulary) -> Result<u32> {
        let id = id.and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        id.filter(|id| (*id as usize) < vocabulary.len())
            .ok_or_else(|| self.malformed(key, "it names a token that is not there"))
    }

    fn template(&self, value: &Value, vocabulary: &Vocabulary) -> Result<(Vec<u32>, Vec<u32>)> {
        let pieces = value.get("single").and_then(Value::as_array);
        let pieces = pieces.ok_or_else(|| self.malformed("single", "the template has no such list"))?;
        let (mut ends, mut text_seen) = ((Vec::new(), Vec::new()), false);
        for piece in pieces {
            if piece.get("Sequence").is_some() {
                text_seen = true;
                continue;
            }
            let name = piece.get("SpecialToken").and_then(|token| token.get("id")).and_then(Value::as_str);
            let ids = name.and_then(|name| value.get("special_tokens")?.get(name)?.get("ids")?.as_array());
            let ids = ids.ok_or_else(|| self.malformed("single", "it names a special token that is not described"))?;
            let side = if text_seen { &mut ends.1 } else { &mut ends.0 };
            for id in ids {
                side.push(self.known(Some(id), "special_tokens", vocabulary)?);
            }
        }
        Ok(ends)
    }

    pub(super) fn decoding(&self, value: &Value) -> Result<Decoding> {
        let mut decoding = Decoding::default();
        self.flatten(value, "decoders", &mut |part| {
            match kind(part) {
                "ByteLevel" => decoding.byte_level = true,
                "ByteFallback" => decoding.byte_tokens = true,
                "Fuse" => {}
                "Replace" => {
                    let Splitter::Literal(from) = self.splitter(part)? else {
                        return Err(self.unsupported("decoder", "Replace of a regular expression"));
                    };
                    decoding.replace.push((from, self.text(part, "content")?.to_owned()));
                }
                "Strip" => match (self.text(part, "content")?, self.number(part, "start")?, self.number(part, "stop")?)
                {
                    (" ", spaces, 0) => decoding.start = Start::Spaces(spaces),
                    (_, 0, 0) => {}
                    _ => return Err(self.unsupported("decoder", "Strip of other than spaces at the start")),
                },
                "Metaspace" => {
                    decoding.replace.push((self.mark(part)?.to_string(), " ".into()));
                    if self.prepend(part)? != Prepend::Never {
                        decoding.start = Start::SpacesOfToken;
                    }
                }
                "WordPiece" => {
                    decoding.words = Some((self.text(part, "prefix")?.to_owned(), flag(part, "cleanup", true)));
                }
                other => return Err(self.unsupported("decoder", other)),
            }
            Ok(())
        })?;
        Ok(decoding)
    }
}
