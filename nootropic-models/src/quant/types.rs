//! The table of types, and conversion by type.

use std::fmt;

use super::float::{bf16, f16};
use super::rows::{dequantize, quantize};
use super::{k, q4, q5, q6_k, q8, read_only};
use crate::{Error, Result};

/// How the numbers of a tensor are stored. Names and numbers are ggml's.
#[expect(non_camel_case_types, reason = "the names of the field")]
#[expect(missing_docs, reason = "the names say it: ggml's table of types")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum TensorType {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q8_1 = 9,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    Q8_K = 15,
    IQ2_XXS = 16,
    IQ2_XS = 17,
    IQ3_XXS = 18,
    IQ1_S = 19,
    IQ4_NL = 20,
    IQ3_S = 21,
    IQ2_S = 22,
    IQ4_XS = 23,
    I8 = 24,
    I16 = 25,
    I32 = 26,
    I64 = 27,
    F64 = 28,
    IQ1_M = 29,
    BF16 = 30,
    TQ1_0 = 34,
    TQ2_0 = 35,
    MXFP4 = 39,
    NVFP4 = 40,
    Q1_0 = 41,
    Q2_0 = 42,
}

/// Type, numbers in a block, bytes of a block, name.
type Row = (TensorType, usize, usize, &'static str);

const TYPES: &[Row] = {
    use TensorType::*;
    &[
        (F32, 1, 4, "F32"),
        (F16, 1, 2, "F16"),
        (Q4_0, 32, 18, "Q4_0"),
        (Q4_1, 32, 20, "Q4_1"),
        (Q5_0, 32, 22, "Q5_0"),
        (Q5_1, 32, 24, "Q5_1"),
        (Q8_0, 32, 34, "Q8_0"),
        (Q8_1, 32, 36, "Q8_1"),
        (Q2_K, 256, 84, "Q2_K"),
        (Q3_K, 256, 110, "Q3_K"),
        (Q4_K, 256, 144, "Q4_K"),
        (Q5_K, 256, 176, "Q5_K"),
        (Q6_K, 256, 210, "Q6_K"),
        (Q8_K, 256, 292, "Q8_K"),
        (IQ2_XXS, 256, 66, "IQ2_XXS"),
        (IQ2_XS, 256, 74, "IQ2_XS"),
        (IQ3_XXS, 256, 98, "IQ3_XXS"),
        (IQ1_S, 256, 50, "IQ1_S"),
        (IQ4_NL, 32, 18, "IQ4_NL"),
        (IQ3_S, 256, 110, "IQ3_S"),
        (IQ2_S, 256, 82, "IQ2_S"),
        (IQ4_XS, 256, 136, "IQ4_XS"),
        (I8, 1, 1, "I8"),
        (I16, 1, 2, "I16"),
        (I32, 1, 4, "I32"),
        (I64, 1, 8, "I64"),
        (F64, 1, 8, "F64"),
        (IQ1_M, 256, 56, "IQ1_M"),
        (BF16, 1, 2, "BF16"),
        (TQ1_0, 256, 54, "TQ1_0"),
        (TQ2_0, 256, 66, "TQ2_0"),
        (MXFP4, 32, 17, "MXFP4"),
        (NVFP4, 64, 36, "NVFP4"),
        (Q1_0, 128, 18, "Q1_0"),
        (Q2_0, 64, 18, "Q2_0"),
    ]
};

impl TensorType {
    /// The type with ggml's number `id`; none for numbers that are unknown or were withdrawn.
    pub fn from_id(id: u32) -> Option<Self> {
        TYPES.iter().map(|row| row.0).find(|known| known.id() == id)
    }

    /// Every known type.
    pub fn all() -> impl Iterator<Item = Self> {
        TYPES.iter().map(|row| row.0)
    }

    /// ggml's number.
    pub fn id(self) -> u32 {
        self as u32
    }

    fn table_row(self) -> &'static Row {
        const UNKNOWN: &Row = &(TensorType::F32, 1, 4, "F32");
        TYPES.iter().find(|row| row.0 == self).unwrap_or(UNKNOWN) // a test finds every type in the table
    }

    /// Its name, as ggml writes it in capitals: `Q4_K`.
    pub fn name(self) -> &'static str {
        self.table_row().3
    }

    /// How many numbers a block holds; 1 for plain types.
    pub fn block_len(self) -> usize {
        self.table_row().1
    }

    /// How many bytes a block takes.
    pub fn block_bytes(self) -> usize {
        self.table_row().2
    }

    /// How many bytes a row of `columns` numbers takes. None if they do not fill whole blocks, or are too many to count.
    pub fn row_bytes(self, columns: u64) -> Option<u64> {
        let block_len = self.block_len() as u64;
        if !columns.is_multiple_of(block_len) {
            return None;
        }
        (columns / block_len).checked_mul(self.block_bytes() as u64)
    }

    /// Whether numbers can be made of this type, and this type of numbers.
    pub fn can_quantize(self) -> bool {
        use TensorType::*;
        matches!(self, F32 | F16 | BF16 | Q8_0 | Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q4_K | Q5_K | Q6_K)
    }

    /// Whether this type can be turned into `f32`, if only to make another of it.
    pub fn can_dequantize(self) -> bool {
        use TensorType::*;
        self.can_quantize() || matches!(self, Q8_1 | Q8_K | Q2_K | Q3_K | IQ4_NL | IQ4_XS | MXFP4)
    }

    /// Turns whole blocks into numbers. Rows may be given one at a time or several together.
    ///
    /// # Errors
    /// [`Error::UnsupportedType`]; [`Error::Invalid`] unless `blocks` are the bytes of exactly `numbers.len()` numbers.
    pub fn dequantize(self, blocks: &[u8], numbers: &mut [f32]) -> Result<()> {
        self.check_lengths(blocks.len(), numbers.len())?;
        match self {
            Self::F32 => {
                for (bytes, number) in blocks.as_chunks().0.iter().zip(numbers) {
                    *number = f32::from_le_bytes(*bytes);
                }
            }
            Self::F16 => f16::to_f32(blocks, numbers),
            Self::BF16 => bf16::to_f32(blocks, numbers),
            Self::Q4_0 => dequantize(blocks, numbers, q4::Q4_0::dequantize),
            Self::Q4_1 => dequantize(blocks, numbers, q4::Q4_1::dequantize),
            Self::Q5_0 => dequantize(blocks, numbers, q5::Q5_0::dequantize),
            Self::Q5_1 => dequantize(blocks, numbers, q5::Q5_1::dequantize),
            Self::Q8_0 => dequantize(blocks, numbers, q8::Q8_0::dequantize),
            Self::Q4_K => dequantize(blocks, numbers, k::Q4_K::dequantize),
            Self::Q5_K => dequantize(blocks, numbers, k::Q5_K::dequantize),
            Self::Q6_K => dequantize(blocks, numbers, q6_k::Q6_K::dequantize),
            Self::Q8_1 => dequantize(blocks, numbers, read_only::Q8_1::dequantize),
            Self::Q8_K => dequantize(blocks, numbers, read_only::Q8_K::dequantize),
            Self::Q2_K => dequantize(blocks, numbers, read_only::Q2_K::dequantize),
            Self::Q3_K => dequantize(blocks, numbers, read_only::Q3_K::dequantize),
            Self::IQ4_NL => dequantize(blocks, numbers, read_only::IQ4_NL::dequantize),
            Self::IQ4_XS => dequantize(blocks, numbers, read_only::IQ4_XS::dequantize),
            Self::MXFP4 => dequantize(blocks, numbers, read_only::MXFP4::dequantize),
            _ => return Err(self.unsupported("dequantized")),
        }
        Ok(())
    }

    /// Turns numbers into whole blocks, so that [`dequantize`](Self::dequantize) gives nearly the same numbers.
    ///
    /// Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0 give the very bytes ggml's reference gives. The K formats search their scales for the
    /// least squared error, weighted towards large numbers.
    ///
    /// # Errors
    /// [`Error::UnsupportedType`]; [`Error::Invalid`] unless `blocks` has room for exactly these numbers, or if one of
    /// them is not finite or larger than a block format's 16-bit scales can express (65504).
    pub fn quantize(self, numbers: &[f32], blocks: &mut [u8]) -> Result<()> {
        self.check_lengths(blocks.len(), numbers.len())?;
        if self.block_len() > 1 {
            check_range(numbers)?;
        }
        match self {
            Self::F32 => {
                for (number, bytes) in numbers.iter().zip(blocks.as_chunks_mut().0) {
                    *bytes = number.to_le_bytes();
                }
            }
            Self::F16 => f16::from_f32(numbers, blocks),
            Self::BF16 => bf16::from_f32(numbers, blocks),
            Self::Q4_0 => quantize(numbers, blocks, q4::Q4_0::quantize),
            Self::Q4_1 => quantize(numbers, blocks, q4::Q4_1::quantize),
            Self::Q5_0 => quantize(numbers, blocks, q5::Q5_0::quantize),
            Self::Q5_1 => quantize(numbers, blocks, q5::Q5_1::quantize),
            Self::Q8_0 => quantize(numbers, blocks, q8::Q8_0::quantize),
            Self::Q4_K => quantize(numbers, blocks, k::Q4_K::quantize),
            Self::Q5_K => quantize(numbers, blocks, k::Q5_K::quantize),
            Self::Q6_K => quantize(numbers, blocks, q6_k::Q6_K::quantize),
            _ => return Err(self.unsupported("quantized to")),
        }
        Ok(())
    }

    fn check_lengths(self, bytes: usize, numbers: usize) -> Result<()> {
        let needed = self.row_bytes(numbers as u64);
        if needed == Some(bytes as u64) {
            return Ok(());
        }
        let problem = match needed {
            None => format!("{numbers} numbers are no whole blocks of {}", self.block_len()),
            Some(needed) => format!("{numbers} numbers take {needed} bytes, not {bytes}"),
        };
        Err(Error::Invalid { what: format!("conversion of {self}"), problem })
    }

    fn unsupported(self, op: &'static str) -> Error {
        Error::UnsupportedType { what: "conversion".into(), found: self.name().into(), op }
    }
}

fn check_range(numbers: &[f32]) -> Result<()> {
    const LARGEST: f32 = 65504.0; // of f16
    let inside = |number: &f32| number.abs() <= LARGEST; // false for NaN
    match numbers.iter().position(|number| !inside(number)) {
        None => Ok(()),
        Some(index) => {
            let number = numbers.get(index).copied().unwrap_or_default();
            let problem = format!("number {index} is {number}; quantized numbers are finite and at most {LARGEST}");
            Err(Error::Invalid { what: "quantization".into(), problem })
        }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for TensorType {
    type Err = Error;

    /// Reads a name in any case: `q4_K`.
    fn from_str(name: &str) -> Result<Self> {
        let found = TYPES.iter().find(|row| row.3.eq_ignore_ascii_case(name));
        found.map(|row| row.0).ok_or_else(|| Error::Invalid {
            what: "tensor type".into(),
            problem: format!("{} is not a known name", crate::error::printable(name)),
        })
    }
}
