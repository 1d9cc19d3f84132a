//! Gemma 3: Gemma 2 with norms on heads in place of capped scores, and five layers with a window for each without.
//!
//! Layers with a window have a rope of their own, of a smaller base. Gemma Team, *Gemma 3*, arXiv:2503.19786.

use super::config::{Config, Key};
use super::family::Family;
use super::names::Names;
use super::{Decoder, Pairs, Rope, gemma2, scaling, window};
use crate::Result;

pub(super) const FAMILY: Family = Family {
    gguf: "gemma3",
    published: &["gemma3_text", "gemma3"],
    defaults: &[
        // Published configurations leave out what is as in the smallest models.
        ("rms_norm_eps", 1e-6),
        ("num_attention_heads", 8.0),
        ("num_key_value_heads", 4.0),
        ("head_dim", 256.0),
        ("max_position_embeddings", 131_072.0),
        ("query_pre_attn_scalar", 256.0),
        ("rope_theta", 1e6),
        ("rope_local_base_freq", 1e4),
    ],
    names: gemma2::NAMES,
    describe,
};

/// How many layers the largest Gemma 3 has, which scales its queries otherwise.
const LARGEST: usize = 62;
/// Every so many layers, one sees all positions.
const EVERY: usize = 6;

/// Set in models that embed texts: they are no decoders.
const BOTH_WAYS: Key = Key { gguf: "", published: "use_bidirectional_attention" };

fn describe(config: &Config<'_>, names: &Names<'_>) -> Result<Decoder> {
    if config.find_flag(BOTH_WAYS)? == Some(true) {
        return Err(config.wrong(BOTH_WAYS, "true", "a model that sees earlier positions only"));
    }
    let mut decoder = gemma2::common(config, names, LARGEST)?;
    decoder.blocks.iter_mut().for_each(|block| block.attention.head_norms = true);
    if let Some(window) = window::read(config)? {
        window::alternate(config, &mut decoder, window, EVERY)?;
        let columns = gemma2::rope_columns(&decoder);
        let local = scaling::read_local(config, names, Pairs::Halves, columns)?;
        window::local_rope(
            &mut decoder,
            local.unwrap_or_else(|| Rope::plain(Pairs::Halves, scaling::USUAL_BASE, columns)),
        );
    }
    Ok(decoder)
}
