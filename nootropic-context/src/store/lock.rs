//! Who has a store open: one advisory lock beside it.
//!
//! Whoever has the store open holds the lock shared; whoever makes, checks, migrates, restores, compacts or moves it holds it
//! alone. LMDB's own locks, inside the store, order transactions; this one orders what happens to the store as a whole.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::files::sibling;
use crate::error::io_kind;
use crate::{Error, Result};
use nootropic_core::ErrorKind;

const POLL: Duration = Duration::from_millis(5);

/// How a store is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// Nobody else has it open.
    Alone,
    /// Others may have it open.
    Shared,
}

/// A held lock. Dropping it lets go.
#[derive(Debug)]
pub(super) struct Presence {
    path: PathBuf,
    /// `None` where the lock file cannot be made: on media that nobody can write.
    file: Option<File>,
    held: Held,
}

impl Presence {
    /// Holds the store of `dir` alone if nobody has it, else together with the others.
    ///
    /// # Errors
    /// [`Error::InUse`] if someone holds it alone for longer than `patience`.
    pub(super) fn enter(dir: &Path, patience: Duration) -> Result<Self> {
        let path = sibling(dir, ".lock");
        let Some(file) = open(&path)? else { return Ok(Self { path, file: None, held: Held::Shared }) };
        let begun = Instant::now();
        loop {
            if taken(&path, || file.try_lock())? {
                return Ok(Self { path, file: Some(file), held: Held::Alone });
            }
            if taken(&path, || file.try_lock_shared())? {
                return Ok(Self { path, file: Some(file), held: Held::Shared });
            }
            if begun.elapsed() > patience {
                return Err(Error::InUse { op: "open", path: dir.to_owned() });
            }
            thread::sleep(POLL);
        }
    }

    /// Holds the store alone.
    ///
    /// # Errors
    /// [`Error::InUse`] if anyone has it open.
    pub(super) fn alone(dir: &Path, op: &'static str) -> Result<Self> {
        let path = sibling(dir, ".lock");
        let file = open(&path)?.ok_or_else(|| Error::ReadOnlyStore { path: dir.to_owned() })?;
        // Someone may just be trying which way it is held.
        for _ in 0..20 {
            if taken(&path, || file.try_lock())? {
                return Ok(Self { path, file: Some(file), held: Held::Alone });
            }
            thread::sleep(POLL);
        }
        Err(Error::InUse { op, path: dir.to_owned() })
    }

    /// How the store is held.
    pub(super) fn held(&self) -> Held {
        self.held
    }

    /// From alone to together. Another may hold it alone in between: look again at what lies there.
    pub(super) fn share(&mut self) -> Result<()> {
        if let Some(file) = &self.file {
            uninterrupted(|| file.lock_shared()).map_err(|error| Error::io("lock", &self.path, error))?;
        }
        self.held = Held::Shared;
        Ok(())
    }

    /// From together to alone; false if others have the store open. Another may hold it alone in between.
    pub(super) fn try_alone(&mut self) -> Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        if taken(&self.path, || file.try_lock())? {
            self.held = Held::Alone;
            return Ok(true);
        }
        self.share()?; // a conversion that fails lets go of what was held
        Ok(false)
    }
}

/// Opens the lock file, making it where possible.
fn open(path: &Path) -> Result<Option<File>> {
    let made = File::options().read(true).write(true).create(true).truncate(false).open(path);
    match made {
        Ok(file) => Ok(Some(file)),
        Err(error) if is_unwritable(&error) => match File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", path, error)),
        },
        Err(error) => Err(Error::io("open", path, error)),
    }
}

/// Whether a place cannot be written, as opposed to anything else going wrong.
pub(super) fn is_unwritable(error: &io::Error) -> bool {
    matches!(io_kind(error), ErrorKind::ReadOnly | ErrorKind::PermissionDenied)
}

/// Takes the lock in one of the ways that do not wait; false if someone is in the way.
fn taken(path: &Path, lock: impl Fn() -> Result<(), TryLockError>) -> Result<bool> {
    match uninterrupted(|| lock().map_err(io::Error::from)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(Error::io("lock", path, error)),
    }
}

/// A signal that arrives meanwhile is no reason to give up.
fn uninterrupted(lock: impl Fn() -> io::Result<()>) -> io::Result<()> {
    loop {
        match lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
