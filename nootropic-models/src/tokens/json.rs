//! `tokenizer.json`, the format of the `tokenizers` library.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::added::{Added, AddedToken};
use super::bpe::{Bpe, Merges};
use super::decode::byte_token;
use super::json_parts::{Reader, text_of};
use super::special::SpecialTokens;
use super::tokenizer::{Algorithm, Parts, Tokenizer};
use super::unigram::Unigram;
use super::vocabulary::{TokenKind, Vocabulary};
use super::wordpiece::WordPiece;
use crate::{Error, Place, Result};

/// The largest file that is read; the largest known have 33 MB.
const LARGEST_FILE: u64 = 256 << 20;

#[derive(Deserialize)]
struct RawFile<'f> {
    #[serde(default)]
    added_tokens: Option<Vec<RawAdded>>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(borrow)]
    model: RawModel<'f>,
}

#[derive(Deserialize)]
struct RawAdded {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct RawModel<'f> {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    vocab: RawVocabulary<'f>,
    #[serde(default)]
    merges: RawMerges,
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    unk_id: Option<u32>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    fuse_unk: Option<bool>,
    #[serde(default)]
    byte_fallback: Option<bool>,
    #[serde(default)]
    ignore_merges: Option<bool>,
    #[serde(default)]
    max_input_chars_per_word: Option<usize>,
}

/// A text of the file, which is part of it unless something in it is escaped.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Either)
    }
}

/// Numbers by text, or texts with scores in the order of their numbers.
enum RawVocabulary<'de> {
    Numbered(Vec<(Text<'de>, u32)>),
    Scored(Vec<(Text<'de>, f64)>),
}

impl<'de: 'f, 'f> Deserialize<'de> for RawVocabulary<'f> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawVocabulary<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of numbers, or a list of texts with scores")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawVocabulary<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(RawVocabulary::Numbered(entries))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawVocabulary<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = seq.next_element()? {
                    entries.push(entry);
                }
                Ok(RawVocabulary::Scored(entries))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Pairs of token texts, each written as a list of two or as one text with a space.
#[derive(Default)]
struct RawMerges(Vec<(String, String)>);

impl<'de> Deserialize<'de> for RawMerges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One(Option<(String, String)>);
        impl<'de> Deserialize<'de> for One {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(OneVisitor)
            }
        }
        struct OneVisitor;
        impl<'de> Visitor<'de> for OneVisitor {
            type Value = One;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("two token texts")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<One, E> {
                if text.starts_with("#version") {
                    return Ok(One(None));
                }
                let halves = text.split_once(' ').filter(|(_, right)| !right.contains(' '));
                let (left, right) = halves.ok_or_else(|| E::custom("a merge has no two parts"))?;
                Ok(One(Some((left.into(), right.into()))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<One, A::Error> {
                let missing = || A::Error::custom("a merge has no two parts");
                let left = seq.next_element()?.ok_or_else(missing)?;
                let right = seq.next_element()?.ok_or_else(missing)?;
                match seq.next_element::<IgnoredAny>()? {
                    Some(_) => Err(A::Error::custom("a merge has more than two parts")),
                    None => Ok(One(Some((left, right)))),
                }
            }
        }
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = RawMerges;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of merges")
            }
            fn visit_unit<E>(self) -> Result<RawMerges, E> {
                Ok(RawMerges::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawMerges, A::Error> {
                let mut merges = Vec::new();
                while let Some(One(merge)) = seq.next_element()? {
                    merges.extend(merge);
                }
                Ok(RawMerges(merges))
            }
        }
        deserializer.deserialize_any(All)
    }
}

/// A file's name and content.
type NamedFile = (String, Vec<u8>);

/// `tokenizer.json` of a folder, and `tokenizer_config.json` if it is there.
pub(super) fn read_folder(folder: &Path) -> Result<(NamedFile, Option<Vec<u8>>)> {
    let path = folder.join("tokenizer.json");
    let bytes = read_file(&path)?;
    let config = match read_file(&folder.join("tokenizer_config.json")) {
        Ok(config) => Some(config),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(((path.display().to_string(), bytes), config))
}

/// Reads a file that is not absurdly large.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let name = || path.display().to_string();
    let failed = |op| move |source| Error::Io { op, name: path.display().to_string(), source };
    let file = File::open(path).map_err(failed("open"))?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(failed("read"))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Error::OverLimit {
            file: name(),
            place: Place::Offset(0),
            what: "bytes",
            got: bytes.len() as u64,
            max: LARGEST_FILE,
        });
    }
    Ok(bytes)
}

pub(super) fn load(file: &str, json: &[u8], config: Option<&[u8]>) -> Result<Tokenizer> {
    let reader = Reader { file };
    let raw: RawFile<'_> = serde_json::from_slice(json).map_err(|error| reader.malformed("", error.to_string()))?;
    let config: Value = match config {
        Some(bytes) => serde_json::from_slice(bytes)
            .map_err(|error| reader.malformed("tokenizer_config.json", error.to_string()))?,
        None => Value::Null,
    };
    let kind = raw.model.kind.as_deref().unwrap_or(match &raw.model.vocab {
        RawVocabulary::Scored(_) => "Unigram",
        RawVocabulary::Numbered(_) if !raw.model.merges.0.is_empty() => "BPE",
        RawVocabulary::Numbered(_) => "WordPiece",
    });
    let tokens = raw.added_tokens.unwrap_or_default();
    let (mut vocabulary, scores) = vocabulary(&reader, &raw.model.vocab, &tokens)?;
    let decoding = reader.decoding(&raw.decoder)?;
    for id in 0..vocabulary.len() as u32 {
        if decoding.byte_tokens && vocabulary.kind(id) == TokenKind::Normal && byte_token(vocabulary.text(id)).is_some()
        {
            vocabulary.set_kind(id, TokenKind::Byte);
        }
    }
    let unknown = unknown(&reader, &raw.model, &mut vocabulary)?;
    let special = special(&config, &vocabulary).complete(&mut vocabulary);
    let normalizers = reader.normalizers(&raw.normalizer)?;
    let (added, added_normalized) = added(&reader, &vocabulary, tokens, &normalizers)?;
    let model = algorithm(&reader, kind, &raw.model, &vocabulary, scores, unknown)?;
    let parts = Parts {
        added,
        added_normalized,
        normalizers,
        pre_tokenizers: reader.pre_tokenizers(&raw.pre_tokenizer)?,
        model,
        ends: reader.ends(&raw.post_processor, &vocabulary)?,
        decoding,
    };
    Tokenizer::assemble(vocabulary, parts, special, file)
}

/// Every token by its number, those of the model and the added ones; and the scores, if the file has them.
fn vocabulary(
    reader: &Reader<'_>,
    vocab: &RawVocabulary<'_>,
    added: &[RawAdded],
) -> Result<(Vocabulary, Option<Vec<f64>>)> {
    let trained: Vec<(&str, u32)> = match vocab {
        RawVocabulary::Numbered(entries) => entries.iter().map(|(text, id)| (&*text.0, *id)).collect(),
        RawVocabulary::Scored(entries) => entries.iter().zip(0..).map(|((text, _), id)| (&*text.0, id)).collect(),
    };
    let mut new: HashSet<(&str, u32)> = added.iter().map(|token| (token.content.as_str(), token.id)).collect();
    let named: HashSet<&str> = new.iter().map(|(text, _)| *text).collect();
    let known: HashSet<&str> = trained.iter().map(|(text, _)| *text).filter(|text| named.contains(text)).collect();
    new.retain(|(text, _)| !text.is_empty() && !known.contains(text));
    let mut sorted: Vec<(u32, &str)> = trained.iter().copied().chain(new).map(|(text, id)| (id, text)).collect();
    sorted.sort_unstable();
    // Numbers may have holes, but a file cannot make them up by the billion.
    let last = sorted.last().map_or(0, |(id, _)| *id);
    if last as usize > 2 * sorted.len() + 4096 {
        return Err(reader.malformed("model.vocab", format!("token {last} of {}", sorted.len())));
    }
    let mut vocabulary = Vocabulary::with_capacity(sorted.len());
    for (id, text) in sorted {
        while vocabulary.len() < id as usize {
            vocabulary.push("", TokenKind::Unused);
        }
        if vocabulary.len() != id as usize || !vocabulary.push(text, TokenKind::Normal) {
            return Err(reader.malformed("model.vocab", format!("token {id} is there twice, or its text is")));
        }
    }
    for token in added {
        if let Some(id) = vocabulary.id(&token.content) {
            vocabulary.set_kind(id, if token.special { TokenKind::Control } else { TokenKind::UserDefined });
        }
    }
    let scores = match vocab {
        RawVocabulary::Scored(entries) => Some(entries.iter().map(|(_, score)| *score).collect()),
        RawVocabulary::Numbered(_) => None,
    };
    Ok((vocabulary, scores))
}

fn unknown(reader: &Reader<'_>, model: &RawModel<'_>, vocabulary: &mut Vocabulary) -> Result<Option<u32>> {
    let id = match (&model.unk_token, model.unk_id) {
        (None, None) => return Ok(None),
        (Some(text), _) => vocabulary.id(text),
        (None, Some(id)) => Some(id).filter(|id| (*id as usize) < vocabulary.len()),
    };
    match id {
        Some(id) => {
            vocabulary.set_kind(id, TokenKind::Unknown);
            Ok(Some(id))
        }
        None => Err(reader.malformed("model.unk_token", "the token for unknown text is not there")),
    }
}

/// What `tokenizer_config.json` says of the tokens that begin and end texts.
fn special(config: &Value, vocabulary: &Vocabulary) -> SpecialTokens {
    let named = |key: &str| text_of(config.get(key)?).and_then(|text| vocabulary.id(text));
    SpecialTokens { bos: named("bos_token"), eos: named("eos_token"), ..SpecialTokens::default() }
}

/// Added tokens: those to be looked for in the text, and in its normalized form.
fn added(
    reader: &Reader<'_>,
    vocabulary: &Vocabulary,
    tokens: Vec<RawAdded>,
    normalizers: &[super::normalize::Normalizer],
) -> Result<(Added, Added)> {
    let (mut as_is, mut normalized) = (Vec::new(), Vec::new());
    for token in tokens {
        let Some(id) = vocabulary.id(&token.content) else { continue };
        let mut content = std::borrow::Cow::Borrowed(token.content.as_str());
        for normalizer in normalizers.iter().filter(|_| token.normalized) {
            content = normalizer.apply(content)?;
        }
        let changed = content != token.content;
        let list = if changed { &mut normalized } else { &mut as_is };
        list.push(AddedToken {
            id,
            content: content.into_owned(),
            single_word: token.single_word,
            strip_left: token.lstrip,
            strip_right: token.rstrip,
        });
    }
    Ok((Added::new(as_is, reader.file, "added_tokens")?, Added::new(normalized, reader.file, "added_tokens")?))
}

fn algorithm(
    reader: &Reader<'_>,
    kind: &str,
    model: &RawModel<'_>,
    vocabulary: &Vocabulary,
    scores: Option<Vec<f64>>,
    unknown: Option<u32>,
) -> Result<Algorithm> {
    let fallback = model.byte_fallback == Some(true);
    let bytes = if fallback { vocabulary.bytes() } else { None };
    Ok(match kind {
        "BPE" => Algorithm::Bpe(Bpe {
            merges: merges(reader, model, vocabulary)?,
            unknown,
            fuse_unknown: model.fuse_unk == Some(true),
            bytes,
            ignore_merges: model.ignore_merges == Some(true),
            prefix: model.continuing_subword_prefix.clone().unwrap_or_default(),
            suffix: model.end_of_word_suffix.clone().unwrap_or_default(),
        }),
        "Unigram" => {
            let mut scores = scores.ok_or_else(|| reader.malformed("model.vocab", "there are no scores"))?;
            let least = scores.iter().copied().fold(0.0, f64::min);
            scores.resize(vocabulary.len(), least); // added tokens are not split into: any score will do
            Algorithm::Unigram(Unigram::new(vocabulary, scores, unknown, bytes))
        }
        "WordPiece" => Algorithm::WordPiece(WordPiece {
            unknown: unknown
                .ok_or_else(|| reader.malformed("model.unk_token", "there is no token for unknown words"))?,
            prefix: model.continuing_subword_prefix.clone().unwrap_or_else(|| "##".into()),
            longest_word: model.max_input_chars_per_word.unwrap_or(100),
        }),
        "WordLevel" => Algorithm::Words(unknown),
        other => return Err(reader.unsupported("model", other)),
    })
}

fn merges(reader: &Reader<'_>, model: &RawModel<'_>, vocabulary: &Vocabulary) -> Result<Merges> {
    let prefix = model.continuing_subword_prefix.as_deref().unwrap_or_default();
    let mut merges = Vec::with_capacity(model.merges.0.len());
    let mut merged = String::new();
    for (index, (left, right)) in model.merges.0.iter().enumerate() {
        merged.clear();
        merged.extend([left.as_str(), right.strip_prefix(prefix).unwrap_or(right)]);
        let ids = (vocabulary.id(left), vocabulary.id(right), vocabulary.id(&merged));
        let (Some(left), Some(right), Some(id)) = ids else {
            return Err(reader.malformed("model.merges", format!("merge {index} is of tokens that are not there")));
        };
        // Text never becomes a control token, whatever the file merges.
        if vocabulary.kind(id) != TokenKind::Control {
            merges.push((left, right, id));
        }
    }
    Ok(Merges::new(vocabulary.len(), &merges))
}
