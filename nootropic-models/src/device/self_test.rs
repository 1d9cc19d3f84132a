//! Small models, computed on a graphics processor and on the CPU: whether both say the same, and which says it sooner.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::OpenDevice;
use super::wgpu::Adapter;
use crate::files::read_small;
use crate::{FileType, Gguf, Logits, ModelFile, Precision, Result, SyntheticModel, Transformer, generation_speed};

/// How far logits may be apart, as a share of the largest.
const TOLERANCE: f32 = 1e-3;
const FILE: &str = "device-tests.json";
const LONGEST_FILE: u64 = 1 << 20;
/// Outcomes of other versions do not count: they may compute otherwise. The second number is the test's own version.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " 2");

/// How a test came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// What was wrong, if something was.
    pub(super) problem: Option<String>,
    /// Tokens that the adapter and the CPU generate in a second, where that was measured.
    pub(super) speeds: Option<(f64, f64)>,
}

impl Outcome {
    fn of(adapter: &Adapter) -> Self {
        let outcome = test(adapter).and_then(|()| speeds(adapter).map_err(|error| error.to_string()));
        match outcome {
            Ok(speeds) => Self { problem: None, speeds },
            Err(problem) => Self { problem: Some(problem), speeds: None },
        }
    }

    /// Whether the adapter generates faster than the CPU.
    pub(super) fn is_faster(&self) -> bool {
        self.speeds.is_some_and(|(adapter, cpu)| adapter > cpu)
    }
}

/// How an adapter came out that computes what the CPU computes; what to tell the user of another.
pub(super) fn passes(adapter: &Adapter, remembered: Option<&Path>) -> Result<Outcome, String> {
    let key = format!("{VERSION} | {}", adapter.driver);
    let outcome = remember(remembered, &key, || Outcome::of(adapter));
    match outcome.problem {
        None => Ok(outcome),
        Some(problem) => Err(format!("{} failed its self-test: {problem}", adapter.name)),
    }
}

/// The outcome that is noted under `key`; else that of `test`, which is noted then.
///
/// A note that cannot be read or written only costs another test.
pub(super) fn remember(folder: Option<&Path>, key: &str, test: impl FnOnce() -> Outcome) -> Outcome {
    let Some(folder) = folder else { return test() };
    let path = folder.join(FILE);
    let read = || -> BTreeMap<String, Outcome> {
        read_small(&path, LONGEST_FILE).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
    };
    if let Some(outcome) = read().remove(key) {
        return outcome;
    }
    let outcome = test();
    let mut outcomes = read(); // others may have noted theirs meanwhile
    outcomes.insert(key.into(), outcome.clone());
    write(folder, &path, &outcomes).ok();
    outcome
}

fn write(folder: &Path, path: &Path, outcomes: &BTreeMap<String, Outcome>) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let file = tempfile::NamedTempFile::new_in(folder)?; // a reader sees the old file or the new one
    serde_json::to_writer_pretty(&file, outcomes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn test(adapter: &Adapter) -> Result<(), String> {
    let compute = |device: &OpenDevice| logits(device).map_err(|error| error.to_string());
    compare(&compute(&OpenDevice::reference())?, &compute(&OpenDevice::wgpu(adapter))?)
}

pub(super) fn compare(right: &[f32], found: &[f32]) -> Result<(), String> {
    let largest = right.iter().fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
    let apart = right.iter().zip(found).map(|(right, found)| (right - found).abs());
    let apart =
        apart.fold(0.0_f32, |most, apart| if apart.is_nan() { f32::INFINITY } else { most.max(apart) }) / largest;
    match right.len() == found.len() && apart <= TOLERANCE {
        true => Ok(()),
        false => Err(format!("its logits are off by {:.2} % of the largest", 100.0 * apart)),
    }
}

/// How fast two blocks as wide as a small model's are on the adapter, and on the CPU. What is imitated in software is not measured:
/// nobody takes it for its speed.
fn speeds(adapter: &Adapter) -> Result<Option<(f64, f64)>> {
    if adapter.software {
        return Ok(None);
    }
    let model = SyntheticModel {
        vocabulary: 300,
        columns: 1024,
        heads: 16,
        kv_heads: 4,
        head_columns: 64,
        feed_forward: 4096,
        context: 64,
        precision: Precision::Mix(FileType::Q4_0),
        ..SyntheticModel::tiny()
    };
    let file = ModelFile::Gguf(Gguf::from_bytes("self-test", model.to_bytes()?)?);
    let speed = |device: &OpenDevice| generation_speed(&Transformer::load(&file, device)?, 8, 16, 1);
    Ok(Some((speed(&OpenDevice::wgpu(adapter))?, speed(&OpenDevice::cpu(None)?)?)))
}

/// A prompt and a few single tokens: both shapes of work.
fn logits(device: &OpenDevice) -> Result<Vec<f32>> {
    let model = SyntheticModel {
        vocabulary: 300,
        columns: 64,
        head_columns: 16,
        feed_forward: 160,
        context: 64,
        precision: Precision::Mix(FileType::F32),
        ..SyntheticModel::tiny()
    };
    let file = ModelFile::Gguf(Gguf::from_bytes("self-test", model.to_bytes()?)?);
    let mut session = Transformer::load(&file, device)?.session(40)?;
    let prompt: Vec<u32> = (0..24).map(|i| i * i % 300).collect();
    let mut logits = session.feed(&prompt, Logits::All)?;
    for token in 0..6 {
        logits.extend(session.feed(&[token], Logits::Last)?);
    }
    Ok(logits)
}
