//! Whose turn it is to bring an index into step: an advisory lock beside the store.
//!
//! The store keeps writers apart; without this lock two programs that update one index would lose nothing but time, as both
//! would read and parse every file. [`update`](super::update) does not take it, so that an index in memory needs no folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nootropic_core::ErrorKind;

use super::update::Cancel;
use crate::error::io_kind;
use crate::{Error, Result};

/// How often a waiting program looks again.
const POLL: Duration = Duration::from_millis(20);

/// A turn at bringing an index into step. Dropping it ends it, as does the end of the process.
///
/// Where no lock can be kept (a place that cannot be written, a file system without locks) a turn is had without one: it
/// only saves work.
#[derive(Debug)]
pub struct UpdateTurn {
    _lock: Option<File>,
}

impl UpdateTurn {
    /// Takes the turn by the lock file at `path`, which is made if it is not there and stays. `None` if someone else, in
    /// this process or another, has had it for as long as `patience`, or `cancel` says to stop.
    ///
    /// # Errors
    /// [`Error::Io`] for a lock file that cannot be opened although the place can be written: a link, for example.
    pub fn take(path: &Path, patience: Duration, cancel: &Cancel<'_>) -> Result<Option<Self>> {
        let begun = Instant::now();
        let Some(file) = open(path)? else { return Ok(Some(Self { _lock: None })) };
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _lock: Some(file) })),
                Err(TryLockError::WouldBlock) if cancel() || begun.elapsed() >= patience => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(_)) => return Ok(Some(Self { _lock: None })),
            }
        }
    }
}

/// `None` where nothing can be written.
fn open(path: &Path) -> Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        // A repository may bring a link along that leads elsewhere.
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    match options.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(io_kind(&error), ErrorKind::ReadOnly | ErrorKind::PermissionDenied) => Ok(None),
        Err(source) => Err(Error::Io { op: "open", path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn one_has_the_turn_and_the_next_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.lock");
        let first = UpdateTurn::take(&path, Duration::ZERO, &|| false).unwrap();
        assert!(first.is_some());
        assert!(UpdateTurn::take(&path, Duration::ZERO, &|| false).unwrap().is_none(), "someone has it");
        assert!(UpdateTurn::take(&path, LONG, &|| true).unwrap().is_none(), "waiting can be cancelled");
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let next = scope.spawn(|| {
                let turn = UpdateTurn::take(&path, LONG, &|| false).unwrap();
                assert!(turn.is_some() && ended.load(Ordering::SeqCst));
            });
            std::thread::sleep(3 * POLL);
            assert!(!next.is_finished());
            ended.store(true, Ordering::SeqCst);
            drop(first);
        });
        assert!(UpdateTurn::take(&path, Duration::ZERO, &|| false).unwrap().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_the_lock_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (dir.path().join("index.lock"), dir.path().join("elsewhere"));
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(UpdateTurn::take(&path, Duration::ZERO, &|| false).is_err());
        assert!(!elsewhere.exists());
    }
}
