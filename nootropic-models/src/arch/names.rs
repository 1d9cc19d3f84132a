//! What tensors are called in GGUF and in safetensors.

use super::ModelFile;
use crate::{Error, Result};

/// A tensor by the part it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Embedding,
    /// Of an encoder, a row for each position.
    Positions,
    /// A row for each of the texts that are read together.
    Kinds,
    EmbeddingNorm,
    OutputNorm,
    Output,
    /// What each frequency of the rope is divided by.
    RopeFactors,
    /// The same, for contexts as long as those trained on.
    RopeShort,
    /// The same, for longer ones.
    RopeLong,
    AttentionNorm,
    Query,
    Key,
    Value,
    /// Rows of queries, of keys and of values in one.
    QueryKeyValue,
    QueryNorm,
    KeyNorm,
    AttentionOutput,
    AttentionPostNorm,
    /// After attention and what goes past it are added.
    AttentionSumNorm,
    MlpNorm,
    Gate,
    Up,
    /// Rows of the gate and of what it gates in one.
    GateUp,
    Down,
    MlpPostNorm,
    /// After the MLP and what goes past it are added.
    MlpSumNorm,
    Router,
    /// All experts in one tensor in GGUF; in safetensors a tensor for each, with `{}` for its number.
    ExpertGate,
    ExpertUp,
    ExpertDown,
}

/// Part, name in GGUF, name in safetensors. Names of blocks come after `blk.N.` and `layers.N.`; `.weight` or `.bias` follows.
const NAMES: &[(Part, &str, &str)] = {
    use Part::*;
    &[
        (Embedding, "token_embd", "embed_tokens"),
        (Positions, "position_embd", ""),
        (Kinds, "token_types", ""),
        (EmbeddingNorm, "token_embd_norm", ""),
        (OutputNorm, "output_norm", "norm"),
        (Output, "output", "lm_head"),
        (RopeFactors, "rope_freqs", ""),
        (RopeShort, "rope_factors_short", ""),
        (RopeLong, "rope_factors_long", ""),
        (AttentionNorm, "attn_norm", "input_layernorm"),
        (Query, "attn_q", "self_attn.q_proj"),
        (Key, "attn_k", "self_attn.k_proj"),
        (Value, "attn_v", "self_attn.v_proj"),
        (QueryKeyValue, "attn_qkv", "self_attn.qkv_proj"),
        (QueryNorm, "attn_q_norm", "self_attn.q_norm"),
        (KeyNorm, "attn_k_norm", "self_attn.k_norm"),
        (AttentionOutput, "attn_output", "self_attn.o_proj"),
        (AttentionPostNorm, "post_attention_norm", ""),
        (AttentionSumNorm, "attn_output_norm", ""),
        (MlpNorm, "ffn_norm", "post_attention_layernorm"),
        (Gate, "ffn_gate", "mlp.gate_proj"),
        (Up, "ffn_up", "mlp.up_proj"),
        (GateUp, "ffn_up", "mlp.gate_up_proj"),
        (Down, "ffn_down", "mlp.down_proj"),
        (MlpPostNorm, "post_ffw_norm", ""),
        (MlpSumNorm, "layer_output_norm", ""),
        (Router, "ffn_gate_inp", "mlp.gate"),
        (ExpertGate, "ffn_gate_exps", "mlp.experts.{}.gate_proj"),
        (ExpertUp, "ffn_up_exps", "mlp.experts.{}.up_proj"),
        (ExpertDown, "ffn_down_exps", "mlp.experts.{}.down_proj"),
    ]
};

/// What stands before the names of safetensors: models that also see keep their language part deeper, and encoders with a head for some
/// task have theirs behind the family's name.
const PREFIXES: [(&str, &str); 6] = [
    ("model.", ""),
    ("language_model.model.", "language_model."),
    ("model.language_model.", ""),
    ("bert.", ""),
    ("roberta.", ""),
    ("", ""),
];

/// The tensors of a file, by the part they play.
pub(super) struct Names<'a> {
    file: &'a ModelFile,
    /// Before the names of safetensors, and before that of the output matrix.
    prefix: (&'static str, &'static str),
    own: &'static [(Part, &'static str)],
}

impl<'a> Names<'a> {
    pub(super) fn of(file: &'a ModelFile, own: &'static [(Part, &'static str)]) -> Self {
        let stem = own.iter().find(|row| row.0 == Part::Embedding).map_or("embed_tokens", |row| row.1);
        let holds = |prefix: &&(&str, &str)| file.contains(&format!("{}{stem}.weight", prefix.0));
        let prefix = PREFIXES.iter().find(holds).copied().unwrap_or(PREFIXES[0]);
        Self { file, prefix, own }
    }

    pub(super) fn file(&self) -> &'a ModelFile {
        self.file
    }

    fn is_gguf(&self) -> bool {
        matches!(self.file, ModelFile::Gguf(_))
    }

    fn stem(&self, part: Part) -> &'static str {
        let usual = NAMES.iter().find(|row| row.0 == part).map_or(("", ""), |row| (row.1, row.2));
        match self.is_gguf() {
            true => usual.0,
            false => self.own.iter().find(|row| row.0 == part).map_or(usual.1, |row| row.1),
        }
    }

    /// The name of a tensor outside of blocks; `end` is `weight` or `bias`.
    pub(super) fn global(&self, part: Part, end: &str) -> String {
        let prefix = match (self.is_gguf(), part) {
            (true, _) => "",
            (false, Part::Output) => self.prefix.1,
            (false, _) => self.prefix.0,
        };
        format!("{prefix}{}.{end}", self.stem(part))
    }

    /// The name of a tensor of block `layer`. Names of a family's own may say themselves where the block's number stands.
    pub(super) fn block(&self, layer: usize, part: Part, end: &str) -> String {
        let stem = self.stem(part);
        match self.is_gguf() {
            true => format!("blk.{layer}.{stem}.{end}"),
            false if stem.contains("{layer}") => {
                format!("{}{}.{end}", self.prefix.0, stem.replace("{layer}", &layer.to_string()))
            }
            false => format!("{}layers.{layer}.{stem}.{end}", self.prefix.0),
        }
    }

    /// The name of the tensor of one expert; none if all experts are in one tensor.
    pub(super) fn expert(&self, layer: usize, part: Part, expert: usize) -> Option<String> {
        let name = self.block(layer, part, "weight");
        name.contains("{}").then(|| name.replace("{}", &expert.to_string()))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.file.contains(name)
    }

    /// Whether the first block has this tensor.
    pub(super) fn first_block_has(&self, part: Part, end: &str) -> bool {
        self.has(&self.block(0, part, end))
    }

    /// How many rows a matrix has.
    pub(super) fn rows(&self, name: &str) -> Result<usize> {
        let tensor = self.file.tensor(name)?;
        usize::try_from(tensor.dims.rows()).map_err(|_| Error::Malformed {
            file: self.file.name(),
            place: crate::Place::tensor(name),
            problem: format!("{} rows", tensor.dims.rows()),
        })
    }

    /// A vector of `len` numbers.
    pub(super) fn vector(&self, name: String, len: usize) -> Result<Vec<f32>> {
        let tensor = self.file.tensor(&name)?;
        match *tensor.dims == [len as u64] {
            true => tensor.to_f32(),
            false => Err(Error::WrongShape {
                file: self.file.name(),
                tensor: name,
                found: tensor.dims.to_vec(),
                expected: vec![len as u64],
            }),
        }
    }
}
