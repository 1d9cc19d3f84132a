//! Stopping long work from outside.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::{Error, Result};

/// A flag that long work looks at between its steps. Clones share it; once cancelled it stays so.
///
/// Looking costs one atomic load for the token and one for each ancestor, so a loop may look at every turn.
///
/// ```
/// use nootropic_core::{CancelToken, ErrorKind};
///
/// let token = CancelToken::new();
/// let child = token.child();
/// assert!(child.check().is_ok());
/// token.cancel();
/// assert_eq!(child.check().unwrap_err().kind(), ErrorKind::Cancelled);
/// ```
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Inner>);

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    waiting: Mutex<Waiting>,
    parent: Option<CancelToken>,
}

/// Who waits on one token, each under a number of its own.
#[derive(Default)]
struct Waiting {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl CancelToken {
    /// A token that nothing has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled with this one, and can be cancelled without it.
    pub fn child(&self) -> Self {
        Self(Arc::new(Inner { parent: Some(self.clone()), ..Inner::default() }))
    }

    /// Asks all work that holds this token, or a child of it, to stop.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        let wakers = std::mem::take(&mut self.waiting().wakers);
        wakers.into_values().for_each(Waker::wake);
    }

    /// Whether it, or an ancestor, was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.lineage().any(|token| token.0.cancelled.load(Ordering::SeqCst))
    }

    /// An error once cancelled, for `?` in a loop.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Waits until it is cancelled. Needs no runtime; dropping the future stops waiting.
    pub fn cancelled(&self) -> WaitCancelled {
        WaitCancelled { token: self.clone(), places: Vec::new() }
    }

    fn lineage(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |token| token.0.parent.as_ref())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelToken").field(&self.is_cancelled()).finish()
    }
}

/// The future of [`CancelToken::cancelled`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WaitCancelled {
    token: CancelToken,
    /// Where it waits: its number on the token and on each ancestor; empty before the first poll.
    places: Vec<u64>,
}

impl Future for WaitCancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        for (depth, token) in this.token.lineage().enumerate() {
            let mut waiting = token.waiting();
            let place = this.places.get(depth).copied().unwrap_or(waiting.next);
            if depth == this.places.len() {
                waiting.next += 1;
                this.places.push(place);
            }
            waiting.wakers.insert(place, cx.waker().clone());
        }
        // Looked at after the wakers are in place: a cancellation between the two is seen by one of them.
        if this.token.is_cancelled() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for WaitCancelled {
    fn drop(&mut self) {
        for (token, place) in self.token.lineage().zip(&self.places) {
            token.waiting().wakers.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use futures_executor::block_on;

    use super::*;

    #[test]
    fn a_child_stops_with_its_parent_and_not_the_other_way() {
        let parent = CancelToken::new();
        let (child, sibling) = (parent.child(), parent.child());
        child.cancel();
        assert!(child.is_cancelled() && !parent.is_cancelled() && !sibling.is_cancelled());
        parent.clone().cancel();
        assert!(parent.is_cancelled() && sibling.child().is_cancelled());
    }

    #[test]
    fn waiting_ends_when_a_distant_ancestor_is_cancelled() {
        let token = CancelToken::new();
        let waiting = token.child().child().cancelled();
        let canceller = thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            token.cancel();
        });
        block_on(waiting);
        canceller.join().unwrap();
    }

    #[test]
    fn waiting_on_a_cancelled_token_ends_at_once() {
        let token = CancelToken::new();
        token.cancel();
        block_on(token.child().cancelled());
    }

    #[test]
    fn an_abandoned_wait_leaves_nothing_behind() {
        let token = CancelToken::new();
        let mut waiting = Box::pin(token.child().cancelled());
        for _ in 0..3 {
            assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(token.waiting().wakers.len(), 1);
        drop(waiting);
        assert!(token.waiting().wakers.is_empty());
    }
}
