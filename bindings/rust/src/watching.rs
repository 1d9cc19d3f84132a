//! Keeping the index in step while files change.

use std::time::{Duration, Instant};

use nootropic_context::index::update_files;
use nootropic_context::walk::{WatchBackend, WatchBatch, WatchOptions, watch};
use nootropic_core::Store;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chosen::Choice;
use crate::scope::{DEBOUNCE_MS, within};
use crate::{Call, IndexReport, Nootropic, Result};

/// Asks for the index to be kept in step until the call is cancelled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// Milliseconds without a change before a batch is read; 200 if not given.
    #[schemars(range(min = *DEBOUNCE_MS.start(), max = *DEBOUNCE_MS.end()), extend("x-value-name" = "MS"))]
    pub debounce_ms: Option<u64>,
    /// Look for changes at intervals instead of asking the operating system: for network filesystems.
    pub poll: bool,
    /// Stop after this many updates; the first brings the index into step.
    #[schemars(range(min = 1), extend("x-value-name" = "N"))]
    pub updates: Option<u64>,
}

/// What a watch did in all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatchReport {
    /// How often the index was brought into step.
    pub updates: u64,
    /// Files that were new or changed.
    pub indexed: u64,
    /// Files taken out.
    pub removed: u64,
    /// How long we watched.
    pub seconds: f64,
    /// The state the index is in now.
    pub snapshot: Option<String>,
}

impl Nootropic {
    /// Keeps the index in step with the files until the call is cancelled; `each` hears of every update that changed
    /// something, and of the first.
    ///
    /// # Errors
    /// As [`index`](Self::index), except that being cancelled is how it ends.
    pub fn watch(&self, input: &Watch, call: &Call, each: &mut dyn FnMut(&IndexReport)) -> Result<WatchReport> {
        let begun = Instant::now();
        let mut how = WatchOptions::default();
        if let Some(ms) = input.debounce_ms {
            how.debounce = Duration::from_millis(within("debounce_ms", ms, &DEBOUNCE_MS)?);
        }
        if input.poll {
            how.backend = WatchBackend::Poll;
        }
        if let Some(updates) = input.updates {
            within("updates", updates, &(1..=u64::MAX))?;
        }
        let store = self.opened(true)?.store;
        let options = self.config().index.options();
        let enough = call.cancel.child();
        let mut total = WatchReport::default();
        let mut failed = None;
        let mut on_batch = |batch: WatchBatch| {
            if enough.is_cancelled() {
                return;
            }
            match self.follow(&*store, &batch, call) {
                Ok(report) => total.add(&report, each),
                Err(error) => {
                    failed = Some(error);
                    enough.cancel();
                }
            }
            if input.updates.is_some_and(|most| total.updates >= most) {
                enough.cancel();
            }
        };
        watch(self.root(), &options.walk, &how, &|| enough.is_cancelled(), &mut on_batch)?;
        match failed {
            Some(error) if !call.cancel.is_cancelled() => return Err(error),
            _ => total.seconds = begun.elapsed().as_secs_f64(),
        }
        Ok(total)
    }

    /// Brings the index into step with what changed, then its vectors; without those it is of use still.
    fn follow(&self, store: &dyn Store, batch: &WatchBatch, call: &Call) -> Result<IndexReport> {
        let choice = self.choice().unwrap_or_else(|error| {
            call.warn("embed", error.kind(), crate::chain(&error), error.hint());
            Choice::Words
        });
        let report = if batch.rescan {
            let _turn = self.turn(call)?;
            self.update(store, false, &choice, call)?
        } else {
            update_files(store, self.root(), &self.update_options(&choice), &batch.changed)?.into()
        };
        match self.embed_index(choice, false, call) {
            Ok(embedded) => report.with_embedded(embedded, store),
            Err(error) => {
                if !call.cancel.is_cancelled() {
                    call.warn("embed", error.kind(), crate::chain(&error), error.hint());
                }
                Ok(report)
            }
        }
    }
}

impl WatchReport {
    fn add(&mut self, report: &IndexReport, each: &mut dyn FnMut(&IndexReport)) {
        if self.updates == 0 || report.indexed + report.removed > 0 {
            self.updates += 1;
            self.indexed += report.indexed;
            self.removed += report.removed;
            self.snapshot.clone_from(&report.snapshot);
            each(report);
        }
    }
}
