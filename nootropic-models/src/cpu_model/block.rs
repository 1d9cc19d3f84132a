//! A block of a decoder.

use super::layers::Machine;
use super::mlp::{CpuMlp, MlpScratch};
use super::model::Piece;
use super::pack::{PackedLinear, Packer};
use crate::Result;
use crate::arch::{Attention as Heads, Block, BlockWeights, Norm, NormWeights, Pairs, Rope, Table};
use crate::cpu::{self, Attention, Pool, Queries, Rotation, add, rms_norm_in_place};

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

/// What all blocks of a pass work on.
pub(super) struct Pass<'a, 'p> {
    pub(super) machine: Machine<'a>,
    pub(super) norm: Norm,
    pub(super) turns: Vec<Turn<'a>>,
    pub(super) pieces: &'a mut [Piece<'p>],
    /// The residual stream, `[tokens of all pieces, columns]`.
    pub(super) x: &'a mut Vec<f32>,
    pub(super) scratch: &'a mut BlockScratch,
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

    /// Adds to the residual stream; `layer` says which of the pieces' caches is this block's.
    pub(super) fn forward(&self, shape: &Block, layer: usize, pass: &mut Pass<'_, '_>) -> Result<()> {
        let posts = self.post_norms.as_ref();
        pass.machine.norm(pass.norm, &self.attention_norm, pass.x, &mut pass.scratch.normed)?;
        self.attend(&shape.attention, layer, pass)?;
        pass.join(posts.map(|posts| &posts.0))?;
        pass.machine.norm(pass.norm, &self.mlp_norm, pass.x, &mut pass.scratch.normed)?;
        let BlockScratch { normed, result, mlp, .. } = &mut *pass.scratch;
        self.mlp.forward(&mut pass.machine, &shape.mlp, mlp, normed, result)?;
        pass.join(posts.map(|posts| &posts.1))
    }

    fn attend(&self, shape: &Heads, layer: usize, pass: &mut Pass<'_, '_>) -> Result<()> {
        let Pass { machine, pieces, scratch, .. } = pass;
        let BlockScratch { normed, query, key, value, mixed, result, .. } = &mut **scratch;
        machine
            .linear(normed, &mut [(&self.query, &mut *query), (&self.key, &mut *key), (&self.value, &mut *value)])?;
        if let (Some((of_query, of_key)), Norm::Rms(epsilon)) = (&self.head_norms, pass.norm) {
            rms_norm_in_place(machine.pool, query, &of_query.weight, epsilon)?;
            rms_norm_in_place(machine.pool, key, &of_key.weight, epsilon)?;
        }
        if let Some(turn) = shape.rope.and_then(|rope| pass.turns.get(rope)) {
            let tokens = pieces.iter().map(|piece| piece.tokens.len()).sum();
            let rotation = turn.rotation(shape.head_columns, tokens);
            rotation.apply(machine.pool, query)?;
            rotation.apply(machine.pool, key)?;
        }
        remember(machine.pool, pieces, layer, shape.kv_heads * shape.head_columns, (key, value))?;
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

/// Adds keys and values, `[tokens of all pieces, row]`, to the caches of a layer.
fn remember(
    pool: &Pool,
    pieces: &mut [Piece<'_>],
    layer: usize,
    row: usize,
    (keys, values): (&[f32], &[f32]),
) -> Result<()> {
    let mut start = 0;
    for piece in pieces {
        let range = start..start + piece.tokens.len() * row;
        if let (Some(cache), Some(keys), Some(values)) =
            (piece.caches.get_mut(layer), keys.get(range.clone()), values.get(range.clone()))
        {
            cache.append(pool, keys, values)?;
        }
        start = range.end;
    }
    Ok(())
}

impl Pass<'_, '_> {
    /// Adds the result of attention or MLP to the residual stream.
    fn join(&mut self, post: Option<&NormWeights>) -> Result<()> {
        match post {
            Some(post) => {
                self.machine.norm(self.norm, post, &self.scratch.result, &mut self.scratch.normed)?;
                add(self.machine.pool, self.x, &self.scratch.normed);
            }
            None => add(self.machine.pool, self.x, &self.scratch.result),
        }
        Ok(())
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
