//! What a model really does on this machine, found out and kept.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nootropic_core::{Capability, EffectKind, Error as CoreError, GenerateRequest, Message, Model, Unit};
use nootropic_models::{Device, FoundModel, LocalModel, generation_speed, prompt_speed};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::command::Command;
use crate::generating::generate;
use crate::local_models::{self, Place};
use crate::memory::Peak;
use crate::model_files::failed;
use crate::{Call, Error, Result, Session, places};

/// Asks what a model really does here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelsProbe {
    /// A file, or a name that `nootropic models list` shows.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "MODEL", "x-complete" = "path"))]
    pub model: String,
    /// Where to run.
    #[serde(default)]
    pub device: Device,
    /// How many threads of the CPU; without it, as many as there are processors.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<u32>,
}

/// What a model really does on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelProfile {
    /// What it is called.
    pub model: String,
    /// The file or folder.
    pub path: PathBuf,
    /// Its length in bytes, and when it was changed last, in seconds since 1970: another file has another profile.
    pub bytes: u64,
    /// As above.
    pub changed: u64,
    /// The version of this program that found it out.
    pub version: String,
    /// Where it ran, e.g. `the CPU`.
    pub device: String,
    /// With how many threads, where it has threads of ours.
    pub threads: Option<usize>,
    /// Longest prompt and answer together, in tokens, as the file says.
    pub context_length: usize,
    /// Of that, what the memory that is free now has room for; nothing where that is not known.
    pub context_in_memory: Option<usize>,
    /// Memory for the keys and values of a token, in bytes.
    pub kv_bytes_a_token: Option<usize>,
    /// Whether it takes conversations, and in which dialect it calls tools.
    pub tool_dialect: Option<String>,
    /// Whether it fills gaps.
    pub infill: bool,
    /// JSON asked for in words alone.
    pub json_by_words: Obedience,
    /// JSON asked for with a schema, which holds whatever the model.
    pub json_by_schema: Obedience,
    /// Tokens of a prompt of 512 in a second; of fewer, for models of less context.
    pub prompt_tokens_per_second: f64,
    /// Tokens generated in a second.
    pub generate_tokens_per_second: f64,
    /// The most memory it took here, in bytes: known on Linux.
    pub memory_bytes: Option<u64>,
}

/// How often what was asked for came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Obedience {
    /// How often it was asked for.
    pub asked: u32,
    /// How often it came.
    pub obeyed: u32,
}

impl Command for ModelsProbe {
    type Output = ModelProfile;
    const NAME: &'static str = "models.probe";
    const SUMMARY: &'static str = "Find out what a model really does on this machine, and keep it";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write, EffectKind::Generate];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details("Opens it, times it, and asks it for JSON. What was found is kept in the folder of profiles among the user's data.")
            .with_example("A file", json!({ "model": "qwen2.5-coder-0.5b-q4_k_m.gguf" }))
    }

    fn run(self, _: &Session, call: &Call) -> Result<ModelProfile> {
        call.started(TASK, Unit::Steps);
        let profile = self.probe(call);
        let outcome = profile.as_ref().map_err(|error| CoreError::failed(TASK, error.kind(), crate::chain(error)));
        call.finished(TASK, &outcome);
        profile
    }
}

const TASK: &str = "probe";
/// Tokens of the prompt that is timed, and of the answers.
const PROMPT: usize = 512;
const ANSWER: usize = 64;

impl ModelsProbe {
    fn probe(&self, call: &Call) -> Result<ModelProfile> {
        let found = local_models::find(Some(&self.model))?;
        let device = Place { device: self.device, threads: self.threads }.open()?;
        let peak = Peak::start();
        let model = LocalModel::open_on(&found.path, &device).map_err(failed)?;
        call.cancel.check()?;
        let (info, transformer) = (model.info(), model.transformer());
        let prompt = PROMPT.min(info.context_len / 2).max(1);
        let prompt_tokens_per_second = prompt_speed(transformer, prompt).map_err(failed)?;
        call.cancel.check()?;
        let generate_tokens_per_second =
            generation_speed(transformer, prompt, ANSWER.min(prompt / 2), 1).map_err(failed)?;
        let json_by_words = obedience(&model, false, call)?;
        let json_by_schema = obedience(&model, true, call)?;
        let kv_bytes_a_token = transformer.kv_bytes_a_token();
        let room = |bytes: usize| crate::memory::available().map(|free| (free / bytes as u64) as usize);
        let profile = ModelProfile {
            model: found.name.clone(),
            bytes: found.bytes,
            changed: changed(&found.path),
            version: env!("CARGO_PKG_VERSION").into(),
            device: device.name().into(),
            threads: device.threads(),
            context_length: info.context_len,
            context_in_memory: kv_bytes_a_token
                .filter(|bytes| *bytes > 0)
                .and_then(room)
                .map(|room| room.min(info.context_len)),
            kv_bytes_a_token,
            tool_dialect: model.chat_template().map(|template| format!("{:?}", template.dialect()).to_lowercase()),
            infill: info.features.infill,
            json_by_words,
            json_by_schema,
            prompt_tokens_per_second,
            generate_tokens_per_second,
            memory_bytes: peak.more(),
            path: found.path.clone(),
        };
        keep(&found, &profile)?;
        Ok(profile)
    }
}

fn changed(path: &Path) -> u64 {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs())
}

/// Writes a profile beside the others; a reader sees the old one or the new one.
fn keep(found: &FoundModel, profile: &ModelProfile) -> Result<()> {
    let Some(folder) = places::data_dir().map(|dir| dir.join("profiles")) else { return Ok(()) };
    let io = |op| Error::io(op, &folder);
    std::fs::create_dir_all(&folder).map_err(io("make"))?;
    let name: String =
        found.name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).take(100).collect();
    let file = tempfile::NamedTempFile::new_in(&folder).map_err(io("write into"))?;
    serde_json::to_writer_pretty(&file, profile).map_err(|error| io("write into")(error.into()))?;
    file.persist(folder.join(format!("{name}.json"))).map_err(|error| io("write into")(error.error))?;
    Ok(())
}

/// Asks for JSON some times, in words or with a schema too.
fn obedience(model: &LocalModel, schema: bool, call: &Call) -> Result<Obedience> {
    let features = model.info().features;
    if !features.chat || schema && !features.response_schema {
        return Ok(Obedience::default());
    }
    let mut found = Obedience::default();
    for question in QUESTIONS {
        call.cancel.check()?;
        let words =
            format!("{}. Answer with JSON of this schema alone: {}", question.ask, (question.schema)().as_value());
        let request = GenerateRequest {
            response_schema: schema.then(question.schema),
            max_tokens: Some(ANSWER.min(model.info().context_len / 4)),
            ..GenerateRequest::chat([Message::user(words)])
        };
        let answer = match generate(model, request, call, &mut |_| {}) {
            // A context that is too short for the question.
            Err(Error::Core(CoreError::PromptTooLong { .. })) => continue,
            answer => answer?,
        };
        found.asked += 1;
        found.obeyed += u32::from((question.obeys)(&answer.text));
    }
    Ok(found)
}

/// A question for JSON.
struct Question {
    ask: &'static str,
    schema: fn() -> Schema,
    obeys: fn(&str) -> bool,
}

const fn question<T: JsonSchema + DeserializeOwned>(ask: &'static str) -> Question {
    Question { ask, schema: || schemars::schema_for!(T), obeys: |text| serde_json::from_str::<T>(text).is_ok() }
}

const QUESTIONS: [Question; 4] = [
    question::<Person>("Ada is 36 years old"),
    question::<Color>("What is the colour of the sky?"),
    question::<Verdict>("Is 7 a prime number?"),
    question::<Point>("Where is the origin?"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is only read whether they are there")]
struct Person {
    #[schemars(length(max = 20))]
    name: String,
    #[schemars(range(min = 0, max = 200))]
    age: u8,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
struct Color {
    color: ColorName,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ColorName {
    Red,
    Green,
    Blue,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
struct Verdict {
    verdict: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
struct Point {
    #[schemars(range(min = -100, max = 100))]
    x: i32,
    #[schemars(range(min = -100, max = 100))]
    y: i32,
}
