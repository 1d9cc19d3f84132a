//! One LMDB environment that holds what must last.
//!
//! [`LmdbStore`] keeps the promises of [`Store`] through a process that dies at any moment, a disk that fills up, readers that
//! never end, and two programs at once; and it refuses a file that was cut short, damaged or written by a newer version,
//! before LMDB maps it. `docs/storage-format.md` says what lies where, what is assumed of the disk, and what remains.

mod aside;
mod backup;
mod child;
mod env;
mod files;
mod frame;
mod identity;
mod layout;
mod lock;
mod maintain;
mod migrate;
mod open;
mod options;
mod platform;
mod registry;
mod rewrite;
mod shared;
mod shutdown;
mod tables;
mod txn;
mod verify;
mod walk;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use nootropic_core::{Capability, CapabilityKind, EffectKind, ReadTxn, Snapshot, Store, WriteTxn};

pub use aside::{SetAside, remove_replaced, retire, set_aside};
pub use backup::{Manifest, read_manifest, restore};
pub use child::verify_mapped;
pub use env::MAX_READERS;
pub use files::quarantine;
pub use maintain::{StoreStats, TableStats};
pub use options::{StoreOptions, VerifierCommand};
pub use verify::{Problem, TableReport, VerifyReport, verify};

use crate::Result;
use shared::Shared;

/// The file that holds everything.
const DATA_FILE: &str = "data.mdb";
/// The file that LMDB locks with. Nobody else may open it: closing it would drop LMDB's locks.
const LOCK_FILE: &str = "lock.mdb";

/// A [`Store`] on LMDB.
///
/// Clones, and stores opened again in the same process, share one environment; other processes may have the store open at the
/// same time. Drop every handle before the process ends: a store that nobody closed is checked whole by whoever opens it next.
///
/// ```
/// use nootropic_context::store::{LmdbStore, StoreOptions};
/// use nootropic_core::{Store, StoreExt, Table};
///
/// const NOTES: Table = Table::new("notes");
///
/// let dir = tempfile::tempdir()?;
/// let store = LmdbStore::open(&dir.path().join("store"), &StoreOptions::with_tables(&[NOTES]))?;
/// let snapshot = store.write(&mut |txn| txn.put(NOTES, b"monday", b"ship it"))?;
/// let note = store.read_with(|txn| Ok(txn.get(NOTES, b"monday")?.map(<[u8]>::to_vec)))?;
/// assert_eq!(note.as_deref(), Some(&b"ship it"[..]));
/// assert_eq!(store.snapshot()?, snapshot);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LmdbStore {
    shared: Arc<Shared>,
    read_only: bool,
}

impl LmdbStore {
    /// Opens the store in `dir`, making it if there is none.
    ///
    /// After an unclean shutdown all of it is checked first (1 to 2 GB/s from the page cache). Where `dir` cannot be written the store is opened for
    /// reading only. If this process has the store open already, the two handles share it; the options of the first count, and
    /// the second may name no other tables.
    ///
    /// # Errors
    /// [`Error::StoreMissing`](crate::Error::StoreMissing), [`Error::NotAStore`](crate::Error::NotAStore),
    /// [`Error::Truncated`](crate::Error::Truncated), [`Error::Damaged`](crate::Error::Damaged),
    /// [`Error::RolledBack`](crate::Error::RolledBack), [`Error::NewerFormat`](crate::Error::NewerFormat),
    /// [`Error::OlderFormat`](crate::Error::OlderFormat), [`Error::NetworkFilesystem`](crate::Error::NetworkFilesystem),
    /// [`Error::InUse`](crate::Error::InUse), and what the operating system refuses.
    pub fn open(dir: &Path, options: &StoreOptions) -> Result<Self> {
        let shared = open::open(dir, options, &migrate::PLAN)?;
        Ok(Self { read_only: options.read_only || shared.read_only, shared })
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        &self.shared.dir
    }

    /// Whether this handle cannot write.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The newest committed state.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn snapshot(&self) -> nootropic_core::Result<Snapshot> {
        let mut snapshot = None;
        self.read(&mut |txn| {
            snapshot = Some(txn.snapshot());
            Ok(())
        })?;
        snapshot.ok_or_else(|| self.shared.closed().into())
    }

    /// How much room the store takes.
    ///
    /// # Errors
    /// If LMDB cannot be read.
    pub fn stats(&self) -> Result<StoreStats> {
        maintain::stats(&self.shared)
    }

    /// Copies the newest snapshot, packed and checked, to the new folder `dest`. Writers may go on; what they free meanwhile
    /// is not used again until the copy is done.
    ///
    /// # Errors
    /// [`Error::Exists`](crate::Error::Exists) if `dest` is there; [`Error::Damaged`](crate::Error::Damaged) if a record is; failures to
    /// write. Nothing is left behind.
    pub fn backup(&self, dest: &Path) -> Result<Manifest> {
        self.backup_until(dest, &|| false)
    }

    /// As [`backup`](Self::backup), given up when `cancel` says so.
    ///
    /// # Errors
    /// As [`backup`](Self::backup), and [`Cancelled`](nootropic_core::Error::Cancelled). Nothing is left behind.
    pub fn backup_until(&self, dest: &Path, cancel: &dyn Fn() -> bool) -> Result<Manifest> {
        backup::backup(&self.shared, dest, cancel)
    }

    /// Writes the store anew without the room that waits to be used again. The snapshot stays what it was. Readers of this
    /// process are waited for.
    ///
    /// # Errors
    /// [`Error::InUse`](crate::Error::InUse) if another process has the store open, or a reader does not end;
    /// [`Error::ReadOnlyStore`](crate::Error::ReadOnlyStore); failures to write, which leave the store as it was.
    pub fn compact(&self) -> Result<Snapshot> {
        maintain::compact(&self.shared)
    }
}

impl Store for LmdbStore {
    fn read(&self, body: &mut dyn FnMut(&dyn ReadTxn) -> nootropic_core::Result<()>) -> nootropic_core::Result<()> {
        self.shared.read(body)
    }

    fn write(
        &self,
        body: &mut dyn FnMut(&mut dyn WriteTxn) -> nootropic_core::Result<()>,
    ) -> nootropic_core::Result<Snapshot> {
        if self.read_only {
            return Err(crate::Error::ReadOnlyStore { path: self.shared.dir.clone() }.into());
        }
        self.shared.write(body)
    }

    fn describe(&self) -> Capability {
        Self::capability()
    }
}

impl LmdbStore {
    /// What every store of this kind is.
    pub fn capability() -> Capability {
        let summary = "Keeps everything in one LMDB environment on this machine, checksummed and safe from crashes";
        Capability::new::<(), ()>(CapabilityKind::Store, "lmdb", summary)
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_effects([EffectKind::Read, EffectKind::Write])
            .with_requirement("a local disk")
    }
}
