//! Where a file is put, who may put it there, and whether there is room.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use nootropic_core::{CancelToken, ErrorKind};

use super::hub::{Hub, pause};
use super::{HubModel, PullError, name};
use crate::error::printable;

/// Where the files of `model` belong below `root`, the folder of our own models.
pub(super) fn folder(root: &Path, model: &HubModel) -> PathBuf {
    root.join(model.owner()).join(model.name())
}

/// Where a file of a repository belongs in its model's folder.
pub(super) fn target(folder: &Path, path: &str) -> Result<PathBuf, PullError> {
    name::safe_path(path).map_err(|problem| PullError::Name { name: printable(path), problem })?;
    Ok(path.split('/').fold(folder.to_owned(), |target, part| target.join(part)))
}

/// `target` with something appended to its name.
pub(super) fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    target.with_file_name(name)
}

/// Checks that `needed` more bytes fit below `folder`. Where nobody can say, writing will.
pub(super) fn check_room(folder: &Path, needed: u64) -> Result<(), PullError> {
    match free_bytes(folder) {
        Some(free) if free < needed => Err(PullError::NoRoom { folder: folder.display().to_string(), needed, free }),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// The right to fetch one file, held against other processes until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    path: PathBuf,
    _file: File,
}

impl Turn {
    /// Waits until nobody else fetches `target`.
    pub(super) fn wait(hub: &Hub, target: &Path, cancel: &CancelToken) -> Result<Self, PullError> {
        let path = beside(target, ".lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(PullError::io("write", &path))?;
        let mut warned = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { path, _file: file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(PullError::io("lock", &path)(error)),
            }
            if !warned {
                hub.warn(ErrorKind::Busy, format!("another process is fetching {}: waiting for it", target.display()));
                warned = true;
            }
            pause(std::time::Duration::from_millis(100), cancel)?;
        }
    }

    /// Ends it for good: the file is there, and whoever waited will see that before anything else.
    pub(super) fn done(self) {
        let _ = fs::remove_file(&self.path); // one that stays does no harm
    }
}
