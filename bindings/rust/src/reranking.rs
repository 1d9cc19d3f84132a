//! A second look at the top of an answer, by a cross-encoder.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use nootropic_context::search::{Hit, Query, RerankOptions, rerank};
use nootropic_models::{Device, EncoderPrecision, LocalReranker};

use crate::model_files::failed;
use crate::waiting::wait;
use crate::{Call, Nootropic, Result};

impl Nootropic {
    /// How many passages have to be found for `limit` of them to be shown: a reranker chooses among more.
    pub(crate) fn found_for(&self, limit: usize) -> usize {
        match self.config().search.reranker {
            Some(_) => limit.max(RerankOptions::default().top),
            None => limit,
        }
    }

    /// Reranks what was found, if a reranker is configured; where it cannot be run, it warns, and the order stays.
    pub(crate) fn rerank(&self, question: &str, hits: &mut [Hit], call: &Call) -> Result<()> {
        let settings = &self.config().search;
        let Some(model) = &settings.reranker else { return Ok(()) };
        if hits.len() < 2 || settings.rerank_ms == 0 || Query::parse(question).words.is_empty() {
            return Ok(()); // it would not be asked, and takes long to open
        }
        let budget = Duration::from_millis(settings.rerank_ms.into());
        let options = RerankOptions { budget, ..RerankOptions::default() };
        let cancel = || call.cancel.is_cancelled();
        let read =
            self.reranker(model).and_then(|reranker| Ok(wait(rerank(&*reranker, question, hits, &options, &cancel))?));
        match read {
            Err(error) if !call.cancel.is_cancelled() => {
                let message = format!("ranked without the reranker: {}", crate::chain(&error));
                let hint = "the setting `search.reranker` names a folder or file; without it, none is used";
                call.warn("search", error.kind(), message, Some(hint.into()));
                Ok(())
            }
            read => read.map(drop),
        }
    }

    /// The reranker, opened once.
    fn reranker(&self, model: &Path) -> Result<Arc<LocalReranker>> {
        let mut held = self.reranker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reranker) = &*held {
            return Ok(Arc::clone(reranker));
        }
        let device = Device::Cpu.open(None).map_err(failed)?;
        let reranker = LocalReranker::open_on(model, &device, EncoderPrecision::default()).map_err(failed)?;
        Ok(Arc::clone(held.insert(Arc::new(reranker))))
    }
}
