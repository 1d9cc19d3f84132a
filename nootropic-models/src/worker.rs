//! Work on a thread of its own, waited for without one.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use futures_channel::oneshot;

use crate::{Error, Result};

/// Runs `work` on a new thread called `name`. It is told whether nobody waits for it any more.
///
/// # Errors
/// [`Error::Io`] if no thread can be started.
///
/// # Panics
/// If `work` does.
pub(crate) async fn run<T: Send + 'static>(
    name: &str,
    work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| work(&|| sender.is_canceled())));
        let _ = sender.send(result); // nobody may wait any more
    });
    let io = |source| Error::Io { op: "start", name: format!("thread {name}"), source };
    thread.map_err(io)?;
    match receiver.await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(panic)) => resume_unwind(panic),
        Err(oneshot::Canceled) => Err(Error::Cancelled),
    }
}
