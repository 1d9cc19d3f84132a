//! Waiting for a future on this thread.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{Thread, park};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What comes of a future. Unlike the executor of `futures` it may be called where another one is running: whoever awaits a search is
/// in one.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let (mut future, waker) = (pin!(future), Arc::new(Unpark(std::thread::current())).into());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;

    #[test]
    fn what_takes_its_time_is_waited_for() {
        let slow = || {
            let mut polls = 0;
            std::future::poll_fn(move |context| {
                polls += 1;
                if polls == 3 {
                    return Poll::Ready(polls);
                }
                let waker = context.waker().clone();
                std::thread::spawn(move || waker.wake());
                Poll::Pending
            })
        };
        assert_eq!(wait(slow()), 3);
        assert_eq!(block_on(async { wait(slow()) }), 3, "within another executor");
    }
}
