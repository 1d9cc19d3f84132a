//! A tensor in a file: a type, dimensions and bytes.

use std::fmt;
use std::ops::Deref;

use crate::{Result, TensorType};

/// One to four dimensions, the contiguous one first: `[columns, rows, …]`.
///
/// This is the order of GGUF files. PyTorch and safetensors write the same tensor as `[…, rows, columns]`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Dims {
    sizes: [u64; 4],
    count: u8,
}

impl Dims {
    /// At most four dimensions, none of them zero.
    pub fn new(sizes: &[u64]) -> Option<Self> {
        let mut dims = Self { sizes: [1; 4], count: u8::try_from(sizes.len()).ok()? };
        if sizes.is_empty() || sizes.contains(&0) {
            return None;
        }
        dims.sizes.get_mut(..sizes.len())?.copy_from_slice(sizes);
        Some(dims)
    }

    /// Length of a row, the contiguous dimension.
    pub fn columns(&self) -> u64 {
        self.sizes[0]
    }

    /// Product of the dimensions but the first.
    ///
    /// Saturates; tensors of files that were opened do not reach that.
    pub fn rows(&self) -> u64 {
        let [_, rest @ ..] = self.sizes;
        rest.iter().fold(1, |product, size| product.saturating_mul(*size))
    }

    /// Product of all dimensions, if it can be counted.
    pub fn elements(&self) -> Option<u64> {
        self.sizes.iter().try_fold(1_u64, |product, size| product.checked_mul(*size))
    }
}

impl Deref for Dims {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        self.sizes.get(..usize::from(self.count)).unwrap_or(&self.sizes)
    }
}

impl fmt::Debug for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A tensor in a file.
#[derive(Clone, Copy)]
pub struct Tensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// How its numbers are stored.
    pub dtype: TensorType,
    /// `[columns, rows, …]`, the contiguous dimension first.
    pub dims: Dims,
    /// Its rows one after the other, each of whole blocks of `dtype`.
    pub data: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// The bytes of row `index`; empty past the last one.
    pub fn row(&self, index: usize) -> &'a [u8] {
        let size = self.dtype.row_bytes(self.dims.columns()).and_then(|size| usize::try_from(size).ok());
        let row = size.and_then(|size| self.data.get(index.checked_mul(size)?..)?.get(..size));
        row.unwrap_or_default()
    }

    /// All numbers, row after row.
    ///
    /// # Errors
    /// [`Error::UnsupportedType`](crate::Error::UnsupportedType) for types that cannot be converted,
    /// [`Error::Memory`](crate::Error::Memory) if there is no room for the result.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        let count = self.dims.elements().and_then(|count| usize::try_from(count).ok());
        let count = count.unwrap_or(usize::MAX);
        let mut numbers = Vec::new();
        if numbers.try_reserve_exact(count).is_err() {
            let bytes = (count as u64).saturating_mul(4);
            return Err(crate::Error::Memory {
                file: "conversion to f32".into(),
                place: crate::Place::tensor(self.name),
                bytes,
            });
        }
        numbers.resize(count, 0.0);
        self.dtype.dequantize(self.data, &mut numbers)?;
        Ok(numbers)
    }
}

impl fmt::Debug for Tensor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, dtype, dims, data } = self;
        write!(f, "{name} {dtype} {dims:?} ({} bytes)", data.len())
    }
}
