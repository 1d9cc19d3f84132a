//! What tells one embedder from another.

use std::fmt::Write;

use super::table::TokenTable;
use super::{EmbedderSettings, EncoderPrecision};
use crate::arch::Encoder;
use crate::tokens::{TokenId, Tokenizer};
use crate::{Error, ModelFile, Result, SafetensorsFile};

/// A name for what makes the vectors: two of the same name make the same ones. Where the file lies makes no difference.
pub(super) fn identity(
    file: &ModelFile,
    encoder: &Encoder,
    tokenizer: &Tokenizer,
    settings: &EmbedderSettings,
    precision: EncoderPrecision,
) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut names: Vec<&str> = file.tensor_names().collect();
    names.sort_unstable();
    for name in names {
        let tensor = match file.tensor(name) {
            Err(Error::UnsupportedType { .. }) => continue, // no weights: numbers of positions, say
            other => other?,
        };
        hasher.update(format!("{name} {:?} {:?}\n", tensor.dtype, &*tensor.dims).as_bytes());
        hasher.update(tensor.data);
    }
    vocabulary(tokenizer, &mut hasher);
    hasher.update(shape(encoder).as_bytes());
    let EmbedderSettings { pooling, query_prefix, document_prefix, max_tokens } = settings;
    hasher.update(format!("{pooling:?} {query_prefix:?} {document_prefix:?} {max_tokens}").as_bytes());
    let (family, columns) = (encoder.family, encoder.columns);
    let precision = match precision {
        // The second form of eight bits: a scale for each row, where the first had one for every 32 columns. Their vectors are too far
        // apart to be searched together.
        EncoderPrecision::Int8 => "int8v2",
        EncoderPrecision::F32 => "f32",
    };
    Ok(format!("{family}-{columns}-{precision}-{}", &hasher.finalize().to_hex()[..12]))
}

/// The same for a table of vectors, whose file this is.
pub(super) fn of_table(file: &SafetensorsFile, table: &TokenTable) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for name in ["embeddings", "mapping", "weights"].into_iter().filter(|name| file.contains(name)) {
        let (info, bytes) = file.raw(name)?;
        hasher.update(format!("{name} {:?} {:?}\n", info.dtype, info.shape).as_bytes()).update(bytes);
    }
    vocabulary(table.tokenizer(), &mut hasher);
    if table.splits_identifiers() {
        hasher.update(super::table::SPLIT_IDENTIFIERS.as_bytes());
    }
    Ok(format!("static-{}-{}", table.columns(), &hasher.finalize().to_hex()[..12]))
}

fn vocabulary(tokenizer: &Tokenizer, hasher: &mut blake3::Hasher) {
    for token in 0..tokenizer.len() as u32 {
        hasher.update(tokenizer.token_text(TokenId(token)).as_bytes()).update(b"\n");
    }
}

/// What the weights do not tell. It must not change with this code, or every passage is embedded anew.
fn shape(encoder: &Encoder) -> String {
    let mut text = format!("{} {} {:e}", encoder.columns, encoder.context, encoder.epsilon);
    for rope in &encoder.ropes {
        let _ = write!(text, " rope {:?}", rope.frequencies);
    }
    for block in &encoder.blocks {
        let attention = &block.attention;
        let _ = write!(text, " {} {:?} {:?}", attention.heads, attention.window, attention.rope);
    }
    text
}
