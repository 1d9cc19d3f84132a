//! Attention in which groups of query heads share a key and value head.

use burn::module::Module;
use burn::nn;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};

use super::cache::LayerCache;
use super::layers::{AnyNorm, soft_cap};
use crate::arch::{Attention, Pairs, Rope};

/// What hides a score. Finite: not every shader compiler takes infinities.
pub(super) const HIDDEN: f32 = -1e30;

/// The attention of a block. Ainslie et al., *GQA*, arXiv:2305.13245.
#[derive(Module, Debug)]
pub(super) struct AttentionLayer {
    pub(super) query: nn::Linear,
    pub(super) key: nn::Linear,
    pub(super) value: nn::Linear,
    pub(super) output: nn::Linear,
    pub(super) query_norm: Option<AnyNorm>,
    pub(super) key_norm: Option<AnyNorm>,
}

/// Which positions a pass computes, and what all blocks need for them.
pub(super) struct Step {
    /// The first position.
    pub(super) first: usize,
    /// Cosine and sine of each rope of the decoder, `[positions, pairs]`.
    pub(super) ropes: Vec<Rotation>,
    /// What is added to scores, `[positions, positions up to them]`, by window.
    pub(super) masks: Vec<(Option<usize>, Option<Tensor<2>>)>,
}

/// Angles on the device.
#[derive(Clone)]
pub(super) struct Rotation {
    pairs: Pairs,
    cos: Tensor<2>,
    sin: Tensor<2>,
}

impl Rotation {
    pub(super) fn new(rope: &Rope, first: usize, count: usize, context: usize, device: &Device) -> Self {
        let table = rope.table(first, count, context);
        let tensor = |numbers: Vec<f32>| {
            let pairs = numbers.len() / count.max(1);
            Tensor::from_data(TensorData::new(numbers, [count, pairs]), device)
        };
        Self { pairs: rope.pairs, cos: tensor(table.cos), sin: tensor(table.sin) }
    }

    /// Turns each pair of columns of `x`, `[heads, positions, columns]`.
    pub(super) fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        let [heads, positions, columns] = x.dims();
        let [_, pairs] = self.cos.dims();
        let (turned, rest) = match 2 * pairs < columns {
            true => (x.clone().narrow(2, 0, 2 * pairs), Some(x.narrow(2, 2 * pairs, columns - 2 * pairs))),
            false => (x, None),
        };
        let turned = match self.pairs {
            Pairs::Halves => {
                let (a, b) = (turned.clone().narrow(2, 0, pairs), turned.narrow(2, pairs, pairs));
                let (a, b) = self.turn(a, b);
                Tensor::cat(vec![a, b], 2)
            }
            Pairs::Consecutive => {
                let split = turned.reshape([heads, positions, pairs, 2]);
                let one = |side| split.clone().narrow(3, side, 1).reshape([heads, positions, pairs]);
                let (a, b) = self.turn(one(0), one(1));
                Tensor::stack::<4>(vec![a, b], 3).reshape([heads, positions, 2 * pairs])
            }
        };
        match rest {
            Some(rest) => Tensor::cat(vec![turned, rest], 2),
            None => turned,
        }
    }

    fn turn(&self, a: Tensor<3>, b: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let (cos, sin) = (self.cos.clone().unsqueeze::<3>(), self.sin.clone().unsqueeze::<3>());
        (a.clone() * cos.clone() - b.clone() * sin.clone(), b * cos + a * sin)
    }
}

/// What is added to the scores of positions `first..first + count`; nothing if each sees all positions up to the last.
pub(super) fn mask(first: usize, count: usize, window: Option<usize>, device: &Device) -> Option<Tensor<2>> {
    let end = first + count;
    let visible = |own: usize, other: usize| other <= own && window.is_none_or(|window| own - other < window);
    if count == 1 && visible(first, 0) {
        return None;
    }
    let rows = (first..end).flat_map(|own| (0..end).map(move |other| if visible(own, other) { 0.0 } else { HIDDEN }));
    Some(Tensor::from_data(TensorData::new(rows.collect::<Vec<f32>>(), [count, end]), device))
}

impl AttentionLayer {
    /// `x`: `[positions, columns]`, normalized; so is what is returned.
    pub(super) fn forward(&self, x: Tensor<2>, shape: &Attention, step: &Step, cache: &mut LayerCache) -> Tensor<2> {
        let [count, _] = x.dims();
        let Attention { heads, kv_heads, head_columns, .. } = *shape;
        let split = |x: Tensor<2>, heads: usize| x.reshape([count, heads, head_columns]).swap_dims(0, 1);
        let mut q = split(self.query.forward(x.clone()), heads);
        let mut k = split(self.key.forward(x.clone()), kv_heads);
        let v = split(self.value.forward(x), kv_heads);
        if let (Some(query_norm), Some(key_norm)) = (&self.query_norm, &self.key_norm) {
            (q, k) = (query_norm.forward(q), key_norm.forward(k));
        }
        if let Some(rotation) = shape.rope.and_then(|rope| step.ropes.get(rope)) {
            (q, k) = (rotation.apply(q), rotation.apply(k));
        }
        let (k, v) = cache.append(step.first, k, v);
        let end = step.first + count;
        // The heads of a group are neighbours: one product for all of them.
        let q = (q * shape.scale).reshape([kv_heads, heads / kv_heads * count, head_columns]);
        let scores = soft_cap(q.matmul(k.swap_dims(1, 2)), shape.soft_cap).reshape([heads, count, end]);
        let mask = step.masks.iter().find(|mask| mask.0 == shape.window).and_then(|mask| mask.1.clone());
        let scores = match mask {
            Some(mask) => scores + mask.unsqueeze::<3>(),
            None => scores,
        };
        let weights = softmax(scores, 2).reshape([kv_heads, heads / kv_heads * count, end]);
        let mixed = weights.matmul(v).reshape([heads, count, head_columns]).swap_dims(0, 1);
        self.output.forward(mixed.reshape([count, heads * head_columns]))
    }
}
