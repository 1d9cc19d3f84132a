//! An encoder as Burn modules, on any of Burn's devices.

use burn::module::{Module, Param};
use burn::nn;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::attention::{HIDDEN, Rotation};
use super::guard::{failure, guard};
use super::layers::{AnyNorm, linear, matrix};
use super::mlp::MlpLayer;
use crate::Result;
use crate::arch::{Attention, Encoder, EncoderBlockWeights, EncoderWeights, Norm, Order};
use crate::embed::Text;

/// The weights of an encoder, with the description they are used by.
#[derive(Debug)]
pub(crate) struct BurnEncoder {
    pub(crate) encoder: Encoder,
    layers: EncoderLayers,
    device: Device,
    /// What the device is called.
    name: String,
}

#[derive(Module, Debug)]
struct EncoderLayers {
    /// `[vocabulary, columns]`
    embedding: Param<Tensor<2>>,
    /// `[context, columns]`
    positions: Option<Param<Tensor<2>>>,
    /// `[kinds, columns]`
    kinds: Option<Param<Tensor<2>>>,
    embedding_norm: AnyNorm,
    blocks: Vec<EncoderLayer>,
    norm: Option<AnyNorm>,
}

#[derive(Module, Debug)]
struct EncoderLayer {
    query: nn::Linear,
    key: nn::Linear,
    value: nn::Linear,
    output: nn::Linear,
    attention_norm: Option<AnyNorm>,
    mlp: MlpLayer,
    mlp_norm: AnyNorm,
}

/// What all blocks need for texts of at most `len` positions each.
struct Batch {
    texts: usize,
    len: usize,
    /// Of each rope.
    rotations: Vec<Rotation>,
    /// What is added to scores, `[texts, 1, len, len]`, by window.
    masks: Vec<(Option<usize>, Tensor<4>)>,
}

impl BurnEncoder {
    pub(crate) fn new(encoder: Encoder, weights: EncoderWeights<'_>, burn: &Device, name: &str) -> Result<Self> {
        let norm = |weights| AnyNorm::new(Norm::Layer(encoder.epsilon), weights, burn);
        let rows = |numbers: Vec<f32>| {
            let shape = [numbers.len() / encoder.columns, encoder.columns];
            (!numbers.is_empty()).then(|| Param::from_tensor(Tensor::from_data(TensorData::new(numbers, shape), burn)))
        };
        let block = |weights: EncoderBlockWeights<'_>| -> Result<EncoderLayer> {
            Ok(EncoderLayer {
                query: linear(weights.query, burn)?,
                key: linear(weights.key, burn)?,
                value: linear(weights.value, burn)?,
                output: linear(weights.output, burn)?,
                attention_norm: weights.attention_norm.map(norm),
                mlp: MlpLayer::new(weights.mlp, burn)?,
                mlp_norm: norm(weights.mlp_norm),
            })
        };
        let layers = EncoderLayers {
            embedding: Param::from_tensor(matrix(&weights.embedding, burn)?.transpose()),
            positions: rows(weights.positions),
            kinds: rows(weights.kinds),
            embedding_norm: norm(weights.embedding_norm),
            blocks: weights.blocks.into_iter().map(block).collect::<Result<_>>()?,
            norm: weights.norm.map(norm),
        };
        Ok(Self { encoder, layers, device: burn.clone(), name: name.into() })
    }

    /// As [`CpuEncoder::pass`](crate::cpu_model::CpuEncoder::pass). Shorter texts are padded: best together are texts of one length.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub(crate) fn pass(&self, texts: &[Text<'_>]) -> Result<Vec<f32>> {
        let columns = self.encoder.columns;
        let padded = guard("encoding", &self.name, || {
            let vectors = self.blocks(texts)?.try_into_vec_as::<f32>();
            vectors.map_err(|error| failure("reading vectors", &self.name, &error.to_string()))
        })?;
        let len = texts.iter().map(|text| text.tokens.len()).max().unwrap_or(0);
        let rows = texts.iter().zip(padded.chunks_exact((len * columns).max(1)));
        Ok(rows.flat_map(|(text, rows)| rows.iter().take(text.tokens.len() * columns)).copied().collect())
    }

    /// `[texts, length of the longest, columns]`
    fn blocks(&self, texts: &[Text<'_>]) -> Result<Tensor<3>> {
        let Self { encoder, layers, .. } = self;
        let len = texts.iter().map(|text| text.tokens.len()).max().unwrap_or(0);
        let batch = self.batch(texts, len);
        let x = layers.embedding_norm.forward(self.embed(texts, len));
        let flat = [texts.len() * len, encoder.columns];
        let mut x = x.reshape(flat);
        for (layer, shape) in layers.blocks.iter().zip(&encoder.blocks) {
            let before = |norm: &AnyNorm, x: Tensor<2>| match encoder.order {
                Order::NormBefore => norm.forward(x),
                Order::NormAfter => x,
            };
            let after = |norm: &AnyNorm, x: Tensor<2>| match encoder.order {
                Order::NormBefore => x,
                Order::NormAfter => norm.forward(x),
            };
            let input = layer.attention_norm.as_ref().map_or(x.clone(), |norm| before(norm, x.clone()));
            let sum = x + layer.attend(input, &shape.attention, &batch);
            x = layer.attention_norm.as_ref().map_or(sum.clone(), |norm| after(norm, sum));
            let sum = x.clone() + layer.mlp.forward(before(&layer.mlp_norm, x), &shape.mlp)?;
            x = after(&layer.mlp_norm, sum);
        }
        let x = layers.norm.as_ref().map_or(x.clone(), |norm| norm.forward(x));
        Ok(x.reshape([texts.len(), len, encoder.columns]))
    }

    fn embed(&self, texts: &[Text<'_>], len: usize) -> Tensor<3> {
        let (layers, columns) = (&self.layers, self.encoder.columns);
        let rows = |of: &Param<Tensor<2>>, number: &dyn Fn(&Text<'_>, usize) -> usize| {
            let numbers = texts.iter().flat_map(|text| (0..len).map(|position| number(text, position) as i32));
            let numbers = TensorData::new(numbers.collect::<Vec<i32>>(), [texts.len() * len]);
            of.val().select(0, Tensor::<1, Int>::from_data(numbers, &self.device))
        };
        let mut x =
            rows(&layers.embedding, &|text, position| text.tokens.get(position).map_or(0, |token| *token as usize));
        if let Some(positions) = &layers.positions {
            x = x + rows(positions, &|_, position| position);
        }
        if let Some(kinds) = &layers.kinds {
            let last = self.encoder.kinds - 1;
            x = x + rows(kinds, &|text, position| text.kind(position).min(last));
        }
        x.reshape([texts.len(), len, columns])
    }

    fn batch(&self, texts: &[Text<'_>], len: usize) -> Batch {
        let rotations = self.encoder.ropes.iter().map(|rope| Rotation::new(rope, 0, len, len, &self.device)).collect();
        let mut windows: Vec<_> = self.encoder.blocks.iter().map(|block| block.attention.window).collect();
        windows.sort_unstable();
        windows.dedup();
        let mask = |window: Option<usize>| {
            let near = |own: usize, other: usize| window.is_none_or(|window| own.abs_diff(other) < window);
            let numbers = texts.iter().flat_map(|text| {
                let visible = move |own, other| other < text.tokens.len() && near(own, other);
                let number = move |own, other| if visible(own, other) { 0.0 } else { HIDDEN };
                (0..len).flat_map(move |own| (0..len).map(move |other| number(own, other)))
            });
            let data = TensorData::new(numbers.collect::<Vec<f32>>(), [texts.len(), 1, len, len]);
            (window, Tensor::from_data(data, &self.device))
        };
        Batch { texts: texts.len(), len, rotations, masks: windows.into_iter().map(mask).collect() }
    }
}

impl EncoderLayer {
    /// `x`: `[texts · len, columns]`; so is what is returned.
    fn attend(&self, x: Tensor<2>, shape: &Attention, batch: &Batch) -> Tensor<2> {
        let Batch { texts, len, rotations, masks } = batch;
        let (texts, len, heads, head_columns) = (*texts, *len, shape.heads, shape.head_columns);
        let split = |x: Tensor<2>| x.reshape([texts, len, heads, head_columns]).swap_dims(1, 2);
        let rotation = shape.rope.and_then(|rope| rotations.get(rope));
        let turn = |x: Tensor<4>| match rotation {
            Some(rotation) => {
                rotation.apply(x.reshape([texts * heads, len, head_columns])).reshape([texts, heads, len, head_columns])
            }
            None => x,
        };
        let q = turn(split(self.query.forward(x.clone())));
        let k = turn(split(self.key.forward(x.clone())));
        let v = split(self.value.forward(x));
        let scores = (q * shape.scale).matmul(k.swap_dims(2, 3));
        let scores = match masks.iter().find(|mask| mask.0 == shape.window) {
            Some((_, mask)) => scores + mask.clone(),
            None => scores,
        };
        let mixed = softmax(scores, 3).matmul(v).swap_dims(1, 2);
        self.output.forward(mixed.reshape([texts * len, heads * head_columns]))
    }
}
