//! Q8_0: 32 weights of 8 bits and one scale.

use bytemuck::{Pod, Zeroable};

use super::fit::largest;
use super::float::{from_f16, to_f16};

/// `w = d · q`, 34 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q8_0 {
    /// Scale, an f16.
    pub(crate) d: [u8; 2],
    /// The weights, in order.
    pub(crate) qs: [i8; 32],
}

impl Q8_0 {
    pub(super) fn dequantize(&self, numbers: &mut [f32; 32]) {
        let d = from_f16(self.d);
        for (q, number) in self.qs.iter().zip(numbers) {
            *number = d * f32::from(*q);
        }
    }

    pub(super) fn quantize(numbers: &[f32; 32]) -> Self {
        let d = largest(numbers).abs() / 127.0;
        let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
        Self { d: to_f16(d), qs: numbers.map(|number| round_away(number * inverse)) }
    }
}

/// Rounds halves away from zero, into -128 to 127. `f32::round` is a call into libm, several times slower here.
fn round_away(number: f32) -> i8 {
    const BELOW_HALF: f32 = 0.499_999_97; // so that the largest number below one half does not become 1
    (number + BELOW_HALF.copysign(number)) as i8
}
