//! Mixes: which tensor of a model gets which type.

use std::fmt;

use super::TensorType;
use crate::{Dims, Error, Result};

/// How a whole file is quantized: a main type, and better ones for the tensors that suffer most. Names, numbers
/// (`general.file_type`) and choices are llama.cpp's, so that a file is as large and as good as users know it.
#[expect(non_camel_case_types, reason = "the names of the field")]
#[expect(missing_docs, reason = "the names say it: llama.cpp's table of file types")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum FileType {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q8_0 = 7,
    Q5_0 = 8,
    Q5_1 = 9,
    Q4_K_S = 14,
    Q4_K_M = 15,
    Q5_K_S = 16,
    Q5_K_M = 17,
    Q6_K = 18,
    BF16 = 32,
}

const FILE_TYPES: &[(FileType, TensorType, &str)] = {
    use FileType::*;
    &[
        (F32, TensorType::F32, "F32"),
        (F16, TensorType::F16, "F16"),
        (BF16, TensorType::BF16, "BF16"),
        (Q8_0, TensorType::Q8_0, "Q8_0"),
        (Q6_K, TensorType::Q6_K, "Q6_K"),
        (Q5_K_M, TensorType::Q5_K, "Q5_K_M"),
        (Q5_K_S, TensorType::Q5_K, "Q5_K_S"),
        (Q5_1, TensorType::Q5_1, "Q5_1"),
        (Q5_0, TensorType::Q5_0, "Q5_0"),
        (Q4_K_M, TensorType::Q4_K, "Q4_K_M"),
        (Q4_K_S, TensorType::Q4_K, "Q4_K_S"),
        (Q4_1, TensorType::Q4_1, "Q4_1"),
        (Q4_0, TensorType::Q4_0, "Q4_0"),
    ]
};

/// What of a model decides on the types of its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelShape {
    /// Number of layers (blocks).
    pub layers: u64,
    /// Number of experts in a layer; 0 or 1 without a mixture of experts.
    pub experts: u64,
    /// Whether the token embeddings serve as the output matrix too, so that there is no `output.weight`.
    pub tied_embeddings: bool,
}

/// What part a tensor plays, told by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Embedding,
    Output,
    AttentionV,
    AttentionKv,
    AttentionQkv,
    AttentionK,
    AttentionOutput,
    FeedForwardDown,
    Other,
}

impl Part {
    fn of(name: &str) -> Self {
        const INSIDE: &[(&str, Part)] = &[
            ("attn_qkv.weight", Part::AttentionQkv),
            ("attn_kv_b.weight", Part::AttentionKv),
            ("attn_v.weight", Part::AttentionV),
            ("attn_k.weight", Part::AttentionK),
            ("attn_output.weight", Part::AttentionOutput),
            ("ffn_down", Part::FeedForwardDown),
        ];
        match name {
            "output.weight" => Self::Output,
            "token_embd.weight" | "per_layer_token_embd.weight" => Self::Embedding,
            _ => INSIDE.iter().find(|(part, _)| name.contains(part)).map_or(Self::Other, |(_, part)| *part),
        }
    }
}

impl FileType {
    /// Every mix, the most exact first.
    pub fn all() -> impl Iterator<Item = Self> {
        FILE_TYPES.iter().map(|row| row.0)
    }

    /// llama.cpp's number, stored as `general.file_type`.
    pub fn id(self) -> u32 {
        self as u32
    }

    /// The type most weights get.
    pub fn main_type(self) -> TensorType {
        FILE_TYPES.iter().find(|row| row.0 == self).map_or(TensorType::F32, |row| row.1)
    }

    /// Its name: `Q4_K_M`.
    pub fn name(self) -> &'static str {
        FILE_TYPES.iter().find(|row| row.0 == self).map_or("F32", |row| row.2)
    }

    /// The type for a tensor; none where it should stay as it is: vectors, norms, routers and other small or delicate ones.
    ///
    /// Names are those of GGUF files, `blk.3.attn_v.weight`. A K format for rows that are no multiple of 256 gives way to one
    /// of blocks of 32, and that to F16, as in llama.cpp.
    pub fn tensor_type(self, name: &str, dims: &Dims, model: &ModelShape) -> Option<TensorType> {
        if dims.len() < 2 || !is_quantized(name) {
            return None;
        }
        let main = self.main_type();
        if main.block_len() == 1 {
            return Some(main);
        }
        let columns = dims.columns();
        let part = Part::of(name);
        if part == Part::Output || (part == Part::Embedding && model.tied_embeddings) {
            let fits = columns.is_multiple_of(main.block_len() as u64);
            let wanted = if fits && self != Self::Q8_0 { TensorType::Q6_K } else { TensorType::Q8_0 };
            return Some(fallback(wanted, columns));
        }
        Some(fallback(self.inner_type(part, layer_of(name), model).unwrap_or(main), columns))
    }

    /// The type of a tensor inside a layer where it differs from the main one.
    fn inner_type(self, part: Part, layer: u64, model: &ModelShape) -> Option<TensorType> {
        use TensorType::*;
        let (eight_experts, layers) = (model.experts == 8, model.layers);
        let medium = matches!(self, Self::Q4_K_M | Self::Q5_K_M);
        match part {
            Part::AttentionV | Part::AttentionKv | Part::AttentionQkv if eight_experts => Some(Q8_0),
            Part::AttentionK if eight_experts => Some(Q8_0),
            Part::AttentionV | Part::AttentionKv | Part::AttentionQkv => {
                let better = match self {
                    _ if medium && deserves_more(layer, layers) => Some(Q6_K),
                    Self::Q4_K_S if layer < 4 => Some(Q5_K),
                    _ => None,
                };
                // 70B models share each value head among eight query heads: more bits cost little there.
                let shared = layers == 80 && self.main_type() == Q4_K;
                better.or_else(|| shared.then_some(Q5_K))
            }
            Part::FeedForwardDown if medium && deserves_more(layer, layers) => Some(Q6_K),
            Part::FeedForwardDown if self == Self::Q4_K_S && layer < layers / 8 => Some(Q5_K),
            Part::AttentionOutput if eight_experts && self.main_type() == Q4_K => Some(Q5_K),
            _ => None,
        }
    }
}

/// The first and last eighth of the layers, and every third between.
fn deserves_more(layer: u64, layers: u64) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}

/// The layer in `blk.3.attn_v.weight`.
fn layer_of(name: &str) -> u64 {
    let number = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn is_quantized(name: &str) -> bool {
    const NEVER: &[&str] = &["_norm.weight", "ffn_gate_inp.weight", "position_embd", "token_types", "ssm_conv1d"];
    name.ends_with("weight") && !NEVER.iter().any(|part| name.contains(part))
}

/// The nearest type whose blocks fill rows of `columns`.
fn fallback(wanted: TensorType, columns: u64) -> TensorType {
    use TensorType::*;
    let smaller = match wanted {
        Q4_K => Q5_0,
        Q5_K => Q5_1,
        Q6_K => Q8_0,
        other => other,
    };
    [wanted, smaller].into_iter().find(|kind| kind.row_bytes(columns).is_some()).unwrap_or(F16)
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for FileType {
    type Err = Error;

    /// Reads a name in any case: `q4_k_m`.
    fn from_str(name: &str) -> Result<Self> {
        let found = FILE_TYPES.iter().find(|row| row.2.eq_ignore_ascii_case(name));
        found.map(|row| row.0).ok_or_else(|| {
            let names: Vec<_> = FILE_TYPES.iter().map(|row| row.2).collect();
            let name = crate::error::printable(name);
            Error::Invalid { what: "quantization".into(), problem: format!("{name} is none of {}", names.join(", ")) }
        })
    }
}
