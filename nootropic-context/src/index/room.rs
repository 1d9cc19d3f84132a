//! Room for texts that are being analysed: bounds the memory they take, however many threads and however large files are.

use std::sync::{Condvar, Mutex, PoisonError};

/// How many bytes of text may be on their way at once.
#[derive(Debug)]
pub(super) struct Room {
    size: u64,
    free: Mutex<u64>,
    given_back: Condvar,
}

/// Room taken. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Held<'r> {
    room: &'r Room,
    bytes: u64,
}

impl Room {
    pub(super) fn new(size: u64) -> Self {
        Self { size, free: Mutex::new(size), given_back: Condvar::new() }
    }

    /// Waits until there is room for so many bytes. What needs more than all of it gets all of it.
    pub(super) fn take(&self, bytes: u64) -> Held<'_> {
        let bytes = bytes.min(self.size);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.given_back.wait_while(free, |free| *free < bytes).unwrap_or_else(PoisonError::into_inner);
        *free -= bytes;
        Held { room: self, bytes }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.room.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.room.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn no_more_is_on_its_way_than_there_is_room_for() {
        let (room, now, most) = (Room::new(100), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (room, now, most) = (&room, &now, &most);
                scope.spawn(move || {
                    for i in 0..200 {
                        let bytes = (thread * 37 + i * 13) % 140;
                        let _held = room.take(bytes);
                        let bytes = bytes.min(100);
                        most.fetch_max(now.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 100);
        assert_eq!(room.free.into_inner().unwrap(), 100);
    }
}
