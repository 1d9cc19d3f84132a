//! Metadata by key, with typed access.

use super::header::{Entry, Raw};
use super::value::{Array, Items, Strings, Value};
use crate::{Error, Result};

/// The metadata of a file: typed values by key.
///
/// ```
/// # fn main() -> nootropic_models::Result<()> {
/// # use nootropic_models::{Gguf, GgufBuilder};
/// # let mut builder = GgufBuilder::new();
/// # builder.set("llama.block_count", 22_u32)?;
/// # let bytes = builder.in_memory()?.into_bytes()?;
/// let gguf = Gguf::from_bytes("tiny.gguf", bytes)?;
/// let metadata = gguf.metadata();
/// let layers: u32 = metadata.get("llama.block_count")?;
/// let scale: f32 = metadata.find("llama.rope.scaling.factor")?.unwrap_or(1.0);
/// let error = metadata.get::<u32>("llama.embedding_length").unwrap_err();
/// assert_eq!(error.to_string(), "tiny.gguf has no metadata key llama.embedding_length");
/// # assert_eq!((layers, scale), (22, 1.0));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Metadata<'a> {
    pub(super) file: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) entries: &'a [Entry],
    /// Indices into `entries`, in the order of the keys.
    pub(super) by_key: &'a [u32],
}

impl<'a> Metadata<'a> {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key that must be there.
    ///
    /// # Errors
    /// [`Error::MissingKey`]; [`Error::WrongType`] if it has another type, or a number `T` cannot hold.
    pub fn get<T: FromValue<'a>>(&self, key: &str) -> Result<T> {
        self.find(key)?.ok_or_else(|| Error::MissingKey { file: self.file.into(), key: key.into() })
    }

    /// The value of a key that may be missing.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn find<T: FromValue<'a>>(&self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match T::from_value(value) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::WrongType {
                file: self.file.into(),
                key: key.into(),
                found: crate::error::printable(&format!("{value:?}")),
                expected: T::EXPECTED,
            }),
        }
    }

    /// The value of a key as it stands in the file.
    pub fn value(&self, key: &str) -> Option<Value<'a>> {
        let found = self.by_key.binary_search_by(|index| self.key_of(*index).cmp(key)).ok()?;
        let entry = self.entries.get(*self.by_key.get(found)? as usize)?;
        Some(self.value_of(entry))
    }

    /// Every key with its value, in the order of the file.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        self.entries.iter().map(move |entry| (entry.key.text(self.bytes), self.value_of(entry)))
    }

    fn key_of(&self, index: u32) -> &'a str {
        self.entries.get(index as usize).map_or("", |entry| entry.key.text(self.bytes))
    }

    fn value_of(&self, entry: &'a Entry) -> Value<'a> {
        match &entry.value {
            Raw::Fixed(kind, bytes) => Value::fixed(*kind, *bytes),
            Raw::String(span) => Value::String(span.bytes(self.bytes)),
            Raw::Array(kind, span) => Value::Array(Array(Items::Fixed { kind: *kind, bytes: span.bytes(self.bytes) })),
            Raw::Strings(starts) => Value::Array(Array(Items::Strings(Strings {
                header: self.bytes,
                starts,
                file: self.file,
                key: entry.key.text(self.bytes),
            }))),
        }
    }
}

/// Types that metadata can be read as. Numbers convert where nothing is lost: writers disagree on widths.
pub trait FromValue<'a>: Sized + private::Sealed {
    /// What is expected, for the error: `an unsigned 32-bit number`.
    #[doc(hidden)]
    const EXPECTED: &'static str;
    #[doc(hidden)]
    fn from_value(value: Value<'a>) -> Option<Self>;
}

mod private {
    pub trait Sealed {}
}

macro_rules! readable {
    ($($type:ty: $expected:literal, $convert:expr;)*) => {$(
        impl private::Sealed for $type {}
        impl<'a> FromValue<'a> for $type {
            const EXPECTED: &'static str = $expected;
            fn from_value(value: Value<'a>) -> Option<Self> {
                let convert: fn(Value<'a>) -> Option<Self> = $convert;
                convert(value)
            }
        }
        impl private::Sealed for Vec<$type> {}
        impl<'a> FromValue<'a> for Vec<$type> {
            const EXPECTED: &'static str = concat!("an array, each item ", $expected);
            fn from_value(value: Value<'a>) -> Option<Self> {
                let Value::Array(array) = value else { return None };
                array.iter().map(<$type>::from_value).collect()
            }
        }
    )*};
}

readable! {
    u32: "an unsigned 32-bit number", |value| integer(value)?.try_into().ok();
    u64: "an unsigned number", |value| integer(value)?.try_into().ok();
    usize: "an unsigned number", |value| integer(value)?.try_into().ok();
    i32: "a 32-bit number", |value| integer(value)?.try_into().ok();
    f32: "a float", |value| match value {
        Value::Float(_, number) => Some(number as f32),
        _ => None,
    };
    bool: "true or false", |value| match value {
        Value::Bool(value) => Some(value),
        _ => None,
    };
}

fn integer(value: Value<'_>) -> Option<i128> {
    match value {
        Value::Unsigned(_, number) => Some(number.into()),
        Value::Signed(_, number) => Some(number.into()),
        _ => None,
    }
}

impl private::Sealed for &str {}
impl<'a> FromValue<'a> for &'a str {
    const EXPECTED: &'static str = "text in UTF-8";
    fn from_value(value: Value<'a>) -> Option<Self> {
        let Value::String(bytes) = value else { return None };
        std::str::from_utf8(bytes).ok()
    }
}

impl private::Sealed for Strings<'_> {}
impl<'a> FromValue<'a> for Strings<'a> {
    const EXPECTED: &'static str = "an array of strings";
    fn from_value(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Array(Array(Items::Strings(strings))) => Some(strings),
            _ => None,
        }
    }
}
