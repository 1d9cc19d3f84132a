//! How long model files take to open, and numbers to convert.
//!
//! `cargo bench -p nootropic-models --bench files`
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on fails")]

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use nootropic_models::{FileType, Gguf, Precision, Strings, SyntheticModel, TensorType};

fn main() {
    divan::main();
}

/// The vocabulary of Qwen2.5, and next to no weights.
fn large_vocabulary() -> SyntheticModel {
    let precision = Precision::Mix(FileType::Q4_0);
    SyntheticModel { vocabulary: 151_936, columns: 32, layers: 1, precision, ..SyntheticModel::tiny() }
}

/// To the header's last check, with 152,000 tokens and as many merges.
#[divan::bench]
fn open_a_large_vocabulary(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    large_vocabulary().write(&path).unwrap();
    bencher.bench(|| Gguf::open(&path).unwrap());
}

/// Every token looked at once, as a tokenizer does.
#[divan::bench]
fn read_a_large_vocabulary(bencher: Bencher<'_, '_>) {
    let gguf = Gguf::from_bytes("m.gguf", large_vocabulary().to_bytes().unwrap()).unwrap();
    let tokens: Strings<'_> = gguf.metadata().get("tokenizer.ggml.tokens").unwrap();
    bencher
        .counter(ItemsCount::new(tokens.len()))
        .bench(|| (0..tokens.len()).map(|i| tokens.text(i).unwrap().len()).sum::<usize>());
}

const NUMBERS: usize = 1 << 16;

fn types() -> impl Iterator<Item = TensorType> {
    TensorType::all().filter(|kind| kind.can_quantize())
}

fn blocks(kind: TensorType) -> Vec<u8> {
    vec![0; NUMBERS / kind.block_len() * kind.block_bytes()]
}

fn weights() -> Vec<f32> {
    let model = SyntheticModel { precision: Precision::Mix(FileType::F32), ..SyntheticModel::tiny() };
    let gguf = Gguf::from_bytes("m.gguf", model.to_bytes().unwrap()).unwrap();
    gguf.tensor("blk.0.attn_q.weight").unwrap().to_f32().unwrap()
}

#[divan::bench(args = types())]
fn quantize(bencher: Bencher<'_, '_>, kind: TensorType) {
    let (weights, mut out) = (weights(), blocks(kind));
    bencher.counter(ItemsCount::new(NUMBERS)).bench_local(|| kind.quantize(&weights, &mut out).unwrap());
}

#[divan::bench(args = types())]
fn dequantize(bencher: Bencher<'_, '_>, kind: TensorType) {
    let (weights, mut bytes, mut out) = (weights(), blocks(kind), vec![0.0; NUMBERS]);
    kind.quantize(&weights, &mut bytes).unwrap();
    bencher.counter(BytesCount::new(NUMBERS * 4)).bench_local(|| kind.dequantize(&bytes, &mut out).unwrap());
}
