//! The tensors a description names, each checked to be there and of the size that is described.

use std::collections::HashSet;

use super::names::{Names, Part};
use super::{Attention, Block, Decoder, Mlp, Norm};
use crate::error::printable;
use crate::{Dims, Error, Place, Result, Tensor};

/// The weights of a decoder, where they lie in the file. Matrices are raw blocks, for whoever packs them; vectors are numbers.
#[derive(Debug)]
pub(crate) struct Weights<'a> {
    /// `[columns, vocabulary]`
    pub(crate) embedding: Tensor<'a>,
    pub(crate) blocks: Vec<BlockWeights<'a>>,
    pub(crate) norm: NormWeights,
    /// `[columns, vocabulary]`: the embeddings, if they are tied.
    pub(crate) output: Tensor<'a>,
    /// Tensors of the file that the description does not name. Nothing is done with them.
    pub(crate) unknown: Vec<String>,
}

/// The weights of a block.
#[derive(Debug)]
pub(crate) struct BlockWeights<'a> {
    pub(crate) attention_norm: NormWeights,
    pub(crate) query: Linear<'a>,
    pub(crate) key: Linear<'a>,
    pub(crate) value: Linear<'a>,
    /// Norms of the heads of queries and of keys.
    pub(crate) head_norms: Option<(NormWeights, NormWeights)>,
    pub(crate) output: Linear<'a>,
    pub(crate) mlp_norm: NormWeights,
    pub(crate) mlp: MlpWeights<'a>,
    /// Norms of the results of attention and MLP.
    pub(crate) post_norms: Option<(NormWeights, NormWeights)>,
}

/// `weight · x + bias`
#[derive(Debug)]
pub(crate) struct Linear<'a> {
    /// `[inputs, outputs]`, the contiguous dimension first: a row for each output.
    pub(crate) weight: Tensor<'a>,
    pub(crate) bias: Option<Vec<f32>>,
}

/// The weights of a norm, with the family's shift added.
#[derive(Debug)]
pub(crate) struct NormWeights {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Option<Vec<f32>>,
}

/// The weights of an MLP.
#[derive(Debug)]
pub(crate) enum MlpWeights<'a> {
    Gated {
        gate: Linear<'a>,
        up: Linear<'a>,
        down: Linear<'a>,
    },
    Plain {
        up: Linear<'a>,
        down: Linear<'a>,
    },
    /// Gate, up and down of each expert.
    Experts {
        router: Tensor<'a>,
        experts: Vec<[Tensor<'a>; 3]>,
    },
}

impl<'a> Weights<'a> {
    pub(super) fn read(decoder: &Decoder, names: &Names<'a>) -> Result<Self> {
        let columns = decoder.columns;
        let biases = matches!(decoder.norm, Norm::Layer(_));
        let mut reader = Reader::new(names, columns, biases, decoder.norm_shift);
        let embedding = reader.matrix(names.global(Part::Embedding, "weight"), columns, decoder.vocabulary)?;
        let output = match decoder.tied {
            true => embedding,
            false => reader.matrix(names.global(Part::Output, "weight"), columns, decoder.vocabulary)?,
        };
        let norm = reader.norm(|end| names.global(Part::OutputNorm, end), columns)?;
        let blocks = decoder.blocks.iter().enumerate().map(|(layer, block)| reader.block(layer, block));
        let blocks = blocks.collect::<Result<_>>()?;
        Ok(Self { embedding, blocks, norm, output, unknown: reader.unknown() })
    }
}

/// Reads what a description names, of decoders and encoders.
pub(super) struct Reader<'a, 'n> {
    names: &'n Names<'a>,
    /// Length of the residual stream.
    columns: usize,
    /// Whether norms have a bias.
    norm_biases: bool,
    /// What is added to the weights of norms.
    norm_shift: f32,
    used: HashSet<String>,
}

impl<'a, 'n> Reader<'a, 'n> {
    pub(super) fn new(names: &'n Names<'a>, columns: usize, norm_biases: bool, norm_shift: f32) -> Self {
        Self { names, columns, norm_biases, norm_shift, used: HashSet::new() }
    }

    fn block(&mut self, layer: usize, block: &Block) -> Result<BlockWeights<'a>> {
        let (names, columns) = (self.names, self.columns);
        let norm = |part| move |end: &str| names.block(layer, part, end);
        let attention = &block.attention;
        let [query, key, value] = self.query_key_value(layer, attention)?;
        let inner = attention.heads * attention.head_columns;
        let (head_norms, post_norms) = (attention.head_norms, block.post_norms);
        let mut two = |wanted: bool, parts: [Part; 2], len: usize| match wanted {
            true => Ok::<_, Error>(Some((self.norm(norm(parts[0]), len)?, self.norm(norm(parts[1]), len)?))),
            false => Ok(None),
        };
        let head_norms = two(head_norms, [Part::QueryNorm, Part::KeyNorm], attention.head_columns)?;
        let post_norms = two(post_norms, [Part::AttentionPostNorm, Part::MlpPostNorm], columns)?;
        Ok(BlockWeights {
            attention_norm: self.norm(norm(Part::AttentionNorm), columns)?,
            query,
            key,
            value,
            head_norms,
            output: self.linear(layer, Part::AttentionOutput, inner, columns, attention.output_bias)?,
            mlp_norm: self.norm(norm(Part::MlpNorm), columns)?,
            mlp: self.mlp(layer, &block.mlp)?,
            post_norms,
        })
    }

    /// In three tensors, or one after the other in the rows of one.
    pub(super) fn query_key_value(&mut self, layer: usize, attention: &Attention) -> Result<[Linear<'a>; 3]> {
        let (columns, bias) = (self.columns, attention.bias);
        let rows = attention.heads * attention.head_columns;
        let kv_rows = attention.kv_heads * attention.head_columns;
        if !self.names.has(&self.names.block(layer, Part::QueryKeyValue, "weight")) {
            return Ok([
                self.linear(layer, Part::Query, columns, rows, bias)?,
                self.linear(layer, Part::Key, columns, kv_rows, bias)?,
                self.linear(layer, Part::Value, columns, kv_rows, bias)?,
            ]);
        }
        let fused = self.linear(layer, Part::QueryKeyValue, columns, rows + 2 * kv_rows, bias)?;
        Ok([
            self.part(&fused, 0, rows)?,
            self.part(&fused, rows, kv_rows)?,
            self.part(&fused, rows + kv_rows, kv_rows)?,
        ])
    }

    pub(super) fn mlp(&mut self, layer: usize, mlp: &Mlp) -> Result<MlpWeights<'a>> {
        let columns = self.columns;
        match *mlp {
            Mlp::Gated { width, bias, .. } => {
                let down = self.linear(layer, Part::Down, width, columns, bias)?;
                if self.names.has(&self.names.block(layer, Part::Gate, "weight")) {
                    let gate = self.linear(layer, Part::Gate, columns, width, bias)?;
                    let up = self.linear(layer, Part::Up, columns, width, bias)?;
                    return Ok(MlpWeights::Gated { gate, up, down });
                }
                let fused = self.linear(layer, Part::GateUp, columns, 2 * width, bias)?;
                let (gate, up) = (self.part(&fused, 0, width)?, self.part(&fused, width, width)?);
                Ok(MlpWeights::Gated { gate, up, down })
            }
            Mlp::Plain { width, bias, .. } => Ok(MlpWeights::Plain {
                up: self.linear(layer, Part::Up, columns, width, bias)?,
                down: self.linear(layer, Part::Down, width, columns, bias)?,
            }),
            Mlp::Experts { count, width, .. } => {
                let router = self.matrix(self.names.block(layer, Part::Router, "weight"), columns, count)?;
                let gates = self.experts(layer, Part::ExpertGate, columns, width, count)?;
                let ups = self.experts(layer, Part::ExpertUp, columns, width, count)?;
                let downs = self.experts(layer, Part::ExpertDown, width, columns, count)?;
                let experts = gates.into_iter().zip(ups).zip(downs).map(|((gate, up), down)| [gate, up, down]);
                Ok(MlpWeights::Experts { router, experts: experts.collect() })
            }
        }
    }

    /// A matrix for each expert: in a tensor for each, or one after the other in one of three dimensions.
    fn experts(
        &mut self,
        layer: usize,
        part: Part,
        columns: usize,
        rows: usize,
        count: usize,
    ) -> Result<Vec<Tensor<'a>>> {
        let names = self.names;
        if names.expert(layer, part, 0).is_some() {
            let each = (0..count).filter_map(|expert| names.expert(layer, part, expert));
            return each.map(|name| self.matrix(name, columns, rows)).collect();
        }
        let all = self.tensor(names.block(layer, part, "weight"), &[columns, rows, count])?;
        (0..count).map(|expert| self.rows(all, expert * rows, rows)).collect()
    }

    pub(super) fn linear(
        &mut self,
        layer: usize,
        part: Part,
        columns: usize,
        rows: usize,
        bias: bool,
    ) -> Result<Linear<'a>> {
        let weight = self.matrix(self.names.block(layer, part, "weight"), columns, rows)?;
        let bias = match bias {
            true => Some(self.vector(self.names.block(layer, part, "bias"), rows)?),
            false => None,
        };
        Ok(Linear { weight, bias })
    }

    /// Some of the outputs of a matrix.
    fn part(&self, all: &Linear<'a>, first: usize, count: usize) -> Result<Linear<'a>> {
        let bias = all.bias.as_ref().map(|bias| bias.iter().skip(first).take(count).copied().collect());
        Ok(Linear { weight: self.rows(all.weight, first, count)?, bias })
    }

    fn rows(&self, all: Tensor<'a>, first: usize, count: usize) -> Result<Tensor<'a>> {
        let row = all.dtype.row_bytes(all.dims.columns()).and_then(|bytes| usize::try_from(bytes).ok());
        let data = row.and_then(|row| all.data.get(first.checked_mul(row)?..)?.get(..count.checked_mul(row)?));
        let dims = Dims::new(&[all.dims.columns(), count as u64]);
        data.zip(dims).map(|(data, dims)| Tensor { data, dims, ..all }).ok_or_else(|| Error::Malformed {
            file: self.names.file().name(),
            place: Place::tensor(all.name),
            problem: format!("there are no rows {first} to {}", first + count),
        })
    }

    pub(super) fn norm(&mut self, name: impl Fn(&str) -> String, len: usize) -> Result<NormWeights> {
        let mut weight = self.vector(name("weight"), len)?;
        weight.iter_mut().for_each(|weight| *weight += self.norm_shift);
        let bias = match self.norm_biases {
            true => Some(self.vector(name("bias"), len)?),
            false => None,
        };
        Ok(NormWeights { weight, bias })
    }

    pub(super) fn vector(&mut self, name: String, len: usize) -> Result<Vec<f32>> {
        self.tensor(name, &[len])?.to_f32()
    }

    pub(super) fn matrix(&mut self, name: String, columns: usize, rows: usize) -> Result<Tensor<'a>> {
        self.tensor(name, &[columns, rows])
    }

    fn tensor(&mut self, name: String, expected: &[usize]) -> Result<Tensor<'a>> {
        let tensor = self.names.file().tensor(&name)?;
        let expected: Vec<u64> = expected.iter().map(|size| *size as u64).collect();
        if *tensor.dims != expected[..] {
            let (file, found) = (self.names.file().name(), tensor.dims.to_vec());
            return Err(Error::WrongShape { file, tensor: printable(&name), found, expected });
        }
        if !tensor.dtype.can_dequantize() {
            let what = format!("{}, {}", self.names.file().name(), Place::tensor(&name));
            return Err(Error::UnsupportedType { what, found: tensor.dtype.name().into(), op: "computed with" });
        }
        self.used.insert(name);
        Ok(tensor)
    }

    pub(super) fn unknown(&self) -> Vec<String> {
        let ropes = [Part::RopeFactors, Part::RopeShort, Part::RopeLong].map(|part| self.names.global(part, "weight"));
        let known = |name: &&str| self.used.contains(*name) || ropes.iter().any(|rope| rope == name);
        self.names.file().tensor_names().filter(|name| !known(name)).map(str::to_owned).collect()
    }
}
