//! An encoder on a device.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Text;
use crate::arch::{Bend, Encoder, Head, HeadShape, Linear, NormWeights};
use crate::cpu::{self, Pool};
use crate::cpu_model::CpuEncoder;
use crate::device::{Machine, OpenDevice};
use crate::forward::{BurnEncoder, guard};
use crate::{Error, ModelFile, Result};

/// What an encoder computes with on the CPU. Others compute in `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EncoderPrecision {
    /// Weights and activations as small integers with a scale for each row: about twice as fast. The vectors of all-MiniLM-L6-v2 keep a
    /// cosine of 0.99 and more to the exact ones.
    #[default]
    Int8,
    /// What the file has.
    F32,
}

/// Tokens that are read at once: more do not make it faster, and take more memory.
const AT_ONCE: usize = 512;

/// An encoder whose weights are on a device: tokens in, a vector for each of them out.
#[derive(Debug)]
pub(crate) struct TextEncoder {
    model: Model,
    head: Option<ScoreHead>,
}

#[derive(Debug)]
enum Model {
    Cpu(Box<CpuEncoder>),
    Burn(Box<BurnEncoder>),
}

impl TextEncoder {
    pub(crate) fn load(file: &ModelFile, device: &OpenDevice, precision: EncoderPrecision) -> Result<Self> {
        let (encoder, mut weights) = file.describe_encoder()?;
        let head = match (encoder.head, weights.head.take()) {
            (Some(shape), Some(head)) => Some(ScoreHead::new(shape, encoder.epsilon, head)?),
            _ => None,
        };
        let model = guard("loading an encoder", device.name(), || match device.machine() {
            Machine::Cpu(pool) => {
                let eight_bits = precision == EncoderPrecision::Int8;
                Ok(Model::Cpu(Box::new(CpuEncoder::new(encoder, weights, Arc::clone(pool), eight_bits)?)))
            }
            Machine::Burn(burn) => Ok(Model::Burn(Box::new(BurnEncoder::new(encoder, weights, burn, device.name())?))),
        })?;
        Ok(Self { model, head })
    }

    pub(crate) fn shape(&self) -> &Encoder {
        match &self.model {
            Model::Cpu(model) => model.encoder(),
            Model::Burn(model) => &model.encoder,
        }
    }

    /// What it computes with.
    pub(crate) fn precision(&self) -> EncoderPrecision {
        match &self.model {
            Model::Cpu(model) if model.eight_bits() => EncoderPrecision::Int8,
            _ => EncoderPrecision::F32,
        }
    }

    pub(crate) fn head(&self) -> Option<&ScoreHead> {
        self.head.as_ref()
    }

    /// Calls `take` with the number of each text and the vectors of its positions, `[tokens, columns]`; in any order.
    ///
    /// # Errors
    /// [`Error::TooLong`] for a text of more positions than the model has, [`Error::Invalid`] for one without tokens or with one that is
    /// not in the vocabulary; whatever `take` returns, before which nothing more is read.
    pub(crate) fn encode(&self, texts: &[Text<'_>], mut take: impl FnMut(usize, &[f32]) -> Result<()>) -> Result<()> {
        let shape = self.shape();
        for text in texts {
            let (got, max) = (text.tokens.len(), shape.context);
            let wrong = text.tokens.iter().find(|token| **token as usize >= shape.vocabulary);
            let problem = match (got, wrong) {
                (0, _) => "it has no tokens".to_owned(),
                (_, Some(token)) => format!("token {token} of a vocabulary of {}", shape.vocabulary),
                _ if got > max => return Err(Error::TooLong { got, max }),
                _ => continue,
            };
            return Err(Error::Invalid { what: "text to encode".into(), problem });
        }
        // By length, so that those that are read at once are as good as equally long.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|i| texts[*i].tokens.len());
        let mut rest = &order[..];
        while !rest.is_empty() {
            // The last is the longest, to which others may be padded.
            let fits = |count: &usize| count * texts[rest[count - 1]].tokens.len() <= AT_ONCE;
            let count = (1..=rest.len()).take_while(fits).last().unwrap_or(1);
            let (now, later) = rest.split_at(count);
            let batch: Vec<Text<'_>> = now.iter().map(|i| texts[*i]).collect();
            let vectors = match &self.model {
                Model::Cpu(model) => model.pass(&batch)?,
                Model::Burn(model) => model.pass(&batch)?,
            };
            let mut start = 0;
            for i in now {
                let end = start + texts[*i].tokens.len() * shape.columns;
                take(*i, vectors.get(start..end).unwrap_or_default())?;
                start = end;
            }
            rest = later;
        }
        Ok(())
    }
}

/// What makes one number of a text, in `f32`: it is small.
#[derive(Debug)]
pub(crate) struct ScoreHead {
    shape: HeadShape,
    epsilon: f32,
    dense: Matrix,
    norm: Option<NormWeights>,
    classifier: Matrix,
    /// Of one thread: what is to be done is little.
    here: Pool,
}

#[derive(Debug)]
struct Matrix {
    /// `[rows, columns]`
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    columns: usize,
}

impl ScoreHead {
    fn new(shape: HeadShape, epsilon: f32, head: Head<'_>) -> Result<Self> {
        let (dense, classifier) = (Matrix::new(&head.dense)?, Matrix::new(&head.classifier)?);
        Ok(Self { shape, epsilon, dense, norm: head.norm, classifier, here: Pool::new(1)? })
    }

    /// The score of a text, from the vectors of its positions.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no number.
    pub(crate) fn score(&self, vectors: &[f32]) -> Result<f32> {
        let columns = self.dense.columns;
        let seen = match self.shape.mean {
            true => super::Pooling::Mean.pool(vectors, columns),
            false => super::Pooling::Cls.pool(vectors, columns),
        };
        let mut x = self.dense.apply(&seen);
        match self.shape.bend {
            Bend::Tanh => x.iter_mut().for_each(|x| *x = x.tanh()),
            Bend::Gelu => cpu::activate(&self.here, cpu::Activation::Gelu, &mut x),
        }
        if let Some(norm) = &self.norm {
            let (input, bias) = (x.clone(), norm.bias.as_deref().unwrap_or_default());
            cpu::layer_norm(&self.here, &input, &norm.weight, bias, self.epsilon, &mut x)?;
        }
        self.classifier.apply(&x).first().copied().filter(|score| score.is_finite()).ok_or_else(|| Error::Invalid {
            what: "reranker".into(),
            problem: "its score is no number: its weights are damaged".into(),
        })
    }
}

impl Matrix {
    fn new(linear: &Linear<'_>) -> Result<Self> {
        let columns = linear.weight.dims.columns() as usize;
        Ok(Self { weight: linear.weight.to_f32()?, bias: linear.bias.clone(), columns })
    }

    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let products =
            self.weight.chunks_exact(self.columns).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>());
        match &self.bias {
            Some(bias) => products.zip(bias).map(|(product, bias)| product + bias).collect(),
            None => products.collect(),
        }
    }
}
