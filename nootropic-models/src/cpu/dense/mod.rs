//! Products of encoders: all rows of a text are there at once, so weights are used many times while they are cached.
//!
//! Nothing here starts threads: who calls gives each thread a panel of rows. A row's result is summed in one order, fixed by the
//! columns, whatever panel it is in.

mod attend;
mod blocks;
mod bytes;
mod eight;
mod float;
mod spares;
#[cfg(test)]
mod tests;

pub(crate) use attend::{Room as AttentionRoom, WholeTexts};
pub(crate) use bytes::RowBytes;
pub(crate) use spares::Spares;

use eight::{EightMatrix, EightPanel};
use float::{FloatPanel, Strided};

use super::float_tile::{BF16, F16, F32};
use super::format::Format;
use super::matrix::PackedMatrix;
use super::simd::Isa;
use crate::{Error, Result, TensorType};

/// `weight · x + bias`
#[derive(Debug)]
pub(crate) struct Dense {
    weights: Weights,
    /// A number for each row, or none at all.
    bias: Vec<f32>,
}

#[derive(Debug)]
enum Weights {
    Float(PackedMatrix),
    Eight(EightMatrix),
}

/// Where products go: row `i` from `first + i · stride` on.
#[derive(Debug)]
pub(crate) struct Out<'a> {
    pub(crate) numbers: &'a mut [f32],
    pub(crate) first: usize,
    pub(crate) stride: usize,
}

impl Dense {
    /// Packs a matrix as it is: of `f32`, `f16` or `bf16`.
    ///
    /// # Errors
    /// As [`PackedMatrix::new`]; [`Error::UnsupportedType`] for other types; [`Error::Invalid`] if the bias has another length.
    pub(crate) fn float(kind: TensorType, rows: usize, columns: usize, bytes: &[u8], bias: Vec<f32>) -> Result<Self> {
        if !matches!(kind, TensorType::F32 | TensorType::F16 | TensorType::BF16) {
            return Err(Error::UnsupportedType { what: "matrix".into(), found: kind.name().into(), op: "multiplied" });
        }
        let weights = Weights::Float(PackedMatrix::new(kind, rows, columns, bytes)?);
        Self { weights, bias }.checked()
    }

    /// Makes eight bits of the numbers of a matrix, with a scale for each row.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are no rows or columns, or lengths do not agree; [`Error::Io`] if there is no memory.
    pub(crate) fn eight(rows: usize, columns: usize, numbers: &[f32], bias: Vec<f32>) -> Result<Self> {
        Self { weights: Weights::Eight(EightMatrix::new(rows, columns, numbers)?), bias }.checked()
    }

    fn checked(self) -> Result<Self> {
        match self.bias.len() {
            0 => Ok(self),
            len if len == self.rows() => Ok(self),
            len => {
                let problem = format!("a bias of {len} for {} rows", self.rows());
                Err(Error::Invalid { what: "matrix".into(), problem })
            }
        }
    }

    /// Outputs.
    pub(crate) fn rows(&self) -> usize {
        match &self.weights {
            Weights::Float(matrix) => matrix.rows(),
            Weights::Eight(matrix) => matrix.rows(),
        }
    }

    /// Inputs.
    pub(crate) fn columns(&self) -> usize {
        match &self.weights {
            Weights::Float(matrix) => matrix.columns(),
            Weights::Eight(matrix) => matrix.columns(),
        }
    }

    /// What [`multiply`](Self::multiply) needs of `x`, `[tokens, columns]`. Matrices of the same precision can share it.
    pub(crate) fn read<'a>(&self, x: &'a [f32], bytes: &'a mut RowBytes) -> Input<'a> {
        if let Weights::Eight(matrix) = &self.weights {
            bytes.quantize(Isa::best(), x, matrix.columns());
        }
        Input { x, bytes }
    }

    /// Multiplies on this thread. What does not fit `out` is left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `input` was not read for a matrix of this precision and so many columns.
    pub(crate) fn multiply(&self, input: &Input<'_>, out: Out<'_>) -> Result<()> {
        self.multiply_with(Isa::best(), input, out)
    }

    fn multiply_with(&self, isa: Isa, input: &Input<'_>, out: Out<'_>) -> Result<()> {
        let (rows, columns, bias) = (self.rows(), self.columns(), &*self.bias);
        let tokens = input.x.len() / columns;
        let read = match &self.weights {
            Weights::Float(_) => input.x.len().is_multiple_of(columns),
            Weights::Eight(_) => (input.bytes.tokens(), input.bytes.columns()) == (tokens, columns),
        };
        if !read {
            let problem = format!("{} numbers for rows of {columns}", input.x.len());
            return Err(Error::Invalid { what: "product".into(), problem });
        }
        match &self.weights {
            Weights::Eight(matrix) => isa.run(EightPanel { matrix, x: input.bytes, bias, out }),
            Weights::Float(matrix) => {
                let (x, data) = (Strided { numbers: input.x, stride: columns }, matrix.data());
                match matrix.format() {
                    Format::F16 => isa.run(FloatPanel::<F16>::new(x, tokens, data, [rows, columns], bias, out)),
                    Format::BF16 => isa.run(FloatPanel::<BF16>::new(x, tokens, data, [rows, columns], bias, out)),
                    _ => isa.run(FloatPanel::<F32>::new(x, tokens, data, [rows, columns], bias, out)),
                }
            }
        }
        Ok(())
    }
}

/// Rows that are to be multiplied.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    x: &'a [f32],
    bytes: &'a RowBytes,
}

impl<'a> Out<'a> {
    /// Rows one after the other, of `stride` numbers each.
    pub(crate) fn rows(numbers: &'a mut [f32], stride: usize) -> Self {
        Self { numbers, first: 0, stride }
    }

    /// The place of up to sixteen outputs of row `row` from `at` on, of `end` in all.
    #[inline(always)]
    fn place(&mut self, row: usize, at: usize, end: usize) -> &mut [f32] {
        let start = self.first + row * self.stride;
        let end = (at + super::simd::LANES).min(end);
        self.numbers.get_mut(start + at..start + end).unwrap_or_default()
    }
}
