//! The vectors of an encoder's words.

use crate::{Error, Result, Tensor, TensorType};

/// Rows that are looked up one by one, so each is in one piece.
#[derive(Debug)]
pub(super) struct Embedding {
    kind: TensorType,
    row_bytes: usize,
    data: Vec<u8>,
}

impl Embedding {
    /// Copies the rows; with `eight_bits`, plain floats become blocks of eight bits where their number allows it.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is too large; those of [`Tensor::to_f32`].
    pub(super) fn new(tensor: &Tensor<'_>, eight_bits: bool) -> Result<Self> {
        let columns = tensor.dims.columns();
        let is_float = matches!(tensor.dtype, TensorType::F32 | TensorType::F16 | TensorType::BF16);
        let smaller = eight_bits && is_float && columns.is_multiple_of(TensorType::Q8_0.block_len() as u64);
        let kind = if smaller { TensorType::Q8_0 } else { tensor.dtype };
        let too_large = || Error::Invalid { what: "embedding".into(), problem: "it is too large".into() };
        let row_bytes = kind.row_bytes(columns).and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(too_large)?;
        let mut data = tensor.data.to_vec();
        if smaller {
            let rows = usize::try_from(tensor.dims.rows()).ok();
            data = vec![0; rows.and_then(|rows| rows.checked_mul(row_bytes)).ok_or_else(too_large)?];
            kind.quantize(&tensor.to_f32()?, &mut data)?;
        }
        Ok(Self { kind, row_bytes, data })
    }

    /// Row `row`, as numbers.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is none of so many numbers; [`Error::UnsupportedType`] if it cannot be read.
    pub(super) fn read(&self, row: usize, numbers: &mut [f32]) -> Result<()> {
        let start = row.saturating_mul(self.row_bytes);
        let bytes = self.data.get(start..start.saturating_add(self.row_bytes)).unwrap_or_default();
        self.kind.dequantize(bytes, numbers)
    }
}
