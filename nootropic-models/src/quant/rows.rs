//! From bytes to blocks to numbers.

use bytemuck::{AnyBitPattern, NoUninit};

/// The bytes of a row as blocks; what does not fill a block is left out.
pub(crate) fn blocks<B: AnyBitPattern>(bytes: &[u8]) -> &[B] {
    const { assert!(align_of::<B>() == 1) }
    let whole = bytes.len() - bytes.len() % size_of::<B>();
    bytemuck::try_cast_slice(bytes.get(..whole).unwrap_or_default()).unwrap_or_default()
}

/// Calls `convert` for each block with the numbers it stands for.
pub(super) fn dequantize<B: AnyBitPattern, const LEN: usize>(
    bytes: &[u8],
    numbers: &mut [f32],
    convert: impl Fn(&B, &mut [f32; LEN]),
) {
    for (block, numbers) in blocks(bytes).iter().zip(numbers.as_chunks_mut().0) {
        convert(block, numbers);
    }
}

/// Fills each block with what `convert` makes of its numbers.
pub(super) fn quantize<B: NoUninit, const LEN: usize>(
    numbers: &[f32],
    bytes: &mut [u8],
    convert: impl Fn(&[f32; LEN]) -> B,
) {
    for (numbers, bytes) in numbers.as_chunks().0.iter().zip(bytes.chunks_exact_mut(size_of::<B>())) {
        bytes.copy_from_slice(bytemuck::bytes_of(&convert(numbers)));
    }
}
