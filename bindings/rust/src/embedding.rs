//! Texts as vectors, by a model on this machine.

use std::path::{Path, PathBuf};

use nootropic_core::{Capability, EffectKind, EmbedRole, Embedder, EmbedderInfo};
use nootropic_models::{Device, EncoderPrecision, LocalEmbedder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::chosen::BUILT_IN;
use crate::command::Command;
use crate::local_models::Place;
use crate::model_files::failed;
use crate::{Call, Error, Result, Session};

/// Asks for the vectors of texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Embed {
    /// The texts, a vector for each.
    #[schemars(length(min = 1), extend("x-positional" = 1, "x-value-name" = "TEXT"))]
    pub text: Vec<String>,
    /// An encoder: a folder of safetensors with its configuration and vocabulary, or a GGUF file; `static` is the embedder for code that
    /// comes with the program.
    #[serde(default = "built_in")]
    #[schemars(extend("x-short" = "m", "x-value-name" = "MODEL", "x-complete" = "path"))]
    pub model: PathBuf,
    /// What the texts are embedded for; some models read questions otherwise than passages.
    #[serde(default = "document")]
    pub role: EmbedRole,
    /// What the CPU computes with.
    #[serde(default)]
    pub precision: EncoderPrecision,
    /// Where to run.
    #[serde(default)]
    pub device: Device,
    /// How many threads of the CPU; without it, as many as there are processors.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<u32>,
}

fn built_in() -> PathBuf {
    BUILT_IN.into()
}

fn document() -> EmbedRole {
    EmbedRole::Document
}

/// Vectors, and who made them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Embedded {
    /// Who made them. Vectors of different embedders are not comparable.
    pub embedder: EmbedderInfo,
    /// A unit vector for each text, in their order.
    pub vectors: Vec<Vec<f32>>,
    /// The cosine of each vector with each.
    pub cosines: Vec<Vec<f32>>,
}

impl Command for Embed {
    type Output = Embedded;
    const NAME: &'static str = "embed";
    const SUMMARY: &'static str = "Turn texts into vectors that say how alike they are";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details(
                "Runs BERT (MiniLM, BGE, E5, GTE), RoBERTa, Nomic-BERT and ModernBERT, with the pooling and the prefixes that the model's \
                 own files name. Nothing leaves the machine.",
            )
            .with_example(
                "How alike two texts are",
                json!({ "model": "all-MiniLM-L6-v2", "text": ["back off between retries", "wait longer each time"] }),
            )
    }

    fn run(self, _: &Session, call: &Call) -> Result<Embedded> {
        if self.text.is_empty() {
            return Err(Error::Input { what: "text", problem: "there is nothing to embed".into() });
        }
        let place = Place { device: self.device, threads: self.threads };
        let embedder = match self.model == Path::new(BUILT_IN) {
            true => LocalEmbedder::built_in().map_err(failed)?,
            false => LocalEmbedder::open_on(&self.model, &place.open()?, self.precision).map_err(failed)?,
        };
        let texts: Vec<&str> = self.text.iter().map(String::as_str).collect();
        call.cancel.check()?;
        let vectors = embedder.embed_now(&texts, self.role)?;
        let cosines =
            vectors.iter().map(|a| vectors.iter().map(|b| a.cosine(b)).collect()).collect::<Result<_, _>>()?;
        let vectors = vectors.into_iter().map(|vector| vector.into_vec()).collect();
        Ok(Embedded { embedder: embedder.info().clone(), vectors, cosines })
    }
}
