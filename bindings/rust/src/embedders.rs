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

/// The encoder of an index, as `embedder.json` beside the store names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    /// Absolute.
    model: PathBuf,
    precision: EncoderPrecision,
    /// The identity it had: vectors of another are not comparable.
    id: String,
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
            Some(model) => {
                let model = fs::canonicalize(model).map_err(Error::io("open", model))?;
                Some((model, EncoderPrecision::default()))
            }
            None => self.chosen()?.map(|chosen| (chosen.model, chosen.precision)),
        };
        let Some((model, precision)) = chosen else { return Ok(None) };
        let embedder = open(&model, precision)?;
        let semantic = self.semantic(Arc::clone(&embedder) as Arc<dyn Embedder>)?;
        call.started("embed", Unit::Chunks);
        let mut on_progress = |done, total| call.progress("embed", done, Some(total), Unit::Chunks);
        let cancel = || call.cancel.is_cancelled();
        let result = block_on(semantic.embed_missing(&mut on_progress, &cancel));
        call.finished("embed", &result);
        let made = result?;
        let chosen = Chosen { model, precision, id: embedder.info().id.clone() };
        if self.chosen()?.as_ref() != Some(&chosen) {
            self.choose(&chosen)?;
        }
        self.keep_embedder(Some(embedder));
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
        let semantic = self.chosen().and_then(|chosen| match chosen {
            Some(chosen) => self.chosen_embedder(&chosen).and_then(|embedder| self.semantic(embedder)).map(Some),
            None => Ok(None),
        });
        match semantic {
            Ok(Some(semantic)) => Ok(block_on(semantic.search(&engine, question, options))?),
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

    fn chosen_embedder(&self, chosen: &Chosen) -> Result<Arc<dyn Embedder>> {
        if let Some(kept) = self.kept_embedder().filter(|kept| kept.info().id == chosen.id) {
            return Ok(kept);
        }
        let embedder = open(&chosen.model, chosen.precision)?;
        if embedder.info().id != chosen.id {
            let problem = format!("{} is another encoder than the vectors are of", chosen.model.display());
            return Err(Error::Core(nootropic_core::Error::failed("embedding", ErrorKind::Unsupported, problem)));
        }
        self.keep_embedder(Some(Arc::clone(&embedder)));
        Ok(embedder as Arc<dyn Embedder>)
    }

    fn kept_embedder(&self) -> Option<Arc<dyn Embedder>> {
        let kept = self.embedder.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept.map(|embedder| embedder as Arc<dyn Embedder>)
    }

    fn keep_embedder(&self, embedder: Option<Arc<LocalEmbedder>>) {
        *self.embedder.lock().unwrap_or_else(PoisonError::into_inner) = embedder;
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
        self.keep_embedder(None);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &path)(error)),
            _ => Ok(()),
        }
    }
}

fn open(model: &Path, precision: EncoderPrecision) -> Result<Arc<LocalEmbedder>> {
    let device = Device::Cpu.open(None).map_err(failed)?;
    Ok(Arc::new(LocalEmbedder::open_on(model, &device, precision).map_err(failed)?))
}
