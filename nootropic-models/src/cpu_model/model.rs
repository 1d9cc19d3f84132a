//! The whole decoder.

use std::sync::{Arc, Mutex, PoisonError};

use super::block::{BlockScratch, CpuBlock, Pass, Turn};
use super::layers::{Machine, soft_cap};
use super::pack::{PackedLinear, Packer};
use crate::arch::{Decoder, NormWeights, Table, Weights};
use crate::cpu::{Activations, KvCache, KvPrecision, PackedMatrix, Pool};
use crate::{Logits, Result, TensorType};

/// A decoder with its weights packed for the CPU.
#[derive(Debug)]
pub(crate) struct CpuModel {
    decoder: Decoder,
    pool: Arc<Pool>,
    embedding: Arc<PackedMatrix>,
    blocks: Vec<CpuBlock>,
    norm: NormWeights,
    output: PackedLinear,
    converted: Vec<(TensorType, TensorType)>,
    unknown: Vec<String>,
    /// Left by the last pass. Passes take turns on the threads, so one is enough.
    scratch: Mutex<Option<Box<Scratch>>>,
}

/// Consecutive tokens of a text.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    /// Each below the vocabulary.
    pub(crate) tokens: &'a [u32],
    /// The keys and values of the text before them, a cache a block; those of these tokens are added.
    pub(crate) caches: &'a mut [KvCache],
    /// Most positions that the text may come to have.
    pub(crate) context: usize,
    /// Which logits are wanted.
    pub(crate) logits: Logits,
}

/// Room for what is between the operations, to be used again by the next pass.
#[derive(Debug, Default)]
struct Scratch {
    x: Vec<f32>,
    wanted: Vec<f32>,
    normed: Vec<f32>,
    block: BlockScratch,
    activations: Activations,
}

impl CpuModel {
    /// Packs the weights. After each part of them `packed` is called: what was read so far is not needed any more.
    ///
    /// # Errors
    /// As [`PackedMatrix::new`].
    pub(crate) fn new(decoder: Decoder, weights: Weights<'_>, pool: Arc<Pool>, packed: impl Fn()) -> Result<Self> {
        let mut packer = Packer::default();
        let Weights { embedding, blocks, norm, output, unknown } = weights;
        let embedding = packer.matrix(&embedding)?;
        let output = if decoder.tied { Arc::clone(&embedding) } else { packer.matrix(&output)? };
        packed();
        let block = |block| CpuBlock::new(block, &mut packer).inspect(|_| packed());
        let blocks = blocks.into_iter().map(block).collect::<Result<_>>()?;
        let output = PackedLinear { weight: output, bias: None };
        let (converted, scratch) = (packer.converted, Mutex::default());
        Ok(Self { decoder, pool, embedding, blocks, norm, output, converted, unknown, scratch })
    }

    /// What is computed.
    pub(crate) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Tensors of the file that are no part of the model.
    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// Types of the file that are not computed with, each with the type that stands for it.
    pub(crate) fn converted(&self) -> &[(TensorType, TensorType)] {
        &self.converted
    }

    /// Empty caches for a text.
    ///
    /// # Errors
    /// None for a decoder that was checked.
    pub(crate) fn caches(&self, precision: KvPrecision) -> Result<Vec<KvCache>> {
        let cache = |block: &crate::arch::Block| {
            KvCache::new(precision, block.attention.kv_heads, block.attention.head_columns)
        };
        self.decoder.blocks.iter().map(cache).collect()
    }

    /// Memory of a token in [`caches`](Self::caches) of [`KvPrecision::F16`], in bytes.
    pub(crate) fn kv_bytes_a_token(&self) -> usize {
        let of = |block: &crate::arch::Block| 2 * 2 * block.attention.kv_heads * block.attention.head_columns;
        self.decoder.blocks.iter().map(of).sum()
    }

    /// Runs all pieces. Returns the logits that were asked for, piece after piece, token after token.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for pieces whose caches are not this model's.
    pub(crate) fn pass(&self, pieces: &mut [Piece<'_>]) -> Result<Vec<f32>> {
        let room = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = room().take().unwrap_or_default();
        let logits = self.pass_in(pieces, &mut scratch);
        *room() = Some(scratch);
        logits
    }

    fn pass_in(&self, pieces: &mut [Piece<'_>], scratch: &mut Scratch) -> Result<Vec<f32>> {
        let Scratch { x, wanted, normed, block, activations } = scratch;
        let turns = self.decoder.ropes.iter().map(|rope| turn(rope, pieces)).collect();
        self.embed(pieces, x)?;
        let machine = Machine { pool: &self.pool, activations };
        let mut pass = Pass { machine, norm: self.decoder.norm, turns, pieces, x, scratch: block };
        for (layer, (weights, shape)) in self.blocks.iter().zip(&self.decoder.blocks).enumerate() {
            weights.forward(shape, layer, &mut pass)?;
        }
        let Pass { mut machine, pieces, x, .. } = pass;
        self.gather(pieces, x, wanted);
        let mut logits = Vec::new();
        if !wanted.is_empty() {
            machine.norm(self.decoder.norm, &self.norm, wanted, normed)?;
            machine.linear(normed, &mut [(&self.output, &mut logits)])?;
            soft_cap(&mut logits, self.decoder.soft_cap);
        }
        Ok(logits)
    }

    fn embed(&self, pieces: &[Piece<'_>], x: &mut Vec<f32>) -> Result<()> {
        let columns = self.decoder.columns;
        x.resize(pieces.iter().map(|piece| piece.tokens.len()).sum::<usize>() * columns, 0.0);
        let tokens = pieces.iter().flat_map(|piece| piece.tokens);
        for (token, row) in tokens.zip(x.chunks_exact_mut(columns)) {
            self.embedding.row(*token as usize, row)?;
            if self.decoder.embedding_scale != 1.0 {
                row.iter_mut().for_each(|number| *number *= self.decoder.embedding_scale);
            }
        }
        Ok(())
    }

    /// Takes the rows out of the residual stream that logits are wanted of.
    fn gather(&self, pieces: &[Piece<'_>], x: &[f32], wanted: &mut Vec<f32>) {
        wanted.clear();
        let mut rows = x.chunks_exact(self.decoder.columns);
        for piece in pieces {
            let last = piece.tokens.len().wrapping_sub(1);
            for (token, row) in rows.by_ref().take(piece.tokens.len()).enumerate() {
                match piece.logits {
                    Logits::All => wanted.extend_from_slice(row),
                    Logits::Last if token == last => wanted.extend_from_slice(row),
                    Logits::Last | Logits::None => {}
                }
            }
        }
    }
}

/// The angles of a rope at all positions of a pass.
fn turn<'a>(rope: &'a crate::arch::Rope, pieces: &[Piece<'_>]) -> Turn<'a> {
    let mut table = Table { cos: Vec::new(), sin: Vec::new() };
    for piece in pieces {
        let first = piece.caches.first().map_or(0, KvCache::len);
        let Table { cos, sin } = rope.table(first, piece.tokens.len(), piece.context);
        table.cos.extend(cos);
        table.sin.extend(sin);
    }
    Turn { rope, table }
}
