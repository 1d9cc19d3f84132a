//! BERT (MiniLM, BGE, E5, GTE and many more), and RoBERTa, which counts positions otherwise.
//!
//! Devlin et al., *BERT*, arXiv:1810.04805; Liu et al., *RoBERTa*, arXiv:1907.11692.

use super::super::config::{Config, Key};
use super::super::names::{Names, Part};
use super::super::shape;
use super::{Activation, Bend, Encoder, Family, HeadShape, USUAL};
use crate::Result;

pub(super) const FAMILY: Family = Family {
    name: "bert",
    gguf: &["bert"],
    published: &["bert"],
    defaults: &[("layer_norm_eps", 1e-12), ("max_position_embeddings", 512.0)],
    names: NAMES,
    describe: bert,
};

pub(super) const ROBERTA: Family = Family {
    name: "roberta",
    gguf: &[],
    published: &["roberta", "xlm-roberta"],
    defaults: &[("layer_norm_eps", 1e-12), ("max_position_embeddings", 512.0), ("pad_token_id", 1.0)],
    names: NAMES,
    describe: roberta,
};

const NAMES: &[(Part, &str)] = &[
    (Part::Embedding, "embeddings.word_embeddings"),
    (Part::Positions, "embeddings.position_embeddings"),
    (Part::Kinds, "embeddings.token_type_embeddings"),
    (Part::EmbeddingNorm, "embeddings.LayerNorm"),
    (Part::Query, "encoder.layer.{layer}.attention.self.query"),
    (Part::Key, "encoder.layer.{layer}.attention.self.key"),
    (Part::Value, "encoder.layer.{layer}.attention.self.value"),
    (Part::AttentionOutput, "encoder.layer.{layer}.attention.output.dense"),
    (Part::AttentionSumNorm, "encoder.layer.{layer}.attention.output.LayerNorm"),
    (Part::Up, "encoder.layer.{layer}.intermediate.dense"),
    (Part::Down, "encoder.layer.{layer}.output.dense"),
    (Part::MlpSumNorm, "encoder.layer.{layer}.output.LayerNorm"),
];

const POSITION_KIND: Key = Key { gguf: "", published: "position_embedding_type" };
const PAD: Key = Key { gguf: "", published: "pad_token_id" };

fn bert(config: &Config<'_>, names: &Names<'_>) -> Result<Encoder> {
    let mut encoder = common(config, names)?;
    // The pooler is part of the head that scores pairs; embedders do without.
    let scores = names.has("classifier.weight") && names.has("bert.pooler.dense.weight");
    encoder.head = scores.then_some(HeadShape { bend: Bend::Tanh, mean: false });
    Ok(encoder)
}

fn roberta(config: &Config<'_>, names: &Names<'_>) -> Result<Encoder> {
    let mut encoder = common(config, names)?;
    let skipped = config.count(PAD, 0..=16)? + 1;
    encoder.positions = Some(skipped);
    encoder.context = encoder.context.saturating_sub(skipped).max(1);
    let scores = names.has("classifier.out_proj.weight");
    encoder.head = scores.then_some(HeadShape { bend: Bend::Tanh, mean: false });
    Ok(encoder)
}

fn common(config: &Config<'_>, names: &Names<'_>) -> Result<Encoder> {
    shape::activation(config, "hidden_act", Activation::Gelu)?;
    match config.find_text(POSITION_KIND)? {
        None | Some("absolute") => {}
        Some(other) => return Err(config.wrong(POSITION_KIND, other, "absolute")),
    }
    Ok(USUAL.encoder(config, names)?.0)
}
