//! Models with random weights and real shapes, for tests and measurements that need a file but no sense.

#[cfg(test)]
mod tests;
mod vocabulary;
mod weights;

use std::path::Path;

use vocabulary::{LARGEST, SMALLEST, Vocabulary};
use weights::{Spread, Weights};

use crate::random::Random;
use crate::{Error, FileType, GgufBuilder, GgufWriter, ModelShape, Result, TensorType};

/// The architecture of a synthetic model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyntheticArchitecture {
    /// `llama`.
    Llama,
    /// `qwen2`: Llama with biases on queries, keys and values.
    Qwen2,
}

/// What the weights of a synthetic model are stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// As a quantized model of that name: each tensor in the type the mix chooses.
    Mix(FileType),
    /// Every matrix in one type.
    Pure(TensorType),
}

/// A model with random weights. It answers nonsense, at the speed of a real model of its shape.
///
/// The same fields give the same file, byte for byte, on every machine.
///
/// ```
/// # fn main() -> nootropic_models::Result<()> {
/// use nootropic_models::{FileType, Gguf, Precision, SyntheticModel};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("tiny.gguf");
/// let model = SyntheticModel { precision: Precision::Mix(FileType::Q4_K_M), ..SyntheticModel::tiny() };
/// model.write(&path)?;
/// assert_eq!(Gguf::open(&path)?.metadata().get::<u32>("llama.block_count")?, 2);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticModel {
    /// What it is called in the file.
    pub name: String,
    /// How it computes.
    pub architecture: SyntheticArchitecture,
    /// Number of tokens, 265 to 2²⁴.
    pub vocabulary: usize,
    /// Length of an embedding.
    pub columns: u64,
    /// Number of layers.
    pub layers: u64,
    /// Number of query heads.
    pub heads: u64,
    /// Number of key and value heads.
    pub kv_heads: u64,
    /// Length of a head.
    pub head_columns: u64,
    /// Width of the feed-forward layers.
    pub feed_forward: u64,
    /// Context length, in tokens.
    pub context: u32,
    /// Base of the rotary embedding.
    pub rope_base: f32,
    /// Epsilon of the norms.
    pub norm_epsilon: f32,
    /// Whether the embeddings are the output matrix too.
    pub tied_embeddings: bool,
    /// How weights are stored.
    pub precision: Precision,
    /// The chat template, in Jinja; without it, that of ChatML.
    pub chat_template: Option<String>,
    /// Other seeds, other weights.
    pub seed: u64,
}

impl SyntheticModel {
    /// The shape of Qwen2.5-0.5B: 494 million weights.
    pub fn qwen2_5_0_5b() -> Self {
        Self {
            name: "Synthetic Qwen2.5-0.5B".into(),
            architecture: SyntheticArchitecture::Qwen2,
            vocabulary: 151_936,
            columns: 896,
            layers: 24,
            heads: 14,
            kv_heads: 2,
            head_columns: 64,
            feed_forward: 4864,
            context: 32_768,
            rope_base: 1e6,
            norm_epsilon: 1e-6,
            tied_embeddings: true,
            precision: Precision::Mix(FileType::Q4_K_M),
            chat_template: None,
            seed: 1,
        }
    }

    /// A Llama of 124 million weights; every row a multiple of 256, so that all formats apply.
    pub fn llama_125m() -> Self {
        Self {
            name: "Synthetic Llama 125M".into(),
            architecture: SyntheticArchitecture::Llama,
            vocabulary: 32_000,
            columns: 768,
            layers: 12,
            heads: 12,
            kv_heads: 12,
            feed_forward: 2560,
            context: 4096,
            rope_base: 1e4,
            norm_epsilon: 1e-5,
            ..Self::qwen2_5_0_5b()
        }
    }

    /// A Llama of 1.3 million weights, for tests.
    pub fn tiny() -> Self {
        Self {
            name: "Synthetic tiny Llama".into(),
            vocabulary: 512,
            columns: 256,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            feed_forward: 512,
            context: 512,
            precision: Precision::Mix(FileType::F32),
            ..Self::llama_125m()
        }
    }

    /// Writes the model to a GGUF file, replacing one that is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a shape that makes no model, or a precision that cannot be written; [`Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let (builder, tensors) = self.describe()?;
        self.fill(builder.create(path)?, &tensors)?.finish()
    }

    /// The file in memory.
    ///
    /// # Errors
    /// [`Error::Invalid`], as [`write`](Self::write).
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let (builder, tensors) = self.describe()?;
        self.fill(builder.in_memory()?, &tensors)?.into_bytes()
    }

    fn fill(&self, mut writer: GgufWriter, tensors: &[NewTensor]) -> Result<GgufWriter> {
        let mut weights = Weights::new();
        for (tensor, part) in tensors.iter().zip(1..) {
            let random = Random::new(self.seed).part(part);
            let count = tensor.dims.iter().product(); // checked when it was described
            let write = |bytes: &[u8]| writer.append(&tensor.name, bytes);
            weights.tensor(tensor.dtype, count, tensor.spread, &random, write)?;
        }
        Ok(writer)
    }

    fn describe(&self) -> Result<(GgufBuilder, Vec<NewTensor>)> {
        self.check()?;
        let mut builder = GgufBuilder::new();
        self.metadata(&mut builder)?;
        self.tokenizer(&mut builder)?;
        let tensors = self.tensors();
        for tensor in &tensors {
            builder.tensor(&tensor.name, tensor.dtype, &tensor.dims)?;
        }
        Ok((builder, tensors))
    }

    fn check(&self) -> Result<()> {
        let problem = match self {
            _ if !(SMALLEST..=LARGEST).contains(&self.vocabulary) => {
                format!("{} tokens, not {SMALLEST} to {LARGEST}", self.vocabulary)
            }
            _ if self.kv_heads == 0 || !self.heads.is_multiple_of(self.kv_heads) => {
                format!("{} heads cannot share {} key and value heads", self.heads, self.kv_heads)
            }
            _ if !self.head_columns.is_multiple_of(2) => format!("heads of odd length {}", self.head_columns),
            _ => return Ok(()),
        };
        Err(Error::Invalid { what: format!("synthetic model {}", self.name), problem })
    }

    fn metadata(&self, builder: &mut GgufBuilder) -> Result<()> {
        let architecture = match self.architecture {
            SyntheticArchitecture::Llama => "llama",
            SyntheticArchitecture::Qwen2 => "qwen2",
        };
        let file_type = match self.precision {
            Precision::Mix(mix) => Some(mix),
            Precision::Pure(dtype) => FileType::all().find(|mix| mix.main_type() == dtype),
        };
        builder.set("general.architecture", architecture)?;
        builder.set("general.name", self.name.as_str())?;
        builder.set("general.quantization_version", 2_u32)?;
        builder.set("general.file_type", file_type.unwrap_or(FileType::F32).id())?;
        let numbers = [
            ("context_length", self.context),
            ("embedding_length", self.columns as u32),
            ("block_count", self.layers as u32),
            ("feed_forward_length", self.feed_forward as u32),
            ("attention.head_count", self.heads as u32),
            ("attention.head_count_kv", self.kv_heads as u32),
            ("attention.key_length", self.head_columns as u32),
            ("attention.value_length", self.head_columns as u32),
            ("rope.dimension_count", self.head_columns as u32),
            ("vocab_size", self.vocabulary as u32),
        ];
        for (key, number) in numbers {
            builder.set(&format!("{architecture}.{key}"), number)?;
        }
        builder.set(&format!("{architecture}.rope.freq_base"), self.rope_base)?;
        builder.set(&format!("{architecture}.attention.layer_norm_rms_epsilon"), self.norm_epsilon)?;
        Ok(())
    }

    fn tokenizer(&self, builder: &mut GgufBuilder) -> Result<()> {
        const TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + \
            '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
        let vocabulary = Vocabulary::new(self.vocabulary, Random::new(self.seed));
        builder.set("tokenizer.ggml.model", "gpt2")?;
        let pre = match self.architecture {
            SyntheticArchitecture::Llama => "llama-bpe",
            SyntheticArchitecture::Qwen2 => "qwen2",
        };
        builder.set("tokenizer.ggml.pre", pre)?;
        builder.set("tokenizer.ggml.tokens", vocabulary.tokens.as_slice())?;
        builder.set("tokenizer.ggml.token_type", vocabulary.types.as_slice())?;
        builder.set("tokenizer.ggml.merges", vocabulary.merges.as_slice())?;
        let ids = [
            ("eos_token_id", "<|im_end|>"),
            ("bos_token_id", "<|endoftext|>"),
            ("padding_token_id", "<|endoftext|>"),
            ("fim_pre_token_id", "<|fim_prefix|>"),
            ("fim_mid_token_id", "<|fim_middle|>"),
            ("fim_suf_token_id", "<|fim_suffix|>"),
            ("fim_pad_token_id", "<|fim_pad|>"),
        ];
        for (key, token) in ids {
            builder.set(&format!("tokenizer.ggml.{key}"), vocabulary.special(token))?;
        }
        builder.set("tokenizer.ggml.add_bos_token", false)?;
        builder.set("tokenizer.chat_template", self.chat_template.as_deref().unwrap_or(TEMPLATE))?;
        Ok(())
    }

    fn tensors(&self) -> Vec<NewTensor> {
        let (columns, feed_forward) = (self.columns, self.feed_forward);
        let (q, kv) = [self.heads, self.kv_heads].map(|heads| heads.saturating_mul(self.head_columns)).into();
        // So that activations keep their size from layer to layer, and logits spread as those of trained models do.
        let logits = 4.0;
        let residual = 1.0 / (2.0 * self.layers as f32).sqrt();
        let vocabulary = self.vocabulary as u64;
        let mut tensors = vec![self.matrix("token_embd.weight".into(), columns, vocabulary, logits)];
        for layer in 0..self.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            tensors.push(vector(name("attn_norm.weight"), columns, 1.0));
            for (part, rows) in [("attn_q", q), ("attn_k", kv), ("attn_v", kv)] {
                tensors.push(self.matrix(name(&format!("{part}.weight")), columns, rows, 1.0));
                if self.architecture == SyntheticArchitecture::Qwen2 {
                    tensors.push(vector(name(&format!("{part}.bias")), rows, 0.0));
                }
            }
            tensors.push(self.matrix(name("attn_output.weight"), q, columns, residual));
            tensors.push(vector(name("ffn_norm.weight"), columns, 1.0));
            tensors.push(self.matrix(name("ffn_gate.weight"), columns, feed_forward, 1.0));
            tensors.push(self.matrix(name("ffn_up.weight"), columns, feed_forward, 1.0));
            tensors.push(self.matrix(name("ffn_down.weight"), feed_forward, columns, residual));
        }
        tensors.push(vector("output_norm.weight".into(), columns, 1.0));
        if !self.tied_embeddings {
            tensors.push(self.matrix("output.weight".into(), columns, vocabulary, logits));
        }
        tensors
    }

    /// A matrix that multiplies what it is applied to by about `gain`.
    fn matrix(&self, name: String, columns: u64, rows: u64, gain: f32) -> NewTensor {
        let shape = ModelShape { layers: self.layers, experts: 0, tied_embeddings: self.tied_embeddings };
        let dims = vec![columns, rows];
        let chosen = match (self.precision, crate::Dims::new(&dims)) {
            (Precision::Mix(mix), Some(dims)) => mix.tensor_type(&name, &dims, &shape),
            (Precision::Pure(dtype), _) => Some(dtype),
            _ => None,
        };
        let spread = Spread { mean: 0.0, deviation: gain / (columns as f32).sqrt() };
        NewTensor { name, dtype: chosen.unwrap_or(TensorType::F32), dims, spread }
    }
}

struct NewTensor {
    name: String,
    dtype: TensorType,
    dims: Vec<u64>,
    spread: Spread,
}

fn vector(name: String, columns: u64, mean: f32) -> NewTensor {
    NewTensor { name, dtype: TensorType::F32, dims: vec![columns], spread: Spread { mean, deviation: 0.1 } }
}
