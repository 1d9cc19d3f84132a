//! A file that is open: its header, and its tensors where they lie.

use std::path::Path;
use std::sync::Arc;

use super::header::{GgufHeader, TensorInfo};
use super::{Metadata, parse};
use crate::files::Map;
use crate::{Budget, Error, Result, Tensor};

/// A GGUF file, open for reading.
///
/// The header is a parsed copy; tensor data is mapped, and read from disk when it is used. Tensors may be read from several
/// threads.
#[derive(Debug)]
pub struct Gguf {
    header: GgufHeader,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Mapped(Map),
    Memory(Arc<[u8]>),
}

impl Gguf {
    /// Opens a file of version 2 or 3.
    ///
    /// # Errors
    /// [`Error::Io`] as the operating system says; [`Error::Malformed`], [`Error::Truncated`], [`Error::OverLimit`],
    /// [`Error::Memory`], [`Error::FormatVersion`] and [`Error::UnsupportedType`] for what is wrong with the file, with the
    /// place; [`Error::Changed`] if it is being written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let map = Map::open(path.as_ref())?;
        let len = map.bytes().len() as u64;
        let header = parse::header(map.name(), map.file(), len, Budget::for_file(len))?;
        map.check()?;
        Ok(Self { header, data: Data::Mapped(map) })
    }

    /// Reads a file that is in memory; `name` stands for it in errors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        let header = parse::header(name, &*bytes, len, Budget::for_file(len))?;
        Ok(Self { header, data: Data::Memory(bytes) })
    }

    /// The file, or what stands for it.
    pub fn name(&self) -> &str {
        &self.header.file
    }

    /// What the file says of itself.
    pub fn header(&self) -> &GgufHeader {
        &self.header
    }

    /// The metadata.
    pub fn metadata(&self) -> Metadata<'_> {
        self.header.metadata()
    }

    /// What tensors there are, in the order of the file.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = TensorInfo<'_>> {
        self.header.tensors()
    }

    /// The tensor of that name, with its data.
    ///
    /// # Errors
    /// [`Error::MissingTensor`]; [`Error::Changed`] if the file is no longer as it was when it was opened.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>> {
        let missing = || Error::MissingTensor { file: self.name().into(), tensor: name.into() };
        let info = self.header.tensor(name).ok_or_else(missing)?;
        let bytes = match &self.data {
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
