//! Vocabularies in the metadata of GGUF files.

use super::added::{Added, AddedToken};
use super::bpe::{Bpe, Merges, ScoredBpe};
use super::decode::{Decoding, Start, byte_token};
use super::gguf_patterns::{Named, named};
use super::normalize::{Bert, Normalizer};
use super::pattern::Pattern;
use super::pre_tokenize::{Behaviour, PreTokenizer, Splitter, punctuation};
use super::special::{InfillTokens, SpecialTokens};
use super::tokenizer::{Algorithm, Parts, Tokenizer};
use super::vocabulary::{TokenKind, Vocabulary};
use super::wordpiece::WordPiece;
use crate::{Error, Gguf, Metadata, Place, Result, Strings};

const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";

/// The mark of a space in SentencePiece vocabularies.
pub(super) const SPACE_MARK: &str = "▁";

/// A file's metadata, for errors that name it.
struct Source<'a> {
    file: &'a str,
    metadata: Metadata<'a>,
}

impl Source<'_> {
    fn malformed(&self, key: &str, problem: impl Into<String>) -> Error {
        Error::Malformed { file: self.file.into(), place: Place::key(key), problem: problem.into() }
    }

    /// The token that a key names, by number or by the last part of its key; it has to be there.
    fn token(&self, name: &str, vocabulary: &Vocabulary) -> Result<Option<u32>> {
        let key = format!("tokenizer.ggml.{name}");
        // Converters write -1, and numbers beyond the vocabulary, for tokens that are not there.
        let id = match self.metadata.value(&key) {
            None | Some(crate::Value::Signed(_, i64::MIN..0)) => return Ok(None),
            Some(_) => self.metadata.get::<u32>(&key)?,
        };
        match (id as usize) < vocabulary.len() {
            true => Ok(Some(id)),
            false => Err(self.malformed(&key, format!("token {id} of a vocabulary of {}", vocabulary.len()))),
        }
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool> {
        Ok(self.metadata.find(&format!("tokenizer.ggml.{name}"))?.unwrap_or(default))
    }
}

pub(super) fn load(gguf: &Gguf) -> Result<Tokenizer> {
    let source = Source { file: gguf.name(), metadata: gguf.metadata() };
    let model: &str = source.metadata.get("tokenizer.ggml.model")?;
    let mut vocabulary = vocabulary(&source, model)?;
    let unknown = unknown(&source, model, &vocabulary)?;
    if let Some(id) = unknown {
        vocabulary.set_kind(id, TokenKind::Unknown); // whatever the file calls it: text does become it
    }
    let special = special(&source, model, &vocabulary)?.complete(&mut vocabulary);
    let parts = match model {
        "gpt2" | "gemma4" => bpe(&source, model, &vocabulary, &special)?,
        "llama" => sentence_piece(&source, &vocabulary, &special, unknown)?,
        "bert" => word_piece(&source, &vocabulary, &special, unknown)?,
        other => return Err(unsupported(gguf.name(), "vocabulary", other)),
    };
    Tokenizer::assemble(vocabulary, parts, special, gguf.name())
}

fn unsupported(file: &str, what: &str, found: &str) -> Error {
    Error::UnsupportedType { what: format!("{file}, {what}"), found: crate::error::printable(found), op: "read" }
}

fn vocabulary(source: &Source<'_>, model: &str) -> Result<Vocabulary> {
    let tokens: Strings<'_> = source.metadata.get(TOKENS)?;
    if tokens.is_empty() {
        return Err(source.malformed(TOKENS, "there is no token"));
    }
    let types = source.metadata.find::<Vec<i32>>(TYPES)?;
    if let Some(types) = &types
        && types.len() != tokens.len()
    {
        return Err(source.malformed(TYPES, format!("{} types for {} tokens", types.len(), tokens.len())));
    }
    let phantom = model == "bert" && tokens.iter().any(|token| token.starts_with(SPACE_MARK.as_bytes()));
    let mut vocabulary = Vocabulary::with_capacity(tokens.len());
    for index in 0..tokens.len() {
        let number = types.as_ref().and_then(|types| types.get(index)).copied().unwrap_or(TokenKind::Normal as i32);
        // 0 is written where nothing is known.
        let kind = match number {
            0 => Some(TokenKind::Normal),
            _ => TokenKind::from_number(number),
        };
        let kind = kind.ok_or_else(|| source.malformed(TYPES, format!("token {index} is of type {number}")))?;
        let text = tokens.text(index)?;
        let edited = if phantom { whole_word(text, kind) } else { text.into() };
        // A word that itself begins with the mark cannot be told from one that goes on.
        let added = vocabulary.push(&edited, kind) || (phantom && vocabulary.push("", TokenKind::Unused));
        if !added {
            return Err(source.malformed(TOKENS, format!("token {index} is there twice")));
        }
    }
    Ok(vocabulary)
}

/// GGUF marks the beginnings of words with `▁`; here, as in the models' own files, what goes on is marked with `##`.
fn whole_word(text: &str, kind: TokenKind) -> std::borrow::Cow<'_, str> {
    match text.strip_prefix(SPACE_MARK) {
        Some(word) => word.into(),
        None if matches!(kind, TokenKind::Control | TokenKind::Unknown) || text.is_empty() => text.into(),
        None if text.starts_with('[') && text.ends_with(']') && text.len() > 2 => text.into(),
        None => format!("##{text}").into(),
    }
}

/// The token that text without one becomes, where there is such a thing.
fn unknown(source: &Source<'_>, model: &str, vocabulary: &Vocabulary) -> Result<Option<u32>> {
    let by_kind = || (0..vocabulary.len() as u32).find(|id| vocabulary.kind(*id) == TokenKind::Unknown);
    match model {
        "llama" => Ok(source.token("unknown_token_id", vocabulary)?.or_else(by_kind)),
        "bert" => Ok(source.token("unknown_token_id", vocabulary)?.or_else(|| vocabulary.id("[UNK]")).or_else(by_kind)),
        _ => Ok(None),
    }
}

fn special(source: &Source<'_>, model: &str, vocabulary: &Vocabulary) -> Result<SpecialTokens> {
    let token = |name: &str| source.token(name, vocabulary);
    let first = |names: &[&str]| -> Result<Option<u32>> {
        for name in names {
            if let Some(id) = token(name)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    };
    // Files of the kind `llama` may leave out what was the same in all of them.
    let usual = |id: u32, text: &str| (model == "llama" && vocabulary.text(id) == text).then_some(id);
    Ok(SpecialTokens {
        bos: token("bos_token_id")?.or(usual(1, "<s>")),
        eos: token("eos_token_id")?.or(usual(2, "</s>")),
        ends: [token("eot_token_id")?, token("eom_token_id")?].into_iter().flatten().collect(),
        infill: InfillTokens {
            prefix: first(&["fim_pre_token_id", "prefix_token_id"])?,
            suffix: first(&["fim_suf_token_id", "suffix_token_id"])?,
            middle: first(&["fim_mid_token_id", "middle_token_id"])?,
            pad: token("fim_pad_token_id")?,
            repository: token("fim_rep_token_id")?,
            file: token("fim_sep_token_id")?,
        },
    })
}

/// BOS and EOS, as the file says or its kind has it.
fn ends(source: &Source<'_>, special: &SpecialTokens, bos: bool, eos: bool) -> Result<(Vec<u32>, Vec<u32>)> {
    let wanted = |wanted: bool, id: Option<u32>| if wanted { id.into_iter().collect() } else { Vec::new() };
    let (bos, eos) = (source.flag("add_bos_token", bos)?, source.flag("add_eos_token", eos)?);
    Ok((wanted(bos, special.bos), wanted(eos, special.eos)))
}

/// The tokens that are looked for before a text is split.
fn added(source: &Source<'_>, vocabulary: &Vocabulary) -> Result<Added> {
    let looked_for =
        |id: &u32| matches!(vocabulary.kind(*id), TokenKind::Control | TokenKind::UserDefined | TokenKind::Unknown);
    let name = source.metadata.find::<&str>("general.name")?.unwrap_or_default().to_lowercase();
    // GGUF does not say which tokens take the white space after them along; of the known models, Phi-3's do.
    let phi3 = name.contains("phi-3") || name.contains("phi3");
    let strip = |id: u32, text: &str| {
        let control = vocabulary.kind(id) == TokenKind::Control || text == "</s>";
        phi3 && control && !matches!(text, "<unk>" | "<s>" | "<|endoftext|>")
    };
    let token = |id: u32| {
        let content = vocabulary.text(id).to_owned();
        AddedToken { id, strip_right: strip(id, &content), content, ..AddedToken::default() }
    };
    Added::new((0..vocabulary.len() as u32).filter(looked_for).map(token).collect(), source.file, TOKENS)
}

fn pattern(source: &Source<'_>, pattern: &str) -> Result<PreTokenizer> {
    let pattern = Pattern::new(pattern).map_err(|error| source.malformed("tokenizer.ggml.pre", error))?;
    Ok(PreTokenizer::Split { pattern: Splitter::Pattern(pattern), behaviour: Behaviour::Isolated, invert: false })
}

fn bpe(source: &Source<'_>, model: &str, vocabulary: &Vocabulary, special: &SpecialTokens) -> Result<Parts> {
    let name = source.metadata.find::<&str>("tokenizer.ggml.pre")?.unwrap_or("default");
    let name = if model == "gemma4" { model } else { name };
    let Named { patterns, ignore_merges, byte_level, add_bos } =
        named(name).ok_or_else(|| unsupported(source.file, "pre-tokenizer", name))?;
    let mut pre_tokenizers: Vec<PreTokenizer> =
        patterns.iter().map(|text| pattern(source, text)).collect::<Result<_>>()?;
    let add_prefix_space = source.flag("add_space_prefix", false)?;
    let mut normalizers = Vec::new();
    if byte_level {
        pre_tokenizers.push(PreTokenizer::ByteLevel);
        if add_prefix_space {
            normalizers.push(Normalizer::Prepend(" ".into()));
        }
    } else {
        normalizers.push(Normalizer::Replace { from: " ".into(), to: SPACE_MARK.into() });
    }
    let bytes = if byte_level { None } else { vocabulary.bytes() };
    let replace = if byte_level { Vec::new() } else { vec![(SPACE_MARK.to_owned(), " ".to_owned())] };
    let start = if byte_level && add_prefix_space { Start::Spaces(1) } else { Start::Keep };
    let decoding = Decoding { byte_level, byte_tokens: bytes.is_some(), replace, words: None, start };
    Ok(Parts {
        added: added(source, vocabulary)?,
        added_normalized: Added::default(),
        normalizers,
        pre_tokenizers,
        model: Algorithm::Bpe(Bpe {
            merges: merges(source, vocabulary)?,
            unknown: None,
            fuse_unknown: false,
            bytes,
            ignore_merges,
            prefix: String::new(),
            suffix: String::new(),
        }),
        ends: ends(source, special, add_bos, false)?,
        decoding,
    })
}

fn merges(source: &Source<'_>, vocabulary: &Vocabulary) -> Result<Merges> {
    let lines: Strings<'_> = source.metadata.get(MERGES)?;
    let mut merges = Vec::with_capacity(lines.len());
    let mut merged = String::new();
    for index in 0..lines.len() {
        let line = lines.text(index)?;
        // A token may itself begin with a space.
        let space = line.char_indices().skip(1).find(|(_, c)| *c == ' ');
        let halves = space.and_then(|(at, _)| Some((line.get(..at)?, line.get(at + 1..)?)));
        let (left, right) =
            halves.ok_or_else(|| source.malformed(MERGES, format!("merge {index} has no two parts")))?;
        merged.clear();
        merged.extend([left, right]);
        let ids = (vocabulary.id(left), vocabulary.id(right), vocabulary.id(&merged));
        let (Some(left), Some(right), Some(id)) = ids else {
            return Err(source.malformed(MERGES, format!("merge {index} is of tokens that are not there")));
        };
        // Text never becomes a control token, whatever the file merges.
        if vocabulary.kind(id) != TokenKind::Control {
            merges.push((left, right, id));
        }
    }
    Ok(Merges::new(vocabulary.len(), &merges))
}

fn sentence_piece(
    source: &Source<'_>,
    vocabulary: &Vocabulary,
    special: &SpecialTokens,
    unknown: Option<u32>,
) -> Result<Parts> {
    let scores: Vec<f32> = source.metadata.get(SCORES)?;
    if scores.len() != vocabulary.len() {
        return Err(source.malformed(SCORES, format!("{} scores for {} tokens", scores.len(), vocabulary.len())));
    }
    if scores.iter().any(|score| score.is_nan()) {
        return Err(source.malformed(SCORES, "a score is not a number"));
    }
    let add_prefix_space = source.flag("add_space_prefix", true)?;
    let mut normalizers = vec![Normalizer::Replace { from: " ".into(), to: SPACE_MARK.into() }];
    if add_prefix_space {
        normalizers.push(Normalizer::Prepend(SPACE_MARK.into()));
    }
    Ok(Parts {
        added: added(source, vocabulary)?,
        added_normalized: Added::default(),
        normalizers,
        pre_tokenizers: Vec::new(),
        model: Algorithm::ScoredBpe(ScoredBpe {
            priorities: ScoredBpe::priorities(&scores),
            unknown,
            bytes: vocabulary.bytes(),
        }),
        ends: ends(source, special, true, false)?,
        decoding: Decoding {
            byte_tokens: (0..vocabulary.len() as u32).any(|id| byte_token(vocabulary.text(id)).is_some()),
            replace: vec![(SPACE_MARK.to_owned(), " ".to_owned())],
            start: if add_prefix_space { Start::Spaces(1) } else { Start::Keep },
            ..Decoding::default()
        },
    })
}

fn word_piece(
    source: &Source<'_>,
    vocabulary: &Vocabulary,
    special: &SpecialTokens,
    unknown: Option<u32>,
) -> Result<Parts> {
    let named = |name: &str, text: &str| -> Result<Option<u32>> {
        Ok(source.token(name, vocabulary)?.or_else(|| vocabulary.id(text)))
    };
    let unknown = unknown.ok_or_else(|| source.malformed(TOKENS, "there is no token for unknown words"))?;
    let lowercase = source.flag("normalizer.lowercase", true)?;
    let strip_accents = source.flag("normalizer.strip_accents", lowercase)?;
    let bert = Bert { clean: true, chinese: true, strip_accents, lowercase };
    let split = |pattern, behaviour| PreTokenizer::Split { pattern, behaviour, invert: false };
    let first = match source.flag("add_bos_token", true)? {
        true => named("cls_token_id", "[CLS]")?.or(special.bos),
        false => None,
    };
    let last = match source.flag("add_sep_token", true)? {
        true => named("seperator_token_id", "[SEP]")?.or(special.eos),
        false => None,
    };
    Ok(Parts {
        added: added(source, vocabulary)?,
        added_normalized: Added::default(),
        normalizers: vec![Normalizer::Bert(bert)],
        pre_tokenizers: vec![
            split(Splitter::Chars(char::is_whitespace), Behaviour::Removed),
            split(punctuation(), Behaviour::Isolated),
        ],
        model: Algorithm::WordPiece(WordPiece { unknown, prefix: "##".into(), longest_word: 100 }),
        ends: (first.into_iter().collect(), last.into_iter().collect()),
        decoding: Decoding { words: Some(("##".into(), true)), ..Decoding::default() },
    })
}
