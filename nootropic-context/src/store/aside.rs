//! Stores that were moved out of the way, and lie beside the one that took their place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files::{sibling, sync_parent};
use super::lock::Presence;
use crate::{Error, Result};

/// What the name of a store that cannot be read ends with, before its number.
pub(super) const DAMAGED: &str = ".damaged-";
/// What the name of a store that is made anew ends with, before its number.
const REPLACED: &str = ".replaced-";

/// A store that was moved out of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its folder.
    pub path: PathBuf,
    /// Whether it was damaged, and is kept for those who can mend it. If not, it is of no use once its successor is complete.
    pub damaged: bool,
    /// Bytes of its files.
    pub bytes: u64,
}

/// Moves a store that is to be made anew out of the way, to the first free name `<dir>.replaced-<n>`; returns it. See
/// [`remove_replaced`].
///
/// # Errors
/// [`Error::InUse`] while someone has the store open; failures to rename.
pub fn retire(dir: &Path) -> Result<PathBuf> {
    move_away(dir, "retire", REPLACED)
}

/// The stores that were moved away from `dir`, by name.
///
/// # Errors
/// Failures to list the folder they lie in; if there is none, there are none.
pub fn set_aside(dir: &Path) -> Result<Vec<SetAside>> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return Ok(Vec::new()) };
    let listing = |error| Error::io("list", parent, error);
    let entries = match fs::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(listing)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(listing)?;
        let numbered = |end: &str| {
            let own = entry.file_name();
            let number = own.as_encoded_bytes().strip_prefix(name.as_encoded_bytes())?.strip_prefix(end.as_bytes())?;
            (!number.is_empty() && number.iter().all(u8::is_ascii_digit)).then_some(())
        };
        let damaged = numbered(DAMAGED).is_some();
        if damaged || numbered(REPLACED).is_some() {
            let path = entry.path();
            found.push(SetAside { damaged, bytes: size(&path), path });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Removes the stores that [`retire`] moved away from `dir`: for when their successor is complete.
///
/// # Errors
/// Failures to list and to remove.
pub fn remove_replaced(dir: &Path) -> Result<()> {
    for old in set_aside(dir)?.into_iter().filter(|old| !old.damaged) {
        match fs::remove_dir_all(&old.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // another process was faster
            removed => removed.map_err(|error| Error::io("remove", &old.path, error))?,
        }
    }
    Ok(())
}

/// Moves a store to the first free of its names with this end.
pub(super) fn move_away(dir: &Path, op: &'static str, end: &str) -> Result<PathBuf> {
    let _alone = Presence::alone(dir, op)?;
    for n in 1_u32.. {
        let to = sibling(dir, &format!("{end}{n}"));
        if !to.exists() {
            fs::rename(dir, &to).map_err(|error| Error::io("rename", dir, error))?;
            sync_parent(dir)?;
            return Ok(to);
        }
    }
    Err(Error::Exists { path: sibling(dir, end) })
}

/// Bytes of the files in a folder, as far as they can be seen.
fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}
