//! How the next one to open a store learns whether it was closed in order.
//!
//! Each process that writes keeps a file `unclean-<random>` in the store from before its first write until it has closed. When
//! it closes, and nobody else has the store open, it notes the file's state in `anchor`. Whoever opens a store that
//! nobody has open checks all of it if a mark is there, if the state is not the one noted, or if the file was touched since: what
//! Nootropic did not write, and what a machine that was started anew reads from its disk, is not believed unread.
//!
//! Neither file is made durable: that would cost more than the commit it accompanies. After a power cut the mark may be
//! missing; but then the anchor is older than the last commit, because it is only written once the store is closed, and that
//! leads to the same check. Where not even a commit was completed, nothing needs one.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::identity::random;
use super::layout::{Metas, u32_at, u64_at};
use super::{files, platform};
use crate::{Error, Result};

const MARK: &str = "unclean-";
/// The noted state.
pub(super) const ANCHOR_FILE: &str = "anchor";
const ANCHOR_MAGIC: &[u8; 8] = b"nootanc2";
const ANCHOR_LEN: usize = 40;

/// A process's mark in the store.
#[derive(Debug)]
pub(super) struct Mark(PathBuf);

impl Mark {
    /// Puts the mark there.
    pub(super) fn set(dir: &Path) -> Result<Self> {
        let path = dir.join(format!("{MARK}{:08x}", random()));
        File::create_new(&path).map_err(|error| Error::io("create", &path, error))?;
        Ok(Self(path))
    }

    /// Takes the mark away.
    pub(super) fn clear(self) {
        let _ = fs::remove_file(self.0); // left over, it costs a check
    }

    /// The mark under the name it has once its folder was moved.
    pub(super) fn moved_to(self, dir: &Path) -> Self {
        Self(self.0.file_name().map(|name| dir.join(name)).unwrap_or(self.0))
    }

    /// The same mark, in a folder that will take the store's place.
    pub(super) fn copy_to(&self, dir: &Path) -> Result<()> {
        let Some(name) = self.0.file_name() else { return Ok(()) };
        let path = dir.join(name);
        File::create_new(&path).map(drop).map_err(|error| Error::io("create", &path, error))
    }
}

/// The marks that are there.
pub(super) fn marks(dir: &Path) -> Result<Vec<PathBuf>> {
    files::list(dir, MARK.as_bytes())
}

/// A data file as it lies on its disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileState {
    /// Its length, in bytes; of the pages in use at most.
    pub(super) len: u64,
    /// Changes when the file is written or put in place by anyone, and when the machine is started anew.
    stamp: u64,
}

impl FileState {
    /// The state of the file that `metadata` describes.
    pub(super) fn of(metadata: &Metadata) -> Self {
        let mut hasher = blake3::Hasher::new();
        let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
        for time in times {
            hasher.update(&time.to_le_bytes());
        }
        hasher.update(&metadata.ino().to_le_bytes());
        hasher.update(&platform::boot_id());
        let mut stamp = [0; 8];
        hasher.finalize_xof().fill(&mut stamp);
        Self { len: metadata.len(), stamp: u64::from_le_bytes(stamp) }
    }
}

/// Notes the state a store is closed in. An anchor that is lost or old claims less, never something wrong.
pub(super) fn write_anchor(dir: &Path, metas: &Metas, file: FileState) {
    let mut bytes = Vec::with_capacity(ANCHOR_LEN);
    bytes.extend_from_slice(ANCHOR_MAGIC);
    bytes.extend_from_slice(&metas.newest.txn.to_le_bytes());
    bytes.extend_from_slice(&file.len.to_le_bytes());
    bytes.extend_from_slice(&metas.checksum.to_le_bytes());
    bytes.extend_from_slice(&file.stamp.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    // In place: some filesystems flush a file that is truncated and written again. A torn anchor is none.
    let file = File::options().write(true).create(true).truncate(false).open(dir.join(ANCHOR_FILE));
    let _ = file.and_then(|file| file.write_all_at(&bytes, 0));
}

/// How a store compares with the state it was last closed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// Nothing happened since.
    Same,
    /// As far as its meta pages tell, nothing happened since; but the file was written or put in place by someone else, or the
    /// machine was started anew.
    Touched,
    /// Something happened, or nobody knows.
    Unknown,
}

/// Compares a store with the state it was last closed in.
///
/// # Errors
/// [`Error::RolledBack`] if it had more commits then. Without a commit since, and without anyone dying: [`Error::Truncated`] if it
/// was longer, [`Error::Damaged`] if its newest meta page was another.
pub(super) fn check_anchor(dir: &Path, metas: &Metas, file: FileState, marked: bool) -> Result<Anchor> {
    let path = || dir.to_owned();
    let Ok(bytes) = fs::read(dir.join(ANCHOR_FILE)) else { return Ok(Anchor::Unknown) };
    let sound = bytes.len() == ANCHOR_LEN
        && bytes.starts_with(ANCHOR_MAGIC)
        && u32_at(&bytes, ANCHOR_LEN - 4).map(u32::from_le) == bytes.get(..ANCHOR_LEN - 4).map(crc32c::crc32c);
    let long = |at| u64_at(&bytes, at).map(u64::from_le);
    let (true, Some(txn), Some(len), Some(checksum), Some(stamp)) =
        (sound, long(8), long(16), u32_at(&bytes, 24), long(28))
    else {
        return Ok(Anchor::Unknown);
    };
    let found = metas.newest.txn;
    if found < txn {
        return Err(Error::RolledBack { path: path(), expected: txn, found });
    }
    if found > txn {
        return Ok(Anchor::Unknown);
    }
    let same = u32::from_le(checksum) == metas.checksum;
    if same && file.len >= len {
        return Ok(if file.stamp == stamp { Anchor::Same } else { Anchor::Touched });
    }
    if marked {
        return Ok(Anchor::Unknown);
    }
    if file.len < len {
        return Err(Error::Truncated { path: path(), found: file.len, expected: Some(len) });
    }
    let problem = "its newest meta page is not the one it was closed with".to_owned();
    Err(Error::Damaged { path: path(), problem, count: 1 })
}
