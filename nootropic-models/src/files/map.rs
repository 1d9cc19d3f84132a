//! A file mapped into memory.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use memmap2::Mmap;

use super::open_regular;
use crate::{Error, Result};

/// A file mapped into memory, and what it was like then.
///
/// A file that another program cuts short while it is mapped ends this process when the missing part is read (`SIGBUS`). Rust
/// cannot prevent that, only make it unlikely: writers rename finished files into place, so that a map keeps the old one, and
/// [`check`](Self::check) compares length and time before data is handed out.
#[derive(Debug)]
pub(crate) struct Map {
    name: String,
    file: File,
    map: Mmap,
    modified: Option<SystemTime>,
}

impl Map {
    /// Opens and maps a regular file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Changed`] if the file's length changed meanwhile.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = open_regular(path)?;
        let name = path.display().to_string();
        let io = |source| Error::Io { op: "read", name: name.clone(), source };
        let modified = file.metadata().map_err(io)?.modified().ok();
        let map = map_readonly(&file).map_err(io)?;
        let map = Self { name, file, map, modified };
        map.check()?;
        Ok(map)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// To read the front of the file from, past the map.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Gives back the memory of what was read. What is read again comes from the file again.
    pub(crate) fn let_go(&self) {
        #[cfg(unix)]
        #[expect(unsafe_code, reason = "maps that are written to would lose what was written")]
        // SAFETY: the map is read-only, and shared with the file: pages come back as they were.
        let _ = unsafe { self.map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) }; // it was only a favour
    }

    /// Whether the file is still as long, and as old, as when it was mapped.
    ///
    /// # Errors
    /// [`Error::Changed`].
    pub(crate) fn check(&self) -> Result<()> {
        let same = self
            .file
            .metadata()
            .is_ok_and(|now| now.len() == self.map.len() as u64 && now.modified().ok() == self.modified);
        if same { Ok(()) } else { Err(Error::Changed { file: self.name.clone() }) }
    }
}

#[expect(unsafe_code, reason = "a map is a slice that other processes can write to; Rust cannot see them")]
fn map_readonly(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is read-only and private to this type, and what is read through it is plain numbers: no byte decides an
    // index, a length or a branch that memory safety depends on, since headers are parsed from a copy. A file that shrinks
    // meanwhile ends the process instead of giving wrong memory.
    unsafe { Mmap::map(file) }
}
