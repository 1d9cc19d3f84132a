//! A file that is open: its header, and its tensors where they lie.

use std::path::Path;
use std::sync::Arc;

use super::header::{GgufHeader, TensorInfo};
use super::{Metadata, parse, split};
use crate::files::Map;
use crate::{Budget, Error, Result, Tensor};

/// A GGUF file, or a model that is split over several, open for reading.
///
/// The header is a parsed copy; tensor data is mapped, and read from disk when it is used. Tensors may be read from several
/// threads.
#[derive(Debug)]
pub struct Gguf {
    first: Part,
    /// The files of a split model after the first.
    rest: Vec<Part>,
}

/// One file.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) header: GgufHeader,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Mapped(Map),
    Memory(Arc<[u8]>),
}

impl Gguf {
    /// Opens a file of version 2 or 3. Of a split model (`NAME-00001-of-00003.gguf`) it opens the first part, and with it the others,
    /// which lie beside it.
    ///
    /// # Errors
    /// [`Error::Io`] as the operating system says; [`Error::Malformed`], [`Error::Truncated`], [`Error::OverLimit`],
    /// [`Error::Memory`], [`Error::FormatVersion`] and [`Error::UnsupportedType`] for what is wrong with the file, with the
    /// place; [`Error::Changed`] if it is being written; [`Error::MissingPart`], and [`Error::Invalid`] for a part that is not the
    /// first.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let first = Part::open(path.as_ref())?;
        let rest = split::rest(&first, path.as_ref())?;
        Ok(Self { first, rest })
    }

    /// Reads a file that is in memory; `name` stands for it in errors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        let header = parse::header(name, &*bytes, len, Budget::for_file(len))?;
        Ok(Self { first: Part { header, data: Data::Memory(bytes) }, rest: Vec::new() })
    }

    /// The file, or what stands for it; the first, if the model is split.
    pub fn name(&self) -> &str {
        self.first.name()
    }

    /// What the file says of itself; the first, if the model is split.
    pub fn header(&self) -> &GgufHeader {
        &self.first.header
    }

    /// The metadata.
    pub fn metadata(&self) -> Metadata<'_> {
        self.first.header.metadata()
    }

    /// What tensors there are, in the order of the file, or of the files.
    pub fn tensors(&self) -> impl Iterator<Item = TensorInfo<'_>> {
        self.parts().flat_map(|part| part.header.tensors())
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.parts().any(|part| part.header.tensor(name).is_some())
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// Gives back the memory of tensors that were read.
    pub(crate) fn let_go(&self) {
        for part in self.parts() {
            if let Data::Mapped(map) = &part.data {
                map.let_go();
            }
        }
    }

    /// The tensor of that name, with its data.
    ///
    /// # Errors
    /// [`Error::MissingTensor`]; [`Error::Changed`] if the file is no longer as it was when it was opened.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>> {
        let missing = || Error::MissingTensor { file: self.name().into(), tensor: name.into() };
        let found = self.parts().find_map(|part| part.header.tensor(name).map(|info| (part, info)));
        let (part, info) = found.ok_or_else(missing)?;
        let bytes = match &part.data {
            Data::Mapped(map) => {
                map.check()?;
                map.bytes()
            }
            Data::Memory(bytes) => bytes,
        };
        let range = usize::try_from(info.offset).ok().zip(usize::try_from(info.bytes).ok());
        let data = range.and_then(|(offset, len)| bytes.get(offset..)?.get(..len)).ok_or_else(missing)?;
        Ok(Tensor { name: info.name, dtype: info.dtype, dims: info.dims, data })
    }
}

impl Part {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let map = Map::open(path)?;
        let len = map.bytes().len() as u64;
        let header = parse::header(map.name(), map.file(), len, Budget::for_file(len))?;
        map.check()?;
        Ok(Self { header, data: Data::Mapped(map) })
    }

    pub(super) fn name(&self) -> &str {
        &self.header.file
    }
}
