//! A block of an encoder, for a panel of rows: everything but attention sees one row at a time, so a thread takes some rows through all of
//! it, and what lies between the operations stays in its caches.

use super::mlp::function;
use crate::arch::{Activation, EncoderBlock, EncoderBlockWeights, Linear, Mlp, MlpWeights, NormWeights, Order};
use crate::cpu::{Dense, Out, Pairs, Pool, Rotation, RowBytes, activate, add, gate, layer_norm, layer_norm_in_place};
use crate::{Error, Result, Tensor, TensorType};

/// The packed weights of a block.
#[derive(Debug)]
pub(super) struct CpuEncoderBlock {
    query: Dense,
    key: Dense,
    value: Dense,
    output: Dense,
    attention_norm: Option<NormWeights>,
    /// Of a gated MLP, the gate.
    gate: Option<Dense>,
    up: Dense,
    down: Dense,
    activation: Activation,
    mlp_norm: NormWeights,
}

/// Room for what is between the operations.
#[derive(Debug, Default)]
pub(super) struct PanelRoom {
    normed: Vec<f32>,
    result: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    bytes: RowBytes,
}

/// What all operations on a panel share.
pub(super) struct Worker<'a> {
    pub(super) pool: &'a Pool,
    pub(super) order: Order,
    pub(super) epsilon: f32,
    pub(super) room: &'a mut PanelRoom,
}

/// The cosines and sines of a panel's rows.
pub(super) type Angles<'a> = Option<(&'a [f32], &'a [f32])>;

impl CpuEncoderBlock {
    /// # Errors
    /// As [`dense`]; [`Error::Invalid`] for an MLP of experts.
    pub(super) fn new(weights: EncoderBlockWeights<'_>, shape: &EncoderBlock, eight_bits: bool) -> Result<Self> {
        let dense = |linear| dense(linear, eight_bits);
        let (gate, up, down) = match weights.mlp {
            MlpWeights::Gated { gate, up, down } => (Some(dense(gate)?), up, down),
            MlpWeights::Plain { up, down } => (None, up, down),
            MlpWeights::Experts { .. } => return Err(wrong_mlp()),
        };
        let activation = match shape.mlp {
            Mlp::Gated { activation, .. } | Mlp::Plain { activation, .. } => activation,
            Mlp::Experts { .. } => return Err(wrong_mlp()),
        };
        Ok(Self {
            query: dense(weights.query)?,
            key: dense(weights.key)?,
            value: dense(weights.value)?,
            output: dense(weights.output)?,
            attention_norm: weights.attention_norm,
            gate,
            up: dense(up)?,
            down: dense(down)?,
            activation,
            mlp_norm: weights.mlp_norm,
        })
    }

    /// Queries and keys, `[rows, 2, columns]`, and values of the rows `x`.
    pub(super) fn query_key_value(
        &self,
        worker: &mut Worker<'_>,
        head_columns: usize,
        angles: Angles<'_>,
        x: &[f32],
        queries_keys: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        let columns = self.query.rows();
        let PanelRoom { normed, bytes, .. } = &mut *worker.room;
        let input = match (&self.attention_norm, worker.order) {
            (Some(norm), Order::NormBefore) => {
                normalize(worker.pool, norm, worker.epsilon, x, normed)?;
                &**normed
            }
            _ => x,
        };
        let input = self.query.read(input, bytes);
        let stride = 2 * columns;
        self.query.multiply(&input, Out { numbers: queries_keys, first: 0, stride })?;
        self.key.multiply(&input, Out { numbers: queries_keys, first: columns, stride })?;
        self.value.multiply(&input, Out::rows(values, columns))?;
        if let Some((cos, sin)) = angles {
            let tokens = x.len() / self.query.columns();
            Rotation { pairs: Pairs::Halves, head_dim: head_columns, tokens, cos, sin }
                .apply(worker.pool, queries_keys)?;
        }
        Ok(())
    }

    /// Takes the rows `x` from what attention has `mixed` for them to the end of the block.
    pub(super) fn finish(&self, worker: &mut Worker<'_>, mixed: &[f32], x: &mut [f32]) -> Result<()> {
        product(worker.room, &self.output, mixed)?;
        worker.join(self.attention_norm.as_ref(), x)?;
        let PanelRoom { normed, result, gate: gates, up, bytes } = &mut *worker.room;
        let input = match worker.order {
            Order::NormBefore => {
                normalize(worker.pool, &self.mlp_norm, worker.epsilon, x, normed)?;
                &**normed
            }
            Order::NormAfter => &*x,
        };
        let (rows, width) = (input.len() / self.up.columns(), self.up.rows());
        let input = self.up.read(input, bytes);
        up.resize(rows * width, 0.0);
        self.up.multiply(&input, Out::rows(up, width))?;
        let hidden = match &self.gate {
            None => {
                activate(worker.pool, function(self.activation), up);
                up
            }
            Some(matrix) => {
                gates.resize(rows * width, 0.0);
                matrix.multiply(&input, Out::rows(gates, width))?;
                gate(worker.pool, function(self.activation), gates, up)?;
                gates
            }
        };
        result.resize(rows * self.down.rows(), 0.0);
        let input = self.down.read(hidden, bytes);
        self.down.multiply(&input, Out::rows(result, self.down.rows()))?;
        worker.join(Some(&self.mlp_norm), x)
    }
}

impl Worker<'_> {
    /// Adds the result to `x`, and normalizes the sum where the order has it so.
    fn join(&mut self, norm: Option<&NormWeights>, x: &mut [f32]) -> Result<()> {
        add(self.pool, x, &self.room.result);
        match norm {
            Some(NormWeights { weight, bias }) if self.order == Order::NormAfter => {
                layer_norm_in_place(self.pool, x, weight, bias.as_deref().unwrap_or_default(), self.epsilon)
            }
            _ => Ok(()),
        }
    }
}

/// The product of a matrix with `x`, as the result.
fn product(room: &mut PanelRoom, matrix: &Dense, x: &[f32]) -> Result<()> {
    room.result.resize(x.len() / matrix.columns() * matrix.rows(), 0.0);
    let input = matrix.read(x, &mut room.bytes);
    matrix.multiply(&input, Out::rows(&mut room.result, matrix.rows()))
}

fn normalize(pool: &Pool, norm: &NormWeights, epsilon: f32, x: &[f32], out: &mut Vec<f32>) -> Result<()> {
    out.resize(x.len(), 0.0);
    layer_norm(pool, x, &norm.weight, norm.bias.as_deref().unwrap_or_default(), epsilon, out)
}

/// Packs a matrix: in eight bits, or as the file has it where that is floats, and as `f32` otherwise.
///
/// # Errors
/// [`Error::Invalid`] if sizes are more than can be counted, those of [`Tensor::to_f32`] and [`Dense`].
fn dense(linear: Linear<'_>, eight_bits: bool) -> Result<Dense> {
    let Linear { weight, bias } = linear;
    let sizes = usize::try_from(weight.dims.rows()).ok().zip(usize::try_from(weight.dims.columns()).ok());
    let (rows, columns) = sizes.ok_or_else(|| too_large(&weight))?;
    let bias = bias.unwrap_or_default();
    match weight.dtype {
        _ if eight_bits => Dense::eight(rows, columns, &weight.to_f32()?, bias),
        TensorType::F32 | TensorType::F16 | TensorType::BF16 => {
            Dense::float(weight.dtype, rows, columns, weight.data, bias)
        }
        _ => {
            let numbers: Vec<u8> = weight.to_f32()?.iter().flat_map(|number| number.to_le_bytes()).collect();
            Dense::float(TensorType::F32, rows, columns, &numbers, bias)
        }
    }
}

fn too_large(tensor: &Tensor<'_>) -> Error {
    Error::Invalid {
        what: crate::Place::tensor(tensor.name).to_string(),
        problem: "it has more rows or columns than this machine can count".into(),
    }
}

fn wrong_mlp() -> Error {
    Error::Invalid { what: "MLP".into(), problem: "an encoder of experts is not known here".into() }
}
