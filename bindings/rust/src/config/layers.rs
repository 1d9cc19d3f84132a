//! Settings put on top of each other, each remembering where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use serde_json::Value;

use super::Config;
use super::file;
use super::table::{SETTINGS, Setting, keys};
use crate::suggest::did_you_mean;
use crate::{Error, Result, places};

/// Names of the repository's file, the first that exists counts.
const REPOSITORY_FILES: [&str; 2] = [".nootropic.toml", "nootropic.toml"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The user's file.
    UserFile {
        /// Which.
        path: PathBuf,
        /// 1-based.
        line: u32,
    },
    /// The repository's file.
    RepositoryFile {
        /// Which.
        path: PathBuf,
        /// 1-based.
        line: u32,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A flag, or the host program.
    Flag {
        /// As it is written.
        flag: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::UserFile { path, line } | Self::RepositoryFile { path, line } => {
                write!(f, "{}:{line}", path.display())
            }
            Self::Environment { variable } => f.write_str(variable),
            Self::Flag { flag } => f.write_str(flag),
        }
    }
}

/// A setting's value and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValueReport {
    /// Its name, e.g. `index.exclude`.
    pub key: String,
    /// What applies.
    pub value: Value,
    /// Who said so.
    pub source: Source,
    /// What it is for.
    pub about: String,
    /// Whether a repository's file may set it.
    pub in_repository: bool,
}

/// A configuration that knows where each value came from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layers {
    config: Config,
    sources: BTreeMap<&'static str, Source>,
    warnings: Vec<String>,
}

impl Layers {
    /// Reads every layer for the repository at `root`; `flags` are keys with their values as text, e.g.
    /// `("index.exclude", "*.gen.rs")`.
    ///
    /// # Errors
    /// [`Error::Setting`] naming file, line and column, variable or flag.
    pub fn load(root: &Path, flags: &[(String, String)]) -> Result<Self> {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("NOOTROPIC_"))?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        Self::load_from(root, places::config_file(), environment, flags)
    }

    pub(super) fn load_from(
        root: &Path,
        user_file: Option<PathBuf>,
        environment: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self> {
        let mut layers = Self::default();
        if let Some(path) = user_file {
            for entry in file::read(&path, false)? {
                let source = Source::UserFile { path: path.clone(), line: entry.line };
                layers.set(entry.setting, entry.value, source)?;
            }
        }
        if let Some(path) = REPOSITORY_FILES.iter().map(|name| root.join(name)).find(|path| path.exists()) {
            for entry in file::read(&path, true)? {
                let source = Source::RepositoryFile { path: path.clone(), line: entry.line };
                layers.set(entry.setting, entry.value, source)?;
            }
        }
        layers.environment(environment)?;
        for (key, text) in flags {
            layers.set_text(key, text, Source::Flag { flag: format!("--set {key}") })?;
        }
        Ok(layers)
    }

    /// Defaults with what a host program set.
    pub fn of(config: Config) -> Self {
        let defaults = Config::default();
        let changed = SETTINGS.iter().filter(|setting| setting.get(&config) != setting.get(&defaults));
        let sources =
            changed.map(|setting| (setting.key, Source::Flag { flag: "set by the program".into() })).collect();
        Self { config, sources, warnings: Vec::new() }
    }

    /// What applies.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What is odd and no error, e.g. a variable that means nothing to this version.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Every setting, by key.
    pub fn report(&self) -> Vec<ValueReport> {
        SETTINGS
            .iter()
            .map(|setting| ValueReport {
                key: setting.key.to_owned(),
                value: setting.get(&self.config),
                source: self.sources.get(setting.key).cloned().unwrap_or(Source::Default),
                about: setting.about.to_owned(),
                in_repository: setting.in_repository,
            })
            .collect()
    }

    fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) -> Result<()> {
        for (variable, text) in variables {
            if ["NOOTROPIC_CONFIG", "NOOTROPIC_MODELS", "NOOTROPIC_REPO"].contains(&variable.as_str())
                || text.is_empty()
            {
                continue;
            }
            match SETTINGS.iter().find(|setting| setting.variable() == variable) {
                Some(setting) => self.set_text(setting.key, &text, Source::Environment { variable })?,
                // It may be meant for another version: that is no reason to refuse work.
                None => self.warnings.push(format!("the variable {variable} sets nothing")),
            }
        }
        Ok(())
    }

    fn set_text(&mut self, key: &str, text: &str, source: Source) -> Result<()> {
        let place = source.to_string();
        let setting = Setting::find(key).ok_or_else(|| Error::Setting {
            place: place.clone(),
            problem: format!("unknown setting `{key}`"),
            hint: did_you_mean(key, keys()).or_else(|| Some("`nootropic config show` lists them".into())),
        })?;
        let value = setting.parse(text).map_err(|problem| Error::Setting { place, problem, hint: None })?;
        self.set(setting, value, source)
    }

    fn set(&mut self, setting: &'static Setting, value: Value, source: Source) -> Result<()> {
        setting.set(&mut self.config, value).map_err(|problem| Error::Setting {
            place: source.to_string(),
            problem,
            hint: None,
        })?;
        self.sources.insert(setting.key, source);
        Ok(())
    }
}
