//! Which packed layout a type of weights gets.

use super::float_tile::{BF16, Column, F16, F32};
use super::pack::Pack;
use super::tile::{Eight, Five, FiveK, FiveMin, Four, FourK, FourMin, SixK};
use crate::TensorType;

/// How the tiles of a matrix are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    F32,
    F16,
    BF16,
    Four,
    FourMin,
    Five,
    FiveMin,
    Eight,
    FourK,
    FiveK,
    SixK,
}

/// What is done with a matrix, whatever its layout.
pub(super) trait ByFormat {
    type Output;

    /// Weights of few bits.
    fn quantized<T: Pack>(self) -> Self::Output;
    /// Plain floats.
    fn plain<C: Column>(self) -> Self::Output;
}

impl Format {
    /// None if matrices of this type cannot be multiplied.
    pub(super) fn of(kind: TensorType) -> Option<Self> {
        Some(match kind {
            TensorType::F32 => Self::F32,
            TensorType::F16 => Self::F16,
            TensorType::BF16 => Self::BF16,
            TensorType::Q4_0 => Self::Four,
            TensorType::Q4_1 => Self::FourMin,
            TensorType::Q5_0 => Self::Five,
            TensorType::Q5_1 => Self::FiveMin,
            TensorType::Q8_0 => Self::Eight,
            TensorType::Q4_K => Self::FourK,
            TensorType::Q5_K => Self::FiveK,
            TensorType::Q6_K => Self::SixK,
            _ => return None,
        })
    }

    /// Whether activations of eight bits are multiplied, not floats.
    pub(super) fn is_quantized(self) -> bool {
        !matches!(self, Self::F32 | Self::F16 | Self::BF16)
    }

    pub(super) fn visit<V: ByFormat>(self, visitor: V) -> V::Output {
        match self {
            Self::F32 => visitor.plain::<F32>(),
            Self::F16 => visitor.plain::<F16>(),
            Self::BF16 => visitor.plain::<BF16>(),
            Self::Four => visitor.quantized::<Four>(),
            Self::FourMin => visitor.quantized::<FourMin>(),
            Self::Five => visitor.quantized::<Five>(),
            Self::FiveMin => visitor.quantized::<FiveMin>(),
            Self::Eight => visitor.quantized::<Eight>(),
            Self::FourK => visitor.quantized::<FourK>(),
            Self::FiveK => visitor.quantized::<FiveK>(),
            Self::SixK => visitor.quantized::<SixK>(),
        }
    }
}
