//! Room that threads use in turn.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What threads need while they work, made when there is none left, and kept for the next time.
#[derive(Debug, Default)]
pub(crate) struct Spares<T>(Mutex<Vec<T>>);

impl<T: Default> Spares<T> {
    /// Calls `work` with one of them.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let spare = self.all().pop();
        let mut spare = spare.unwrap_or_default();
        let result = work(&mut spare);
        self.all().push(spare);
        result
    }

    fn all(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
