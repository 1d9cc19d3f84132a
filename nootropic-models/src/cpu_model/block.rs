//! A block of a decoder.

use super::layers::{Machine, add};
use super::mlp::{CpuMlp, MlpScratch};
use super::model::Piece;
use super::pack::{PackedLinear, Packer};
use crate::Result;
use crate::arch::{Block, BlockWeights, Norm, NormWeights, Pairs, Rope, Table};
use crate::cpu::{self, Attention, Queries, Rotation, rms_norm_in_place};

/// The packed weights of a block.
#[derive(Debug)]
pub(super) struct CpuBlock {
    attention_norm: NormWeights,
    query: PackedLinear,
    key: PackedLinear,
    value: PackedLinear,
    head_norms: Option<(NormWeights, NormWeights)>,
    output: PackedLinear,
    mlp_norm: NormWeights,
    mlp: CpuMlp,
    post_norms: Option<(NormWeights, NormWeights)>,
}

/// Room for what is between the operations.
#[derive(Debug, Default)]
pub(super) struct BlockScratch {
    normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    mixed: Vec<f32>,
    result: Vec<f32>,
    mlp: MlpScratch,
}

/// A rope and its angles at the positions of a pass.
pub(super) struct Turn<'a> {
    pub(super) rope: &'a Rope,
    pub(super) table: Table,
}

impl CpuBlock {
    pub(super) fn new(weights: BlockWeights<'_>, packer: &mut Packer) -> Result<Self> {
        Ok(Self {
            attention_norm: weights.attention_norm,
            query: packer.linear(weights.query)?,
            key: packer.linear(weights.key)?,
            value: packer.linear(weights.value)?,
            head_norms: weights.head_norms,
            output: packer.linear(weights.output)?,
            mlp_norm: weights.mlp_norm,
            mlp: CpuMlp::new(weights.mlp, packer)?,
            post_norms: weights.post_norms,
        })
    }

    /// Adds to the residual stream `x`, `[tokens of all pieces, columns]`; `layer` says which of the pieces' caches is this block's.
    #[expect(clippy::too_many_arguments, reason = "what a block works on, each of another kind")]
    pub(super) fn forward(
        &self,
        machine: &mut Machine<'_>,
        norm: Norm,
        shape: &Block,
        layer: usize,
        turns: &[Turn<'_>],
        pieces: &mut [Piece<'_>],
        scratch: &mut BlockScratch,
        x: &mut [f32],
    ) -> Result<()> {
        machine.norm(norm, &self.attention_norm, x, &mut scratch.normed)?;
        self.attend(machine, norm, shape, layer, turns, pieces, scratch)?;
        let posts = self.post_norms.as_ref();
        self.join(machine, norm, posts.map(|posts| &posts.0), scratch, x)?;
        machine.norm(norm, &self.mlp_norm, x, &mut scratch.normed)?;
        let BlockScratch { normed, result, mlp, .. } = scratch;
        self.mlp.forward(machine, &shape.mlp, mlp, normed, result)?;
        self.join(machine, norm, posts.map(|posts| &posts.1), scratch, x)
    }

    /// Adds the result of attention or MLP to the residual stream.
    fn join(
        &self,
        machine: &Machine<'_>,
        norm: Norm,
        post: Option<&NormWeights>,
        scratch: &mut BlockScratch,
        x: &mut [f32],
    ) -> Result<()> {
        match post {
            Some(post) => {
                machine.norm(norm, post, &scratch.result, &mut scratch.normed)?;
                add(x, &scratch.normed);
            }
            None => add(x, &scratch.result),
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "as `forward`")]
    fn attend(
        &self,
        machine: &mut Machine<'_>,
        norm: Norm,
        shape: &Block,
        layer: usize,
        turns: &[Turn<'_>],
        pieces: &mut [Piece<'_>],
        scratch: &mut BlockScratch,
    ) -> Result<()> {
        let shape = &shape.attention;
        let BlockScratch { normed, query, key, value, mixed, result, .. } = scratch;
        machine
            .linear(normed, &mut [(&self.query, &mut *query), (&self.key, &mut *key), (&self.value, &mut *value)])?;
        if let (Some((of_query, of_key)), Norm::Rms(epsilon)) = (&self.head_norms, norm) {
            rms_norm_in_place(machine.pool, query, &of_query.weight, epsilon)?;
            rms_norm_in_place(machine.pool, key, &of_key.weight, epsilon)?;
        }
        if let Some(turn) = shape.rope.and_then(|rope| turns.get(rope)) {
            let tokens = pieces.iter().map(|piece| piece.tokens.len()).sum();
            let rotation = turn.rotation(shape.head_columns, tokens);
            rotation.apply(machine.pool, query)?;
            rotation.apply(machine.pool, key)?;
        }
        let row = shape.kv_heads * shape.head_columns;
        let mut start = 0;
        for piece in pieces.iter_mut() {
            let range = start..start + piece.tokens.len() * row;
            if let (Some(cache), Some(key), Some(value)) =
                (piece.caches.get_mut(layer), key.get(range.clone()), value.get(range.clone()))
            {
                cache.append(key, value)?;
            }
            start = range.end;
        }
        let sessions: Vec<Queries<'_>> = pieces
            .iter()
            .filter_map(|piece| {
                let (cache, tokens) = (piece.caches.get(layer)?, piece.tokens.len());
                Some(Queries { cache, first: cache.len().checked_sub(tokens)?, tokens })
            })
            .collect();
        let attention = Attention {
            heads: shape.heads,
            scale: shape.scale,
            causal: true,
            window: shape.window,
            soft_cap: shape.soft_cap,
        };
        mixed.resize(query.len(), 0.0);
        attention.run(machine.pool, &sessions, query, mixed)?;
        machine.linear(mixed, &mut [(&self.output, result)])
    }
}

impl Turn<'_> {
    fn rotation(&self, head_dim: usize, tokens: usize) -> Rotation<'_> {
        let pairs = match self.rope.pairs {
            Pairs::Halves => cpu::Pairs::Halves,
            Pairs::Consecutive => cpu::Pairs::Neighbours,
        };
        Rotation { pairs, head_dim, tokens, cos: &self.table.cos, sin: &self.table.sin }
    }
}
