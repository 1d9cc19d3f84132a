//! Every family computes what its reference computes, however its text is cut, and whatever goes with it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::*;
use crate::cpu::{KvCache, KvPrecision, Pool};
use crate::{FileType, Gguf, Logits, ModelFile, Precision, SyntheticModel};

/// Tokens, and the logits of the reference after each of them.
#[derive(Deserialize)]
struct Reference {
    tokens: Vec<u32>,
    logits: Vec<f32>,
}

const FAMILIES: [&str; 9] =
    ["llama", "qwen2", "qwen3", "qwen3_moe", "gemma2", "gemma3", "phi3", "starcoder2", "smollm3"];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch").join(name)
}

fn reference(family: &str) -> Reference {
    serde_json::from_slice(&std::fs::read(fixture(&format!("{family}.json"))).unwrap()).unwrap()
}

fn load(file: &ModelFile) -> CpuModel {
    let (decoder, weights) = file.describe().unwrap();
    CpuModel::new(decoder, weights, Arc::new(Pool::new(2).unwrap()), || ()).unwrap()
}

fn family(family: &str) -> CpuModel {
    load(&ModelFile::open(fixture(&format!("{family}.gguf"))).unwrap())
}

fn synthetic(mix: FileType) -> CpuModel {
    let model = SyntheticModel { columns: 256, precision: Precision::Mix(mix), ..SyntheticModel::tiny() };
    load(&ModelFile::Gguf(Gguf::from_bytes("tiny", model.to_bytes().unwrap()).unwrap()))
}

/// A text that grows.
struct Text<'m> {
    model: &'m CpuModel,
    caches: Vec<KvCache>,
}

impl<'m> Text<'m> {
    fn new(model: &'m CpuModel) -> Self {
        Self::with(model, KvPrecision::F16)
    }

    fn with(model: &'m CpuModel, precision: KvPrecision) -> Self {
        Self { model, caches: model.caches(precision).unwrap() }
    }

    fn feed(&mut self, tokens: &[u32], logits: Logits) -> Vec<f32> {
        let context = self.model.decoder().context;
        let piece = Piece { tokens, caches: &mut self.caches, context, logits };
        self.model.pass(&mut [piece]).unwrap()
    }
}

/// How far logits are apart, as a share of the largest.
fn apart(right: &[f32], found: &[f32]) -> f32 {
    assert_eq!(right.len(), found.len());
    let largest = right.iter().fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
    right.iter().zip(found).fold(0.0_f32, |most, (right, found)| most.max((right - found).abs())) / largest
}

#[test]
fn logits_are_those_of_the_reference() {
    for name in FAMILIES {
        let (model, reference) = (family(name), reference(name));
        for (precision, most) in [(KvPrecision::F32, 1e-3), (KvPrecision::F16, 5e-3)] {
            let logits = Text::with(&model, precision).feed(&reference.tokens, Logits::All);
            let apart = apart(&reference.logits, &logits);
            assert!(apart < most, "{name}: off by {apart} of the largest logit with keys and values as {precision:?}");
        }
        assert_eq!((model.unknown().len(), model.converted().len()), (0, 0));
    }
}

#[test]
fn logits_have_the_same_bits_however_a_text_is_cut() {
    let quantized = [FileType::Q4_0, FileType::Q4_K_M, FileType::Q8_0, FileType::F16].map(synthetic);
    let families = FAMILIES.map(family);
    for model in quantized.iter().chain(&families) {
        let vocabulary = model.decoder().vocabulary as u32;
        let tokens: Vec<u32> = (0..40).map(|i| (i * i * 7 + 3) % vocabulary).collect();
        let whole = Text::new(model).feed(&tokens, Logits::All);
        for size in [1, 7, 39] {
            let mut text = Text::new(model);
            let pieces: Vec<f32> = tokens.chunks(size).flat_map(|piece| text.feed(piece, Logits::All)).collect();
            assert!(pieces.iter().zip(&whole).all(|(a, b)| a.to_bits() == b.to_bits()), "in pieces of {size}");
        }
        let mut text = Text::new(model);
        assert!(text.feed(&tokens[..39], Logits::None).is_empty());
        let last = text.feed(&tokens[39..], Logits::Last);
        assert_eq!(last, &whole[whole.len() - vocabulary as usize..]);
    }
}

#[test]
fn logits_have_the_same_bits_whatever_goes_with_them() {
    for model in [synthetic(FileType::Q4_K_M), family("qwen3_moe"), family("gemma3")] {
        let vocabulary = model.decoder().vocabulary as u32;
        let texts: Vec<Vec<u32>> =
            (1..6).map(|n| (0..n * 3).map(|i| (i * 11 + n * 5) % vocabulary).collect()).collect();
        let alone: Vec<f32> = texts.iter().flat_map(|tokens| Text::new(&model).feed(tokens, Logits::Last)).collect();
        let mut caches: Vec<_> = texts.iter().map(|_| model.caches(KvPrecision::F16).unwrap()).collect();
        let context = model.decoder().context;
        let piece = |(tokens, caches)| Piece { tokens: Vec::as_slice(tokens), caches, context, logits: Logits::Last };
        let mut pieces: Vec<Piece<'_>> =
            texts.iter().zip(caches.iter_mut().map(Vec::as_mut_slice)).map(piece).collect();
        let together = model.pass(&mut pieces).unwrap();
        assert!(together.iter().zip(&alone).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}

#[test]
fn a_shared_prefix_gives_the_same_bits() {
    let model = synthetic(FileType::Q8_0);
    let tokens: Vec<u32> = (0..100).map(|i| (i * 13 + 1) % 300).collect();
    let mut first = Text::new(&model);
    let whole = first.feed(&tokens, Logits::Last);
    let mut second = Text::new(&model);
    second.caches = first.caches.clone();
    second.caches.iter_mut().for_each(|cache| cache.truncate(70));
    assert_eq!(second.feed(&tokens[70..], Logits::Last), whole);
}
