//! How fast models run here, beside other programs.

mod peers;
mod rounds;
mod row;

use std::path::PathBuf;

use nootropic_core::{Capability, EffectKind, Error as CoreError, Unit};
use nootropic_models::{Device, FileType, OpenDevice, Precision, SyntheticModel, read_bandwidth};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use row::{BenchPhase, BenchRow, BenchStart, Limits};

use self::peers::Peers;
use crate::command::Command;
use crate::local_models::Place;
use crate::model_files::{failed, library};
use crate::{Call, Error, Result, Session};

/// Asks how fast models run here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelsBench {
    /// Files, or names that `nootropic models list` shows; without any, files of real shapes with random weights are made one after
    /// the other, of at most 550 MB.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "MODEL", "x-complete" = "path"))]
    pub models: Vec<String>,
    /// Time llama.cpp and candle on the same files too, taking turns; `make bench` builds what that needs.
    pub peers: bool,
    /// Keep the files that are made, in this folder.
    #[schemars(extend("x-value-name" = "DIR", "x-complete" = "dir"))]
    pub keep: Option<PathBuf>,
    /// Where to run.
    pub device: Device,
    /// How many threads of the CPU; without it, as many as there are processors.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<u32>,
    /// Tokens of the prompt.
    #[schemars(range(min = 1, max = 100_000))]
    pub prompt: u32,
    /// Tokens to generate.
    #[schemars(range(min = 1, max = 100_000))]
    pub generate: u32,
    /// How often; the median counts.
    #[schemars(range(min = 1, max = 1000))]
    pub rounds: u32,
}

impl Default for ModelsBench {
    fn default() -> Self {
        let (models, device) = (Vec::new(), Device::Auto);
        Self { models, peers: false, keep: None, device, threads: None, prompt: 512, generate: 64, rounds: 3 }
    }
}

impl Command for ModelsBench {
    type Output = Vec<BenchRow>;
    const NAME: &'static str = "models.bench";
    const SUMMARY: &'static str = "Measure how fast models run here";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write, EffectKind::Run];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details(
                "Reads a prompt and generates, some times over, and shows the medians in tokens a second. Leave the machine alone \
                 meanwhile.",
            )
            .with_example("A file", json!({ "models": ["model-q4_k_m.gguf"] }))
            .with_example("Files of real shapes, beside llama.cpp and candle", json!({ "peers": true }))
    }

    fn run(self, _: &Session, call: &Call) -> Result<Vec<BenchRow>> {
        let device = Place { device: self.device, threads: self.threads }.open()?;
        let peers = if self.peers { Peers::find()? } else { Peers::none() };
        let bandwidth = read_bandwidth(&device).map_err(failed)?;
        call.started(TASK, Unit::Steps);
        let rows = Bench { ask: &self, device, peers, bandwidth, call }.all();
        let outcome = rows.as_ref().map_err(|error| CoreError::failed(TASK, error.kind(), crate::chain(error)));
        call.finished(TASK, &outcome);
        rows
    }
}

const TASK: &str = "bench";

/// A bench under way.
struct Bench<'a> {
    ask: &'a ModelsBench,
    device: OpenDevice,
    peers: Peers,
    bandwidth: Option<f64>,
    call: &'a Call,
}

impl Bench<'_> {
    fn all(&self) -> Result<Vec<BenchRow>> {
        let mut rows = Vec::new();
        if self.ask.models.is_empty() {
            let models = synthetic();
            for (done, model) in models.iter().enumerate() {
                self.begin(done, models.len())?;
                let temporary = tempfile::tempdir().map_err(Error::io("make", std::env::temp_dir()))?;
                let folder = self.ask.keep.as_deref().unwrap_or(temporary.path());
                std::fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
                let path = folder.join(file_name(model));
                model.write(&path).map_err(failed)?;
                rows.extend(self.file(&path)?);
            }
        }
        for (done, model) in self.ask.models.iter().enumerate() {
            self.begin(done, self.ask.models.len())?;
            rows.extend(self.file(&library().find(model).map_err(failed)?.path)?);
        }
        Ok(rows)
    }

    fn begin(&self, done: usize, all: usize) -> Result<()> {
        self.call.cancel.check()?;
        self.call.progress(TASK, done as u64, Some(all as u64), Unit::Steps);
        Ok(())
    }
}

/// E.g. `synthetic-llama-125m-q4_0.gguf`.
fn file_name(model: &SyntheticModel) -> String {
    let precision = match model.precision {
        Precision::Mix(mix) => mix.name(),
        Precision::Pure(kind) => kind.name(),
    };
    format!("{}-{precision}.gguf", model.name.replace(' ', "-")).to_lowercase()
}

/// Models of real shapes, in the formats that people use most.
fn synthetic() -> Vec<SyntheticModel> {
    let shapes = [SyntheticModel::qwen2_5_0_5b(), SyntheticModel::llama_125m()];
    let formats = [FileType::Q4_0, FileType::Q4_K_M, FileType::Q8_0];
    let of =
        |shape: &SyntheticModel| formats.map(|mix| SyntheticModel { precision: Precision::Mix(mix), ..shape.clone() });
    shapes.iter().flat_map(of).collect()
}
