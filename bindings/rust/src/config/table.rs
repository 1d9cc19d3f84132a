//! Every setting: its key, its meaning, who may set it, and how it is read and written.

use std::path::PathBuf;

use nootropic_core::{Endpoint, HostRule};
use serde_json::{Value, json};

use super::Config;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name, e.g. `index.exclude`.
    pub key: &'static str,
    /// What it is for, in one sentence.
    pub about: &'static str,
    /// Whether the file of a repository may set it. Such a file comes from whoever wrote the repository, so it only sets
    /// what can do no harm.
    pub in_repository: bool,
    pub(super) shape: Shape,
    pub(super) read: fn(&Config) -> Value,
    pub(super) write: fn(&mut Config, Value) -> Result<(), String>,
}

/// How a setting is written as text, in a variable or a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Flag,
    Count {
        least: u64,
        most: u64,
    },
    /// Bytes, as a number or with a unit.
    Size {
        least: u64,
        most: u64,
    },
    Choice(&'static [&'static str]),
    Globs,
    Hosts,
    Folder,
    Url,
}

macro_rules! setting {
    ($group:ident . $name:ident, $shape:expr, $in_repository:expr, $about:expr) => {
        Setting {
            key: concat!(stringify!($group), ".", stringify!($name)),
            about: $about,
            in_repository: $in_repository,
            shape: $shape,
            read: |config| json!(config.$group.$name),
            write: |config, value| {
                config.$group.$name = serde_json::from_value(value).map_err(|error| error.to_string())?;
                Ok(())
            },
        }
    };
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Every setting, by key.
pub const SETTINGS: &[Setting] = &[
    setting!(
        index.chunk_lines,
        Shape::Count { least: 4, most: 400 },
        true,
        "Most lines in a passage; after a change the next update cuts every file anew"
    ),
    setting!(index.exclude, Shape::Globs, true, "What matches one of these globs is not indexed"),
    setting!(index.generated, Shape::Flag, true, "Index generated and minified files and lock files"),
    setting!(index.hidden, Shape::Flag, false, "Index names that begin with a dot"),
    setting!(index.ignored, Shape::Flag, false, "Index what ignore files exclude"),
    setting!(
        index.include,
        Shape::Globs,
        true,
        "If any is given, only files that match one of these globs are indexed"
    ),
    setting!(index.max_file_bytes, Shape::Size { least: 1, most: 64 * MIB }, true, "Larger files are skipped"),
    setting!(
        index.threads,
        Shape::Count { least: 0, most: 256 },
        false,
        "Threads that read and parse; 0 for one a core"
    ),
    setting!(
        models.hub,
        Shape::Url,
        false,
        "The hub that models are fetched from, if not the variable `HF_ENDPOINT` or https://huggingface.co"
    ),
    setting!(
        network.allow,
        Shape::Hosts,
        false,
        "Hosts that may be connected to without being asked for: `example.com`, `https://*.example.com:8443`, `git.corp.example private`"
    ),
    setting!(network.sealed, Shape::Flag, false, "Refuse every connection, whatever else would allow it"),
    setting!(output.color, Shape::Choice(&["auto", "always", "never"]), false, "When to use colour"),
    setting!(output.progress, Shape::Flag, false, "Show a progress bar on a terminal"),
    setting!(
        search.limit,
        Shape::Count { least: 1, most: 1000 },
        true,
        "How many passages to show, if the question does not say"
    ),
    setting!(
        search.rerank_ms,
        Shape::Count { least: 0, most: 60_000 },
        true,
        "How many milliseconds a reranker may take for one question"
    ),
    Setting {
        key: "search.reranker",
        about: "A cross-encoder that reads the best passages once more: the absolute path of a folder of safetensors",
        in_repository: false,
        shape: Shape::Folder,
        read: |config| json!(config.search.reranker.as_ref().map(|path| path.to_string_lossy())),
        write: |config, value| absolute(value).map(|path| config.search.reranker = Some(path)),
    },
    setting!(search.update, Shape::Flag, false, "Read what changed before answering"),
    setting!(
        store.map_bytes,
        Shape::Size { least: 16 * MIB, most: 1 << 46 },
        false,
        "Address space to reserve for the store; disk is used only as it fills"
    ),
    setting!(
        store.min_free_bytes,
        Shape::Size { least: 0, most: 1024 * GIB },
        false,
        "Refuse to write when fewer bytes than this are free on the disk"
    ),
    setting!(
        store.network_filesystem,
        Shape::Flag,
        false,
        "Open a store on a network filesystem, where its locks cannot be relied on"
    ),
    setting!(
        store.place,
        Shape::Choice(&["repository", "user"]),
        false,
        "Keep the index in the repository's `.nootropic`, or in the user's data folder"
    ),
    Setting {
        key: "store.user_dir",
        about: "The user's data folder, if not the usual one; an absolute path",
        in_repository: false,
        shape: Shape::Folder,
        read: |config| json!(config.store.user_dir.as_ref().map(|dir| dir.to_string_lossy())),
        write: |config, value| absolute(value).map(|path| config.store.user_dir = Some(path)),
    },
];

fn absolute(value: Value) -> Result<PathBuf, String> {
    let path: PathBuf = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if path.is_absolute() { Ok(path) } else { Err("an absolute path is needed".into()) }
}

/// The key of every setting.
pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.key)
}

impl Setting {
    /// The setting of that key.
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The variable that sets it: `NOOTROPIC_INDEX_EXCLUDE`.
    pub fn variable(&self) -> String {
        format!("NOOTROPIC_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Its value in a configuration.
    pub fn get(&self, config: &Config) -> Value {
        (self.read)(config)
    }

    /// Sets it.
    ///
    /// # Errors
    /// What is wrong with the value.
    pub fn set(&self, config: &mut Config, value: Value) -> Result<(), String> {
        (self.write)(config, self.shape.check(value)?)
    }

    /// Reads a value written as text.
    pub(super) fn parse(&self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match self.shape {
            Shape::Flag => match text {
                "true" | "1" | "yes" | "on" => Ok(json!(true)),
                "false" | "0" | "no" | "off" => Ok(json!(false)),
                _ => Err(format!("`{text}` is neither true nor false")),
            },
            Shape::Count { .. } => {
                text.parse::<u64>().map(|n| json!(n)).map_err(|_| format!("`{text}` is not a whole number"))
            }
            Shape::Size { .. } | Shape::Choice(_) | Shape::Folder | Shape::Url => Ok(json!(text)),
            Shape::Globs | Shape::Hosts => {
                Ok(json!(text.split(',').map(str::trim).filter(|g| !g.is_empty()).collect::<Vec<_>>()))
            }
        }
    }
}

impl Shape {
    /// The value in its plain form: sizes become bytes.
    fn check(self, value: Value) -> Result<Value, String> {
        match self {
            Self::Flag if value.is_boolean() => Ok(value),
            Self::Flag => Err("true or false is needed".into()),
            Self::Count { least, most } => in_range(value.as_u64(), least, most, "a whole number"),
            Self::Size { least, most } => {
                let bytes = value.as_u64().or_else(|| value.as_str().and_then(parse_size));
                in_range(bytes, least, most, "a size such as 500000 or \"2 MiB\"")
            }
            Self::Choice(words) => match value.as_str() {
                Some(word) if words.contains(&word) => Ok(value),
                _ => Err(format!("one of {} is needed", words.join(", "))),
            },
            Self::Globs => match &value {
                Value::Array(items) if items.iter().all(Value::is_string) => Ok(value),
                Value::String(_) => Ok(json!([value])),
                _ => Err("a list of globs is needed".into()),
            },
            Self::Hosts => {
                let rules = if value.is_string() { json!([value]) } else { value };
                match serde_json::from_value::<Vec<HostRule>>(rules) {
                    Ok(rules) => Ok(json!(rules)),
                    Err(error) => Err(format!("a list of hosts is needed: {error}")),
                }
            }
            Self::Url => match value.as_str().map(str::parse::<Endpoint>) {
                Some(Ok(_)) => Ok(value),
                Some(Err(error)) => Err(error.to_string()),
                None => Err("a URL is needed".into()),
            },
            Self::Folder if value.is_string() => Ok(value),
            Self::Folder => Err("a path is needed".into()),
        }
    }
}

fn in_range(n: Option<u64>, least: u64, most: u64, what: &str) -> Result<Value, String> {
    match n {
        Some(n) if (least..=most).contains(&n) => Ok(json!(n)),
        _ => Err(format!("{what} from {least} to {most} is needed")),
    }
}

/// `2 MiB`, `500kB`, `1g`: units of 1024 for single letters and `iB`, of 1000 for `B`.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}
