//! A static embedder made of an encoder: what the encoder makes of each token alone, in fewer dimensions, rarer tokens counting more.
//!
//! Tulkens and van Dongen, *Model2Vec*, 2024: the mean of a token's positions, principal components, and the weights of smooth inverse
//! frequency (Arora et al., *A Simple but Tough-to-Beat Baseline for Sentence Embeddings*, 2017) with frequencies by Zipf's law, for
//! vocabularies stand in about the order of how frequent their tokens are.

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::json;

use super::Text;
use super::encoder::{EncoderPrecision, TextEncoder};
use super::principal::principal_components;
use super::settings::EmbedderSettings;
use crate::tokens::{TokenId, TokenKind, Tokenizer};
use crate::{Error, ModelFile, OpenDevice, Result};

/// Arora's `a`: tokens of about this frequency count half.
const SMOOTHING: f64 = 1e-4;

/// Tokens that are encoded between two reports.
const BATCH: usize = 1024;

/// How a static embedder is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distillation {
    /// Dimensions of its vectors, at most the encoder's.
    pub dimensions: usize,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { dimensions: 256 }
    }
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Distilled {
    /// Tokens that have a vector.
    pub tokens: usize,
    /// Dimensions of the vectors.
    pub dimensions: usize,
    /// How much of the vectors' variance is left, from 0 to 1.
    pub variance: f64,
    /// Bytes of the table.
    pub bytes: u64,
}

impl Distillation {
    /// Makes a static embedder of the encoder in folder `from`, and writes it to a new folder `out`, as [`LocalEmbedder`](super::LocalEmbedder) and
    /// Model2Vec read it. `progress` is told how many tokens are done, and of how many.
    ///
    /// # Errors
    /// As [`LocalEmbedder::open_on`](super::LocalEmbedder::open_on); [`Error::Invalid`] for no dimensions or more than the encoder has, for GGUF, whose
    /// vocabulary has no file of its own, and for weights that give no numbers; [`Error::Io`] if `out` is there already;
    /// [`Error::Cancelled`].
    pub fn run(
        &self,
        from: impl AsRef<Path>,
        out: impl AsRef<Path>,
        device: &OpenDevice,
        mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
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
        let tokenizer = super::embedder::tokenizer_of(&file, &encoder)?;
        let columns = encoder.shape().columns;
        if !(1..=columns).contains(&self.dimensions) {
            let problem = format!("{} dimensions of an encoder that has {columns}", self.dimensions);
            return Err(Error::Invalid { what: "distillation".into(), problem });
        }
        let settings = EmbedderSettings::of(&file, encoder.shape())?;
        let tokens: Vec<u32> = (0..tokenizer.len() as u32).filter(|token| says_something(&tokenizer, *token)).collect();
        let mut vectors = Vec::with_capacity(tokens.len() * columns);
        for batch in tokens.chunks(BATCH) {
            if progress(vectors.len() / columns, tokens.len()).is_break() {
                return Err(Error::Cancelled);
            }
            encode(&encoder, &tokenizer, &settings, batch, &mut vectors)?;
        }
        if vectors.iter().any(|x| !x.is_finite()) {
            let problem = "its vectors are no numbers: its weights are damaged".into();
            return Err(Error::Invalid { what: file.name(), problem });
        }
        let (reduced, variance) = principal_components(&vectors, columns, self.dimensions);
        let mapping: Vec<i64> = rows(tokenizer.len(), &tokens);
        let weights = weights(tokenizer.len(), &tokens);
        let bytes = write(out, folder.folder(), &reduced, self.dimensions, &mapping, &weights)?;
        progress(tokens.len(), tokens.len()).is_break();
        Ok(Distilled { tokens: tokens.len(), dimensions: self.dimensions, variance, bytes })
    }
}

fn says_something(tokenizer: &Tokenizer, token: u32) -> bool {
    let kind = tokenizer.kind(TokenId(token));
    let text = tokenizer.token_text(TokenId(token));
    matches!(kind, TokenKind::Normal | TokenKind::UserDefined | TokenKind::Byte) && !text.starts_with("[unused")
}

/// Adds what the encoder makes of each token alone.
fn encode(
    encoder: &TextEncoder,
    tokenizer: &Tokenizer,
    settings: &EmbedderSettings,
    tokens: &[u32],
    vectors: &mut Vec<f32>,
) -> Result<()> {
    let whole = |token: &u32| tokenizer.with_ends(vec![TokenId(*token)]).into_iter().map(|token| token.0).collect();
    let texts: Vec<Vec<u32>> = tokens.iter().map(whole).collect();
    let texts: Vec<Text<'_>> = texts.iter().map(|tokens| Text::one(tokens)).collect();
    let columns = encoder.shape().columns;
    let start = vectors.len();
    vectors.resize(start + tokens.len() * columns, 0.0);
    encoder.encode(&texts, |i, positions| {
        let pooled = settings.pooling.pool(positions, columns);
        if let Some(to) = vectors.get_mut(start + i * columns..).and_then(|rest| rest.get_mut(..columns)) {
            to.copy_from_slice(&pooled);
        }
        Ok(())
    })
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

/// Writes the folder; returns the bytes of the table.
fn write(out: &Path, from: &Path, vectors: &[f32], columns: usize, mapping: &[i64], weights: &[f32]) -> Result<u64> {
    let io = |op, path: &Path| {
        let name = path.display().to_string();
        move |source| Error::Io { op, name, source }
    };
    fs::create_dir(out).map_err(io("create", out))?;
    let largest = vectors.iter().fold(f32::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
    let table: Vec<u8> = vectors.iter().map(|x| (x / largest * 127.0).round() as i8 as u8).collect();
    let tensors = [
        ("embeddings", "I8", vec![vectors.len() / columns, columns], table),
        ("mapping", "I64", vec![mapping.len()], mapping.iter().flat_map(|row| row.to_le_bytes()).collect()),
        ("weights", "F32", vec![weights.len()], weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()),
    ];
    let path = out.join("model.safetensors");
    let bytes = safetensors(&tensors);
    fs::write(&path, &bytes).map_err(io("write", &path))?;
    let config = json!({ "model_type": super::table::MODEL_TYPE, "architectures": ["StaticModel"], "normalize": true,
        "hidden_dim": columns, "seq_length": super::table::MAX_TOKENS });
    let path = out.join("config.json");
    let mut file = fs::File::create(&path).map_err(io("create", &path))?;
    writeln!(file, "{config:#}").map_err(io("write", &path))?;
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        let (source, target) = (from.join(name), out.join(name));
        if source.exists() {
            fs::copy(&source, &target).map_err(io("copy", &source))?;
        }
    }
    Ok(bytes.len() as u64)
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
