//! Model files that are on this machine already: our own, and those in the caches of other programs.

mod folder;
mod hub;
mod ollama;
pub(crate) mod shards;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Whose folder a model was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ModelSource {
    /// Our own.
    Nootropic,
    /// Ollama's.
    Ollama,
    /// LM Studio's.
    LmStudio,
    /// The cache of the Hugging Face hub.
    Hub,
    /// llama.cpp's.
    LlamaCpp,
}

/// A model file on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FoundModel {
    /// What to call it by, unless two have the same name.
    pub name: String,
    /// The file; the first of its parts, if it is split; the folder, if it is safetensors.
    pub path: PathBuf,
    /// Its length in bytes, all parts together.
    pub bytes: u64,
    /// Whose folder it was found in.
    pub source: ModelSource,
}

/// The folders in which models are looked for.
///
/// Nothing there is changed, and nothing is believed: a file counts by its name, and is checked when it is opened.
#[derive(Debug, Clone)]
pub struct ModelLibrary {
    folders: Vec<(ModelSource, PathBuf)>,
}

impl ModelLibrary {
    /// Only our own folder.
    pub fn new(own: impl Into<PathBuf>) -> Self {
        Self { folders: vec![(ModelSource::Nootropic, own.into())] }
    }

    /// Another folder, laid out as `source` lays out its own.
    #[must_use]
    pub fn with(mut self, source: ModelSource, folder: impl Into<PathBuf>) -> Self {
        self.folders.push((source, folder.into()));
        self
    }

    /// The folders that other programs use for the user whose home is `home`; `variable` reads the environment.
    ///
    /// Ollama's `OLLAMA_MODELS`, the hub's `HF_HUB_CACHE` and `HF_HOME`, and llama.cpp's `LLAMA_CACHE` count.
    #[must_use]
    pub fn with_other_programs(self, home: &Path, variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let cache = variable("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache"));
        let hub = variable("HF_HUB_CACHE").or_else(|| Some(variable("HF_HOME")?.join("hub")));
        self.with(ModelSource::Ollama, variable("OLLAMA_MODELS").unwrap_or_else(|| home.join(".ollama/models")))
            .with(ModelSource::Ollama, "/usr/share/ollama/.ollama/models")
            .with(ModelSource::LmStudio, home.join(".lmstudio/models"))
            .with(ModelSource::LmStudio, cache.join("lm-studio/models"))
            .with(ModelSource::Hub, hub.unwrap_or_else(|| cache.join("huggingface/hub")))
            .with(ModelSource::LlamaCpp, variable("LLAMA_CACHE").unwrap_or_else(|| cache.join("llama.cpp")))
    }

    /// What is there, by source and name. A folder that is missing or may not be read holds nothing.
    pub fn list(&self) -> Vec<FoundModel> {
        let mut found: Vec<FoundModel> = Vec::new();
        for (source, folder) in &self.folders {
            found.extend(match source {
                ModelSource::Ollama => ollama::models(folder),
                ModelSource::Hub => hub::models(folder),
                ModelSource::Nootropic | ModelSource::LmStudio | ModelSource::LlamaCpp => {
                    folder::models(folder, *source)
                }
            });
        }
        found.sort_by(|a, b| (a.source, &a.name, &a.path).cmp(&(b.source, &b.name, &b.path)));
        found.dedup();
        found
    }

    /// The model that `name` means: a path, or the name of one that was found, whatever its case. Of several of one name the first
    /// source counts, in the order of [`ModelSource`].
    ///
    /// # Errors
    /// [`Error::NoModel`] with the names that come closest.
    pub fn find(&self, name: &str) -> Result<FoundModel> {
        let path = Path::new(name);
        if let Some(found) = at_path(path) {
            return Ok(found);
        }
        let models = self.list();
        let same = |model: &&FoundModel| {
            model.name.eq_ignore_ascii_case(name)
                || ollama::is_latest(&model.name, name) && model.source == ModelSource::Ollama
        };
        if let Some(found) = models.iter().find(same) {
            return Ok(found.clone());
        }
        let part = name.to_ascii_lowercase();
        let near = |model: &&FoundModel| !part.is_empty() && model.name.to_ascii_lowercase().contains(&part);
        let near = models.iter().filter(near).take(5).map(|model| model.name.clone()).collect();
        Err(Error::NoModel { name: name.to_owned(), near })
    }
}

/// The model at a path, if there is a file or a folder of safetensors.
fn at_path(path: &Path) -> Option<FoundModel> {
    let metadata = std::fs::metadata(path).ok()?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = if metadata.is_dir() { folder::safetensors_bytes(path)? } else { shards::bytes(path, metadata.len()) };
    Some(FoundModel { name, path: path.to_owned(), bytes, source: ModelSource::Nootropic })
}
