//! Settings from a TOML file, with the line and column of each.

use std::path::Path;

use serde_json::{Number, Value};
use toml::de::{DeTable, DeValue};

use super::table::{SETTINGS, Setting, keys};
use crate::suggest::did_you_mean;
use crate::{Error, Result};

/// A setting and the line it stands on.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) setting: &'static Setting,
    pub(super) value: Value,
    /// 1-based.
    pub(super) line: u32,
}

/// The largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The settings of a file, none if it does not exist.
pub(super) fn read(path: &Path, of_repository: bool) -> Result<Vec<Entry>> {
    let metadata = match std::fs::metadata(path) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        metadata => metadata.map_err(Error::io("read", path))?,
    };
    // A FIFO would wait for ever, and a repository may hold one.
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        let problem = format!("a configuration is a file of at most {MAX_BYTES} bytes");
        return Err(Error::Setting { place: path.display().to_string(), problem, hint: None });
    }
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    parse(path, &text, of_repository)
}

fn parse(path: &Path, text: &str, of_repository: bool) -> Result<Vec<Entry>> {
    let reader = Reader { path, text, of_repository };
    let table = DeTable::parse(text)
        .map_err(|error| reader.error(error.span().map_or(0, |span| span.start), error.message().to_owned(), None))?;
    let mut entries = Vec::new();
    reader.table("", table.get_ref(), &mut entries)?;
    Ok(entries)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    of_repository: bool,
}

impl Reader<'_> {
    fn table(&self, prefix: &str, table: &DeTable<'_>, entries: &mut Vec<Entry>) -> Result<()> {
        for (name, value) in table {
            let at = name.span().start;
            let key =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            match (Setting::find(&key), value.get_ref()) {
                (Some(setting), value) => entries.push(self.entry(setting, value, at)?),
                (None, DeValue::Table(inner)) if is_group(&key) => self.table(&key, inner, entries)?,
                (None, _) if is_group(&key) => {
                    let hint = format!("write its settings under `[{key}]`");
                    return Err(self.error(at, format!("`{key}` is a group of settings, not one"), Some(hint)));
                }
                (None, _) => {
                    return Err(self.error(at, format!("unknown setting `{key}`"), did_you_mean(&key, keys())));
                }
            }
        }
        Ok(())
    }

    fn entry(&self, setting: &'static Setting, value: &DeValue<'_>, at: usize) -> Result<Entry> {
        if self.of_repository && !setting.in_repository {
            let hint = "put it in your own file (`nootropic config show` says where that is), or give it as a flag";
            let problem = format!("`{}` cannot be set by a repository", setting.key);
            return Err(self.error(at, problem, Some(hint.into())));
        }
        let value = json(value);
        // Only to say where: the value is set when all layers are known.
        if let Err(problem) = setting.set(&mut super::Config::default(), value.clone()) {
            return Err(self.error(at, format!("`{}`: {problem}", setting.key), None));
        }
        Ok(Entry { setting, value, line: position(self.text, at).0 })
    }

    fn error(&self, at: usize, problem: String, hint: Option<String>) -> Error {
        let (line, column) = position(self.text, at);
        Error::Setting { place: format!("{}:{line}:{column}", self.path.display()), problem, hint }
    }
}

fn is_group(key: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// Line and column, 1-based, of a byte.
fn position(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    (line as u32 + 1, column as u32 + 1)
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).map_or(Value::Null, Value::from),
        DeValue::Float(n) => n.as_str().parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number),
        DeValue::Boolean(b) => Value::Bool(*b),
        DeValue::Datetime(when) => Value::String(when.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| json(item.get_ref())).collect()),
        DeValue::Table(table) => {
            Value::Object(table.iter().map(|(k, v)| (k.get_ref().to_string(), json(v.get_ref()))).collect())
        }
    }
}
