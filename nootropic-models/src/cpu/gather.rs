//! Sums of rows of a table, each with a weight: what a static embedder does.

use super::simd::{Isa, Kernel, LANES, Simd};

/// Columns that are summed in registers while all rows are read: a cache line of bytes.
const BLOCK: usize = 4;

/// Adds to `sum` the rows of `table`, `[rows, sum.len()]`, that `picked` names, each times the weight beside it; rows that are not there
/// are left out.
pub(crate) fn add_rows(table: &[i8], picked: &[(u32, f32)], sum: &mut [f32]) {
    Isa::best().run(AddRows { table: bytemuck::cast_slice(table), picked, sum });
}

struct AddRows<'a> {
    table: &'a [u8],
    picked: &'a [(u32, f32)],
    sum: &'a mut [f32],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let columns = self.sum.len();
        for (block, sums) in self.sum.chunks_mut(BLOCK * LANES).enumerate() {
            let mut totals = [simd.zero(); BLOCK];
            for (total, sums) in totals.iter_mut().zip(sums.chunks(LANES)) {
                *total = simd.load_part(sums, 0.0);
            }
            for (row, weight) in self.picked {
                let from = *row as usize * columns + block * BLOCK * LANES;
                let Some(bytes) = self.table.get(from..from + sums.len()) else { continue };
                let weight = simd.splat(*weight);
                match bytes.as_array::<{ BLOCK * LANES }>() {
                    Some(bytes) => {
                        let (lanes, _) = bytes.as_chunks::<LANES>();
                        for (total, bytes) in totals.iter_mut().zip(lanes) {
                            *total = simd.fma(simd.load_i8(bytes), weight, *total);
                        }
                    }
                    None => {
                        for (total, bytes) in totals.iter_mut().zip(bytes.chunks(LANES)) {
                            let mut lanes = [0; LANES];
                            lanes.iter_mut().zip(bytes).for_each(|(lane, byte)| *lane = *byte);
                            *total = simd.fma(simd.load_i8(&lanes), weight, *total);
                        }
                    }
                }
            }
            for (total, sums) in totals.into_iter().zip(sums.chunks_mut(LANES)) {
                simd.store_part(total, sums);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_sums_the_same_rows() {
        for columns in [1, 16, 63, 64, 100, 256] {
            let table: Vec<i8> = (0..9 * columns).map(|i| (i * 37 % 251) as u8 as i8).collect();
            let picked = [(3, 0.5), (8, -2.25), (0, 1e-3), (3, 0.125), (9, 1.0), (u32::MAX, 1.0)];
            let expected: Vec<f32> = (0..columns)
                .map(|column| {
                    let in_table = picked.iter().filter(|(row, _)| *row < 9);
                    in_table.fold(1.0, |sum, (row, weight)| {
                        f32::from(table[*row as usize * columns + column]).mul_add(*weight, sum)
                    })
                })
                .collect();
            for isa in Isa::available() {
                let mut sum = vec![1.0; columns];
                isa.run(AddRows { table: bytemuck::cast_slice(&table), picked: &picked, sum: &mut sum });
                assert_eq!(sum, expected, "{isa:?}, {columns} columns");
            }
        }
    }
}
