//! Vectors of an index: made as its files are read or afterwards, and counted in when it is searched.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use nootropic_context::index::{IndexMeta, InlineVectors, UpdateOptions};
use nootropic_context::search::{Answer, Query, SearchOptions, Semantic};
use nootropic_context::vectors::VectorTable;
use nootropic_core::{Embedder, Error as CoreError, ErrorKind, Store, StoreExt, Unit};
use nootropic_models::{Device, LocalEmbedder};

use crate::chosen::{Choice, Encoder};
use crate::model_files::failed;
use crate::nootropic::{Opened, is_refusal};
use crate::waiting::wait;
use crate::{Call, Error, Nootropic, Result};

/// How long a question may be kept waiting by passages that have no vector yet.
const PATIENCE: Duration = Duration::from_secs(2);

/// The vectors of an index by its embedder.
#[derive(Debug, Clone)]
pub(crate) struct Near {
    choice: Choice,
    semantic: Arc<Semantic>,
}

/// Embeds the passages that have no vector yet; says how many. Reports progress in passages, as task `embed`, if there are any.
pub(crate) async fn embed_missing(semantic: &Semantic, call: &Call) -> Result<u64> {
    embed_until(semantic, call, &|| call.cancel.is_cancelled()).await
}

async fn embed_until(semantic: &Semantic, call: &Call, enough: &(dyn Fn() -> bool + Sync)) -> Result<u64> {
    if semantic.count_missing()? == 0 {
        return Ok(0);
    }
    call.started("embed", Unit::Chunks);
    let mut on_progress = |done, total| call.progress("embed", done, Some(total), Unit::Chunks);
    let result = semantic.embed_missing(&mut on_progress, enough).await;
    call.finished("embed", &result);
    Ok(result?)
}

impl Nootropic {
    /// How to bring the index into step: as configured, and with the vectors of what is read, if they are by the embedder that is part
    /// of the program, which is opened if there is something to read.
    pub(crate) fn update_options(&self, choice: &Choice) -> UpdateOptions {
        let mut options = self.config().index.options();
        if *choice == Choice::BuiltIn
            && let Ok(opened) = self.opened(true)
        {
            options.vectors = Some(InlineVectors::lazy(opened.store, || Ok(Arc::new(LocalEmbedder::built_in()?))));
        }
        options
    }

    /// What counts beside words; the file that says so may not make sense, which questions that need it find out.
    pub(crate) fn choice(&self) -> Result<Choice> {
        Choice::read(&self.layout().embedder())
    }

    /// Brings the vectors of passages into step with `choice`, which is remembered if it was made `now`; says how many were made, if that
    /// takes an encoder. Vectors by others stay, for whoever chooses them again.
    pub(crate) fn embed_index(&self, choice: Choice, now: bool, call: &Call) -> Result<Option<u64>> {
        let opened = self.opened(true)?;
        let mut chosen = choice.clone();
        let made = match &mut chosen {
            Choice::Words => None,
            Choice::Encoder(encoder) if !now && count_missing(&*opened.store, &encoder.id)? == 0 => Some(0),
            Choice::Encoder(encoder) => {
                let near = match self.near(&opened, &choice) {
                    Ok(near) if !now => near,
                    // It was just named, or is another one now: then all is embedded anew.
                    _ => {
                        let embedder = open_encoder(encoder)?;
                        encoder.id.clone_from(&embedder.info().id);
                        self.near_by(&opened, Choice::Encoder(encoder.clone()), embedder)?
                    }
                };
                Some(wait(embed_missing(&near.semantic, call))?)
            }
            Choice::BuiltIn if count_missing(&*opened.store, LocalEmbedder::BUILT_IN)? == 0 => None,
            Choice::BuiltIn => match self.near(&opened, &choice) {
                // It was not asked for, and there is nowhere to put it.
                Err(error) if !now && is_refusal(error.kind()) => None,
                near => Some(wait(embed_missing(&near?.semantic, call))?).filter(|made| *made > 0),
            },
        };
        // What someone else chose meanwhile stands.
        if now || (chosen != choice && self.choice()? == choice) {
            chosen.write(&self.layout().embedder())?;
        }
        Ok(made)
    }

    /// Makes vectors of what changed before a question, as many as there is time for: the others are found by their words until
    /// `index` makes them, as is everything that cannot be embedded at all.
    pub(crate) fn embed_some(&self, call: &Call) -> Result<()> {
        let (opened, begun) = (self.opened(false)?, Instant::now());
        let Ok(choice) = self.choice() else { return Ok(()) };
        let id = match &choice {
            Choice::Words => return Ok(()),
            Choice::BuiltIn => LocalEmbedder::BUILT_IN,
            Choice::Encoder(encoder) => &encoder.id,
        };
        if count_missing(&*opened.store, id)? == 0 {
            return Ok(());
        }
        let Ok(near) = self.near(&opened, &choice) else { return Ok(()) }; // the search says why
        let late = || begun.elapsed() >= PATIENCE && choice != Choice::BuiltIn;
        match wait(embed_until(&near.semantic, call, &|| call.cancel.is_cancelled() || late())) {
            Err(error) if call.cancel.is_cancelled() || is_refusal(error.kind()) => return Err(error),
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                let left = near.semantic.count_missing()?;
                let message = format!("{left} passages have no vector yet, and are found by their words alone");
                call.warn("embed", ErrorKind::Busy, message, Some("`nootropic index` makes them".into()));
            }
            Err(error) => {
                let message = format!("some passages are found by their words alone: {}", crate::chain(&error));
                call.warn("embed", error.kind(), message, error.hint());
            }
            Ok(_) => {}
        }
        Ok(())
    }

    /// The answer by words, by meaning, and as a reranker orders it, if there is one; all of it counts as the time it took.
    pub(crate) fn search_hybrid(&self, question: &str, options: &SearchOptions, call: &Call) -> Result<Answer> {
        let begun = Instant::now();
        let found = SearchOptions { limit: self.found_for(options.limit), ..options.clone() };
        let mut answer = self.search_near(question, &found, call)?;
        self.rerank(question, &mut answer.hits, call)?;
        answer.hits.truncate(options.limit);
        Ok(Answer { took_ms: begun.elapsed().as_secs_f64() * 1e3, ..answer })
    }

    /// The answer with what is near in meaning counted in, if the index has vectors; where their encoder cannot be run, it warns, and
    /// words alone count.
    fn search_near(&self, question: &str, options: &SearchOptions, call: &Call) -> Result<Answer> {
        let engine = self.engine()?;
        if Query::parse(question).words.is_empty() {
            return Ok(engine.search(question, options)?); // filters mean nothing
        }
        let near = self.near_to_ask().and_then(|near| {
            let found = near.map(|near| wait(near.semantic.search(&engine, question, options)));
            Ok(found.transpose()?)
        });
        match near {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Ok(engine.search(question, options)?),
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(engine.search(question, options)?), // says what is wrong
            Err(error) => {
                let message = format!("found by words alone: {}", crate::chain(&error));
                let hint = "`nootropic index --embedder MODEL` names another, `--embedder none` does without";
                call.warn("search", error.kind(), message, Some(hint.into()));
                Ok(engine.search(question, options)?)
            }
        }
    }

    /// The vectors that a question is to be compared with, if there are any.
    fn near_to_ask(&self) -> Result<Option<Near>> {
        let (opened, _) = self.indexed()?;
        match self.choice()? {
            Choice::Words => Ok(None),
            choice @ Choice::Encoder(_) => self.near(&opened, &choice).map(Some),
            // To ask is not to write: where there are no vectors yet, they have no place yet.
            Choice::BuiltIn if count(&*opened.store, LocalEmbedder::BUILT_IN)?.1 == 0 => Ok(None),
            Choice::BuiltIn => self.near(&opened, &Choice::BuiltIn).map(Some),
        }
    }

    /// The vectors of this index by an embedder.
    pub(crate) fn semantic(&self, opened: &Opened, embedder: Arc<dyn Embedder>) -> Result<Semantic> {
        let open = || Semantic::open(Arc::clone(&opened.store) as Arc<dyn Store>, Arc::clone(&embedder));
        // Where there is no place for it, as in a read-only repository, the exact index does without.
        if self.layout().make_cache().is_err() {
            return Ok(open()?);
        }
        match open()?.with_approximate(self.layout().approximate(), None) {
            Err(error) if is_refusal(error.kind()) => Ok(open()?),
            semantic => Ok(semantic?),
        }
    }

    /// The vectors by what was chosen, opened once for a store that is open.
    fn near(&self, opened: &Opened, choice: &Choice) -> Result<Near> {
        let kept = opened.near.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(kept) = kept.filter(|kept| kept.choice == *choice) {
            return Ok(kept);
        }
        let embedder = match choice {
            Choice::Words => return Err(CoreError::invalid("embedder", "none was chosen").into()),
            Choice::BuiltIn => Arc::new(LocalEmbedder::built_in().map_err(failed)?),
            Choice::Encoder(encoder) => {
                let embedder = open_encoder(encoder)?;
                if embedder.info().id != encoder.id {
                    let problem = format!("{} is another encoder than the vectors are of", encoder.model.display());
                    return Err(Error::Core(CoreError::failed("embedding", ErrorKind::Unsupported, problem)));
                }
                embedder
            }
        };
        self.near_by(opened, choice.clone(), embedder)
    }

    fn near_by(&self, opened: &Opened, choice: Choice, embedder: Arc<LocalEmbedder>) -> Result<Near> {
        let semantic = Arc::new(self.semantic(opened, embedder)?);
        let near = Near { choice, semantic };
        *opened.near.lock().unwrap_or_else(PoisonError::into_inner) = Some(near.clone());
        Ok(near)
    }
}

fn open_encoder(encoder: &Encoder) -> Result<Arc<LocalEmbedder>> {
    let device = Device::Cpu.open(None).map_err(failed)?;
    Ok(Arc::new(LocalEmbedder::open_on(&encoder.model, &device, encoder.precision).map_err(failed)?))
}

/// How many passages have no vector by this embedder, without opening it.
fn count_missing(store: &dyn Store, id: &str) -> Result<u64> {
    let (chunks, made) = count(store, id)?;
    Ok(chunks.saturating_sub(made))
}

/// How many passages there are, and how many vectors by this embedder.
fn count(store: &dyn Store, id: &str) -> Result<(u64, u64)> {
    Ok(store.read_with(|txn| {
        let chunks = IndexMeta::read(txn)?.map_or(0, |meta| meta.chunks);
        let tables = VectorTable::list(txn)?;
        let made = tables.iter().find(|table| table.embedder() == id).map(|table| table.len(txn)).transpose()?;
        Ok((chunks.into(), made.unwrap_or(0)))
    })?)
}
