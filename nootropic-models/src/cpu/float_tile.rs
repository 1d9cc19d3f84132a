//! Tiles of sixteen rows of plain floats: for each column, the sixteen numbers stand together.

use super::simd::{LANES, Simd};

/// The numbers of a column of a tile, `SIZE` bytes each.
pub(super) trait Column: bytemuck::Pod + Send + Sync {
    const SIZE: usize;

    /// Implementations are `#[inline(always)]`.
    fn load<S: Simd>(&self, simd: S) -> S::F;
    /// Puts the number of row `row`, below 16.
    fn put(&mut self, row: usize, number: &[u8]);
    /// The number of row `row`, below 16.
    fn get(&self, row: usize) -> f32;
}

macro_rules! column {
    ($name:ident, $size:literal, $load:expr, $number:expr) => {
        #[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(transparent)]
        pub(super) struct $name([u8; $size * LANES]);

        impl Column for $name {
            const SIZE: usize = $size;

            #[inline(always)]
            fn load<S: Simd>(&self, simd: S) -> S::F {
                $load(simd, &self.0)
            }

            fn put(&mut self, row: usize, number: &[u8]) {
                self.0[$size * row..$size * (row + 1)].copy_from_slice(number);
            }

            fn get(&self, row: usize) -> f32 {
                self.0.as_chunks().0.get(row).copied().map_or(0.0, $number)
            }
        }
    };
}

column!(F32, 4, load_f32, f32::from_le_bytes);
column!(F16, 2, Simd::load_f16, |bytes| half::f16::from_le_bytes(bytes).to_f32());
column!(BF16, 2, Simd::load_bf16, |bytes| half::bf16::from_le_bytes(bytes).to_f32());

#[inline(always)]
fn load_f32<S: Simd>(s: S, from: &[u8; 4 * LANES]) -> S::F {
    let mut numbers = [0.0; LANES];
    for (number, bytes) in numbers.iter_mut().zip(from.as_chunks().0) {
        *number = f32::from_le_bytes(*bytes);
    }
    s.load(&numbers)
}

/// Sets row after row of a tile's columns; rows that are missing stay zero.
pub(super) fn pack_columns<C: Column>(tile: &mut [C], rows: &[u8]) {
    for (row, numbers) in rows.chunks(tile.len() * C::SIZE).take(LANES).enumerate() {
        for (to, number) in tile.iter_mut().zip(numbers.chunks_exact(C::SIZE)) {
            to.put(row, number);
        }
    }
}
