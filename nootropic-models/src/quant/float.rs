//! Half-precision floats: `f16` (IEEE 754 binary16) and `bf16` (the upper half of an `f32`), little-endian.

/// The number an `f16` of two bytes stands for.
pub(super) fn from_f16(bytes: [u8; 2]) -> f32 {
    half::f16::from_le_bytes(bytes).to_f32()
}

/// The nearest `f16`, as two bytes.
pub(super) fn to_f16(number: f32) -> [u8; 2] {
    half::f16::from_f32(number).to_le_bytes()
}

macro_rules! half_float {
    ($name:ident) => {
        /// Conversion of whole rows.
        pub(super) mod $name {
            pub(in crate::quant) fn to_f32(bytes: &[u8], numbers: &mut [f32]) {
                for (bytes, number) in bytes.as_chunks().0.iter().zip(numbers) {
                    *number = half::$name::from_le_bytes(*bytes).to_f32();
                }
            }

            pub(in crate::quant) fn from_f32(numbers: &[f32], bytes: &mut [u8]) {
                for (number, bytes) in numbers.iter().zip(bytes.as_chunks_mut().0) {
                    *bytes = half::$name::from_f32(*number).to_le_bytes();
                }
            }
        }
    };
}

half_float!(f16);
half_float!(bf16);
