//! Static embedders, made of encoders.

use std::ops::ControlFlow;
use std::path::PathBuf;

use nootropic_context::documented::{Documented, documented_below};
use nootropic_core::{Capability, EffectKind, Error as CoreError, Unit};
use nootropic_models::{Device, DistillStep, Distillation, Distilled, DistilledFit, TextPair};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::command::Command;
use crate::local_models::Place;
use crate::{Call, Error, Result, Session};

/// Asks for a static embedder to be made of an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelsDistill {
    /// The encoder: a folder of safetensors with its configuration and `tokenizer.json`.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "FROM", "x-complete" = "dir"))]
    pub from: PathBuf,
    /// The folder to make.
    #[schemars(extend("x-positional" = 2, "x-value-name" = "OUT", "x-complete" = "dir"))]
    pub out: PathBuf,
    /// Fit it to the code below this folder, so that what comments say leads to what they describe; may be given more than once. It then
    /// reads the words of identifiers.
    #[serde(default)]
    #[schemars(extend("x-value-name" = "DIR", "x-complete" = "dir"))]
    pub fit: Vec<PathBuf>,
    /// Dimensions of its vectors; fewer are smaller and say less.
    #[serde(default = "dimensions")]
    #[schemars(range(min = 1, max = 65_536))]
    pub dimensions: u32,
    /// Most tokens of one that is fitted.
    #[serde(default = "tokens")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tokens: u32,
    /// Where to run the encoder.
    #[serde(default)]
    pub device: Device,
    /// How many threads of the CPU; without it, as many as there are processors.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<u32>,
}

fn dimensions() -> u32 {
    256
}

fn tokens() -> u32 {
    28_000
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DistillReport {
    /// The folder.
    pub path: PathBuf,
    /// Tokens that have a vector.
    pub tokens: usize,
    /// Dimensions of the vectors.
    pub dimensions: usize,
    /// The share of the encoder's variance that is left.
    pub variance: f64,
    /// Bytes of the table.
    pub bytes: u64,
    /// What fitting did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<FitReport>,
}

/// What fitting a static embedder did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FitReport {
    /// Comments and the passages they describe; a tenth of them, at most 2,048, were held back to measure with.
    pub pairs: usize,
    /// How well comments found their passages among those held back before: the mean of one over the rank.
    pub before: f64,
    /// The same after.
    pub after: f64,
}

impl Command for ModelsDistill {
    type Output = DistillReport;
    const NAME: &'static str = "models.distill";
    const SUMMARY: &'static str = "Make a static embedder of an encoder: a table of vectors, hundreds of times as fast";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details(
                "Encodes every token of the vocabulary alone, keeps the principal components, and lets rarer tokens count more. The folder is \
                 read by `--embedder` and by Model2Vec. With `--fit` it becomes an embedder for code: the words that code says often get \
                 vectors of their own, and all are moved until comments lie near the code they stand at. Only its own reader then cuts \
                 identifiers into words.",
            )
            .with_example("Of MiniLM", json!({ "from": "all-MiniLM-L6-v2", "out": "minilm-static" }))
            .with_example(
                "One that knows the words of a repository",
                json!({ "from": "all-MiniLM-L6-v2", "out": "ours-static", "fit": ["."] }),
            )
    }

    fn run(self, _: &Session, call: &Call) -> Result<DistillReport> {
        let place = Place { device: self.device, threads: self.threads };
        let pairs = pairs(&self.fit, call)?;
        let (dimensions, tokens) = (self.dimensions as usize, self.tokens as usize);
        let distillation = Distillation { dimensions, tokens, pairs };
        let device = place.open()?;
        call.started("distill", Unit::Tokens);
        let mut is_fitting = false;
        let progress = |step: DistillStep, done: usize, all: usize| {
            if step == DistillStep::Fit && !is_fitting {
                is_fitting = true;
                call.finished("distill", &Ok(()));
                call.started("fit", Unit::Steps);
            }
            let (task, unit) = if is_fitting { ("fit", Unit::Steps) } else { ("distill", Unit::Tokens) };
            call.progress(task, done as u64, Some(all as u64), unit);
            if call.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let result = distillation.run(&self.from, &self.out, &device, progress);
        let result = result.map_err(CoreError::from);
        call.finished(if is_fitting { "fit" } else { "distill" }, &result);
        let Distilled { tokens, dimensions, variance, bytes, fit } = result?;
        let fit = fit.map(|DistilledFit { pairs, before, after }| FitReport { pairs, before, after });
        Ok(DistillReport { path: self.out, tokens, dimensions, variance, bytes, fit })
    }
}

/// Comments below folders, and the passages they describe.
fn pairs(folders: &[PathBuf], call: &Call) -> Result<Vec<TextPair>> {
    let mut pairs = Vec::new();
    if folders.is_empty() {
        return Ok(pairs);
    }
    call.started("read", Unit::Files);
    for (group, folder) in (0..).zip(folders) {
        let found = documented_below(folder, &|| call.cancel.is_cancelled()).map_err(CoreError::from);
        if found.is_err() {
            call.finished("read", &found);
        }
        let of_pair = |Documented { comment, passage }| TextPair { question: comment, passage, group };
        pairs.extend(found?.into_iter().map(of_pair));
    }
    call.finished("read", &Ok(()));
    if pairs.is_empty() {
        // Without pairs it would not be fitted at all, and nobody would know.
        return Err(Error::Input { what: "fit", problem: "there are no comments on code below these folders".into() });
    }
    Ok(pairs)
}
