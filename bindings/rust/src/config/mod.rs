//! One configuration, made from layers: flags, the environment, the repository's file, the user's file, defaults.

mod file;
mod layers;
mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use nootropic_context::index::UpdateOptions;
use nootropic_core::HostRule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use layers::{Layers, Source, Value, ValueReport};
pub(crate) use table::keys;
pub use table::{SETTINGS, Setting};

/// Everything that can be set. The defaults serve most repositories.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// What is indexed, and how.
    pub index: IndexSettings,
    /// How questions are answered.
    pub search: SearchSettings,
    /// Where the index is kept.
    pub store: StoreSettings,
    /// Where models are fetched from.
    pub models: ModelSettings,
    /// Which connections may be made.
    pub network: NetworkSettings,
    /// What a terminal shows.
    pub output: OutputSettings,
}

/// What is indexed, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexSettings {
    /// If any is given, only files that match one are indexed. Globs as in `.gitignore`, from the root.
    pub include: Vec<String>,
    /// What matches one of these is not indexed. Globs as in `.gitignore`, from the root.
    pub exclude: Vec<String>,
    /// Larger files, in bytes, are skipped.
    pub max_file_bytes: u64,
    /// Index names that begin with a dot.
    pub hidden: bool,
    /// Index what ignore files exclude.
    pub ignored: bool,
    /// Index generated and minified files and lock files.
    pub generated: bool,
    /// Most lines in a passage.
    pub chunk_lines: u32,
    /// Threads that read and parse; 0 for one a core.
    pub threads: usize,
}

/// How questions are answered.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSettings {
    /// How many passages to show, if the question does not say.
    pub limit: u32,
    /// Read what changed before answering.
    pub update: bool,
    /// A cross-encoder that reads the best passages once more, if there is one: absolute.
    pub reranker: Option<PathBuf>,
    /// How many milliseconds it may take.
    pub rerank_ms: u32,
}

/// Where the index is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreSettings {
    /// In the repository or in the user's folder.
    pub place: Place,
    /// The user's folder, if not the usual one.
    pub user_dir: Option<PathBuf>,
    /// Address space to reserve, in bytes.
    pub map_bytes: u64,
    /// Refuse to write when fewer bytes than this are free.
    pub min_free_bytes: u64,
    /// Open a store on a network filesystem, where its locks cannot be relied on.
    pub network_filesystem: bool,
}

/// Where the index is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In `.nootropic`, in the repository.
    #[default]
    Repository,
    /// In the user's data folder: for repositories that cannot be written, or are often cleaned.
    User,
}

/// Where models are fetched from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelSettings {
    /// The URL of the hub that models are fetched from, if not the variable `HF_ENDPOINT` or the usual one.
    pub hub: Option<String>,
}

/// Which connections may be made. By default none, but where the user asks for one by typing a command that says it connects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkSettings {
    /// Hosts that may always be connected to.
    pub allow: Vec<HostRule>,
    /// Refuse every connection, whatever else would allow it.
    pub sealed: bool,
}

/// What a terminal shows.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputSettings {
    /// When to use colour.
    pub color: ColorChoice,
    /// Show a progress bar on a terminal.
    pub progress: bool,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Default for IndexSettings {
    fn default() -> Self {
        let update = UpdateOptions::default();
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            max_file_bytes: update.walk.max_file_bytes,
            hidden: update.walk.hidden,
            ignored: update.walk.ignored,
            generated: update.walk.generated,
            chunk_lines: update.chunks.max_lines,
            threads: update.threads,
        }
    }
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self { limit: 10, update: true, reranker: None, rerank_ms: 500 }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            place: Place::default(),
            user_dir: None,
            map_bytes: 64 << 30,
            min_free_bytes: 32 << 20,
            network_filesystem: false,
        }
    }
}

impl Default for OutputSettings {
    fn default() -> Self {
        Self { color: ColorChoice::default(), progress: true }
    }
}

impl IndexSettings {
    /// The same, as the indexer takes it.
    pub fn options(&self) -> UpdateOptions {
        let mut options = UpdateOptions { threads: self.threads, ..UpdateOptions::default() };
        options.walk.include.clone_from(&self.include);
        options.walk.exclude.clone_from(&self.exclude);
        options.walk.max_file_bytes = self.max_file_bytes;
        options.walk.hidden = self.hidden;
        options.walk.ignored = self.ignored;
        options.walk.generated = self.generated;
        options.chunks.max_lines = self.chunk_lines;
        options.chunks.ideal_lines = options.chunks.ideal_lines.min(self.chunk_lines);
        options
    }
}
