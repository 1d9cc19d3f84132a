//! A model as it is published: a folder with `config.json`, and weights in one file or several.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::index::Index;
use super::{SafetensorsFile, SafetensorsInfo, from_json};
use crate::files::{Fault, read_small};
use crate::{Error, Place, Result, Tensor};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const CONFIG: &str = "config.json";
/// Most bytes of a JSON file beside the weights, other than the index.
const LONGEST_JSON: u64 = 16 << 20;

/// A model in a folder: its weights in `model.safetensors`, or in the files of `model.safetensors.index.json`.
#[derive(Debug)]
pub struct Safetensors {
    folder: PathBuf,
    files: Vec<SafetensorsFile>,
    /// Which tensor is in which of the files, by name.
    tensors: Vec<(Box<str>, usize)>,
}

impl Safetensors {
    /// Opens the model in a folder, or the one a `.safetensors` or index file belongs to.
    ///
    /// # Errors
    /// As [`SafetensorsFile::open`] for each file; [`Error::MissingTensor`] if one is not in the file the index names.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let parent = || path.parent().unwrap_or(Path::new("")).to_owned();
        if path.is_dir() {
            // The index counts: leftovers of another download may lie beside it.
            let index = path.join(INDEX);
            return match index.exists() {
                true => Self::open_index(path.to_owned(), &index),
                false => Self::open_single(path.to_owned(), &path.join(SINGLE)),
            };
        }
        match path.extension().is_some_and(|extension| extension == "json") {
            true => Self::open_index(parent(), path),
            false => Self::open_single(parent(), path),
        }
    }

    fn open_single(folder: PathBuf, path: &Path) -> Result<Self> {
        let file = SafetensorsFile::open(path)?;
        let tensors = file.tensors().map(|tensor| (tensor.name.into(), 0)).collect();
        Ok(Self { folder, files: vec![file], tensors })
    }

    fn open_index(folder: PathBuf, path: &Path) -> Result<Self> {
        let index = Index::read(path)?;
        let names: Vec<_> = index.files().into_iter().collect();
        let files = names.iter().map(|name| SafetensorsFile::open(folder.join(name))).collect::<Result<Vec<_>>>()?;
        let mut tensors = Vec::with_capacity(index.tensors().len());
        for (tensor, file) in index.tensors() {
            let place = names.binary_search(&&**file).unwrap_or_default(); // the names come from there
            let holder = files.get(place).filter(|file| file.contains(tensor));
            holder.ok_or_else(|| Error::MissingTensor {
                file: folder.join(&**file).display().to_string(),
                tensor: crate::error::printable(tensor),
            })?;
            tensors.push((tensor.clone(), place));
        }
        if tensors.is_empty() {
            let fault = Fault::malformed("the index names no tensors");
            return Err(fault.at(&path.display().to_string(), Place::Offset(0)));
        }
        Ok(Self { folder, files, tensors })
    }

    /// Gives back the memory of tensors that were read.
    pub(crate) fn let_go(&self) {
        self.files.iter().for_each(SafetensorsFile::let_go);
    }

    /// The folder the model is in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What tensors there are, file by file.
    pub fn tensors(&self) -> impl Iterator<Item = SafetensorsInfo<'_>> {
        self.files.iter().enumerate().flat_map(move |(place, file)| {
            file.tensors().filter(move |tensor| self.place_of(tensor.name) == Some(place))
        })
    }

    /// The file that has the tensor of that name.
    pub(crate) fn file_of(&self, name: &str) -> Option<&SafetensorsFile> {
        self.place_of(name).and_then(|place| self.files.get(place))
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        let found = self.tensors.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.tensors.get(found).map(|(_, file)| *file)
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.file_of(name).is_some()
    }

    /// The tensor of that name, with its data; see [`SafetensorsFile::tensor`].
    ///
    /// # Errors
    /// As there.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>> {
        match self.file_of(name) {
            Some(file) => file.tensor(name),
            None => Err(Error::MissingTensor { file: self.folder.display().to_string(), tensor: name.into() }),
        }
    }

    /// `config.json`, as `T`.
    ///
    /// # Errors
    /// [`Error::Io`] if there is none; [`Error::Malformed`] if it is no such JSON; [`Error::OverLimit`] past 16 MiB.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T> {
        let path = self.folder.join(CONFIG);
        from_json(&path.display().to_string(), &read_small(&path, LONGEST_JSON)?)
    }
}
