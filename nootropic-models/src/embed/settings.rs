//! How a model wants its texts, as those who trained it say.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Pooling;
use crate::arch::Encoder;
use crate::error::printable;
use crate::files::read_small;
use crate::{Error, ModelFile, Place, Result};

/// How texts become vectors. Another setting is another embedder: its vectors are not comparable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmbedderSettings {
    /// How the vectors of positions become one.
    pub pooling: Pooling,
    /// What stands before a question.
    pub query_prefix: String,
    /// What stands before a passage.
    pub document_prefix: String,
    /// Most tokens of a text that are read, with those that begin and end it.
    pub max_tokens: usize,
}

const LONGEST_JSON: u64 = 1 << 20;

impl EmbedderSettings {
    /// Those of a model: of a folder, from the files that sentence-transformers writes; of GGUF, from its metadata. Where nothing is said,
    /// the mean of all positions, and no prefixes.
    pub(crate) fn of(file: &ModelFile, encoder: &Encoder) -> Result<Self> {
        let mut settings = Self {
            pooling: Pooling::Mean,
            query_prefix: String::new(),
            document_prefix: String::new(),
            max_tokens: encoder.context,
        };
        match file {
            ModelFile::Gguf(gguf) => {
                let architecture = gguf.metadata().get::<&str>("general.architecture")?;
                let key = format!("{architecture}.pooling_type");
                settings.pooling = match gguf.metadata().find::<u32>(&key)? {
                    None | Some(0 | 1) => Pooling::Mean,
                    Some(2 | 4) => Pooling::Cls, // 4: for a head that scores pairs
                    Some(3) => Pooling::Last,
                    Some(other) => {
                        let problem = format!("{other} is no kind of pooling");
                        return Err(Error::Malformed { file: file.name(), place: Place::key(&key), problem });
                    }
                };
            }
            ModelFile::Safetensors(safetensors) => settings.read_folder(safetensors.folder())?,
        }
        Ok(settings)
    }

    fn read_folder(&mut self, folder: &Path) -> Result<()> {
        if let Some(modules) = json::<Vec<NamedModule>>(folder, "modules.json")? {
            for module in modules {
                match module.kind.rsplit('.').next().unwrap_or_default() {
                    "Transformer" | "Normalize" => {}
                    "Pooling" => self.pooling = pooling(folder, &module.path)?,
                    other => {
                        let what = format!("{}, modules.json", folder.display());
                        return Err(Error::UnsupportedType { what, found: printable(other), op: "run" });
                    }
                }
            }
        }
        if let Some(sentence) = json::<Map<String, Value>>(folder, "sentence_bert_config.json")?
            && let Some(longest) = sentence.get("max_seq_length").and_then(Value::as_u64)
        {
            self.max_tokens = self.max_tokens.min(usize::try_from(longest).unwrap_or(usize::MAX)).max(3);
        }
        if let Some(config) = json::<Map<String, Value>>(folder, "config_sentence_transformers.json")?
            && let Some(Value::Object(prompts)) = config.get("prompts")
        {
            let usual = config.get("default_prompt_name").and_then(Value::as_str);
            let prompt = |names: &[&str]| {
                let all = names.iter().copied().chain(usual);
                all.filter_map(|name| prompts.get(name)?.as_str()).next().unwrap_or_default().to_owned()
            };
            self.query_prefix = prompt(&["query"]);
            self.document_prefix = prompt(&["document", "passage", "corpus"]);
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct NamedModule {
    #[serde(rename = "type")]
    kind: String,
    path: String,
}

/// The pooling that the file of a module names.
fn pooling(folder: &Path, module: &str) -> Result<Pooling> {
    const MODES: [(&str, &str, Pooling); 4] = [
        ("pooling_mode_mean_tokens", "mean", Pooling::Mean),
        ("pooling_mode_cls_token", "cls", Pooling::Cls),
        ("pooling_mode_max_tokens", "max", Pooling::Max),
        ("pooling_mode_lasttoken", "lasttoken", Pooling::Last),
    ];
    // The name comes from a file that anybody may have written.
    let inside = !module.is_empty() && module.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let name = if inside { format!("{module}/config.json") } else { "1_Pooling/config.json".into() };
    let config = json::<Map<String, Value>>(folder, &name)?.unwrap_or_default();
    let flags = config.iter().filter(|(key, value)| key.starts_with("pooling_mode_") && **value == Value::Bool(true));
    let mut wanted: Vec<&str> = flags.map(|(key, _)| key.as_str()).collect();
    wanted.extend(config.get("pooling_mode").and_then(Value::as_str));
    let known = |wanted: &str| MODES.iter().find(|mode| mode.0 == wanted || mode.1 == wanted).map(|mode| mode.2);
    match wanted.as_slice() {
        [] => Ok(Pooling::Mean),
        [one] if known(one).is_some() => Ok(known(one).unwrap_or(Pooling::Mean)),
        others => {
            let what = format!("{}, {name}", folder.display());
            Err(Error::UnsupportedType { what, found: printable(&others.join(" and ")), op: "run" })
        }
    }
}

/// A file of a folder; nothing if it is not there.
fn json<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> Result<Option<T>> {
    let path = folder.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = read_small(&path, LONGEST_JSON)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::Malformed {
        file: path.display().to_string(),
        place: Place::Offset(0),
        problem: error.to_string(),
    })
}
