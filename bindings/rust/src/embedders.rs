//! Which encoder an index has vectors of, and search that counts them in.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use futures_executor::block_on;
use nootropic_context::search::{Answer, Semantic};
use nootropic_core::{Embedder, ErrorKind, Unit};
use nootropic_models::{Device, EncoderPrecision, LocalEmbedder};
use serde::{Deserialize, Serialize};

use crate::model_files::failed;
use crate::{Call, Error, Nootropic, Result};

/// What `index --embedder` takes for no encoder.
const NONE: &str = "none";
/// What stands for the embedder that is part of the program.
pub(crate) const BUILT_IN: &str = "static";

/// The encoder of an index, as `embedder.json` beside the store names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    /// Absolute, or [`BUILT_IN`].
    model: PathBuf,
    precision: EncoderPrecision,
    /// The identity it had: vectors of another are not comparable.
    id: String,
}

/// The vectors of an index by its encoder.
#[derive(Debug, Clone)]
pub(crate) struct Near {
    /// The encoder's identity.
    id: String,
    semantic: Arc<Semantic>,
}

/// Embeds the passages that have no vector yet; says how many. Reports progress in passages, as task `embed`.
pub(crate) async fn embed_missing(semantic: &Semantic, call: &Call) -> Result<u64> {
    call.started("embed", Unit::Chunks);
    let mut on_progress = |done, total| call.progress("embed", done, Some(total), Unit::Chunks);
    let cancel = || call.cancel.is_cancelled();
    let result = semantic.embed_missing(&mut on_progress, &cancel).await;
    call.finished("embed", &result);
    Ok(result?)
}

impl Nootropic {
    /// Brings the vectors of passages into step, if an encoder was chosen, now (`wanted`) or before; says how many were made. `none` ends it;
    /// vectors that were made stay, for whoever chooses their encoder again.
    pub(crate) fn embed_index(&self, wanted: Option<&str>, call: &Call) -> Result<Option<u64>> {
        let chosen = match wanted {
            Some(NONE) => {
                self.forget_embedder()?;
                return Ok(None);
            }
            Some(BUILT_IN) => Some((BUILT_IN.into(), EncoderPrecision::default())),
            Some(model) => {
                let model = fs::canonicalize(model).map_err(Error::io("open", model))?;
                Some((model, EncoderPrecision::default()))
            }
            None => self.chosen()?.map(|chosen| (chosen.model, chosen.precision)),
        };
        let Some((model, precision)) = chosen else { return Ok(None) };
        let near = self.open_near(&model, precision)?;
        let made = block_on(embed_missing(&near.semantic, call))?;
        let chosen = Chosen { model, precision, id: near.id.clone() };
        if self.chosen()?.as_ref() != Some(&chosen) {
            self.choose(&chosen)?;
        }
        self.keep(Some(near))?;
        Ok(Some(made))
    }

    /// The answer with what is near in meaning counted in, if the index has an encoder; where that cannot be run, it warns, and words alone
    /// count.
    pub(crate) fn search_hybrid(
        &self,
        question: &str,
        options: &nootropic_context::search::SearchOptions,
        call: &Call,
    ) -> Result<Answer> {
        let engine = self.engine()?;
        let near = self.chosen().and_then(|chosen| chosen.map(|chosen| self.near(&chosen)).transpose());
        match near {
            Ok(Some(near)) => Ok(block_on(near.semantic.search(&engine, question, options))?),
            Ok(None) => Ok(engine.search(question, options)?),
            Err(error) => {
                let message = format!("found by words alone: {}", crate::chain(&error));
                let hint = "`nootropic index --embedder DIR` names the encoder anew, `--embedder none` does without";
                call.warn("search", error.kind(), message, Some(hint.into()));
                Ok(engine.search(question, options)?)
            }
        }
    }

    /// The vectors of this index by an embedder.
    pub(crate) fn semantic(&self, embedder: Arc<dyn Embedder>) -> Result<Semantic> {
        let (opened, _) = self.indexed()?;
        let mut semantic = Semantic::open(opened.store, embedder)?;
        // Where there is no place for it, as in a read-only repository, the exact index does without.
        if self.layout().make_cache().is_ok() {
            semantic = semantic.with_approximate(self.layout().approximate(), None)?;
        }
        Ok(semantic)
    }

    /// The vectors by the chosen encoder, opened once for a store that is open.
    fn near(&self, chosen: &Chosen) -> Result<Near> {
        let kept = self.indexed()?.0.near.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(kept) = kept.filter(|kept| kept.id == chosen.id) {
            return Ok(kept);
        }
        let near = self.open_near(&chosen.model, chosen.precision)?;
        if near.id != chosen.id {
            let problem = format!("{} is another encoder than the vectors are of", chosen.model.display());
            return Err(Error::Core(nootropic_core::Error::failed("embedding", ErrorKind::Unsupported, problem)));
        }
        self.keep(Some(near.clone()))?;
        Ok(near)
    }

    fn open_near(&self, model: &Path, precision: EncoderPrecision) -> Result<Near> {
        let embedder = match model == Path::new(BUILT_IN) {
            true => LocalEmbedder::built_in().map_err(failed)?,
            false => {
                LocalEmbedder::open_on(model, &Device::Cpu.open(None).map_err(failed)?, precision).map_err(failed)?
            }
        };
        let id = embedder.info().id.clone();
        Ok(Near { id, semantic: Arc::new(self.semantic(Arc::new(embedder))?) })
    }

    fn keep(&self, near: Option<Near>) -> Result<()> {
        *self.indexed()?.0.near.lock().unwrap_or_else(PoisonError::into_inner) = near;
        Ok(())
    }

    fn chosen(&self) -> Result<Option<Chosen>> {
        let path = self.layout().embedder();
        match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).map(Some).map_err(|error| {
                let problem = format!("{} cannot be read: {error}", path.display());
                Error::Core(nootropic_core::Error::failed("embedding", ErrorKind::Corrupt, problem))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    fn choose(&self, chosen: &Chosen) -> Result<()> {
        let path = self.layout().embedder();
        let io = |error| Error::io("write", &path)(error);
        let mut file = tempfile::NamedTempFile::new_in(&self.layout().data).map_err(io)?;
        let json = serde_json::to_vec_pretty(chosen).map_err(|error| io(error.into()))?;
        file.write_all(&json).map_err(io)?;
        file.persist(&path).map_err(|error| io(error.error))?;
        Ok(())
    }

    fn forget_embedder(&self) -> Result<()> {
        let path = self.layout().embedder();
        self.keep(None)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &path)(error)),
            _ => Ok(()),
        }
    }
}
