//! A vector for each token, and a text's is their mean: a static embedder.
//!
//! Files are those of Model2Vec: `embeddings`, `[rows, columns]`, in F32, F16, BF16 or I8; `mapping` from tokens to rows and `weights` of
//! tokens, where there are any; `tokenizer.json` beside them. Tulkens and van Dongen, *Model2Vec*, 2024. Where `config.json` says
//! `split_identifiers`, the table is for code, and reads the words of its identifiers.

use std::borrow::Cow;

use nootropic_core::{EmbedRole, Embedding, InlineEmbedder, Result as CoreResult};

use super::embedder::beginning;
use super::words::WordTokens;
use crate::cpu::add_rows;
use crate::error::printable;
use crate::tokens::{TokenId, TokenKind, Tokenizer};
use crate::{Error, Place, Result, Safetensors, SafetensorsFile, SafetensorsType};

/// What `config.json` calls such a model.
pub(super) const MODEL_TYPE: &str = "model2vec";

/// What `config.json` has where a table reads the words of identifiers.
pub(super) const SPLIT_IDENTIFIERS: &str = "split_identifiers";

/// Tokens of a text that count.
pub(super) const MAX_TOKENS: usize = 512;

/// A table of vectors.
#[derive(Debug)]
pub(crate) struct TokenTable {
    tokenizer: Tokenizer,
    rows: Rows,
    columns: usize,
    /// Row and weight of each token; of what means nothing, such as the token for unknown words, none.
    tokens: Vec<Option<(u32, f32)>>,
    /// Of a table for code.
    words: Option<WordTokens>,
}

#[derive(Debug)]
enum Rows {
    Floats(Vec<f32>),
    /// Their scale is the same for all, and of no matter: only directions count.
    Bytes(Cow<'static, [i8]>),
}

impl TokenTable {
    /// Reads a table; every row and weight that a token names must be there.
    pub(super) fn read(folder: &Safetensors, splits_identifiers: bool) -> Result<Self> {
        let tokenizer = Tokenizer::from_folder(folder.folder())?;
        match folder.file_of("embeddings") {
            Some(file) => Self::of(file, tokenizer, splits_identifiers),
            None => {
                let file = folder.folder().display().to_string();
                Err(Error::MissingTensor { file, tensor: "embeddings".into() })
            }
        }
    }

    /// The same of a file and a vocabulary.
    pub(super) fn of(file: &SafetensorsFile, tokenizer: Tokenizer, splits_identifiers: bool) -> Result<Self> {
        let malformed = |problem: String| {
            let place = Place::tensor("embeddings");
            Error::Malformed { file: file.name().into(), place, problem }
        };
        let (info, bytes) = file.raw("embeddings")?;
        let [count, columns] = *info.shape else {
            return Err(malformed(format!("shape {:?}, where rows and columns are needed", info.shape)));
        };
        let sizes = usize::try_from(count)
            .ok()
            .zip(usize::try_from(columns).ok())
            .filter(|(rows, columns)| *rows > 0 && *columns > 0);
        let (count, columns) = sizes.ok_or_else(|| malformed("it is empty".into()))?;
        let rows = match info.dtype {
            SafetensorsType::I8 => Rows::Bytes(match file.raw_static("embeddings") {
                Some(bytes) => Cow::Borrowed(bytemuck::cast_slice(bytes)),
                None => bytes.iter().map(|byte| *byte as i8).collect(),
            }),
            _ => Rows::Floats(file.tensor("embeddings")?.to_f32()?),
        };
        let tokens = rows_of_tokens(file, &tokenizer)?;
        if let Some((wrong, _)) = tokens.iter().flatten().find(|(row, _)| *row as usize >= count) {
            return Err(malformed(format!("{count} rows, and a token of row {wrong}")));
        }
        let words = splits_identifiers.then(WordTokens::default);
        Ok(Self { tokenizer, rows, columns, tokens, words })
    }

    pub(super) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    pub(super) fn splits_identifiers(&self) -> bool {
        self.words.is_some()
    }

    /// Fitting pushes what does not belong together to right angles, give or take 0.07.
    pub(super) fn least_cosine(&self) -> Option<f32> {
        self.splits_identifiers().then_some(0.15)
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// The vector of a text. One in which nothing means anything has a direction of its own, the same for all such texts, so that
    /// it stands in nobody's way.
    pub(super) fn embed(&self, text: &str) -> CoreResult<Embedding> {
        let row = |token: u32| self.tokens.get(token as usize).copied().flatten();
        let mut rows = Vec::with_capacity(MAX_TOKENS);
        match &self.words {
            Some(words) => words.visit(&self.tokenizer, text, MAX_TOKENS, |token| rows.extend(row(token)))?,
            None => {
                let tokens = beginning(&self.tokenizer, "", text, MAX_TOKENS)?;
                rows.extend(tokens.into_iter().filter_map(|TokenId(token)| row(token)));
            }
        }
        let mut sum = vec![0.0; self.columns];
        match &self.rows {
            Rows::Floats(table) => add_float_rows(table, &rows, &mut sum),
            Rows::Bytes(table) => add_rows(table, &rows, &mut sum),
        }
        if sum.iter().all(|x| *x == 0.0) {
            sum.fill(1.0);
        }
        Embedding::normalized(sum)
    }
}

impl InlineEmbedder for TokenTable {
    fn embed_inline(&self, text: &str, _: EmbedRole) -> CoreResult<Embedding> {
        self.embed(text)
    }
}

/// Row and weight of each token, as the file says.
fn rows_of_tokens(file: &SafetensorsFile, tokenizer: &Tokenizer) -> Result<Vec<Option<(u32, f32)>>> {
    let means_something = |token: &u32| tokenizer.kind(TokenId(*token)) != TokenKind::Unknown;
    let mut tokens: Vec<Option<(u32, f32)>> =
        (0..tokenizer.len() as u32).map(|token| Some(token).filter(means_something).map(|row| (row, 1.0))).collect();
    if file.contains("mapping") {
        let (info, bytes) = file.raw("mapping")?;
        let numbers = integers(info.dtype, bytes).ok_or_else(|| {
            let (what, found) =
                (format!("{}, {}", file.name(), Place::tensor("mapping")), printable(info.dtype.name()));
            Error::UnsupportedType { what, found, op: "read" }
        })?;
        for (token, row) in tokens.iter_mut().zip(numbers) {
            *token = token.and_then(|_| u32::try_from(row).ok()).map(|row| (row, 1.0));
        }
    }
    if file.contains("weights") {
        let weights = file.tensor("weights")?.to_f32()?;
        for (token, weight) in tokens.iter_mut().zip(weights) {
            *token = token.map(|(row, _)| (row, weight)).filter(|_| weight.is_finite());
        }
    }
    Ok(tokens)
}

fn add_float_rows(table: &[f32], rows: &[(u32, f32)], sum: &mut [f32]) {
    for (row, weight) in rows {
        let from = *row as usize * sum.len();
        let row = table.get(from..from + sum.len()).unwrap_or_default();
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * weight);
    }
}

/// Whole numbers of four or eight bytes.
fn integers(dtype: SafetensorsType, bytes: &[u8]) -> Option<Vec<i64>> {
    match dtype {
        SafetensorsType::I32 => {
            Some(bytes.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes).into()).collect())
        }
        SafetensorsType::I64 => Some(bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()),
        _ => None,
    }
}
