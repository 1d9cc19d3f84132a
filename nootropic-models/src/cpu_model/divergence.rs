//! Quantized weights predict what their exact values predict, as closely as llama.cpp computes it or closer.
//!
//! `benches/divergence.rs` made the numbers of llama.cpp, from the same files and tokens.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Deserialize;

use super::{CpuModel, Piece};
use crate::cpu::{KvPrecision, Pool};
use crate::{FileType, Gguf, Logits, ModelFile, Precision, SyntheticModel, TensorType, quantize_gguf};

/// What llama.cpp reaches, in nats.
#[derive(Deserialize)]
struct Theirs {
    mean: f64,
}

const REFERENCE: &str = include_str!("../../tests/fixtures/divergence.json");

/// Where the reference prefers its likeliest token to the next by this, in the logarithm of the probability, it must be ours.
const CLEAR: f64 = 0.3;

#[test]
fn predictions_are_as_close_to_those_of_exact_weights_as_those_of_llama_cpp() {
    let reference: BTreeMap<String, Theirs> = serde_json::from_str(REFERENCE).unwrap();
    assert_eq!(reference.len(), 8, "every format of blocks");
    for (name, theirs) in reference {
        let dtype = TensorType::all().find(|dtype| dtype.name() == name).unwrap();
        let (file, exact) = files(dtype);
        let found = predictions(&file, KvPrecision::F16);
        let right = predictions(&exact, KvPrecision::F32);
        let mean =
            right.iter().zip(&found).map(|(right, found)| divergence(right, found)).sum::<f64>() / right.len() as f64;
        assert!(mean > 0.0 && mean <= theirs.mean, "{name}: {mean:e}, llama.cpp {:e}", theirs.mean);
        for (position, (right, found)) in right.iter().zip(&found).enumerate() {
            let (token, lead) = likeliest(right);
            assert!(lead < CLEAR || likeliest(found).0 == token, "{name}: position {position}, by {lead}");
        }
    }
}

/// A model of one type of weights, and the same in `f32`.
fn files(dtype: TensorType) -> (ModelFile, ModelFile) {
    let shape = SyntheticModel { layers: 4, context: 1024, tied_embeddings: false, ..SyntheticModel::tiny() };
    let bytes = SyntheticModel { precision: Precision::Pure(dtype), ..shape }.to_bytes().unwrap();
    let file = Gguf::from_bytes("quantized", bytes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let exact = folder.path().join("exact.gguf");
    quantize_gguf(&file, &exact, FileType::F32, |_| ControlFlow::Continue(())).unwrap();
    let exact = Gguf::from_bytes("exact", std::fs::read(exact).unwrap()).unwrap();
    (ModelFile::Gguf(file), ModelFile::Gguf(exact))
}

/// Logarithms of the probabilities of all tokens after each of 1,000.
fn predictions(file: &ModelFile, precision: KvPrecision) -> Vec<Vec<f64>> {
    let (decoder, weights) = file.describe().unwrap();
    let model = CpuModel::new(decoder, weights, Arc::new(Pool::new(2).unwrap()), || ()).unwrap();
    let (context, vocabulary) = (model.decoder().context, model.decoder().vocabulary);
    let tokens: Vec<u32> = (0..1000_u32).map(|i| (i * i * 31 + i * 7) % vocabulary as u32).collect();
    let mut caches = model.caches(precision).unwrap();
    let piece = Piece { tokens: &tokens, caches: &mut caches, context, logits: Logits::All };
    let logits = model.pass(&mut [piece]).unwrap();
    logits.chunks_exact(vocabulary).map(log_softmax).collect()
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().fold(f32::NEG_INFINITY, |largest, logit| largest.max(*logit));
    let shifted = || logits.iter().map(|logit| f64::from(logit - largest));
    let total = shifted().map(f64::exp).sum::<f64>().ln();
    shifted().map(|logit| logit - total).collect()
}

/// Kullback–Leibler, in nats.
fn divergence(right: &[f64], found: &[f64]) -> f64 {
    right.iter().zip(found).map(|(right, found)| right.exp() * (right - found)).sum()
}

/// The likeliest token, and how far it is ahead of the next.
fn likeliest(predictions: &[f64]) -> (usize, f64) {
    let mut order: Vec<usize> = (0..predictions.len()).collect();
    order.sort_by(|a, b| predictions[*b].total_cmp(&predictions[*a]));
    (order[0], predictions[order[0]] - predictions[order[1]])
}
