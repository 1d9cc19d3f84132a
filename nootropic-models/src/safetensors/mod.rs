//! safetensors, the format models are published in.
//!
//! ```text
//! header length u64, little-endian
//! header: a JSON object, {"name": {"dtype": "F32", "shape": [rows, columns], "data_offsets": [begin, end]}, …}
//! data: every byte belongs to exactly one tensor
//! ```
//!
//! A large model comes as several files and an index that says which tensor is in which.
//! Source: <https://github.com/huggingface/safetensors#format>.

mod dtype;
mod folder;
mod index;
mod pairs;
mod parse;

use std::sync::Arc;

pub use dtype::SafetensorsType;
pub use folder::Safetensors;
use parse::Description;

use crate::files::{At, Fault, Map};
use crate::{Budget, Dims, Error, Place, Result, Tensor};

/// One safetensors file, open for reading.
#[derive(Debug)]
pub struct SafetensorsFile {
    name: Box<str>,
    data: Data,
    data_start: usize,
    /// In the order of their names.
    tensors: Vec<Description>,
    metadata: Vec<(Box<str>, Box<str>)>,
}

#[derive(Debug)]
enum Data {
    Mapped(Map),
    Memory(Arc<[u8]>),
    /// Part of the program.
    Static(&'static [u8]),
}

/// What a header says of a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SafetensorsInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// How its numbers are stored.
    pub dtype: SafetensorsType,
    /// `[…, rows, columns]`, the contiguous dimension last.
    pub shape: &'a [u64],
}

impl SafetensorsFile {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`] as the operating system says; [`Error::Malformed`], [`Error::Truncated`], [`Error::OverLimit`],
    /// [`Error::Memory`] and [`Error::UnsupportedType`] for what is wrong with the file, with the place;
    /// [`Error::Changed`] if it is being written.
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self> {
        let map = Map::open(path.as_ref())?;
        let len = map.bytes().len() as u64;
        let header = parse::header(map.name(), map.file(), len, Budget::for_file(len))?;
        map.check()?;
        let (name, data) = (map.name().into(), Data::Mapped(map));
        Ok(Self { name, data, data_start: header.data_start, tensors: header.tensors, metadata: header.metadata })
    }

    /// Reads a file that is in memory; `name` stands for it in errors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        let header = parse::header(name, &*bytes, len, Budget::for_file(len))?;
        let (name, data) = (name.into(), Data::Memory(bytes));
        Ok(Self { name, data, data_start: header.data_start, tensors: header.tensors, metadata: header.metadata })
    }

    /// The same of a file that is part of the program; nothing is copied.
    pub(crate) fn from_static(name: &str, bytes: &'static [u8]) -> Result<Self> {
        let len = bytes.len() as u64;
        let header = parse::header(name, bytes, len, Budget::for_file(len))?;
        let (name, data) = (name.into(), Data::Static(bytes));
        Ok(Self { name, data, data_start: header.data_start, tensors: header.tensors, metadata: header.metadata })
    }

    /// The bytes of a tensor that is part of the program.
    pub(crate) fn raw_static(&self, name: &str) -> Option<&'static [u8]> {
        let Data::Static(bytes) = self.data else { return None };
        self.find(name)?.range(self.data_start).and_then(|range| bytes.get(range))
    }

    /// The file, or what stands for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the writer noted: text by key, e.g. `format`.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata.iter().map(|(key, value)| (&**key, &**value))
    }

    /// What tensors there are, in the order of their names.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = SafetensorsInfo<'_>> {
        self.tensors.iter().map(|tensor| SafetensorsInfo {
            name: &tensor.name,
            dtype: tensor.dtype,
            shape: &tensor.shape,
        })
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<&Description> {
        let found = self.tensors.binary_search_by(|tensor| (*tensor.name).cmp(name)).ok()?;
        self.tensors.get(found)
    }

    /// The tensor of that name, with its data. Its dimensions are turned round: `dims[0]` is the contiguous one.
    ///
    /// # Errors
    /// [`Error::MissingTensor`]; [`Error::UnsupportedType`] unless it is F32, F16 or BF16; [`Error::Invalid`] for tensors without
    /// numbers or of more than four dimensions; [`Error::Changed`] if the file is no longer as it was when it was opened.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>> {
        let (tensor, data) = self.raw(name)?;
        let what = || format!("{}, {}", self.name, Place::tensor(name));
        let dtype = tensor.dtype.tensor_type().ok_or_else(|| Error::UnsupportedType {
            what: what(),
            found: tensor.dtype.name().into(),
            op: "read",
        })?;
        let mut shape = tensor.shape.to_vec();
        shape.reverse();
        if shape.is_empty() {
            shape.push(1); // a single number
        }
        let dims = Dims::new(&shape).ok_or_else(|| Error::Invalid {
            what: what(),
            problem: format!("shape {:?} is not 1 to 4 dimensions, none of them 0", tensor.shape),
        })?;
        Ok(Tensor { name: tensor.name, dtype, dims, data })
    }

    /// The tensor of that name, of any type, as bytes.
    ///
    /// # Errors
    /// [`Error::MissingTensor`]; [`Error::Changed`] if the file is no longer as it was when it was opened.
    pub(crate) fn raw(&self, name: &str) -> Result<(SafetensorsInfo<'_>, &[u8])> {
        let missing = || Error::MissingTensor { file: self.name.to_string(), tensor: name.into() };
        let tensor = self.find(name).ok_or_else(missing)?;
        let bytes = match &self.data {
            Data::Mapped(map) => {
                map.check()?;
                map.bytes()
            }
            Data::Memory(bytes) => bytes,
            Data::Static(bytes) => bytes,
        };
        let data = tensor.range(self.data_start).and_then(|range| bytes.get(range)).ok_or_else(missing)?;
        Ok((SafetensorsInfo { name: &tensor.name, dtype: tensor.dtype, shape: &tensor.shape }, data))
    }

    /// Gives back the memory of tensors that were read.
    fn let_go(&self) {
        if let Data::Mapped(map) = &self.data {
            map.let_go();
        }
    }
}

/// Parses JSON, and says where it fails.
fn from_json<T: serde::de::DeserializeOwned>(file: &str, json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(json_fault).at(file, || Place::Offset(0))
}

fn json_fault(error: serde_json::Error) -> Fault {
    Fault::malformed(crate::error::printable_up_to(&error.to_string(), 300)) // it may quote the file
}
