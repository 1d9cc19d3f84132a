//! The LMDB environment: the only place that opens and maps one.
//!
//! **Invariant.** No flag that trades durability or locking for speed is ever set: no `NO_SYNC`, `NO_META_SYNC`,
//! `MAP_ASYNC`, `WRITE_MAP` (a full disk becomes a signal), `NO_LOCK` or `NO_MEM_INIT`.

use std::path::Path;

use heed::types::Bytes;
use heed::{Env, EnvFlags, EnvOpenOptions, MdbError, WithoutTls};
use nootropic_core::{BoxError, ErrorKind};

#[cfg(target_os = "linux")]
use super::LOCK_FILE;
use super::identity::MAX_TABLES;
use super::{DATA_FILE, platform};
use crate::error::io_kind;
use crate::{Error, Result};

/// An environment whose read transactions are not tied to threads.
pub(super) type Lmdb = Env<WithoutTls>;
/// A table's handle.
pub(super) type Db = heed::Database<'static, Bytes, Bytes>;

/// Readers at the same time, over all processes.
pub const MAX_READERS: u32 = 1024;
/// Bytes of a lock file for so many readers.
#[cfg(target_os = "linux")]
const LOCK_FILE_LEN: u64 = (MAX_READERS as u64 + 4) * 64;
/// With fewer bytes free, a failed write is put down to the disk being full.
const NEARLY_FULL: u64 = 16 << 20;
/// A multiple of every page size.
const STEP: u64 = 1 << 20;

/// Opens the environment in `dir`, which must be there.
pub(super) fn open(dir: &Path, map_size: usize, read_only: bool) -> Result<Lmdb, heed::Error> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map_size).max_readers(MAX_READERS).max_dbs(MAX_TABLES as u32);
    if read_only {
        #[expect(unsafe_code, reason = "heed marks every flag unsafe")]
        // SAFETY: reading only is the safest of LMDB's flags.
        unsafe {
            options.flags(EnvFlags::READ_ONLY);
        }
    }
    #[cfg(target_os = "linux")]
    reserve_lock_file(dir)?;
    #[expect(unsafe_code, reason = "LMDB maps the file; Rust cannot see other writers")]
    // SAFETY: only LMDB writes the file while it is open: whatever replaces a store renames another file into its place, and
    // does so holding the lock beside it alone. Locks are on, network filesystems are refused.
    unsafe {
        options.open(dir)
    }
}

/// Refuses a lock file that may not be written, by its name: readers register in it. Where nobody can write, LMDB does without.
///
/// This process must not have the environment open: closing the file drops its locks.
pub(super) fn check_lock_file(dir: &Path) -> Result<(), Error> {
    let path = dir.join(LOCK_FILE);
    match std::fs::File::options().read(true).write(true).open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(Error::io("open for writing", &path, error))
        }
        _ => Ok(()),
    }
}

/// Takes the room for the lock file. LMDB writes it through a map, where a full disk is a signal and not an error.
///
/// This process must not have the environment open: closing the file drops its locks.
#[cfg(target_os = "linux")]
fn reserve_lock_file(dir: &Path) -> std::io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::{Errno, retry_on_intr};
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let mut options = std::fs::File::options();
    let opened = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(dir.join(LOCK_FILE));
    let Ok(file) = opened else { return Ok(()) }; // LMDB will say why, or do without
    match retry_on_intr(|| fallocate(&file, FallocateFlags::KEEP_SIZE, 0, LOCK_FILE_LEN)) {
        Ok(()) | Err(Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        // Enough for the mutexes and the first readers.
        Err(_) if file.metadata()?.blocks() >= 8 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Changes how much address space is reserved. Nobody may be in a transaction of this environment.
pub(super) fn resize(env: &Lmdb, map_size: usize) -> Result<(), heed::Error> {
    #[expect(unsafe_code, reason = "the map moves")]
    // SAFETY: the one caller holds the write side of the lock whose read side every transaction holds.
    unsafe {
        env.resize(map_size)
    }
}

/// How much address space to reserve for a file of that many bytes.
pub(super) fn map_size(wanted: usize, file_bytes: u64) -> usize {
    let room = file_bytes.saturating_add(file_bytes / 2);
    let mut size = (wanted as u64).max(room).max(STEP);
    if let Some(limit) = platform::address_space_limit() {
        size = size.min((limit / 4).max(room).max(STEP));
    }
    usize::try_from(size.next_multiple_of(STEP)).unwrap_or(usize::MAX & !(STEP as usize - 1))
}

/// Whether LMDB says that it needs more address space.
pub(super) fn is_map_full(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Mdb(MdbError::MapFull))
}

/// LMDB's error as ours.
pub(super) fn failed(op: &'static str, dir: &Path, error: heed::Error) -> Error {
    use std::io::ErrorKind as Io;
    let kind = match &error {
        heed::Error::Io(io) if matches!(io.kind(), Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge) => {
            return full(dir, platform::free_bytes(dir).unwrap_or(0));
        }
        // A write that was cut off by the end of the disk is EIO to LMDB.
        heed::Error::Io(io) if io.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => match room(dir) {
            Some(free) if free < NEARLY_FULL => return full(dir, free),
            _ => io_kind(io),
        },
        heed::Error::Io(io) => io_kind(io),
        heed::Error::Mdb(MdbError::Corrupted | MdbError::PageNotFound | MdbError::Invalid) => ErrorKind::Corrupt,
        heed::Error::Mdb(MdbError::VersionMismatch) => ErrorKind::UnsupportedVersion,
        heed::Error::Mdb(MdbError::MapFull | MdbError::MapResized) => ErrorKind::StorageFull,
        heed::Error::Mdb(MdbError::ReadersFull) | heed::Error::EnvAlreadyOpened => ErrorKind::Busy,
        _ => ErrorKind::Internal,
    };
    Error::Lmdb { op, path: dir.to_owned(), kind, source: BoxError::from(error) }
}

/// How much longer the data file could become, in bytes.
fn room(dir: &Path) -> Option<u64> {
    let free = platform::free_bytes(dir).ok()?;
    let long = std::fs::metadata(dir.join(DATA_FILE)).map_or(0, |data| data.len());
    let limit = platform::file_size_limit().map_or(u64::MAX, |limit| limit.saturating_sub(long));
    Some(free.min(limit))
}

fn full(dir: &Path, free: u64) -> Error {
    Error::StorageFull { path: dir.to_owned(), free, wanted: free.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_hold_the_file_and_are_whole_steps() {
        assert_eq!(map_size(0, 0), STEP as usize);
        assert!(map_size(1 << 20, 10 << 20) >= 15 << 20);
        assert_eq!(map_size((5 << 20) + 1, 0) % STEP as usize, 0);
    }
}
