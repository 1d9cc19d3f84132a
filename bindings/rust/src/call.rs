//! What a caller passes along: how to stop the work, and who hears about it.

use std::sync::Arc;

use crate::cancellable::Cancellable;
use nootropic_core::{CancelToken, Error, ErrorKind, Event, EventSink, Outcome, Silent, Store, Unit};

/// How to stop a call, and who hears how it goes. The default is never cancelled and silent.
///
/// ```
/// use std::sync::Arc;
/// use nootropic::{Call, Event, SinkFn};
///
/// let call = Call::reporting(Arc::new(SinkFn(|event: &Event| eprintln!("{event:?}"))));
/// let stop = call.cancel.clone(); // another thread may say `stop.cancel()`
/// # assert!(!stop.is_cancelled());
/// ```
#[derive(Debug, Clone)]
pub struct Call {
    /// Cancelled when the work is to stop.
    pub cancel: CancelToken,
    /// Hears of progress and warnings.
    pub events: Arc<dyn EventSink>,
}

impl Default for Call {
    fn default() -> Self {
        Self { cancel: CancelToken::new(), events: Arc::new(Silent) }
    }
}

impl Call {
    /// A call that reports to `events`.
    pub fn reporting(events: Arc<dyn EventSink>) -> Self {
        Self { events, ..Self::default() }
    }

    /// `store`, whose reads end when this call is cancelled.
    pub(crate) fn cancellable<'c>(&'c self, store: &'c dyn Store) -> Cancellable<'c> {
        Cancellable { store, cancel: &self.cancel }
    }

    pub(crate) fn started(&self, task: &str, unit: Unit) {
        self.events.emit(&Event::Started { task: task.into(), total: None, unit });
    }

    pub(crate) fn progress(&self, task: &str, done: u64, total: Option<u64>, unit: Unit) {
        self.events.emit(&Event::Progress { task: task.into(), done, total, unit, current: None });
    }

    pub(crate) fn warn(&self, task: &str, kind: ErrorKind, message: String, hint: Option<String>) {
        self.events.emit(&Event::Warning { task: task.into(), kind, message, hint });
    }

    pub(crate) fn finished<T>(&self, task: &str, result: &Result<T, Error>) {
        let (outcome, message) = match result {
            Ok(_) => (Outcome::Done, None),
            Err(error) if error.kind() == ErrorKind::Cancelled => (Outcome::Cancelled, None),
            Err(error) => (Outcome::Failed, Some(crate::chain(error))),
        };
        self.events.emit(&Event::Finished { task: task.into(), outcome, message });
    }
}
