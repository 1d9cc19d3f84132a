//! Opens regular files and nothing else.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::{Error, Result};

/// Opens a regular file for reading; follows links, since model caches are made of them.
///
/// # Errors
/// [`Error::Io`], of kind `InvalidInput` for folders, pipes and devices.
pub(crate) fn open_regular(path: &Path) -> Result<File> {
    open(path).map_err(|source| Error::Io { op: "open", name: path.display().to_string(), source })
}

fn open(path: &Path) -> io::Result<File> {
    // Looked at before it is opened: opening some devices has effects, and a pipe would wait for its other end.
    let regular = |meta: std::fs::Metadata| match meta.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    };
    regular(std::fs::metadata(path)?)?;
    let file = open_without_waiting(path)?;
    regular(file.metadata()?)?;
    Ok(file)
}

#[cfg(unix)]
fn open_without_waiting(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Reads a whole small file, such as a JSON file beside the weights.
///
/// # Errors
/// [`Error::Io`]; [`Error::OverLimit`] past `max` bytes.
pub(crate) fn read_small(path: &Path, max: u64) -> Result<Vec<u8>> {
    let file = open_regular(path)?;
    let name = || path.display().to_string();
    let io = |source| Error::Io { op: "read", name: name(), source };
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    match bytes.len() as u64 {
        got if got > max => {
            Err(Error::OverLimit { file: name(), place: crate::Place::Offset(max), what: "bytes", got, max })
        }
        _ => Ok(bytes),
    }
}
