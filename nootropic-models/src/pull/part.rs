//! A file that is on its way: `NAME.part`, with a note in `NAME.part.json` that says of what it is the beginning.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use nootropic_core::CancelToken;
use serde::{Deserialize, Serialize};

use super::digest::{self, Hasher};
use super::hub::HubFile;
use super::place::beside;
use super::{Progress, PullError};

/// What a part is the beginning of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The digest of the whole.
    digest: String,
    /// What the server calls the bytes so far.
    etag: Option<String>,
}

/// The beginning of a file.
pub(super) struct Part<'a> {
    wanted: &'a HubFile,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    len: u64,
    note: Note,
}

impl<'a> Part<'a> {
    /// Opens the beginning of `wanted` beside `target`, or begins one; what is there already is read for its digest.
    pub(super) fn open(
        target: &Path,
        wanted: &'a HubFile,
        progress: &mut Progress<'_>,
        cancel: &CancelToken,
    ) -> Result<Self, PullError> {
        let path = beside(target, ".part");
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = file.map_err(PullError::io("write", &path))?;
        let text = fs::read(beside(&path, ".json")).unwrap_or_default();
        let known = serde_json::from_slice(&text).ok().filter(|note: &Note| note.digest == wanted.digest.to_string());
        let mut hasher = Hasher::new(wanted.digest, wanted.size);
        let mut len = 0;
        if known.is_some() && file.metadata().map_err(PullError::io("read", &path))?.len() <= wanted.size {
            digest::read(&path, &mut file, |bytes| {
                hasher.update(bytes);
                len += bytes.len() as u64;
                progress.at(&wanted.path, len);
                if cancel.is_cancelled() { Err(PullError::Cancelled) } else { Ok(()) }
            })?;
        }
        let resumed = len > 0;
        let note = known.filter(|_| resumed).unwrap_or(Note { digest: wanted.digest.to_string(), etag: None });
        let mut part = Self { wanted, path, file, hasher, len, note };
        if !resumed {
            part.restart()?;
        }
        Ok(part)
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// What the server called them.
    pub(super) fn etag(&self) -> Option<&str> {
        self.note.etag.as_deref()
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) -> Result<(), PullError> {
        self.file.set_len(0).map_err(PullError::io("write", &self.path))?;
        self.file.seek(SeekFrom::Start(0)).map_err(PullError::io("write", &self.path))?;
        self.hasher = Hasher::new(self.wanted.digest, self.wanted.size);
        self.len = 0;
        self.note.etag = None;
        self.write_note()
    }

    /// Remembers what the server calls the bytes, if it promises the same bytes for the same word.
    pub(super) fn set_etag(&mut self, etag: Option<&str>) -> Result<(), PullError> {
        let strong = etag.filter(|etag| etag.starts_with('"')).map(str::to_owned);
        if self.note.etag == strong {
            return Ok(());
        }
        self.note.etag = strong;
        self.write_note()
    }

    fn write_note(&self) -> Result<(), PullError> {
        let path = beside(&self.path, ".json");
        let text = serde_json::to_vec(&self.note).unwrap_or_default();
        fs::write(&path, text).map_err(PullError::io("write", &path))
    }

    /// Adds bytes at the end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), PullError> {
        self.file.write_all(bytes).map_err(PullError::io("write", &self.path))?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Checks the whole and puts it in its place in one step; deletes what is not as announced.
    pub(super) fn finish(self, target: &Path) -> Result<(), PullError> {
        if let Err(found) = self.hasher.finish() {
            remove(&self.path);
            let (file, expected) = (target.display().to_string(), self.wanted.digest.to_string());
            return Err(PullError::Checksum { file, expected, found: found.to_string() });
        }
        self.file.sync_all().map_err(PullError::io("write", &self.path))?;
        drop(self.file);
        fs::rename(&self.path, target).map_err(PullError::io("write", target))?;
        let _ = fs::remove_file(beside(&self.path, ".json")); // it says nothing without its part
        #[cfg(unix)]
        if let Some(folder) = target.parent() {
            // The name counts once its folder is on the disk; the bytes are there already.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }

    /// Deletes what came: it cannot be the beginning of what is wanted.
    pub(super) fn discard(self) {
        remove(&self.path);
    }
}

fn remove(part: &Path) {
    // The error that matters is why they are removed.
    let _ = fs::remove_file(part);
    let _ = fs::remove_file(beside(part, ".json"));
}
