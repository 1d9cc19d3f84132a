//! `model.safetensors.index.json`: which tensor is in which file.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use serde::Deserialize;

use super::pairs::Pairs;
use crate::files::{Fault, read_small};
use crate::{Place, Result};

/// Most bytes of an index; real ones have a few million.
const LONGEST: u64 = 100_000_000;
/// Most files of a model.
const FILES: usize = 4096;

/// Which tensor is in which file.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    weight_map: Pairs,
}

impl Index {
    /// Reads an index. The files it names are plain names: a model does not reach outside of its folder.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let index: Self = super::from_json(&name, &read_small(path, LONGEST)?)?;
        for (tensor, file) in index.tensors() {
            if !is_plain(file) {
                let problem = format!("{} is no name of a file beside the index", crate::error::printable(file));
                return Err(Fault::malformed(problem).at(&name, Place::tensor(tensor)));
            }
        }
        let files = index.files().len() as u64;
        if files > FILES as u64 {
            let fault = Fault::OverLimit { what: "files", got: files, max: FILES as u64 };
            return Err(fault.at(&name, Place::Offset(0)));
        }
        Ok(index)
    }

    /// Each tensor with its file, in the order of their names.
    pub(super) fn tensors(&self) -> &[(Box<str>, Box<str>)] {
        &self.weight_map.0
    }

    /// The files, each once.
    pub(super) fn files(&self) -> BTreeSet<&str> {
        self.tensors().iter().map(|(_, file)| &**file).collect()
    }
}

/// Whether `file` is a single, ordinary path component, on any platform.
fn is_plain(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    let single = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == file);
    single && file.ends_with(".safetensors") && !file.contains(['/', '\\', ':', '\0'])
}
