//! Bringing the index into step with the files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nootropic_context::index::{Progress, UpdateOptions, UpdateReport, UpdateTurn, update};
use nootropic_context::store;
use nootropic_core::{Error as CoreError, ErrorKind, Store, StoreExt, Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chosen::Choice;
use crate::nootropic::is_refusal;
use crate::{Call, Error, Nootropic, Result};

/// Asks for the index to be brought into step with the files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Index {
    /// The repository's folder, if not the one we stand in.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "DIR", "x-complete" = "dir"))]
    pub dir: Option<PathBuf>,
    /// Start anew: move the old index away, and remove it once the new one is complete; one that cannot be read is kept.
    pub rebuild: bool,
    /// Read every file again, even those that look unchanged.
    pub rehash: bool,
    /// By what to find passages that are near in meaning: `static`, the embedder for code that comes with the program and is the default; an
    /// encoder, a folder of safetensors or a GGUF file; or `none`, by words alone. It is remembered.
    #[schemars(extend("x-value-name" = "MODEL", "x-complete" = "path"))]
    pub embedder: Option<String>,
}

/// What an index run did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IndexReport {
    /// Files in the index now.
    pub files: u64,
    /// Passages in the index now.
    pub chunks: u64,
    /// Bytes of text in the index now.
    pub bytes: u64,
    /// Files that were new or changed.
    pub indexed: u64,
    /// Indexed files taken out because they are gone.
    pub removed: u64,
    /// Files that are indexed as they are. With those that were new or changed, and those indexed before that cannot be read
    /// now, they are all there are in the index.
    pub unchanged: u64,
    /// Files and folders left out although no ignore file says so, or that cannot be read now, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// How long it took.
    pub seconds: f64,
    /// The state the index is in now.
    pub snapshot: Option<String>,
    /// Where an old index was moved that could not be read: it is kept for those who can mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<PathBuf>,
    /// How many passages were embedded after the files were read: by an encoder, or because they had no vector yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<u64>,
}

impl From<UpdateReport> for IndexReport {
    fn from(report: UpdateReport) -> Self {
        Self {
            files: report.files,
            chunks: report.chunks,
            bytes: report.bytes,
            indexed: report.indexed,
            removed: report.removed,
            unchanged: report.unchanged,
            skipped: report.skipped.into_iter().map(|(reason, n)| (reason.to_owned(), n)).collect(),
            seconds: report.seconds,
            snapshot: report.snapshot,
            kept: None,
            embedded: None,
        }
    }
}

impl IndexReport {
    /// The same once so many passages were embedded, which makes another state.
    pub(crate) fn with_embedded(self, embedded: Option<u64>, store: &dyn Store) -> Result<Self> {
        let snapshot = match embedded {
            Some(1..) => Some(store.read_with(|txn| Ok(txn.snapshot().to_string()))?),
            _ => self.snapshot,
        };
        Ok(Self { embedded, snapshot, ..self })
    }
}

/// Progress is reported this often at most.
const REPORT_EVERY: Duration = Duration::from_millis(40);
/// Others that only look for changes have had their turn after this long.
const PATIENCE: Duration = Duration::from_millis(500);

impl Nootropic {
    /// Brings the index into step with the files: reads what is new or changed, takes out what is gone. An interrupted run
    /// goes on where it was. Reports progress in files, as task `index`. Where another process is at it already, it warns,
    /// waits for that one to end, and then only does what is left.
    ///
    /// # Errors
    /// `cancelled` when the call is: what was committed by then stays. Why the folder cannot be listed or the store not be
    /// written; as [`LocalEmbedder::open_on`](nootropic_models::LocalEmbedder::open_on) for an encoder, whose vectors are made last.
    pub fn index(&self, input: &Index, call: &Call) -> Result<IndexReport> {
        call.cancel.check()?; // before anything is moved
        self.layout().check()?;
        let named = input.embedder.as_deref().map(Choice::named).transpose()?;
        self.make_data()?;
        let turn = self.turn(call)?;
        let choice = named.map_or_else(|| self.choice(), Ok)?;
        let kept = if input.rebuild { self.set_aside()? } else { None };
        let store = self.opened(true)?.store;
        let report = self.update(&*store, input.rehash, &choice, call)?;
        let begun = Instant::now();
        drop(turn); // an encoder may take minutes, and what changes meanwhile is to be found
        let embedded = self.embed_index(choice, input.embedder.is_some(), call)?;
        let seconds = report.seconds + begun.elapsed().as_secs_f64();
        Ok(IndexReport { kept, seconds, ..report.with_embedded(embedded, &*store)? })
    }

    /// Moves the store away; says where to, if it cannot be read and is to be kept.
    fn set_aside(&self) -> Result<Option<PathBuf>> {
        let dir = self.layout().store();
        self.layout().check()?;
        let readable = match self.opened(false).and_then(|opened| Ok(opened.store.snapshot()?)) {
            Ok(_) => true,
            Err(error) => match error.kind() {
                ErrorKind::NotFound => return Ok(None),
                ErrorKind::Busy => return Err(error),
                // Another version can read it, and holds the same.
                kind => kind == ErrorKind::UnsupportedVersion,
            },
        };
        self.close();
        if readable { store::retire(&dir).map(|_| None) } else { store::quarantine(&dir).map(Some) }.map_err(Into::into)
    }

    /// The index is complete: what it replaced, in this run or in one that was interrupted, is of no use any more.
    fn remove_replaced(&self, call: &Call) {
        if let Err(error) = store::remove_replaced(&self.layout().store()).map_err(Error::from)
            // Where nothing can be written, every run would say so.
            && !is_refusal(error.kind())
        {
            call.warn("index", error.kind(), crate::chain(&error), error.hint());
        }
    }

    /// Waits for our turn to bring the index into step.
    pub(crate) fn turn(&self, call: &Call) -> Result<UpdateTurn> {
        if let Some(turn) = self.turn_soon(call)? {
            return Ok(turn);
        }
        if !call.cancel.is_cancelled() {
            let message = "another process is bringing the index up to date; waiting for it to end";
            call.warn("index", ErrorKind::Busy, message.into(), None);
        }
        let cancelled = || call.cancel.is_cancelled();
        let turn = UpdateTurn::take(&self.layout().update_lock(), Duration::MAX, &cancelled)?;
        Ok(turn.ok_or(CoreError::Cancelled)?)
    }

    /// Our turn to bring the index into step, unless another process has it and is at it for longer.
    pub(crate) fn turn_soon(&self, call: &Call) -> Result<Option<UpdateTurn>> {
        Ok(UpdateTurn::take(&self.layout().update_lock(), PATIENCE, &|| call.cancel.is_cancelled())?)
    }

    pub(crate) fn update(&self, store: &dyn Store, rehash: bool, choice: &Choice, call: &Call) -> Result<IndexReport> {
        let options = UpdateOptions { rehash, ..self.update_options(choice) };
        call.started("index", Unit::Files);
        let mut last = None::<Instant>;
        let mut on_progress = |progress: Progress| {
            let due = last.is_none_or(|at| at.elapsed() >= REPORT_EVERY);
            if progress.queued > 0 && due {
                last = Some(Instant::now());
                call.progress("index", progress.done, Some(progress.queued), Unit::Files);
            }
        };
        let result = update(store, self.root(), &options, &mut on_progress, &|| call.cancel.is_cancelled());
        call.finished("index", &result);
        let report = result?.into();
        self.remove_replaced(call);
        Ok(report)
    }
}

#[cfg(test)]
mod tests;
