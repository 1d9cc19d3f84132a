//! Folders made beside the store and put in its place whole.
//!
//! Whatever replaces a store, or makes one, is built under a temporary name, made durable, and renamed: a crash leaves
//! the old store or the new one, never a torn one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::identity::random;
use super::lock::is_unwritable;
use super::shared::note_state;
use super::shutdown::Mark;
use super::{DATA_FILE, LOCK_FILE};
use crate::{Error, Result};

/// A path beside `dir`, named after it.
pub(super) fn sibling(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = dir.file_name().map(OsString::from).unwrap_or_default();
    name.push(suffix);
    dir.with_file_name(name)
}

/// A new folder beside `dir`, removed when dropped unless it was renamed away.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
}

impl Draft {
    /// Makes the folder.
    pub(super) fn beside(dir: &Path) -> Result<Self> {
        let path = sibling(dir, &format!("{DRAFT}{:08x}", random()));
        fs::create_dir(&path).map_err(|error| Error::io("create", &path, error))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes all of it durable and moves it to `dir`; what was there is removed. LMDB must not have it open.
    pub(super) fn replace(self, dir: &Path) -> Result<()> {
        let lock = self.path.join(LOCK_FILE);
        remove_if_there(&lock).map_err(|error| Error::io("remove", &lock, error))?;
        sync_contents(&self.path)?;
        let swapped = exchange(&self.path, dir);
        if matches!(swapped, Ok(false)) {
            return self.move_to(dir);
        }
        if let Err(error) = sync_parent(dir) {
            self.leave();
            return Err(error);
        }
        swapped.map(drop).map_err(|error| Error::io("replace", dir, error)) // dropping `self` removes what was there
    }

    /// Moves a finished store to `dir`, where perhaps there was none, and makes it and every folder above it durable.
    pub(super) fn become_store(self, dir: &Path) -> Result<()> {
        note_state(&self.path);
        // Whoever finds the mark knows that this did not come to its end.
        let mark = Mark::set(&self.path)?.moved_to(dir);
        self.replace(dir)?;
        sync_ancestors(dir)?;
        mark.clear();
        Ok(())
    }

    /// As [`Self::replace`], where two folders cannot be swapped in one step.
    fn move_to(self, dir: &Path) -> Result<()> {
        let old = sibling(dir, OLD);
        if dir.exists() {
            fs::rename(dir, &old).map_err(|error| Error::io("move away", dir, error))?;
        }
        fs::rename(&self.path, dir).map_err(|error| Error::io("move into place", dir, error))?;
        sync_parent(dir)?;
        remove_dir_if_there(&old).map_err(|error| Error::io("remove", &old, error))
    }

    /// Leaves the folder to whoever opens the store alone next. After a swap that may not be durable it may be the store again
    /// after a power cut.
    fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = remove_dir_if_there(&self.path); // a leftover is removed by the next one to open the store alone
    }
}

const OLD: &str = ".old";
const DRAFT: &str = ".tmp-";

/// Whether a path is named as a folder that is being made.
pub(super) fn is_draft(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let (head, tail) = name.split_at(name.len().saturating_sub(DRAFT.len() + 8));
    let random = tail.strip_prefix(DRAFT.as_bytes());
    !head.is_empty() && random.is_some_and(|random| random.iter().all(u8::is_ascii_hexdigit))
}

/// Swaps two folders in one step, where the system can; false if it cannot or there is nothing to swap with.
fn exchange(a: &Path, b: &Path) -> io::Result<bool> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(true),
            Err(Errno::NOENT | Errno::NOSYS | Errno::INVAL | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let _ = (a, b);
    Ok(false)
}

/// Undoes what a crash left beside `dir`. Only for whoever holds the store alone.
pub(super) fn clean_up(dir: &Path) -> Result<()> {
    let old = sibling(dir, OLD);
    if !dir.exists() && old.exists() {
        fs::rename(&old, dir).map_err(|error| Error::io("move back", &old, error))?;
        sync_parent(dir)?;
    }
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return Ok(()) };
    let mut draft = name.to_os_string();
    draft.push(DRAFT);
    let mut leftovers = list(parent, draft.as_encoded_bytes())?;
    leftovers.extend(old.exists().then_some(old));
    if !leftovers.is_empty() {
        sync_parent(dir)?; // until the swap is durable, they may be the store again after a power cut
    }
    for path in leftovers {
        remove_dir_if_there(&path).map_err(|error| Error::io("remove", &path, error))?;
    }
    Ok(())
}

/// What lies in a folder under a name that begins so.
pub(super) fn list(dir: &Path, prefix: &[u8]) -> Result<Vec<PathBuf>> {
    let listing = |error| Error::io("list", dir, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(listing)? {
        let entry = entry.map_err(listing)?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Makes durable what processes see of the store in `dir`: its newest commits, and the names that lead to them. A commit that
/// failed or was cut off may be seen and not be durable; so may a folder that was just moved into place.
pub(super) fn settle(dir: &Path) -> Result<()> {
    let path = dir.join(DATA_FILE);
    File::open(&path).and_then(|file| file.sync_all()).map_err(|error| Error::io("sync", &path, error))?;
    sync_parent(dir)
}

/// Makes a folder's files and names durable.
pub(super) fn sync_contents(dir: &Path) -> Result<()> {
    let entries = fs::read_dir(dir).map_err(|error| Error::io("list", dir, error))?;
    for entry in entries {
        let path = entry.map_err(|error| Error::io("list", dir, error))?.path();
        File::open(&path).and_then(|file| file.sync_all()).map_err(|error| Error::io("sync", &path, error))?;
    }
    sync_dir(dir)
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(|error| Error::io("sync", dir, error))
}

/// Makes the name of `path` durable.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

/// Makes the names of `path` and of every folder above it durable: whoever made them may not have.
///
/// Folders that may not be opened, or that lie where nothing can be made durable, are passed over; they were not just made.
pub(super) fn sync_ancestors(path: &Path) -> Result<()> {
    for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        match sync_dir(folder) {
            Err(Error::Io { source, .. }) if is_unwritable(&source) || is_unsupported(&source) => {}
            other => other?,
        }
    }
    Ok(())
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

/// Moves a damaged store out of the way, to the first free name `<dir>.damaged-<n>`; returns it. Nothing is deleted.
///
/// # Errors
/// [`Error::InUse`] while someone has the store open; failures to rename.
pub fn quarantine(dir: &Path) -> Result<PathBuf> {
    super::aside::move_away(dir, "quarantine", super::aside::DAMAGED)
}

/// Which file `dir` holds its data in, so that a store is known under every name: device and inode.
pub(super) fn file_id(dir: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(dir.join(DATA_FILE))?;
    Ok((metadata.dev(), metadata.ino()))
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    ignore_missing(fs::remove_file(path))
}

pub(super) fn remove_dir_if_there(path: &Path) -> io::Result<()> {
    ignore_missing(fs::remove_dir_all(path))
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
