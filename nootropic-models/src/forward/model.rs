//! A decoder as Burn modules, on any of Burn's devices.

use burn::module::{Module, Param};
use burn::nn;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::attention::{Rotation, Step, mask};
use super::block::BlockLayer;
use super::cache::LayerCache;
use super::guard::{failure, guard};
use super::layers::{AnyNorm, linear, soft_cap};
use super::session::Logits;
use crate::Result;
use crate::arch::{Decoder, Linear, Weights};

/// The weights, with the description they are used by.
#[derive(Debug)]
pub(super) struct BurnModel {
    pub(super) decoder: Decoder,
    layers: DecoderLayers,
    device: Device,
    /// What the device is called.
    name: String,
    pub(super) unknown: Vec<String>,
}

/// The weights of a decoder.
#[derive(Module, Debug)]
struct DecoderLayers {
    /// `[vocabulary, columns]`
    embedding: Param<Tensor<2>>,
    blocks: Vec<BlockLayer>,
    norm: AnyNorm,
    /// The embeddings, if there is none.
    output: Option<nn::Linear>,
}

impl BurnModel {
    pub(super) fn new(decoder: Decoder, weights: Weights<'_>, burn: &Device, name: &str) -> Result<Self> {
        let Weights { embedding, blocks, norm, output, unknown } = weights;
        let embedding = super::layers::matrix(&embedding, burn)?.transpose();
        let output = match decoder.tied {
            true => None,
            false => Some(linear(Linear { weight: output, bias: None }, burn)?),
        };
        let blocks = blocks.into_iter().map(|block| BlockLayer::new(decoder.norm, block, burn));
        let layers = DecoderLayers {
            embedding: Param::from_tensor(embedding),
            blocks: blocks.collect::<Result<_>>()?,
            norm: AnyNorm::new(decoder.norm, norm, burn),
            output,
        };
        Ok(Self { decoder, layers, device: burn.clone(), name: name.into(), unknown })
    }

    /// Runs `tokens` at the positions from `first` in a session of at most `context`. Tokens are below the vocabulary.
    ///
    /// Returns the logits asked for, position after position.
    pub(super) fn pass(
        &self,
        tokens: &[u32],
        first: usize,
        context: usize,
        caches: &mut [LayerCache],
        logits: Logits,
    ) -> Result<Vec<f32>> {
        guard("a forward pass", &self.name, || {
            let x = self.blocks(tokens, first, context, caches)?;
            let x = match logits {
                Logits::None => return Ok(Vec::new()),
                Logits::Last => x.narrow(0, tokens.len() - 1, 1),
                Logits::All => x,
            };
            self.head(x).try_into_vec_as().map_err(|error| failure("reading logits", &self.name, &error.to_string()))
        })
    }

    fn blocks(&self, tokens: &[u32], first: usize, context: usize, caches: &mut [LayerCache]) -> Result<Tensor<2>> {
        let (device, decoder) = (&self.device, &self.decoder);
        let count = tokens.len();
        let ids: Vec<i32> = tokens.iter().map(|token| *token as i32).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [count]), device);
        let step = self.step(first, count, context, device);
        let mut x = self.layers.embedding.val().select(0, ids);
        if decoder.embedding_scale != 1.0 {
            x = x * decoder.embedding_scale;
        }
        for ((layer, shape), cache) in self.layers.blocks.iter().zip(&decoder.blocks).zip(caches) {
            x = layer.forward(x, shape, &step, cache)?;
        }
        Ok(x)
    }

    fn step(&self, first: usize, count: usize, context: usize, device: &Device) -> Step {
        let rotation = |rope| Rotation::new(rope, first, count, context, device);
        let mut windows: Vec<_> = self.decoder.blocks.iter().map(|block| block.attention.window).collect();
        windows.sort_unstable();
        windows.dedup();
        let masks = windows.into_iter().map(|window| (window, mask(first, count, window, device))).collect();
        Step { first, ropes: self.decoder.ropes.iter().map(rotation).collect(), masks }
    }

    fn head(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.layers.norm.forward(x);
        let logits = match &self.layers.output {
            Some(output) => output.forward(x),
            None => x.matmul(self.layers.embedding.val().transpose()),
        };
        soft_cap(logits, self.decoder.soft_cap)
    }
}
