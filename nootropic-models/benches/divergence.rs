//! How far quantized weights, as they are computed with, move what a model predicts: the Kullback–Leibler divergence from the
//! predictions of the same weights in `f32`, beside llama.cpp's on the same file.
//!
//! `NOOTROPIC_MODEL_PEERS=… cargo bench -p nootropic-models --bench divergence -- [--large] [--write FILE]`
//!
//! The text is forced: 1,000 tokens, whatever the model thinks of them. The reference is llama.cpp's own run of the dequantized
//! file with keys and values of `f32`. `--large` takes a model of 125 million weights. `--write` keeps llama.cpp's numbers for the
//! tests (`tests/fixtures/divergence.json`).

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use nootropic_models::{
    Device, FileType, Gguf, Logits, ModelFile, Precision, SyntheticModel, TensorType, Transformer, quantize_gguf,
};
use serde_json::{Map, json};

type Problem = Box<dyn std::error::Error>;
type Result<T> = std::result::Result<T, Problem>;

const TYPES: [TensorType; 8] = [
    TensorType::Q8_0,
    TensorType::Q6_K,
    TensorType::Q5_K,
    TensorType::Q5_1,
    TensorType::Q5_0,
    TensorType::Q4_K,
    TensorType::Q4_1,
    TensorType::Q4_0,
];
const POSITIONS: u32 = 1000;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let large = args.iter().any(|arg| arg == "--large");
    let write = args.iter().position(|arg| arg == "--write").and_then(|at| args.get(at + 1));
    if std::env::var_os("NOOTROPIC_MODEL_PEERS").is_none() {
        println!("skipped: set NOOTROPIC_MODEL_PEERS to the program of benches/peers");
        return Ok(());
    }
    let shape = match large {
        true => SyntheticModel { tied_embeddings: false, ..SyntheticModel::llama_125m() },
        // As the test that reads what is written.
        false => SyntheticModel { layers: 4, context: 1024, tied_embeddings: false, ..SyntheticModel::tiny() },
    };
    let folder = tempfile::tempdir()?;
    let tokens: Vec<u32> = (0..POSITIONS).map(|i| (i * i * 31 + i * 7) % shape.vocabulary as u32).collect();
    std::fs::write(folder.path().join("tokens.json"), serde_json::to_vec(&tokens)?)?;
    println!("type  | ours: mean, largest, same token | llama.cpp | ratio of the means");
    let mut found = Map::new();
    for dtype in TYPES {
        let model = SyntheticModel { precision: Precision::Pure(dtype), ..shape.clone() };
        let (ours, theirs) = compare(&model, &tokens, folder.path())?;
        found.insert(
            dtype.name().into(),
            json!({ "mean": theirs.mean, "largest": theirs.largest, "same": theirs.same }),
        );
        println!("{dtype:5} | {ours} | {theirs} | {:.2}", ours.mean / theirs.mean);
    }
    if let Some(path) = write {
        std::fs::write(path, serde_json::to_string_pretty(&found)? + "\n")?;
    }
    Ok(())
}

fn compare(model: &SyntheticModel, tokens: &[u32], folder: &Path) -> Result<(Divergence, Divergence)> {
    let (file, exact) = (folder.join("quantized.gguf"), folder.join("exact.gguf"));
    model.write(&file)?;
    quantize_gguf(&Gguf::open(&file)?, &exact, FileType::F32, |_| ControlFlow::Continue(()))?;
    let reference = peer(&exact, folder, &["--exact"])?;
    let theirs = peer(&file, folder, &[])?;
    let transformer = Transformer::load(&ModelFile::open(&file)?, &Device::Cpu.open(None)?)?;
    let ours = transformer.session(tokens.len())?.feed(tokens, Logits::All)?;
    Ok((
        Divergence::between(&reference, &ours, model.vocabulary),
        Divergence::between(&reference, &theirs, model.vocabulary),
    ))
}

/// llama.cpp's logits.
fn peer(file: &Path, folder: &Path, more: &[&str]) -> Result<Vec<f32>> {
    let program = std::env::var_os("NOOTROPIC_MODEL_PEERS").ok_or("no program of peers")?;
    let out = folder.join("logits.f32");
    let tokens = folder.join("tokens.json");
    let command = Command::new(program)
        .arg("logits")
        .arg(file)
        .arg("--tokens")
        .arg(tokens)
        .arg("--out")
        .arg(&out)
        .args(more)
        .output()?;
    match command.status.success() {
        true => Ok(std::fs::read(out)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
        false => Err(String::from_utf8_lossy(&command.stderr).into_owned().into()),
    }
}

/// How far predictions are from a reference.
struct Divergence {
    /// Over positions, in nats.
    mean: f64,
    largest: f64,
    /// At how many positions the likeliest token is the reference's.
    same: usize,
}

impl Divergence {
    fn between(reference: &[f32], found: &[f32], vocabulary: usize) -> Self {
        let mut result = Self { mean: 0.0, largest: 0.0, same: 0 };
        let positions = reference.len() / vocabulary;
        for (p, q) in reference.chunks_exact(vocabulary).zip(found.chunks_exact(vocabulary)) {
            let (log_p, log_q) = (log_softmax(p), log_softmax(q));
            let divergence: f64 = log_p.iter().zip(&log_q).map(|(p, q)| p.exp() * (p - q)).sum();
            result.mean += divergence / positions as f64;
            result.largest = result.largest.max(divergence);
            result.same += usize::from(likeliest(p) == likeliest(q));
        }
        result
    }
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3e}, {:.3e}, {:4}", self.mean, self.largest, self.same)
    }
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().fold(f32::NEG_INFINITY, |largest, logit| largest.max(*logit));
    let shifted: Vec<f64> = logits.iter().map(|logit| f64::from(logit - largest)).collect();
    let total = shifted.iter().map(|logit| logit.exp()).sum::<f64>().ln();
    shifted.into_iter().map(|logit| logit - total).collect()
}

fn likeliest(logits: &[f32]) -> usize {
    let better = |best: usize, next: usize| if logits[next] > logits[best] { next } else { best };
    (0..logits.len()).reduce(better).unwrap_or_default()
}
