//! Which stores this process has open.
//!
//! LMDB forbids opening a file twice in one process: closing one handle would drop the locks of the other. The second opener
//! shares the first one's environment, under whatever name it came.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::shared::Shared;

/// One open store.
struct Entry {
    file: (u64, u64),
    shared: Weak<Shared>,
}

static OPEN: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// The list, locked. While it is, no store of this process is opened, closed or replaced.
pub(super) struct Registry(MutexGuard<'static, Vec<Entry>>);

/// What the list says about a file.
pub(super) enum Found {
    /// It is open.
    Open(Arc<Shared>),
    /// It is being closed: let go of the list and look again.
    Closing,
    /// It is not.
    Nothing,
}

/// Locks the list.
pub(super) fn lock() -> Registry {
    Registry(OPEN.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Registry {
    /// Looks for a file.
    pub(super) fn find(&self, file: (u64, u64)) -> Found {
        match self.0.iter().find(|entry| entry.file == file) {
            Some(entry) => entry.shared.upgrade().map_or(Found::Closing, Found::Open),
            None => Found::Nothing,
        }
    }

    /// Adds a store.
    pub(super) fn add(&mut self, file: (u64, u64), shared: &Arc<Shared>) {
        self.0.push(Entry { file, shared: Arc::downgrade(shared) });
    }

    /// Notes that a store lies in another file now.
    pub(super) fn moved(&mut self, from: (u64, u64), to: (u64, u64)) {
        for entry in self.0.iter_mut().filter(|entry| entry.file == from) {
            entry.file = to;
        }
    }
}

/// Runs `close` and forgets the store it closed.
pub(super) fn forget(close: impl FnOnce()) {
    let mut registry = lock();
    close();
    registry.0.retain(|entry| entry.shared.strong_count() > 0);
}
