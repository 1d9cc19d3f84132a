//! Making a build: vectors out of the store, trees over them.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arroy::Writer;
use arroy::distances::Cosine;
use heed::{CommitOrAbort, Env, EnvOpenOptions, WithoutTls};
use nootropic_core::{ChunkId, Error as CoreError, Store, StoreExt};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::super::table::VectorTable;
use super::failure;
use super::folder::{self, Built};
use crate::Result;

/// Vectors read from the store at a time, so that no read of it lasts long.
const PAGE: usize = 2048;

/// Builds the index of what the store holds now. `None` if another process is at it.
pub(super) fn build(
    folder: &Path,
    table: &VectorTable,
    store: &dyn Store,
    cancel: &AtomicBool,
) -> Result<Option<Arc<Built>>> {
    let lock_path = folder.join("build.lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
    let lock = lock.map_err(|error| failure("lock", &lock_path, error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(failure("lock", &lock_path, error)),
    }
    // Held until the end; a process that dies lets go of it.
    let (mark, count) = store.read_with(|txn| Ok((table.mark(txn)?, table.len(txn)?)))?;
    if let Some(built) = folder::existing(folder, table, mark) {
        return Ok(Some(built));
    }
    let path = folder::unfinished(folder).map_err(|error| failure("build", folder, error))?;
    let outcome = build_in(&path, table, store, count, cancel);
    let outcome = outcome.and_then(|()| folder::finish(folder, &path, table, mark));
    if outcome.is_err() {
        drop(fs::remove_dir_all(&path)); // the next build removes it otherwise
    }
    outcome.map(Some)
}

fn build_in(path: &Path, table: &VectorTable, store: &dyn Store, count: u64, cancel: &AtomicBool) -> Result<()> {
    let tmp = path.join("tmp");
    fs::create_dir(&tmp).map_err(|error| failure("build", path, error))?;
    // Half the processor at most: someone is working at this machine.
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| failure("build", path, error))?;
    // arroy has been seen to panic; what it had open then is dropped, and nothing of it is used.
    let outcome = pool.install(|| catch_unwind(AssertUnwindSafe(|| trees(path, table, store, count, cancel))));
    outcome.unwrap_or_else(|_| Err(failure("build", path, "arroy panicked")))?;
    fs::remove_dir_all(&tmp).map_err(|error| failure("build", path, error))
}

/// Vectors set while this runs may be in it or not: they are in the log, so nobody will ask the trees about them.
fn trees(path: &Path, table: &VectorTable, store: &dyn Store, count: u64, cancel: &AtomicBool) -> Result<()> {
    let arroy = |error: arroy::Error| match error {
        arroy::Error::BuildCancelled => CoreError::Cancelled.into(),
        error => failure("build", path, error),
    };
    let heed = |error: heed::Error| arroy(error.into());
    let (env, database) = create(path, table, count).map_err(heed)?;
    let mut txn = env.write_txn().map_err(heed)?;
    let mut writer = Writer::<Cosine>::new(database, 0, table.dim());
    writer.set_tmpdir(path.join("tmp"));
    let mut start = Some(ChunkId(0));
    while let Some(from) = start {
        if cancel.load(Ordering::Acquire) {
            return Err(CoreError::Cancelled.into());
        }
        let page = store.read_with(|txn| Ok(table.page(txn, from, PAGE)?))?;
        for (id, vector) in &page {
            writer.add_item(&mut txn, id.0, vector).map_err(arroy)?;
        }
        start = page.last().filter(|_| page.len() == PAGE).and_then(|(id, _)| id.0.checked_add(1)).map(ChunkId);
    }
    let mut random = SmallRng::seed_from_u64(0); // the same vectors, the same trees
    let mut builder = writer.builder(&mut random);
    builder.cancel(|| cancel.load(Ordering::Acquire)).build(&mut txn).map_err(arroy)?;
    txn.commit().map_err(heed)?;
    env.prepare_for_closing().wait();
    Ok(())
}

pub(super) fn create(
    path: &Path,
    table: &VectorTable,
    count: u64,
) -> heed::Result<(Env<WithoutTls>, arroy::Database<'static, Cosine>)> {
    // Trees take a few times what the vectors take; the map is address space only, the file grows as needed.
    let vectors = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(4 * table.dim() + 64);
    let map = vectors.saturating_mul(16).saturating_add(64 << 20).min(isize::MAX as usize >> 8);
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map.next_multiple_of(1 << 20));
    let env = folder::open_env(&mut options, path, false)?;
    let txn = env.write_txn()?;
    let created = env.create_databases_and_commit(txn, |opener, txn| {
        opener.create_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
    })?;
    match created {
        CommitOrAbort::Commit(database) => Ok((env, database)),
        CommitOrAbort::Abort(()) => Err(heed::Error::Io(io::Error::other("not committed"))),
    }
}
