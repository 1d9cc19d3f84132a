//! Matrices of weights.

use std::fmt;

use memmap2::MmapMut;
use rayon::prelude::*;

use super::float_tile::{Column, pack_columns};
use super::format::{ByFormat, Format};
use super::pack::{Pack, pack_tile};
use super::simd::{Isa, Kernel, LANES, Simd};
use super::tile::{GROUP, Group};
use crate::quant::blocks;
use crate::{Error, Result, TensorType};

/// A matrix of weights, packed for multiplication: tiles of sixteen rows, in the precision they came in.
pub struct PackedMatrix {
    kind: TensorType,
    format: Format,
    rows: usize,
    columns: usize,
    data: MmapMut,
}

impl PackedMatrix {
    /// Packs a matrix of `rows` outputs and `columns` inputs, given row after row as a file has it.
    ///
    /// # Errors
    /// [`Error::UnsupportedType`] for formats that can only be read; [`Error::Invalid`] if there are no rows or columns, or
    /// `bytes` are not those of so many; [`Error::Io`] if there is no memory.
    pub fn new(kind: TensorType, rows: usize, columns: usize, bytes: &[u8]) -> Result<Self> {
        let Some(format) = Format::of(kind) else {
            return Err(Error::UnsupportedType { what: "matrix".into(), found: kind.name().into(), op: "multiplied" });
        };
        let row_bytes = kind.row_bytes(columns as u64).and_then(|bytes| usize::try_from(bytes).ok());
        let right = row_bytes.is_some_and(|row| row > 0 && rows > 0 && row.checked_mul(rows) == Some(bytes.len()));
        let (Some(row_bytes), true) = (row_bytes, right) else {
            let problem = format!("{} bytes are not {rows} rows of {columns} numbers of type {kind}", bytes.len());
            return Err(Error::Invalid { what: "matrix".into(), problem });
        };
        let tile_bytes = format.visit(TileBytes { columns });
        let size = tile_bytes.saturating_mul(rows.div_ceil(LANES));
        let memory = |source| Error::Io { op: "allocate", name: format!("{size} bytes for weights"), source };
        let mut data = MmapMut::map_anon(size).map_err(memory)?;
        #[cfg(target_os = "linux")]
        let _ = data.advise(memmap2::Advice::HugePage); // faster to read; an old kernel may not know it
        data.par_chunks_mut(tile_bytes).zip(bytes.par_chunks(row_bytes * LANES)).for_each(|(tile, rows)| {
            format.visit(PackTile { tile, rows });
        });
        Ok(Self { kind, format, rows, columns, data })
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How the weights came.
    pub fn kind(&self) -> TensorType {
        self.kind
    }

    /// How many bytes a multiplication reads.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// The weights of row `row` as numbers, the same as [`TensorType::dequantize`] gives: an embedding.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no such row, or `numbers` has not as many numbers as there are columns.
    pub fn row(&self, row: usize, numbers: &mut [f32]) -> Result<()> {
        if row >= self.rows || numbers.len() != self.columns {
            let problem = format!("no row {row} of {} numbers in {} of {}", numbers.len(), self.rows, self.columns);
            return Err(Error::Invalid { what: "matrix".into(), problem });
        }
        let tile_bytes = self.data.len() / self.rows.div_ceil(LANES);
        let tile = self.data.chunks(tile_bytes).nth(row / LANES).unwrap_or_default();
        self.format.visit(ReadRow { tile, row: row % LANES, numbers });
        Ok(())
    }
}

impl fmt::Debug for PackedMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedMatrix")
            .field("kind", &self.kind)
            .field("rows", &self.rows)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// How many bytes a tile of so many columns takes.
struct TileBytes {
    columns: usize,
}

impl ByFormat for TileBytes {
    type Output = usize;

    fn quantized<T: Pack>(self) -> usize {
        self.columns / (GROUP * T::GROUPS) * size_of::<T>()
    }

    fn plain<C: Column>(self) -> usize {
        self.columns * size_of::<C>()
    }
}

/// Packs up to sixteen rows.
struct PackTile<'a> {
    tile: &'a mut [u8],
    rows: &'a [u8],
}

impl ByFormat for PackTile<'_> {
    type Output = ();

    fn quantized<T: Pack>(self) {
        pack_tile::<T>(bytemuck::cast_slice_mut(self.tile), blocks(self.rows));
    }

    fn plain<C: Column>(self) {
        pack_columns::<C>(bytemuck::cast_slice_mut(self.tile), self.rows);
    }
}

/// Reads a row of a tile.
struct ReadRow<'a> {
    tile: &'a [u8],
    row: usize,
    numbers: &'a mut [f32],
}

impl ByFormat for ReadRow<'_> {
    type Output = ();

    fn quantized<T: Pack>(self) {
        let numbers = self.numbers.as_chunks_mut::<GROUP>().0;
        for (block, numbers) in bytemuck::cast_slice::<u8, T>(self.tile).iter().zip(numbers.chunks_mut(T::GROUPS)) {
            for (g, numbers) in numbers.iter_mut().enumerate() {
                Isa::best().run(ReadGroup { block, g, row: self.row, numbers });
            }
        }
    }

    fn plain<C: Column>(self) {
        for (column, number) in bytemuck::cast_slice::<u8, C>(self.tile).iter().zip(self.numbers) {
            *number = column.get(self.row);
        }
    }
}

struct ReadGroup<'a, T> {
    block: &'a T,
    g: usize,
    row: usize,
    numbers: &'a mut [f32; GROUP],
}

impl<T: Pack> Kernel for ReadGroup<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Group { weights, scales, minimum } = self.block.group(s, self.g);
        let mut lanes = [[0.0; LANES]; 3];
        s.store(scales[0], &mut lanes[0]);
        s.store(scales[1], &mut lanes[1]);
        s.store(minimum, &mut lanes[2]);
        let [low, high, minimum] = [lanes[0][self.row], lanes[1][self.row], lanes[2][self.row]];
        let offset = if T::SIGNED { 128 } else { T::OFFSET as u8 };
        for (j, (weights, numbers)) in weights.iter().zip(self.numbers.as_chunks_mut::<4>().0).enumerate() {
            let mut bytes = [0; 4 * LANES];
            s.store_bytes(*weights, offset, &mut bytes);
            let scale = if j < 4 { low } else { high };
            for (number, byte) in numbers.iter_mut().zip(&bytes[4 * self.row..]) {
                *number = scale * f32::from(*byte as i8);
                if T::MINIMUM {
                    *number += minimum;
                }
            }
        }
    }
}
