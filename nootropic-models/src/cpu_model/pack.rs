//! Matrices as the operations want them.

use std::sync::Arc;

use crate::arch::Linear;
use crate::cpu::PackedMatrix;
use crate::error::printable;
use crate::{Error, Place, Result, Tensor, TensorType};

/// `weight · x + bias`
#[derive(Debug)]
pub(super) struct PackedLinear {
    pub(super) weight: Arc<PackedMatrix>,
    pub(super) bias: Option<Vec<f32>>,
}

/// Packs matrices, and remembers which had to be stored as another type.
#[derive(Debug, Default)]
pub(super) struct Packer {
    /// Types that are not computed with, each with the type that stands for it.
    pub(super) converted: Vec<(TensorType, TensorType)>,
}

impl Packer {
    pub(super) fn linear(&mut self, linear: Linear<'_>) -> Result<PackedLinear> {
        Ok(PackedLinear { weight: self.matrix(&linear.weight)?, bias: linear.bias })
    }

    pub(super) fn matrix(&mut self, tensor: &Tensor<'_>) -> Result<Arc<PackedMatrix>> {
        let sizes = usize::try_from(tensor.dims.rows()).ok().zip(usize::try_from(tensor.dims.columns()).ok());
        let (rows, columns) = sizes.ok_or_else(|| Error::Invalid {
            what: Place::tensor(tensor.name).to_string(),
            problem: "it has more rows or columns than this machine can count".into(),
        })?;
        let in_blocks = columns.is_multiple_of(TensorType::Q8_0.block_len());
        match PackedMatrix::new(tensor.dtype, rows, columns, tensor.data) {
            Err(Error::UnsupportedType { .. }) => {}
            other => return other.map(Arc::new),
        }
        // A type that can be read and not multiplied: one that loses nothing to speak of takes its place.
        let kind = if in_blocks { TensorType::Q8_0 } else { TensorType::F16 };
        if !self.converted.iter().any(|(from, _)| *from == tensor.dtype) {
            self.converted.push((tensor.dtype, kind));
        }
        let what = || format!("tensor {}", printable(tensor.name));
        let bytes = kind.row_bytes(columns as u64).and_then(|row| usize::try_from(row).ok()?.checked_mul(rows));
        let bytes = bytes.ok_or_else(|| Error::Invalid { what: what(), problem: "it is too large".into() })?;
        let mut blocks = vec![0; bytes];
        kind.quantize(&tensor.to_f32()?, &mut blocks)?;
        Ok(Arc::new(PackedMatrix::new(kind, rows, columns, &blocks)?))
    }
}
