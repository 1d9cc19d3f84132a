//! candle's quantized decoders.

use std::fs::File;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, IndexOp, Tensor};
use candle_transformers::models::{quantized_llama, quantized_qwen2};

use crate::Result;
use crate::measure::{Decoder, likeliest};
use crate::options::Options;

pub fn measure(options: &Options) -> Result<()> {
    if options.sequences > 1 {
        return Err("candle's decoders hold one text".into());
    }
    let mut file = File::open(&options.file)?;
    let content = Content::read(&mut file)?;
    let architecture =
        content.metadata.get("general.architecture").ok_or("no general.architecture")?.to_string()?.clone();
    let embedding = content.tensor_infos.get("token_embd.weight").ok_or("no embeddings")?;
    let vocabulary = embedding.shape.dims2()?.0;
    let weights = match architecture.as_str() {
        "llama" => Weights::Llama(quantized_llama::ModelWeights::from_gguf(content, &mut file, &Device::Cpu)?),
        "qwen2" => Weights::Qwen2(quantized_qwen2::ModelWeights::from_gguf(content, &mut file, &Device::Cpu)?),
        other => return Err(format!("not measured with architecture {other}").into()),
    };
    let mut decoder = Text { weights, len: 0 };
    crate::measure::measure("candle", "candle-transformers", options, vocabulary, &mut decoder)
}

enum Weights {
    Llama(quantized_llama::ModelWeights),
    Qwen2(quantized_qwen2::ModelWeights),
}

struct Text {
    weights: Weights,
    len: usize,
}

impl Text {
    fn forward(&mut self, tokens: &[u32]) -> Result<u32> {
        let input = Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0)?;
        let logits = match &mut self.weights {
            Weights::Llama(weights) => weights.forward(&input, self.len)?,
            Weights::Qwen2(weights) => weights.forward(&input, self.len)?,
        };
        self.len += tokens.len();
        Ok(likeliest(&logits.i(0)?.to_vec1()?))
    }
}

impl Decoder for Text {
    fn prompt(&mut self, tokens: &[u32]) -> Result<u32> {
        match &mut self.weights {
            Weights::Llama(weights) => weights.clear_kv_cache(),
            Weights::Qwen2(weights) => weights.clear_kv_cache(),
        }
        self.len = 0;
        self.forward(tokens)
    }

    fn share(&mut self) -> Result<()> {
        Ok(())
    }

    fn generate(&mut self, tokens: &[u32]) -> Result<Vec<u32>> {
        tokens.iter().map(|token| self.forward(&[*token])).collect()
    }
}
