//! Metadata values, borrowed from the header they stand in.

use std::fmt;

use crate::{Error, Place, Result};

/// The types of metadata values, with the numbers of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum ValueType {
    /// Unsigned, 8 bits.
    U8 = 0,
    /// Signed, 8 bits.
    I8 = 1,
    /// Unsigned, 16 bits.
    U16 = 2,
    /// Signed, 16 bits.
    I16 = 3,
    /// Unsigned, 32 bits.
    U32 = 4,
    /// Signed, 32 bits.
    I32 = 5,
    /// Float, 32 bits.
    F32 = 6,
    /// A byte, 0 or 1.
    Bool = 7,
    /// Length and bytes.
    String = 8,
    /// Items of one type.
    Array = 9,
    /// Unsigned, 64 bits.
    U64 = 10,
    /// Signed, 64 bits.
    I64 = 11,
    /// Float, 64 bits.
    F64 = 12,
}

impl ValueType {
    pub(super) fn from_id(id: u32) -> Option<Self> {
        use ValueType::*;
        [U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64]
            .into_iter()
            .find(|kind| *kind as u32 == id)
    }

    /// Bytes of a value; none for strings and arrays, which say it themselves.
    pub(super) fn size(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::String | Self::Array => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Array => "array",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A metadata value.
#[derive(Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Any unsigned number, with its type.
    Unsigned(ValueType, u64),
    /// Any signed number, with its type.
    Signed(ValueType, i64),
    /// A float of either width, with its type. Never NaN or infinite outside of arrays.
    Float(ValueType, f64),
    /// A truth value.
    Bool(bool),
    /// Text. The format asks for UTF-8; not every writer obeys.
    String(&'a [u8]),
    /// Items of one type.
    Array(Array<'a>),
}

impl<'a> Value<'a> {
    /// Its type in the file.
    pub fn kind(&self) -> ValueType {
        match self {
            Self::Unsigned(kind, _) | Self::Signed(kind, _) | Self::Float(kind, _) => *kind,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
        }
    }

    /// A value of a fixed size from its bytes, padded with zeros to eight.
    pub(super) fn fixed(kind: ValueType, bytes: [u8; 8]) -> Self {
        let [b0, b1, b2, b3, ..] = bytes;
        let unsigned = u64::from_le_bytes(bytes);
        match kind {
            ValueType::U8 | ValueType::U16 | ValueType::U32 | ValueType::U64 => Self::Unsigned(kind, unsigned),
            ValueType::I8 => Self::Signed(kind, i8::from_le_bytes([b0]).into()),
            ValueType::I16 => Self::Signed(kind, i16::from_le_bytes([b0, b1]).into()),
            ValueType::I32 => Self::Signed(kind, i32::from_le_bytes([b0, b1, b2, b3]).into()),
            ValueType::I64 => Self::Signed(kind, i64::from_le_bytes(bytes)),
            ValueType::F32 => Self::Float(kind, f32::from_le_bytes([b0, b1, b2, b3]).into()),
            ValueType::F64 => Self::Float(kind, f64::from_le_bytes(bytes)),
            ValueType::Bool => Self::Bool(b0 != 0),
            ValueType::String | ValueType::Array => Self::String(&[]), // not of a fixed size: never asked for
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(kind, value) => write!(f, "{kind} {value}"),
            Self::Signed(kind, value) => write!(f, "{kind} {value}"),
            Self::Float(kind, value) => write!(f, "{kind} {value}"),
            Self::Bool(value) => write!(f, "bool {value}"),
            Self::String(bytes) => write!(f, "string {:?}", String::from_utf8_lossy(bytes)),
            Self::Array(array) => write!(f, "array of {} {}", array.len(), array.kind()),
        }
    }
}

/// An array of metadata. Arrays in arrays are refused when a file is opened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Array<'a>(pub(super) Items<'a>);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Items<'a> {
    Fixed { kind: ValueType, bytes: &'a [u8] },
    Strings(Strings<'a>),
}

impl<'a> Array<'a> {
    /// The type of the items.
    pub fn kind(&self) -> ValueType {
        match self.0 {
            Items::Fixed { kind, .. } => kind,
            Items::Strings(_) => ValueType::String,
        }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        match self.0 {
            Items::Fixed { kind, bytes } => bytes.len() / kind.size().unwrap_or(1),
            Items::Strings(strings) => strings.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item `index`.
    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        match self.0 {
            Items::Strings(strings) => strings.get(index).map(Value::String),
            Items::Fixed { kind, bytes } => {
                let size = kind.size()?;
                let item = bytes.get(index.checked_mul(size)?..)?.get(..size)?;
                let mut padded = [0; 8];
                padded.get_mut(..size)?.copy_from_slice(item);
                Some(Value::fixed(kind, padded))
            }
        }
    }

    /// Every item in order.
    pub fn iter(self) -> impl Iterator<Item = Value<'a>> {
        (0..self.len()).filter_map(move |index| self.get(index))
    }
}

/// An array of strings, such as a vocabulary. The strings stay in the header: no string is allocated.
#[derive(Clone, Copy, PartialEq)]
pub struct Strings<'a> {
    pub(super) header: &'a [u8],
    /// Where in the header each string starts, with its length.
    pub(super) starts: &'a [u32],
    pub(super) file: &'a str,
    pub(super) key: &'a str,
}

impl<'a> Strings<'a> {
    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The bytes of string `index`.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        string_at(self.header, *self.starts.get(index)?)
    }

    /// String `index`, as text.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is not UTF-8, or not there.
    pub fn text(&self, index: usize) -> Result<&'a str> {
        let bytes = self.get(index);
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or_else(|| Error::Malformed {
            file: self.file.into(),
            place: Place::key(self.key),
            problem: match bytes {
                Some(_) => format!("string {index} is not UTF-8"),
                None => format!("there is no string {index}, only {}", self.len()),
            },
        })
    }

    /// The bytes of each string, in order.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.starts.iter().map(move |start| string_at(self.header, *start).unwrap_or_default())
    }
}

impl fmt::Debug for Strings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} strings", self.len())
    }
}

/// The string whose length stands at `start`.
pub(super) fn string_at(header: &[u8], start: u32) -> Option<&[u8]> {
    let (length, rest) = header.get(usize::try_from(start).ok()?..)?.split_first_chunk()?;
    rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)
}
