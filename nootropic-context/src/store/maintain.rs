//! How much room a store takes, and winning some of it back.

use nootropic_core::Snapshot;
use serde::Serialize;

use super::files::{self, Draft};
use super::shared::{Shared, note_state};
use super::tables::Opened;
use super::{DATA_FILE, env, registry, rewrite};
use crate::{Error, Result};

/// How much room a store takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoreStats {
    /// The snapshot these numbers are of, as [`Snapshot`] is written.
    pub snapshot: String,
    /// Length of the data file, in bytes.
    pub file_bytes: u64,
    /// Bytes of the pages that hold this snapshot.
    pub live_bytes: u64,
    /// Bytes of the file that wait to be used again.
    pub free_bytes: u64,
    /// `file_bytes / live_bytes`. Above 4 or so, something keeps old snapshots alive, or `compact` is due.
    pub growth: f64,
    /// Address space reserved, in bytes.
    pub map_bytes: u64,
    /// Most readers there ever were at the same time, over all processes, since the store was last opened by nobody.
    pub reader_slots: u32,
    /// The tables.
    pub tables: Vec<TableStats>,
}

/// How much room a table takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableStats {
    /// Its name.
    pub name: String,
    /// How many entries it holds.
    pub entries: u64,
    /// Bytes of its pages.
    pub bytes: u64,
    /// Levels of its tree.
    pub depth: u32,
}

pub(super) fn stats(shared: &Shared) -> Result<StoreStats> {
    let _stay = shared.enter()?;
    shared.heal()?;
    let state = shared.state();
    let opened = state.as_ref().ok_or_else(|| shared.closed())?;
    let path = shared.dir.join(DATA_FILE);
    let file_bytes = std::fs::metadata(&path).map_err(|error| Error::io("read", &path, error))?.len();
    let lmdb = |error| env::failed("read", &shared.dir, error);
    let info = opened.env.info();
    let txn = opened.env.read_txn().map_err(lmdb)?;
    let mut tables = Vec::with_capacity(opened.tables.len());
    let root = opened.env.unnamed_database_stat();
    let page = u64::from(root.page_size);
    // Two meta pages, the list of tables and the identity's one page come with every store.
    let mut live_pages = 3 + (root.branch_pages + root.leaf_pages) as u64;
    for handle in &opened.tables {
        let Some(db) = handle.db else { continue };
        let stat = db.stat(&txn).map_err(lmdb)?;
        let pages = (stat.branch_pages + stat.leaf_pages + stat.overflow_pages) as u64;
        live_pages += pages;
        let (name, entries) = (handle.name.clone(), stat.entries as u64);
        tables.push(TableStats { name, entries, bytes: pages * page, depth: stat.depth });
    }
    let live_bytes = live_pages * page;
    Ok(StoreStats {
        snapshot: shared.snapshot(opened, txn.id() as u64).to_string(),
        file_bytes,
        live_bytes,
        free_bytes: file_bytes.saturating_sub(live_bytes),
        growth: file_bytes as f64 / live_bytes as f64,
        map_bytes: info.map_size as u64,
        reader_slots: info.number_of_readers,
        tables,
    })
}

/// Writes the store anew, without the room that waits to be used again.
pub(super) fn compact(shared: &Shared) -> Result<Snapshot> {
    if shared.read_only {
        return Err(Error::ReadOnlyStore { path: shared.dir.clone() });
    }
    let _stay = shared.enter()?;
    let writer = shared.writer();
    shared.heal()?;
    // In the order in which opening takes them.
    let mut registry = registry::lock();
    let mut presence = shared.presence();
    if !presence.try_alone()? {
        return Err(Error::InUse { op: "compact", path: shared.dir.clone() });
    }
    let result = rewrite_in_place(shared, writer.mark.as_ref(), &mut registry);
    if result.is_err() {
        shared.unsettle();
    }
    presence.share()?;
    result
}

fn rewrite_in_place(
    shared: &Shared,
    mark: Option<&super::shutdown::Mark>,
    registry: &mut registry::Registry,
) -> Result<Snapshot> {
    let mut state = shared.exclusive()?;
    let opened = state.as_ref().ok_or_else(|| shared.closed())?;
    if files::file_id(&shared.dir).ok() != Some(opened.file) {
        return Err(Error::InUse { op: "compact", path: shared.dir.clone() }); // replaced while nobody held it
    }
    let file = opened.file;
    let draft = Draft::beside(&shared.dir)?;
    let snapshot = rewrite::copy(opened, draft.path(), &shared.dir, opened.env.info().map_size, &|| false)?;
    if let Some(mark) = mark {
        mark.copy_to(draft.path())?;
    }
    note_state(draft.path());
    *state = None; // LMDB closes: its file is about to be replaced
    let replaced = draft.replace(&shared.dir);
    if let Ok(now) = files::file_id(&shared.dir) {
        registry.moved(file, now);
    }
    *state = Some(Opened::open(&shared.dir, &shared.options, false, shared.format)?);
    replaced?;
    Ok(snapshot)
}
