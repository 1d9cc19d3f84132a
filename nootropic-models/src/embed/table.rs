//! A vector for each token, and a text's is their mean: a static embedder.
//!
//! Files are those of Model2Vec: `embeddings`, `[rows, columns]`, in F32, F16, BF16 or I8; `mapping` from tokens to rows and `weights` of
//! tokens, where there are any; `tokenizer.json` beside them. Tulkens and van Dongen, *Model2Vec*, 2024.

use nootropic_core::{Embedding, Result as CoreResult};

use super::embedder::beginning;
use crate::error::printable;
use crate::tokens::{TokenId, TokenKind, Tokenizer};
use crate::{Error, Place, Result, Safetensors, SafetensorsType};

/// What `config.json` calls such a model.
pub(super) const MODEL_TYPE: &str = "model2vec";

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
}

#[derive(Debug)]
enum Rows {
    Floats(Vec<f32>),
    /// Their scale is the same for all, and of no matter: only directions count.
    Bytes(Vec<i8>),
}

impl TokenTable {
    /// Reads a table; every row and weight that a token names must be there.
    pub(super) fn read(file: &Safetensors) -> Result<Self> {
        let tokenizer = Tokenizer::from_folder(file.folder())?;
        let name = || file.folder().display().to_string();
        let malformed =
            |tensor: &str, problem: String| Error::Malformed { file: name(), place: Place::tensor(tensor), problem };
        let (info, bytes) = file.raw("embeddings")?;
        let [count, columns] = *info.shape else {
            return Err(malformed("embeddings", format!("shape {:?}, where rows and columns are needed", info.shape)));
        };
        let sizes = usize::try_from(count)
            .ok()
            .zip(usize::try_from(columns).ok())
            .filter(|(rows, columns)| *rows > 0 && *columns > 0);
        let (count, columns) = sizes.ok_or_else(|| malformed("embeddings", "it is empty".into()))?;
        let rows = match info.dtype {
            SafetensorsType::I8 => Rows::Bytes(bytes.iter().map(|byte| *byte as i8).collect()),
            _ => Rows::Floats(file.tensor("embeddings")?.to_f32()?),
        };
        let means_something = |token: &u32| tokenizer.kind(TokenId(*token)) != TokenKind::Unknown;
        let mut tokens: Vec<Option<(u32, f32)>> = (0..tokenizer.len() as u32)
            .map(|token| Some(token).filter(means_something).map(|row| (row, 1.0)))
            .collect();
        if file.contains("mapping") {
            let (info, bytes) = file.raw("mapping")?;
            let numbers = integers(info.dtype, bytes).ok_or_else(|| {
                let found = printable(info.dtype.name());
                Error::UnsupportedType { what: format!("{}, {}", name(), Place::tensor("mapping")), found, op: "read" }
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
        if let Some(wrong) = tokens.iter().flatten().find(|(row, _)| *row as usize >= count) {
            return Err(malformed("embeddings", format!("{count} rows, and a token of row {}", wrong.0)));
        }
        Ok(Self { tokenizer, rows, columns, tokens })
    }

    pub(super) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// The vector of a text. One in which nothing means anything has a direction of its own, the same for all such texts, so that
    /// it stands in nobody's way.
    pub(super) fn embed(&self, text: &str) -> CoreResult<Embedding> {
        let tokens = beginning(&self.tokenizer, "", text, MAX_TOKENS)?;
        let mut sum = vec![0.0; self.columns];
        for TokenId(token) in tokens {
            let Some((row, weight)) = self.tokens.get(token as usize).copied().flatten() else { continue };
            let range = row as usize * self.columns..(row as usize + 1) * self.columns;
            match &self.rows {
                Rows::Floats(rows) => add(&mut sum, rows.get(range).unwrap_or_default().iter().copied(), weight),
                Rows::Bytes(rows) => {
                    add(&mut sum, rows.get(range).unwrap_or_default().iter().map(|x| f32::from(*x)), weight)
                }
            }
        }
        if sum.iter().all(|x| *x == 0.0) {
            sum.fill(1.0);
        }
        Embedding::normalized(sum)
    }
}

fn add(sum: &mut [f32], row: impl Iterator<Item = f32>, weight: f32) {
    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * weight);
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
