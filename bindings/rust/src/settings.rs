//! Showing the configuration.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ValueReport, keys};
use crate::suggest::did_you_mean;
use crate::{Error, Nootropic, Result, places};

/// Asks for the configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigShow {
    /// Only settings whose key begins so, e.g. `index`.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "KEY"))]
    pub key: Option<String>,
}

/// The configuration, with where each value came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigReport {
    /// The repository it is of.
    pub root: PathBuf,
    /// Where the user's file is, or would be.
    pub user_file: Option<PathBuf>,
    /// Every setting, by key.
    pub values: Vec<ValueReport>,
    /// What is odd and no error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Nootropic {
    /// The configuration, with where each value came from.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no key begins so.
    pub fn config_report(&self, input: &ConfigShow) -> Result<ConfigReport> {
        let mut values = self.layers().report();
        if let Some(key) = &input.key {
            values.retain(|value| value.key.starts_with(key.as_str()));
            if values.is_empty() {
                let groups = keys().filter_map(|known| known.split('.').next());
                let hint = did_you_mean(key, keys().chain(groups));
                let hint = hint.or_else(|| Some("`nootropic config show` lists them".into()));
                return Err(Error::NotFound { what: "setting", name: key.clone(), hint });
            }
        }
        Ok(ConfigReport {
            root: self.root().to_owned(),
            user_file: places::config_file(),
            values,
            warnings: self.layers().warnings().to_vec(),
        })
    }
}
