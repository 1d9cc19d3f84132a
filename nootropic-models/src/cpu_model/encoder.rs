//! An encoder.

use std::sync::{Arc, Mutex, PoisonError};

use super::layers::Machine;
use super::mlp::{CpuMlp, MlpScratch};
use super::pack::{PackedLinear, Packer};
use crate::Result;
use crate::arch::{Encoder, EncoderBlock, EncoderBlockWeights, EncoderWeights, NormWeights, Order, Table};
use crate::cpu::{
    self, Activations, Attention, KvCache, KvPrecision, PackedMatrix, Pool, Queries, Rotation, add, layer_norm,
};
use crate::embed::Text;

/// An encoder with its weights packed for the CPU.
#[derive(Debug)]
pub(crate) struct CpuEncoder {
    encoder: Encoder,
    pool: Arc<Pool>,
    embedding: Arc<PackedMatrix>,
    positions: Vec<f32>,
    kinds: Vec<f32>,
    embedding_norm: NormWeights,
    blocks: Vec<CpuEncoderBlock>,
    norm: Option<NormWeights>,
    /// How keys and values are kept while their text is read.
    precision: KvPrecision,
    /// Left by the last pass.
    scratch: Mutex<Option<Box<Scratch>>>,
}

#[derive(Debug)]
struct CpuEncoderBlock {
    query: PackedLinear,
    key: PackedLinear,
    value: PackedLinear,
    output: PackedLinear,
    attention_norm: Option<NormWeights>,
    mlp: CpuMlp,
    mlp_norm: NormWeights,
}

/// Room for what is between the operations, to be used again by the next pass.
#[derive(Debug, Default)]
struct Scratch {
    x: Vec<f32>,
    normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    mixed: Vec<f32>,
    result: Vec<f32>,
    mlp: MlpScratch,
    activations: Activations,
}

impl CpuEncoder {
    /// Packs the weights; `eight_bits` makes plain floats smaller and faster by a factor, and off by a part in a thousand.
    ///
    /// # Errors
    /// As [`PackedMatrix::new`].
    pub(crate) fn new(
        encoder: Encoder,
        weights: EncoderWeights<'_>,
        pool: Arc<Pool>,
        eight_bits: bool,
    ) -> Result<Self> {
        let mut packer = Packer { eight_bits, ..Packer::default() };
        let precision = if eight_bits { KvPrecision::F16 } else { KvPrecision::F32 };
        let blocks = weights.blocks.into_iter().map(|block| CpuEncoderBlock::new(block, &mut packer));
        let blocks = blocks.collect::<Result<_>>()?;
        Ok(Self {
            encoder,
            pool,
            embedding: packer.matrix(&weights.embedding)?,
            positions: weights.positions,
            kinds: weights.kinds,
            embedding_norm: weights.embedding_norm,
            blocks,
            norm: weights.norm,
            precision,
            scratch: Mutex::default(),
        })
    }

    /// Whether it computes with weights of eight bits where the file has floats.
    pub(crate) fn eight_bits(&self) -> bool {
        self.precision == KvPrecision::F16
    }

    pub(crate) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The vectors of all positions, text after text, `[tokens of all texts, columns]`.
    ///
    /// Texts have a token at least and no more than there are positions, and tokens are below the vocabulary.
    ///
    /// # Errors
    /// None for an encoder that was checked.
    pub(crate) fn pass(&self, texts: &[Text<'_>]) -> Result<Vec<f32>> {
        let room = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = room().take().unwrap_or_default();
        let result = self.pass_in(texts, &mut scratch);
        let vectors = std::mem::take(&mut scratch.x);
        *room() = Some(scratch);
        result.map(|()| vectors)
    }

    fn pass_in(&self, texts: &[Text<'_>], scratch: &mut Scratch) -> Result<()> {
        let (epsilon, order) = (self.encoder.epsilon, self.encoder.order);
        self.embed(texts, &mut scratch.normed)?;
        let tables: Vec<Table> = self.encoder.ropes.iter().map(|rope| table(rope, texts)).collect();
        normalize(&self.pool, &self.embedding_norm, epsilon, &scratch.normed, &mut scratch.x)?;
        for (block, shape) in self.blocks.iter().zip(&self.encoder.blocks) {
            let before = |norm| (order == Order::NormBefore).then_some(norm);
            let normed = self.normalized(block.attention_norm.as_ref().and_then(before), scratch)?;
            self.attend(block, shape, texts, &tables, normed, scratch)?;
            self.join(block.attention_norm.as_ref(), scratch)?;
            let normed = self.normalized(before(&block.mlp_norm), scratch)?;
            let Scratch { x, normed: of_norm, result, mlp, activations, .. } = scratch;
            let mut machine = Machine { pool: &self.pool, activations };
            let input = if normed { of_norm } else { x };
            block.mlp.forward(&mut machine, &shape.mlp, mlp, input, result)?;
            self.join(Some(&block.mlp_norm), scratch)?;
        }
        if let Some(norm) = &self.norm {
            std::mem::swap(&mut scratch.x, &mut scratch.normed);
            normalize(&self.pool, norm, epsilon, &scratch.normed, &mut scratch.x)?;
        }
        Ok(())
    }

    /// Normalizes `x` where a norm comes first; whether one does.
    fn normalized(&self, norm: Option<&NormWeights>, scratch: &mut Scratch) -> Result<bool> {
        let Some(norm) = norm else { return Ok(false) };
        normalize(&self.pool, norm, self.encoder.epsilon, &scratch.x, &mut scratch.normed)?;
        Ok(true)
    }

    /// Adds the result to `x`, and normalizes the sum where the order has it so.
    fn join(&self, norm: Option<&NormWeights>, scratch: &mut Scratch) -> Result<()> {
        add(&self.pool, &mut scratch.x, &scratch.result);
        match norm {
            Some(norm) if self.encoder.order == Order::NormAfter => {
                std::mem::swap(&mut scratch.x, &mut scratch.normed);
                normalize(&self.pool, norm, self.encoder.epsilon, &scratch.normed, &mut scratch.x)
            }
            _ => Ok(()),
        }
    }

    fn embed(&self, texts: &[Text<'_>], x: &mut Vec<f32>) -> Result<()> {
        let columns = self.encoder.columns;
        x.resize(texts.iter().map(|text| text.tokens.len()).sum::<usize>() * columns, 0.0);
        let places =
            texts.iter().flat_map(|text| (0..).zip(text.tokens).map(move |(position, token)| (position, *token, text)));
        for ((position, token, text), row) in places.zip(x.chunks_exact_mut(columns)) {
            self.embedding.row(token as usize, row)?;
            let kind = text.kind(position).min(self.encoder.kinds.saturating_sub(1));
            for added in [self.positions.get(position * columns..), self.kinds.get(kind * columns..)] {
                row.iter_mut().zip(added.unwrap_or_default()).for_each(|(x, y)| *x += y);
            }
        }
        Ok(())
    }

    /// From `x`, or from what is normalized, to the result of attention.
    fn attend(
        &self,
        block: &CpuEncoderBlock,
        shape: &EncoderBlock,
        texts: &[Text<'_>],
        tables: &[Table],
        normed: bool,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let Scratch { x, normed: of_norm, query, key, value, mixed, result, activations, .. } = scratch;
        let mut machine = Machine { pool: &self.pool, activations };
        machine.linear(
            if normed { of_norm } else { x },
            &mut [(&block.query, &mut *query), (&block.key, &mut *key), (&block.value, &mut *value)],
        )?;
        let attention = &shape.attention;
        if let Some(Table { cos, sin }) = attention.rope.and_then(|rope| tables.get(rope)) {
            let tokens = texts.iter().map(|text| text.tokens.len()).sum();
            let (pairs, head_dim) = (cpu::Pairs::Halves, attention.head_columns);
            let rotation = Rotation { pairs, head_dim, tokens, cos, sin };
            rotation.apply(&self.pool, query)?;
            rotation.apply(&self.pool, key)?;
        }
        let row = attention.heads * attention.head_columns;
        let mut start = 0;
        let mut caches = Vec::with_capacity(texts.len());
        for text in texts {
            let range = start..start + text.tokens.len() * row;
            start = range.end;
            let mut cache = KvCache::new(self.precision, attention.heads, attention.head_columns)?;
            let (keys, values) = (key.get(range.clone()), value.get(range));
            cache.append(&self.pool, keys.unwrap_or_default(), values.unwrap_or_default())?;
            caches.push(cache);
        }
        let sessions: Vec<Queries<'_>> =
            caches.iter().map(|cache| Queries { cache, first: 0, tokens: cache.len() }).collect();
        mixed.resize(query.len(), 0.0);
        let (heads, scale, window) = (attention.heads, attention.scale, attention.window);
        let attention = Attention { heads, scale, causal: false, window, soft_cap: None };
        attention.run(&self.pool, &sessions, query, mixed)?;
        machine.linear(mixed, &mut [(&block.output, result)])
    }
}

impl CpuEncoderBlock {
    fn new(weights: EncoderBlockWeights<'_>, packer: &mut Packer) -> Result<Self> {
        Ok(Self {
            query: packer.linear(weights.query)?,
            key: packer.linear(weights.key)?,
            value: packer.linear(weights.value)?,
            output: packer.linear(weights.output)?,
            attention_norm: weights.attention_norm,
            mlp: CpuMlp::new(weights.mlp, packer)?,
            mlp_norm: weights.mlp_norm,
        })
    }
}

fn normalize(pool: &Pool, norm: &NormWeights, epsilon: f32, x: &[f32], out: &mut Vec<f32>) -> Result<()> {
    out.resize(x.len(), 0.0);
    layer_norm(pool, x, &norm.weight, norm.bias.as_deref().unwrap_or_default(), epsilon, out)
}

/// The angles of a rope at all positions of all texts.
fn table(rope: &crate::arch::Rope, texts: &[Text<'_>]) -> Table {
    let mut table = Table { cos: Vec::new(), sin: Vec::new() };
    for text in texts {
        let Table { cos, sin } = rope.table(0, text.tokens.len(), text.tokens.len());
        table.cos.extend(cos);
        table.sin.extend(sin);
    }
    table
}
