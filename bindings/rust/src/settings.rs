//! Showing the configuration.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::ValueReport;
use crate::{Nootropic, places};

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
    pub fn config_report(&self, input: &ConfigShow) -> ConfigReport {
        let wanted = |report: &ValueReport| input.key.as_deref().is_none_or(|key| report.key.starts_with(key));
        ConfigReport {
            root: self.root().to_owned(),
            user_file: places::config_file(),
            values: self.layers().report().into_iter().filter(wanted).collect(),
            warnings: self.layers().warnings().to_vec(),
        }
    }
}
