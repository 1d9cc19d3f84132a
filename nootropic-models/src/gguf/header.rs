//! A parsed header: metadata and the descriptions of tensors.

use std::io::Read;

use super::value::ValueType;
use super::{Metadata, parse};
use crate::{Budget, Dims, Result, TensorType};

/// The header of a GGUF file: its metadata, and what tensors it holds where.
///
/// It owns a copy of the header's bytes, into which keys, names and arrays point.
#[derive(Debug)]
pub struct GgufHeader {
    pub(super) file: Box<str>,
    pub(super) version: u32,
    pub(super) alignment: u32,
    /// Where tensor data starts in the file.
    pub(super) data_start: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    /// Indices into `entries`, in the order of the keys.
    pub(super) by_key: Vec<u32>,
    pub(super) tensors: Vec<Description>,
    /// Indices into `tensors`, in the order of the names.
    pub(super) by_name: Vec<u32>,
}

/// A range of the header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    pub(super) fn bytes(self, header: &[u8]) -> &[u8] {
        let end = u64::from(self.start) + u64::from(self.len);
        usize::try_from(end).ok().and_then(|end| header.get(self.start as usize..end)).unwrap_or_default()
    }

    /// For spans that were found to be UTF-8.
    pub(super) fn text(self, header: &[u8]) -> &str {
        std::str::from_utf8(self.bytes(header)).unwrap_or_default()
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Span,
    pub(super) value: Raw,
}

/// A value as it is kept: what is large stays in the header's bytes.
#[derive(Debug)]
pub(super) enum Raw {
    Fixed(ValueType, [u8; 8]),
    String(Span),
    Array(ValueType, Span),
    /// Where each string of an array starts.
    Strings(Box<[u32]>),
}

/// A tensor as it is described.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) name: Span,
    pub(super) dims: Dims,
    pub(super) dtype: TensorType,
    /// Counted from the start of the data.
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// What a header says of a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// How its numbers are stored.
    pub dtype: TensorType,
    /// `[columns, rows, …]`, the contiguous dimension first.
    pub dims: Dims,
    /// Where its bytes start in the file.
    pub offset: u64,
    /// How many bytes there are.
    pub bytes: u64,
}

impl GgufHeader {
    /// Reads a header from the front of `source`, the file `name` of `file_len` bytes. Nothing is read past the header but what
    /// comes along in the last chunk, so that a header can be fetched without its file.
    ///
    /// # Errors
    /// As [`Gguf::open`](super::Gguf::open).
    pub fn read(name: &str, source: impl Read, file_len: u64, budget: Budget) -> Result<Self> {
        parse::header(name, source, file_len, budget)
    }

    /// The version of the format.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What tensor data is aligned to, in bytes.
    pub fn alignment(&self) -> u32 {
        self.alignment
    }

    /// The metadata.
    pub fn metadata(&self) -> Metadata<'_> {
        Metadata { file: &self.file, bytes: &self.bytes, entries: &self.entries, by_key: &self.by_key }
    }

    /// Every tensor, in the order of the file.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = TensorInfo<'_>> {
        self.tensors.iter().map(|tensor| self.info(tensor))
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<TensorInfo<'_>> {
        let at = |index: &u32| self.tensors.get(*index as usize);
        let name_of = |index: &u32| at(index).map_or("", |tensor| tensor.name.text(&self.bytes));
        let found = self.by_name.binary_search_by(|index| name_of(index).cmp(name)).ok()?;
        self.by_name.get(found).and_then(at).map(|tensor| self.info(tensor))
    }

    fn info(&self, tensor: &Description) -> TensorInfo<'_> {
        TensorInfo {
            name: tensor.name.text(&self.bytes),
            dtype: tensor.dtype,
            dims: tensor.dims,
            offset: self.data_start.saturating_add(tensor.offset), // checked when it was parsed
            bytes: tensor.bytes,
        }
    }
}
