//! GGUF, the one-file model format of ggml: metadata, tensor descriptions, aligned tensor data.
//!
//! ```text
//! "GGUF"  version u32  tensor count u64  key count u64
//! per key     key: string   type: u32   value
//! per tensor  name: string  dimensions: u32  size of each: u64 …  type: u32  offset: u64, from the start of the data
//! padding to the alignment (`general.alignment`, 32 unless given)
//! data of each tensor, aligned
//! ```
//!
//! Strings are a `u64` length and bytes; an array is the type of its items, a `u64` count and the items. All is little-endian.
//! Source: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
//!
//! Files come from strangers. Parsers of this format have been made to write past allocations, to read past the file, to
//! recurse, to divide by zero and to fill memory. Here every count is compared with the bytes that are left before anything is
//! allocated, every sum and product is checked, and what was parsed is a copy that no other program can change.

mod convert;
mod header;
mod metadata;
mod parse;
mod read;
mod split;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub use convert::{QuantizeProgress, quantize_gguf};
pub use header::{GgufHeader, TensorInfo};
pub use metadata::{FromValue, Metadata};
pub use read::Gguf;
pub use value::{Array, Strings, Value, ValueType};
pub use write::{Encode, GgufBuilder, GgufWriter};

/// Size in bytes of the smallest metadata entry: length, one byte of key, type, one byte of value.
const SMALLEST_ENTRY: u64 = 8 + 1 + 4 + 1;
/// Size in bytes of the smallest tensor description: length, one byte of name, dimension count, one size, type, offset.
const SMALLEST_TENSOR: u64 = 8 + 1 + 4 + 8 + 4 + 8;

const MAGIC: [u8; 4] = *b"GGUF";
/// The version that is written.
const VERSION: u32 = 3;
const ALIGNMENT_KEY: &str = "general.alignment";
const DEFAULT_ALIGNMENT: u32 = 32;

/// Limits well above any real model.
mod limit {
    pub(super) const KEYS: u64 = 64 << 10;
    pub(super) const TENSORS: u64 = 1 << 20;
    pub(super) const STRING: u64 = 16 << 20;
    /// Keys and tensor names; the format's own limit for keys is the same.
    pub(super) const NAME: u64 = u16::MAX as u64;
    pub(super) const HEADER: u64 = 1 << 30;
    pub(super) const ALIGNMENT: std::ops::RangeInclusive<u32> = 8..=64 << 10;
}
