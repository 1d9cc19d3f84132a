//! The types of safetensors.

use std::fmt;

use crate::TensorType;

/// How the numbers of a safetensors tensor are stored.
#[expect(non_camel_case_types, reason = "the names of the format")]
#[expect(missing_docs, reason = "the names say it: the format's table of types")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SafetensorsType {
    BOOL,
    U8,
    I8,
    F8_E4M3,
    F8_E5M2,
    F8_E8M0,
    U16,
    I16,
    F16,
    BF16,
    U32,
    I32,
    F32,
    U64,
    I64,
    F64,
    C64,
}

/// Type, name, bytes of a number.
const TYPES: &[(SafetensorsType, &str, u64)] = {
    use SafetensorsType::*;
    &[
        (BOOL, "BOOL", 1),
        (U8, "U8", 1),
        (I8, "I8", 1),
        (F8_E4M3, "F8_E4M3", 1),
        (F8_E5M2, "F8_E5M2", 1),
        (F8_E8M0, "F8_E8M0", 1),
        (U16, "U16", 2),
        (I16, "I16", 2),
        (F16, "F16", 2),
        (BF16, "BF16", 2),
        (U32, "U32", 4),
        (I32, "I32", 4),
        (F32, "F32", 4),
        (U64, "U64", 8),
        (I64, "I64", 8),
        (F64, "F64", 8),
        (C64, "C64", 8),
    ]
};

impl SafetensorsType {
    /// The type of that name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        TYPES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Its name in the format.
    pub fn name(self) -> &'static str {
        TYPES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// Bytes of a number.
    pub fn bytes(self) -> u64 {
        TYPES.iter().find(|row| row.0 == self).map_or(1, |row| row.2)
    }

    /// The type it is computed with: F32, F16 and BF16 are.
    pub fn tensor_type(self) -> Option<TensorType> {
        match self {
            Self::F32 => Some(TensorType::F32),
            Self::F16 => Some(TensorType::F16),
            Self::BF16 => Some(TensorType::BF16),
            _ => None,
        }
    }
}

impl fmt::Display for SafetensorsType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
