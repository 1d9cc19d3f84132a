//! Model files: what is there, what is in them, and smaller ones made of them.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use nootropic_core::{Capability, EffectKind, Unit};
use nootropic_models::{
    FileType, FoundModel, Gguf, ModelLibrary, QuantizeProgress, Safetensors, Strings, quantize_gguf,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::command::Command;
use crate::{Call, Error, Result, Session, places};

/// Asks which models are on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelsList {
    /// Only those whose name holds this.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "NAME"))]
    pub name: Option<String>,
}

/// Which models are on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelsReport {
    /// By whose folder they lie in, then by name.
    pub models: Vec<FoundModel>,
}

/// Asks what is in a model file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelsInfo {
    /// A file, a folder of safetensors, or a name that `nootropic models list` shows.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "MODEL", "x-complete" = "path"))]
    pub model: String,
}

/// What is in a model file, as the file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelReport {
    /// The file or folder.
    pub path: PathBuf,
    /// `GGUF 3` or `safetensors`.
    pub format: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its family, e.g. `qwen2`.
    pub architecture: Option<String>,
    /// What its maker calls it.
    pub name: Option<String>,
    /// How it is quantized, e.g. `Q4_K_M`.
    pub quantization: Option<String>,
    /// Numbers in all its tensors.
    pub parameters: u64,
    /// Longest text it was made for, in tokens.
    pub context_length: Option<u64>,
    /// Layers.
    pub layers: Option<u64>,
    /// Numbers that stand for a token between layers.
    pub embedding_length: Option<u64>,
    /// Heads that ask, in each layer's attention.
    pub heads: Option<u64>,
    /// Heads that are asked; fewer than `heads` with grouped queries.
    pub kv_heads: Option<u64>,
    /// Tokens of its vocabulary.
    pub vocabulary: Option<u64>,
    /// Kind of its vocabulary, e.g. `gpt2`.
    pub tokenizer: Option<String>,
    /// Whether it says how conversations are written.
    pub chat_template: bool,
    /// Tensors of each type, with how many bytes they take.
    pub tensors: BTreeMap<String, TensorCount>,
}

/// Tensors of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TensorCount {
    /// How many.
    pub count: u64,
    /// Their data, in bytes.
    pub bytes: u64,
}

/// Asks for a smaller model file to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelsQuantize {
    /// A GGUF file, or a name that `nootropic models list` shows.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "IN", "x-complete" = "file"))]
    pub model: String,
    /// The new file.
    #[schemars(extend("x-positional" = 2, "x-value-name" = "OUT", "x-complete" = "file"))]
    pub output: PathBuf,
    /// How to quantize, e.g. `Q4_K_M`, `Q8_0`, `F16`.
    #[serde(rename = "type")]
    #[schemars(extend("x-positional" = 3, "x-value-name" = "TYPE"))]
    pub file_type: String,
    /// Replace the new file if it is there already.
    #[serde(default)]
    pub force: bool,
}

/// A model file that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuantizeReport {
    /// The new file.
    pub path: PathBuf,
    /// How it is quantized.
    pub quantization: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The length of the file it was made of.
    pub bytes_before: u64,
}

/// The library of this user.
pub(crate) fn library() -> ModelLibrary {
    let library = ModelLibrary::new(places::models_dir().unwrap_or_default());
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match absolute("HOME") {
        Some(home) => library.with_other_programs(&home, absolute),
        None => library,
    }
}

pub(crate) fn failed(error: nootropic_models::Error) -> Error {
    Error::Core(error.into())
}

impl Command for ModelsList {
    type Output = ModelsReport;
    const NAME: &'static str = "models.list";
    const SUMMARY: &'static str = "List the model files on this machine";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read];

    fn describe(capability: Capability) -> Capability {
        capability.with_details(
            "Looks into our own folder and into those of Ollama, LM Studio, llama.cpp and the Hugging Face hub. Nothing is changed or \
             copied there.",
        )
    }

    fn run(self, _: &Session, _: &Call) -> Result<ModelsReport> {
        let part = self.name.unwrap_or_default().to_lowercase();
        let mut models = library().list();
        models.retain(|model| model.name.to_lowercase().contains(&part));
        Ok(ModelsReport { models })
    }
}

impl Command for ModelsInfo {
    type Output = ModelReport;
    const NAME: &'static str = "models.info";
    const SUMMARY: &'static str = "Say what is in a model file";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details("Reads its header alone. What is damaged or malicious is refused with the place.")
            .with_example("Look into a file", json!({ "model": "qwen2.5-0.5b-instruct-q4_k_m.gguf" }))
    }

    fn run(self, _: &Session, _: &Call) -> Result<ModelReport> {
        let found = library().find(&self.model).map_err(failed)?;
        if found.path.is_dir() { in_safetensors(&found) } else { in_gguf(&found) }.map_err(failed)
    }
}

impl Command for ModelsQuantize {
    type Output = QuantizeReport;
    const NAME: &'static str = "models.quantize";
    const SUMMARY: &'static str = "Make a smaller model file";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write];

    fn describe(capability: Capability) -> Capability {
        let types: Vec<&str> = FileType::all().map(FileType::name).collect();
        capability
            .with_details(format!(
                "Types: {}. Each tensor gets the type that llama.cpp would choose for it. Begin with a file in F16, BF16 or F32: quantizing what is \
                 quantized already loses more.",
                types.join(", ")
            ))
            .with_example("A quarter of the size", json!({ "model": "model-f16.gguf", "output": "model-q4.gguf", "type": "Q4_K_M" }))
    }

    fn run(self, _: &Session, call: &Call) -> Result<QuantizeReport> {
        let file_type = self.file_type()?;
        let found = library().find(&self.model).map_err(failed)?;
        if self.output.exists() && !self.force {
            let problem = format!("{} is there already; `--force` replaces it", self.output.display());
            return Err(Error::Input { what: "output", problem });
        }
        let model = Gguf::open(&found.path).map_err(failed)?;
        call.started("quantize", Unit::Bytes);
        let made = quantize(&model, &self.output, file_type, call);
        call.finished("quantize", &made);
        made?;
        let bytes = std::fs::metadata(&self.output).map_err(Error::io("examine", &self.output))?.len();
        let quantization = file_type.name().to_owned();
        Ok(QuantizeReport { path: self.output, quantization, bytes, bytes_before: found.bytes })
    }
}

impl ModelsQuantize {
    fn file_type(&self) -> Result<FileType> {
        let same = |file_type: &FileType| file_type.name().eq_ignore_ascii_case(&self.file_type);
        FileType::all().find(same).ok_or_else(|| {
            let names: Vec<&str> = FileType::all().map(FileType::name).collect();
            Error::Input { what: "type", problem: format!("{} is none of {}", self.file_type, names.join(", ")) }
        })
    }
}

fn quantize(model: &Gguf, output: &Path, file_type: FileType, call: &Call) -> nootropic_core::Result<()> {
    let progress = |QuantizeProgress { done, total, .. }: QuantizeProgress<'_>| {
        call.progress("quantize", done, Some(total), Unit::Bytes);
        if call.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    Ok(quantize_gguf(model, output, file_type, progress)?)
}

fn in_gguf(found: &FoundModel) -> Result<ModelReport, nootropic_models::Error> {
    let model = Gguf::open(&found.path)?;
    let metadata = model.metadata();
    let text = |key: &str| Ok::<_, nootropic_models::Error>(metadata.find::<&str>(key)?.map(str::to_owned));
    let architecture = text("general.architecture")?;
    // Some families give one number for each layer: then there is none for all.
    let number = |key: &str| metadata.find::<u64>(&format!("{}.{key}", architecture.as_deref()?)).ok().flatten();
    let file_type = metadata.find::<u64>("general.file_type")?;
    let named = |id: u64| FileType::all().find(|file_type| u64::from(file_type.id()) == id);
    let (parameters, tensors) =
        count(model.tensors().map(|info| (info.dtype.name(), info.dims.elements().unwrap_or_default(), info.bytes)));
    Ok(ModelReport {
        path: found.path.clone(),
        format: format!("GGUF {}", model.header().version()),
        bytes: found.bytes,
        name: text("general.name")?,
        quantization: file_type
            .map(|id| named(id).map_or_else(|| format!("type {id}"), |known| known.name().to_owned())),
        parameters,
        context_length: number("context_length"),
        layers: number("block_count"),
        embedding_length: number("embedding_length"),
        heads: number("attention.head_count"),
        kv_heads: number("attention.head_count_kv"),
        vocabulary: metadata.find::<Strings<'_>>("tokenizer.ggml.tokens")?.map(|tokens| tokens.len() as u64),
        tokenizer: text("tokenizer.ggml.model")?,
        chat_template: metadata.value("tokenizer.chat_template").is_some(),
        tensors,
        architecture,
    })
}

/// What `config.json` of a folder of safetensors says; what is missing is not said.
#[derive(Deserialize)]
struct HubConfig {
    model_type: Option<String>,
    vocab_size: Option<u64>,
    hidden_size: Option<u64>,
    num_hidden_layers: Option<u64>,
    num_attention_heads: Option<u64>,
    num_key_value_heads: Option<u64>,
    max_position_embeddings: Option<u64>,
}

fn in_safetensors(found: &FoundModel) -> Result<ModelReport, nootropic_models::Error> {
    let model = Safetensors::open(&found.path)?;
    let config: HubConfig = model.config()?;
    let (parameters, tensors) = count(model.tensors().map(|info| {
        let numbers = info.shape.iter().product();
        (info.dtype.name(), numbers, numbers * info.dtype.bytes())
    }));
    Ok(ModelReport {
        path: found.path.clone(),
        format: "safetensors".into(),
        bytes: found.bytes,
        architecture: config.model_type,
        name: None,
        quantization: None,
        parameters,
        context_length: config.max_position_embeddings,
        layers: config.num_hidden_layers,
        embedding_length: config.hidden_size,
        heads: config.num_attention_heads,
        kv_heads: config.num_key_value_heads,
        vocabulary: config.vocab_size,
        tokenizer: found.path.join("tokenizer.json").is_file().then(|| "tokenizer.json".into()),
        chat_template: found.path.join("chat_template.jinja").is_file() || tokenizer_has_template(&found.path),
        tensors,
    })
}

fn tokenizer_has_template(folder: &Path) -> bool {
    /// Longest file that is read; real ones have some kilobytes.
    const LONGEST: u64 = 16 << 20;
    let file = std::fs::File::open(folder.join("tokenizer_config.json"));
    let config = file.ok().and_then(|file| serde_json::from_reader::<_, serde_json::Value>(file.take(LONGEST)).ok());
    config.is_some_and(|config| config.get("chat_template").is_some())
}

/// Numbers in all, and tensors by type, of (type, numbers, bytes) for each tensor.
fn count<'a>(tensors: impl Iterator<Item = (&'a str, u64, u64)>) -> (u64, BTreeMap<String, TensorCount>) {
    let mut parameters = 0_u64;
    let mut types = BTreeMap::<String, TensorCount>::new();
    for (name, numbers, bytes) in tensors {
        parameters = parameters.saturating_add(numbers);
        let of_type = types.entry(name.to_owned()).or_default();
        of_type.count += 1;
        of_type.bytes = of_type.bytes.saturating_add(bytes);
    }
    (parameters, types)
}
