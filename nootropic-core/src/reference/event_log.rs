//! A sink that remembers.

use std::sync::{Mutex, PoisonError};

use crate::{Event, EventSink};

/// An [`EventSink`] that keeps every event, for tests to look at.
#[derive(Debug, Default)]
pub struct EventLog(Mutex<Vec<Event>>);

impl EventLog {
    /// A log of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What came so far.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl EventSink for EventLog {
    fn emit(&self, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}
