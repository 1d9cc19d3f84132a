//! Says which files may have changed, as it happens.

mod events;
mod poll;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use super::filter::Filter;
use super::{RelPath, WalkOptions};
use crate::{Error, Result};

/// Batches of more paths than this ask for a rescan instead: a walk is cheaper.
const MAX_CHANGED: usize = 2048;
/// How long `cancel` may go unasked.
const TICK: Duration = Duration::from_millis(50);

/// Where news of changes comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchBackend {
    /// The operating system's events, or walks when its limit on watches is reached.
    #[default]
    Auto,
    /// The operating system's events, or an error.
    Events,
    /// Walks at intervals: for network file systems, and where watches are few.
    Poll,
}

/// How to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchOptions {
    /// A batch is given out once nothing has changed for this long, or after ten times as long.
    pub debounce: Duration,
    /// Where news of changes comes from.
    pub backend: WatchBackend,
    /// The pause between two walks when polling.
    pub poll_interval: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            debounce: Duration::from_millis(200),
            backend: WatchBackend::Auto,
            poll_interval: Duration::from_secs(2),
        }
    }
}

/// What may have changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WatchBatch {
    /// Files that may have been made, changed or deleted; sorted. Empty if `rescan` is set.
    pub changed: Vec<RelPath>,
    /// Anything may have changed: walk again. Set when folders come, go or are renamed, when ignore files change, when
    /// there is too much news to keep, and in the first batch.
    pub rescan: bool,
    /// Whether the news come from walks at intervals rather than from events.
    pub polling: bool,
}

/// Calls `each` with what may have changed below `root`, until `cancel` says so.
///
/// The first batch comes once nothing can be missed any more and asks for a rescan. What [`super::walk`] would leave out
/// by path is left out here; ignored folders are not even watched. Changes while `each` runs are kept for the next batch.
///
/// # Errors
/// [`Error::WatchLimit`] if the system has no more watches to give and [`WatchOptions::backend`] is
/// [`WatchBackend::Events`]; [`Error::Io`] if `root` cannot be listed, also later.
pub fn watch(
    root: &Path,
    options: &WalkOptions,
    how: &WatchOptions,
    cancel: &(dyn Fn() -> bool + Sync),
    each: &mut dyn FnMut(WatchBatch),
) -> Result<()> {
    let job = Job { filter: &Filter::new(root, options)?, how, cancel };
    let ended = match how.backend {
        WatchBackend::Poll => poll::run(&job, each),
        WatchBackend::Events => events::run(&job, &events::system, each),
        WatchBackend::Auto => job.with_fallback(&events::system, each),
    };
    match ended {
        Err(Error::Core(nootropic_core::Error::Cancelled)) => Ok(()),
        ended => ended,
    }
}

/// What one watch works with.
struct Job<'a> {
    filter: &'a Filter,
    how: &'a WatchOptions,
    cancel: &'a (dyn Fn() -> bool + Sync),
}

impl Job<'_> {
    /// Events while the system has watches to give, walks from then on.
    fn with_fallback(&self, start: &events::Start, each: &mut dyn FnMut(WatchBatch)) -> Result<()> {
        match events::run(self, start, each) {
            Err(Error::WatchLimit { .. }) => poll::run(self, each),
            ended => ended,
        }
    }
}

/// The batch for these paths, sorted and without repetition.
fn batch(changed: impl IntoIterator<Item = RelPath>, rescan: bool, polling: bool) -> WatchBatch {
    let mut changed: Vec<_> = changed.into_iter().collect();
    let rescan = rescan || changed.len() > MAX_CHANGED;
    if rescan {
        changed.clear();
    }
    changed.sort_unstable();
    changed.dedup();
    WatchBatch { changed, rescan, polling }
}
