//! Synthetic models are whole, and the same each time.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::{Gguf, Strings};

fn open(model: &SyntheticModel) -> Gguf {
    Gguf::from_bytes(&model.name, model.to_bytes().unwrap()).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_file() {
    let model = SyntheticModel::tiny();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    model.write(&path).unwrap();
    let first = std::fs::read(&path).unwrap();
    assert!(first == model.to_bytes().unwrap(), "in memory and on disk, on one thread or several");
    assert_eq!(checksum(&first), 0x2CD6_71E9, "on every machine and in every version");
    assert!(first != SyntheticModel { seed: 2, ..model }.to_bytes().unwrap());
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[test]
fn every_mix_and_type_can_be_made() {
    for mix in FileType::all() {
        let gguf = open(&SyntheticModel { precision: Precision::Mix(mix), ..SyntheticModel::tiny() });
        assert_eq!(gguf.metadata().get::<u32>("general.file_type").unwrap(), mix.id());
        let query = gguf.tensor("blk.1.attn_q.weight").unwrap();
        assert_eq!(query.dtype, mix.main_type());
        let numbers = query.to_f32().unwrap();
        let deviation = (numbers.iter().map(|x| x * x).sum::<f32>() / numbers.len() as f32).sqrt();
        assert!((deviation * 16.0 - 1.0).abs() < 0.02, "{mix}: {deviation}"); // 1 / √256
    }
    for dtype in TensorType::all() {
        let model = SyntheticModel { precision: Precision::Pure(dtype), ..SyntheticModel::tiny() };
        assert_eq!(model.to_bytes().is_ok(), dtype.can_quantize(), "{dtype}");
    }
}

#[test]
fn blocks_of_large_tensors_are_drawn_from_a_pool() {
    let mut weights = Weights::new();
    let spread = Spread { mean: 0.0, deviation: 1.0 };
    let mut data: Vec<u8> = Vec::new();
    let count = 3 << 17;
    let write = |bytes: &[u8]| {
        data.extend(bytes);
        Ok(())
    };
    weights.tensor(TensorType::Q8_0, count, spread, &Random::new(1), write).unwrap();
    let blocks: Vec<_> = data.chunks(34).collect();
    assert_eq!(blocks.len() as u64, count / 32);
    let different = blocks.iter().collect::<HashSet<_>>().len();
    assert!(different > 3000, "{different} of 4096 occur");
    assert_ne!(blocks[..4096], blocks[4096..8192], "in an order that is not repeated");
}

#[test]
fn shapes_are_those_of_the_models() {
    let count = |model: &SyntheticModel| -> u64 {
        let (_, tensors) = model.describe().unwrap();
        tensors.iter().map(|tensor| tensor.dims.iter().product::<u64>()).sum()
    };
    assert_eq!(count(&SyntheticModel::qwen2_5_0_5b()), 494_032_768, "as Qwen2.5-0.5B");
    assert_eq!(count(&SyntheticModel::llama_125m()), 123_685_632);
    let tensors = SyntheticModel::qwen2_5_0_5b().tensors();
    let counts = tensors.iter().fold(BTreeMap::new(), |mut counts, tensor| {
        *counts.entry(tensor.dtype.name()).or_insert(0) += 1;
        counts
    });
    // What llama.cpp prints when it loads the published Q4_K_M of that model.
    let published = [("F32", 121), ("Q5_0", 132), ("Q8_0", 13), ("Q4_K", 12), ("Q6_K", 12)];
    assert_eq!(counts, published.into());
    let bias = tensors.iter().find(|tensor| tensor.name == "blk.23.attn_k.bias").unwrap();
    assert_eq!(bias.dims, [128]);
}

#[test]
fn the_vocabulary_is_a_byte_level_bpe() {
    let model = SyntheticModel { vocabulary: 5000, ..SyntheticModel::tiny() };
    let gguf = open(&model);
    let metadata = gguf.metadata();
    let tokens: Strings<'_> = metadata.get("tokenizer.ggml.tokens").unwrap();
    let merges: Strings<'_> = metadata.get("tokenizer.ggml.merges").unwrap();
    let types: Vec<i32> = metadata.get("tokenizer.ggml.token_type").unwrap();
    assert_eq!((tokens.len(), types.len(), merges.len()), (5000, 5000, 5000 - SMALLEST));
    let tokens: Vec<&str> = (0..tokens.len()).map(|i| tokens.text(i).unwrap()).collect();
    assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), 5000, "each token once");
    assert_eq!((tokens[0], tokens[187], tokens[188], tokens[255]), ("!", "ÿ", "Ā", "Ń"), "GPT-2's order");
    let mut known: HashSet<&str> = tokens[..256].iter().copied().collect();
    for (i, token) in tokens[256..5000 - 9].iter().enumerate() {
        let (left, right) = merges.text(i).unwrap().split_once(' ').unwrap();
        assert!(known.contains(left) && known.contains(right), "a merge is of earlier tokens");
        assert_eq!(format!("{left}{right}"), *token);
        known.insert(token);
    }
    let end: u32 = metadata.get("tokenizer.ggml.eos_token_id").unwrap();
    assert_eq!((tokens[end as usize], types[end as usize], types[300]), ("<|im_end|>", 3, 1));
}

#[test]
fn shapes_that_make_no_model_are_refused() {
    let tiny = SyntheticModel::tiny;
    for model in [
        SyntheticModel { vocabulary: 264, ..tiny() },
        SyntheticModel { vocabulary: usize::MAX, ..tiny() },
        SyntheticModel { heads: 1 << 60, kv_heads: 1 << 60, ..tiny() },
        SyntheticModel { kv_heads: 0, ..tiny() },
        SyntheticModel { kv_heads: 3, ..tiny() },
        SyntheticModel { head_columns: 63, ..tiny() },
        SyntheticModel { columns: 0, ..tiny() },
        SyntheticModel { columns: 100, precision: Precision::Pure(TensorType::Q4_0), ..tiny() },
    ] {
        assert!(matches!(model.to_bytes(), Err(Error::Invalid { .. })), "{model:?}");
    }
    let mix = Precision::Mix(FileType::Q4_0);
    SyntheticModel { columns: 100, precision: mix, ..tiny() }.to_bytes().unwrap();
}
