//! llama.cpp, through `llama-cpp-2`.

use std::io::Write;
use std::num::NonZeroU32;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use crate::Result;
use crate::measure::{Decoder, likeliest};
use crate::options::{LogitsOptions, Options};

/// As llama.cpp has it if not told otherwise.
const BATCH: usize = 2048;
const MICRO_BATCH: u32 = 512;

pub fn measure(options: &Options) -> Result<()> {
    let backend = backend()?;
    let model = LlamaModel::load_from_file(&backend, &options.file, &LlamaModelParams::default())?;
    let positions = options.prompt + options.generate * options.sequences;
    let context = model.new_context(&backend, params(positions, options.sequences, options.threads)?)?;
    let vocabulary = model.n_vocab() as usize;
    let mut decoder = Texts { context, sequences: options.sequences, len: 0 };
    crate::measure::measure("llama.cpp", "llama-cpp-2", options, vocabulary, &mut decoder)
}

/// Writes the logits at each position.
pub fn write_logits(options: &LogitsOptions) -> Result<()> {
    let tokens: Vec<u32> = serde_json::from_slice(&std::fs::read(&options.tokens)?)?;
    let backend = backend()?;
    let model = LlamaModel::load_from_file(&backend, &options.file, &LlamaModelParams::default())?;
    let mut params = params(tokens.len(), 1, options.threads)?;
    if options.exact {
        params = params
            .with_type_k(KvCacheType::F32)
            .with_type_v(KvCacheType::F32)
            .with_flash_attention_policy(llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_DISABLED);
    }
    let mut context = model.new_context(&backend, params)?;
    let mut writer = std::io::BufWriter::new(std::fs::File::create(&options.out)?);
    let mut batch = LlamaBatch::new(MICRO_BATCH as usize, 1);
    for (chunk, tokens) in tokens.chunks(MICRO_BATCH as usize).enumerate() {
        batch.clear();
        for (i, token) in tokens.iter().enumerate() {
            batch.add(LlamaToken(*token as i32), (chunk * MICRO_BATCH as usize + i) as i32, &[0], true)?;
        }
        context.decode(&mut batch)?;
        for i in 0..tokens.len() {
            for logit in context.get_logits_ith(i as i32) {
                writer.write_all(&logit.to_le_bytes())?;
            }
        }
    }
    Ok(writer.flush()?)
}

fn backend() -> Result<LlamaBackend> {
    let mut backend = LlamaBackend::init()?;
    if std::env::var_os("LLAMA_LOG").is_none() {
        backend.void_logs();
    }
    Ok(backend)
}

fn params(positions: usize, sequences: usize, threads: usize) -> Result<LlamaContextParams> {
    Ok(LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(u32::try_from(positions)?.next_multiple_of(256)))
        .with_n_batch(BATCH as u32)
        .with_n_ubatch(MICRO_BATCH)
        .with_n_seq_max(u32::try_from(sequences)?)
        .with_kv_unified(true) // the prompt is shared, as by `llama-batched-bench`
        .with_n_threads(i32::try_from(threads)?)
        .with_n_threads_batch(i32::try_from(threads)?))
}

struct Texts<'a> {
    context: LlamaContext<'a>,
    sequences: usize,
    /// Tokens of each.
    len: usize,
}

impl Decoder for Texts<'_> {
    fn prompt(&mut self, tokens: &[u32]) -> Result<u32> {
        self.context.clear_kv_cache();
        self.len = 0;
        let mut last = 0;
        for tokens in tokens.chunks(BATCH) {
            let mut batch = LlamaBatch::new(tokens.len(), 1);
            for (i, token) in tokens.iter().enumerate() {
                batch.add(LlamaToken(*token as i32), (self.len + i) as i32, &[0], i + 1 == tokens.len())?;
            }
            self.context.decode(&mut batch)?;
            self.len += tokens.len();
            last = likeliest(self.context.get_logits_ith(tokens.len() as i32 - 1));
        }
        Ok(last)
    }

    fn share(&mut self) -> Result<()> {
        for sequence in 1..self.sequences {
            self.context.copy_cache(0, sequence as i32, -1);
        }
        Ok(())
    }

    fn generate(&mut self, tokens: &[u32]) -> Result<Vec<u32>> {
        let mut batch = LlamaBatch::new(tokens.len(), 1);
        for (sequence, token) in tokens.iter().enumerate() {
            batch.add(LlamaToken(*token as i32), self.len as i32, &[sequence as i32], true)?;
        }
        self.context.decode(&mut batch)?;
        self.len += 1;
        Ok((0..tokens.len()).map(|i| likeliest(self.context.get_logits_ith(i as i32))).collect())
    }
}
