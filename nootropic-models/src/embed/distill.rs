//! A static embedder made of an encoder: what the encoder makes of each token alone, in fewer dimensions, rarer tokens counting more.
//!
//! Tulkens and van Dongen, *Model2Vec*, 2024: the mean of a token's positions, principal components, and the weights of smooth inverse
//! frequency (Arora et al., *A Simple but Tough-to-Beat Baseline for Sentence Embeddings*, 2017) with frequencies by Zipf's law, for
//! vocabularies stand in about the order of how frequent their tokens are. With pairs of texts it is more than that: it gets the words of
//! code, frequencies as they are, and is fitted to the pairs.

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use rayon::prelude::*;
use serde_json::json;

use super::Text;
use super::code_vocabulary::CodeVocabulary;
use super::encoder::{EncoderPrecision, TextEncoder};
use super::fit::{self, TokenPair};
use super::principal::principal_components;
use super::settings::EmbedderSettings;
use super::words::WordTokens;
use crate::tokens::{Special, TokenId, TokenKind, Tokenizer};
use crate::{Error, ModelFile, OpenDevice, Result};

/// Arora's `a`: tokens of about this frequency count half.
const SMOOTHING: f64 = 1e-4;

/// Tokens that are encoded between two reports.
const BATCH: usize = 1024;

/// Most tokens of a question and of a passage that are fitted to.
const MOST_TOKENS: (usize, usize) = (48, 200);

/// A question and the passage that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPair {
    /// What somebody might ask: the comment on a function, say.
    pub question: String,
    /// What answers it: the function.
    pub passage: String,
    /// Where the pair is from, such as the number of a repository: what is learned is to find a passage among others of its group.
    pub group: u32,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DistillStep {
    /// The encoder reads tokens.
    Encode,
    /// The table is fitted to pairs, in steps.
    Fit,
}

/// How a static embedder is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distillation {
    /// Dimensions of its vectors, at most the encoder's.
    pub dimensions: usize,
    /// What it is fitted to. Without pairs it says what the encoder says; with some thousands of them it is an embedder for code like
    /// theirs: it reads the words of identifiers, and questions come to lie near their passages.
    pub pairs: Vec<TextPair>,
    /// Most tokens of one that is fitted; the words of the pairs come to those of the encoder.
    pub tokens: usize,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { dimensions: 256, pairs: Vec::new(), tokens: 28_000 }
    }
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Distilled {
    /// Tokens that have a vector.
    pub tokens: usize,
    /// Dimensions of the vectors.
    pub dimensions: usize,
    /// How much of the variance of what the encoder makes of tokens is left, from 0 to 1.
    pub variance: f64,
    /// Bytes of the table.
    pub bytes: u64,
    /// What fitting did, if there were pairs.
    pub fit: Option<DistilledFit>,
}

/// What fitting did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistilledFit {
    /// Pairs of texts; a tenth of them, at most 2,048, were held back to measure with.
    pub pairs: usize,
    /// How well questions found their passages among those held back before: the mean of one over the rank.
    pub before: f64,
    /// The same after.
    pub after: f64,
}

/// A table in the making.
struct Table {
    vectors: Vec<f32>,
    /// The row of each token, where not every token has one.
    mapping: Option<Vec<i64>>,
    /// What the row of each token counts.
    weights: Vec<f32>,
    variance: f64,
    /// The vocabulary, where it is not the encoder's.
    vocabulary: Option<Vec<u8>>,
    fit: Option<DistilledFit>,
}

/// An encoder that tokens are read by.
struct Source {
    name: String,
    encoder: TextEncoder,
    tokenizer: Tokenizer,
    settings: EmbedderSettings,
}

type Progress<'a> = &'a mut dyn FnMut(DistillStep, usize, usize) -> ControlFlow<()>;

impl Distillation {
    /// Makes a static embedder of the encoder in folder `from`, and writes it to a new folder `out`, as [`LocalEmbedder`](super::LocalEmbedder) and
    /// Model2Vec read it. `progress` is told what is being done, how much of it is done, and of how much.
    ///
    /// # Errors
    /// As [`LocalEmbedder::open_on`](super::LocalEmbedder::open_on); [`Error::Invalid`] for no dimensions or more than the encoder has, for GGUF, whose
    /// vocabulary has no file of its own, for weights that give no numbers, for too few pairs to learn from, and for pairs with an encoder
    /// whose vocabulary is not WordPiece; [`Error::Io`] if `out` is there already; [`Error::Cancelled`].
    pub fn run(
        &self,
        from: impl AsRef<Path>,
        out: impl AsRef<Path>,
        device: &OpenDevice,
        mut progress: impl FnMut(DistillStep, usize, usize) -> ControlFlow<()>,
    ) -> Result<Distilled> {
        let out = out.as_ref();
        if out.exists() {
            let source = std::io::ErrorKind::AlreadyExists.into();
            return Err(Error::Io { op: "create", name: out.display().to_string(), source });
        }
        let file = ModelFile::open(from)?;
        let ModelFile::Safetensors(folder) = &file else {
            let problem = "a static embedder is made of a folder of safetensors, with its tokenizer.json".into();
            return Err(Error::Invalid { what: file.name(), problem });
        };
        let encoder = TextEncoder::load(&file, device, EncoderPrecision::F32)?;
        let columns = encoder.shape().columns;
        if !(1..=columns).contains(&self.dimensions) {
            let problem = format!("{} dimensions of an encoder that has {columns}", self.dimensions);
            return Err(Error::Invalid { what: "distillation".into(), problem });
        }
        let tokenizer = super::embedder::tokenizer_of(&file, &encoder)?;
        let settings = EmbedderSettings::of(&file, encoder.shape())?;
        let source = Source { name: file.name(), encoder, tokenizer, settings };
        let table = match self.pairs.is_empty() {
            true => self.plain(&source, &mut progress)?,
            false => self.fitted(&source, &mut progress)?,
        };
        let (tokens, dimensions) = (table.vectors.len() / self.dimensions, self.dimensions);
        let bytes = table.write(out, folder.folder(), dimensions)?;
        Ok(Distilled { tokens, dimensions, variance: table.variance, bytes, fit: table.fit })
    }

    /// The encoder's vocabulary, weighed by Zipf's law.
    fn plain(&self, source: &Source, progress: Progress<'_>) -> Result<Table> {
        let tokenizer = &source.tokenizer;
        let tokens: Vec<u32> = (0..tokenizer.len() as u32).filter(|token| says_something(tokenizer, *token)).collect();
        let texts: Vec<Vec<TokenId>> = tokens.iter().map(|token| vec![TokenId(*token)]).collect();
        let (vectors, variance) = source.vectors(&texts, self.dimensions, progress)?;
        let weights = weights(tokenizer.len(), &tokens);
        let mapping = Some(rows(tokenizer.len(), &tokens));
        Ok(Table { vectors, mapping, weights, variance, vocabulary: None, fit: None })
    }

    /// A vocabulary for code, weighed by how often its words occur, and fitted.
    fn fitted(&self, source: &Source, progress: Progress<'_>) -> Result<Table> {
        let texts = self.pairs.iter().flat_map(|pair| [&*pair.question, &*pair.passage]);
        let vocabulary = CodeVocabulary::of(&source.tokenizer, texts, self.tokens)?;
        let spell = |text: &String| match source.tokenizer.find(text) {
            Some(token) => Ok(vec![token]),
            None => source.tokenizer.encode(text, Special::AsText),
        };
        let texts = vocabulary.tokens.iter().map(spell).collect::<Result<Vec<_>>>()?;
        let (mut vectors, variance) = source.vectors(&texts, self.dimensions, progress)?;
        for (row, share) in vectors.chunks_exact_mut(self.dimensions).zip(&vocabulary.shares) {
            let weight = (SMOOTHING / (SMOOTHING + share)) as f32;
            row.iter_mut().for_each(|x| *x *= weight);
        }
        let json = vocabulary.to_json();
        let pairs = self.token_pairs(&Tokenizer::from_json("tokenizer.json", &json)?)?;
        let fit =
            fit::fit(&mut vectors, self.dimensions, pairs, &mut |done, all| progress(DistillStep::Fit, done, all))?;
        // Eight bits a number: each row has a scale of its own, which is its weight.
        let largest = |row: &[f32]| row.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let weights: Vec<f32> = vectors.chunks_exact(self.dimensions).map(largest).collect();
        for (row, weight) in vectors.chunks_exact_mut(self.dimensions).zip(&weights) {
            row.iter_mut().for_each(|x| *x /= weight.max(f32::MIN_POSITIVE));
        }
        Ok(Table { vectors, mapping: None, weights, variance, vocabulary: Some(json), fit: Some(fit) })
    }

    fn token_pairs(&self, tokenizer: &Tokenizer) -> Result<Vec<TokenPair>> {
        let words = WordTokens::default();
        let tokens = |text: &str, most| -> Result<Vec<u32>> {
            let mut tokens = Vec::new();
            words.visit(tokenizer, text, most, |token| tokens.push(token))?;
            Ok(tokens)
        };
        let pair = |pair: &TextPair| {
            let (question, passage) = (tokens(&pair.question, MOST_TOKENS.0)?, tokens(&pair.passage, MOST_TOKENS.1)?);
            Ok(TokenPair { group: pair.group, question, passage })
        };
        let mut pairs = self.pairs.par_iter().map(pair).collect::<Result<Vec<_>>>()?;
        pairs.retain(|pair| pair.question.len() >= 2 && pair.passage.len() >= 4);
        Ok(pairs)
    }
}

impl Source {
    /// What the encoder makes of each text alone, in fewer dimensions; and the share of the variance that is left.
    fn vectors(&self, texts: &[Vec<TokenId>], dimensions: usize, progress: Progress<'_>) -> Result<(Vec<f32>, f64)> {
        let columns = self.encoder.shape().columns;
        let mut vectors = Vec::with_capacity(texts.len() * columns);
        for batch in texts.chunks(BATCH) {
            if progress(DistillStep::Encode, vectors.len() / columns, texts.len()).is_break() {
                return Err(Error::Cancelled);
            }
            self.encode(batch, &mut vectors)?;
        }
        if vectors.iter().any(|x| !x.is_finite()) {
            let problem = "its vectors are no numbers: its weights are damaged".into();
            return Err(Error::Invalid { what: self.name.clone(), problem });
        }
        let reduced = principal_components(&vectors, columns, dimensions);
        progress(DistillStep::Encode, texts.len(), texts.len()).is_break();
        Ok(reduced)
    }

    /// Adds what the encoder makes of each text.
    fn encode(&self, texts: &[Vec<TokenId>], vectors: &mut Vec<f32>) -> Result<()> {
        let whole =
            |text: &Vec<TokenId>| self.tokenizer.with_ends(text.clone()).into_iter().map(|token| token.0).collect();
        let texts: Vec<Vec<u32>> = texts.iter().map(whole).collect();
        let texts: Vec<Text<'_>> = texts.iter().map(|tokens| Text::one(tokens)).collect();
        let columns = self.encoder.shape().columns;
        let start = vectors.len();
        vectors.resize(start + texts.len() * columns, 0.0);
        self.encoder.encode(&texts, |i, positions| {
            let pooled = self.settings.pooling.pool(positions, columns);
            if let Some(to) = vectors.get_mut(start + i * columns..).and_then(|rest| rest.get_mut(..columns)) {
                to.copy_from_slice(&pooled);
            }
            Ok(())
        })
    }
}

fn says_something(tokenizer: &Tokenizer, token: u32) -> bool {
    let kind = tokenizer.kind(TokenId(token));
    let text = tokenizer.token_text(TokenId(token));
    matches!(kind, TokenKind::Normal | TokenKind::UserDefined | TokenKind::Byte) && !text.starts_with("[unused")
}

/// The row of each token; that of a token without one is the first, and its weight is 0.
fn rows(vocabulary: usize, tokens: &[u32]) -> Vec<i64> {
    let mut rows = vec![0; vocabulary];
    for (row, token) in tokens.iter().enumerate() {
        if let Some(to) = rows.get_mut(*token as usize) {
            *to = row as i64;
        }
    }
    rows
}

/// `a / (a + p)` of each token, with `p ∝ 1 / rank`.
fn weights(vocabulary: usize, tokens: &[u32]) -> Vec<f32> {
    let share = |rank: usize| 1.0 / (rank + 2) as f64;
    let all: f64 = (0..tokens.len()).map(share).sum();
    let mut weights = vec![0.0; vocabulary];
    for (rank, token) in tokens.iter().enumerate() {
        if let Some(to) = weights.get_mut(*token as usize) {
            *to = (SMOOTHING / (SMOOTHING + share(rank) / all)) as f32;
        }
    }
    weights
}

impl Table {
    /// Writes the folder; returns the bytes of the table.
    fn write(&self, out: &Path, from: &Path, columns: usize) -> Result<u64> {
        let io = |op, path: &Path| {
            let name = path.display().to_string();
            move |source| Error::Io { op, name, source }
        };
        fs::create_dir(out).map_err(io("create", out))?;
        let path = out.join("model.safetensors");
        let bytes = self.to_safetensors(columns);
        fs::write(&path, &bytes).map_err(io("write", &path))?;
        let mut config = json!({ "model_type": super::table::MODEL_TYPE, "architectures": ["StaticModel"], "normalize": true,
            "hidden_dim": columns, "seq_length": super::table::MAX_TOKENS });
        if self.vocabulary.is_some() {
            config[super::table::SPLIT_IDENTIFIERS] = true.into();
        }
        let path = out.join("config.json");
        let mut file = fs::File::create(&path).map_err(io("create", &path))?;
        writeln!(file, "{config:#}").map_err(io("write", &path))?;
        if let Some(json) = &self.vocabulary {
            let path = out.join("tokenizer.json");
            return fs::write(&path, json).map_err(io("write", &path)).map(|()| bytes.len() as u64);
        }
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            let (source, target) = (from.join(name), out.join(name));
            if source.exists() {
                fs::copy(&source, &target).map_err(io("copy", &source))?;
            }
        }
        Ok(bytes.len() as u64)
    }

    fn to_safetensors(&self, columns: usize) -> Vec<u8> {
        // One scale for all rows: only directions count.
        let largest = self.vectors.iter().fold(f32::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
        let table: Vec<u8> = self.vectors.iter().map(|x| (x / largest * 127.0).round() as i8 as u8).collect();
        let weights: Vec<u8> = self.weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let mut tensors = vec![
            ("embeddings", "I8", vec![self.vectors.len() / columns, columns], table),
            ("weights", "F32", vec![self.weights.len()], weights),
        ];
        if let Some(mapping) = &self.mapping {
            let rows = mapping.iter().flat_map(|row| row.to_le_bytes()).collect();
            tensors.push(("mapping", "I64", vec![mapping.len()], rows));
        }
        safetensors(&tensors)
    }
}

/// A file of tensors: name, type, shape, bytes. The widest numbers must not come after a tensor of odd length, so they are aligned.
fn safetensors(tensors: &[(&str, &str, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
    let mut order: Vec<_> = tensors.iter().collect();
    order.sort_by_key(|(_, dtype, ..)| match *dtype {
        "I64" => 0,
        "F32" => 1,
        _ => 2,
    });
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in order {
        let end = data.len() + bytes.len();
        header.insert((*name).into(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [data.len(), end] }));
        data.extend_from_slice(bytes);
    }
    let mut text = serde_json::Value::from(header).to_string();
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &data].concat()
}
