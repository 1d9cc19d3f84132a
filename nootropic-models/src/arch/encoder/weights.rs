//! The tensors that the description of an encoder names, each checked.

use super::super::names::{Names, Part};
use super::super::weights::Reader;
use super::super::{Linear, MlpWeights, NormWeights};
use super::{Encoder, EncoderBlock, Order};
use crate::{Error, Result, Tensor};

/// The weights of an encoder, where they lie in the file.
#[derive(Debug)]
pub(crate) struct EncoderWeights<'a> {
    /// `[columns, vocabulary]`
    pub(crate) embedding: Tensor<'a>,
    /// `[context, columns]`, from the first position on; empty if positions have no rows.
    pub(crate) positions: Vec<f32>,
    /// `[kinds, columns]`
    pub(crate) kinds: Vec<f32>,
    pub(crate) embedding_norm: NormWeights,
    pub(crate) blocks: Vec<EncoderBlockWeights<'a>>,
    /// At the end, in [`Order::NormBefore`].
    pub(crate) norm: Option<NormWeights>,
    pub(crate) head: Option<Head<'a>>,
}

/// The weights of a block.
#[derive(Debug)]
pub(crate) struct EncoderBlockWeights<'a> {
    pub(crate) query: Linear<'a>,
    pub(crate) key: Linear<'a>,
    pub(crate) value: Linear<'a>,
    pub(crate) output: Linear<'a>,
    /// Before attention or after its sum, as the order says.
    pub(crate) attention_norm: Option<NormWeights>,
    pub(crate) mlp: MlpWeights<'a>,
    pub(crate) mlp_norm: NormWeights,
}

/// What makes one number of a text.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) dense: Linear<'a>,
    pub(crate) norm: Option<NormWeights>,
    /// One row.
    pub(crate) classifier: Linear<'a>,
}

impl<'a> EncoderWeights<'a> {
    pub(super) fn read(encoder: &Encoder, names: &Names<'a>) -> Result<Self> {
        let columns = encoder.columns;
        let mut reader = Reader::new(names, columns, encoder.norm_biases, 0.0);
        let embedding = reader.matrix(names.global(Part::Embedding, "weight"), columns, encoder.vocabulary)?;
        let positions = match encoder.positions {
            None => Vec::new(),
            Some(first) => {
                let all = rows(&mut reader, names, Part::Positions, columns, first + encoder.context)?;
                all.get(first * columns..).unwrap_or_default().to_vec()
            }
        };
        let kinds = match encoder.kinds {
            0 => Vec::new(),
            kinds => rows(&mut reader, names, Part::Kinds, columns, kinds)?,
        };
        let embedding_norm = reader.norm(|end| names.global(Part::EmbeddingNorm, end), columns)?;
        let blocks = encoder.blocks.iter().enumerate().map(|(layer, block)| {
            let parts = match encoder.order {
                Order::NormAfter => [Part::AttentionSumNorm, Part::MlpSumNorm],
                Order::NormBefore => [Part::AttentionNorm, Part::MlpNorm],
            };
            read_block(&mut reader, names, layer, block, parts)
        });
        let blocks = blocks.collect::<Result<_>>()?;
        let norm = match encoder.order {
            Order::NormAfter => None,
            Order::NormBefore => Some(reader.norm(|end| names.global(Part::OutputNorm, end), columns)?),
        };
        let head = match encoder.head {
            Some(_) => Some(read_head(&mut reader, names, encoder)?),
            None => None,
        };
        Ok(Self { embedding, positions, kinds, embedding_norm, blocks, norm, head })
    }
}

/// A matrix of few rows, as numbers.
fn rows(reader: &mut Reader<'_, '_>, names: &Names<'_>, part: Part, columns: usize, rows: usize) -> Result<Vec<f32>> {
    reader.matrix(names.global(part, "weight"), columns, rows)?.to_f32()
}

fn read_block<'a>(
    reader: &mut Reader<'a, '_>,
    names: &Names<'a>,
    layer: usize,
    block: &EncoderBlock,
    [attention_norm, mlp_norm]: [Part; 2],
) -> Result<EncoderBlockWeights<'a>> {
    let attention = &block.attention;
    let columns = attention.heads * attention.head_columns;
    let [query, key, value] = reader.query_key_value(layer, attention)?;
    let attention_norm = match block.attention_norm {
        true => Some(reader.norm(|end| names.block(layer, attention_norm, end), columns)?),
        false => None,
    };
    Ok(EncoderBlockWeights {
        query,
        key,
        value,
        output: reader.linear(layer, Part::AttentionOutput, columns, columns, attention.output_bias)?,
        attention_norm,
        mlp: reader.mlp(layer, &block.mlp)?,
        mlp_norm: reader.norm(|end| names.block(layer, mlp_norm, end), columns)?,
    })
}

/// What heads are called: the dense layer, the norm after it, and the last matrix.
const HEADS: [[&str; 3]; 3] = [
    ["bert.pooler.dense", "", "classifier"],
    ["classifier.dense", "", "classifier.out_proj"],
    ["head.dense", "head.norm", "classifier"],
];

fn read_head<'a>(reader: &mut Reader<'a, '_>, names: &Names<'a>, encoder: &Encoder) -> Result<Head<'a>> {
    let columns = encoder.columns;
    let has =
        |stems: &&[&str; 3]| names.has(&format!("{}.weight", stems[0])) && names.has(&format!("{}.weight", stems[2]));
    let missing = || Error::MissingTensor { file: names.file().name(), tensor: "classifier.weight".into() };
    let [dense, norm, last] = HEADS.iter().find(has).ok_or_else(missing)?;
    let mut linear = |stem: &str, rows: usize| -> Result<Linear<'a>> {
        let weight = reader.matrix(format!("{stem}.weight"), columns, rows)?;
        let bias = format!("{stem}.bias");
        let bias = if names.has(&bias) { Some(reader.vector(bias, rows)?) } else { None };
        Ok(Linear { weight, bias })
    };
    let (dense, classifier) = (linear(dense, columns)?, linear(last, 1)?);
    let norm = match norm.is_empty() {
        true => None,
        false => Some(reader.norm(|end| format!("{norm}.{end}"), columns)?),
    };
    Ok(Head { dense, norm, classifier })
}
