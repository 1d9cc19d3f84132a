//! Ours, as retrieval calls it: a read transaction, the index of what it shows, vectors of that transaction.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nootropic_context::store::{LmdbStore, StoreOptions};
use nootropic_context::vectors::{ArroyCache, IndexCache, Kept, VECTORS, VectorIndex, VectorTable};
use nootropic_core::{ChunkId, EmbedderInfo, StoreExt};

use crate::measure::{K, Vectors, disk_bytes, timed};
use crate::{Peer, Result};

type Make = fn(&str, &Arc<Vectors>, &Path) -> Result<Peer>;

pub fn all() -> [(&'static str, Make); 2] {
    [("nootropic arroy", approximate), ("nootropic exact", exact)]
}

fn filled(base: &Vectors, folder: &Path) -> Result<(Arc<LmdbStore>, VectorTable)> {
    let store = LmdbStore::open(folder, &StoreOptions::with_tables(&[VECTORS]))?;
    let info = EmbedderInfo { id: "measured".into(), dim: base.dim, max_tokens: 256 };
    let (table, _) = store.write_with(|txn| Ok(VectorTable::register(txn, &info, Kept::Vectors)?))?;
    let rows: Vec<_> = base.rows().map(|(id, row)| (ChunkId(id), row)).collect();
    for batch in rows.chunks(5000) {
        store.write_with(|txn| Ok(table.put(txn, batch)?))?;
    }
    Ok((Arc::new(store), table))
}

/// Puts one more vector each time, and brings the index in step.
fn add_one(
    store: Arc<LmdbStore>,
    table: VectorTable,
    base: Arc<Vectors>,
    refresh: impl Fn() -> Result<()> + 'static,
) -> Box<dyn FnMut() -> Result<()>> {
    let mut next = base.len();
    Box::new(move || {
        let vector = base.row(next * 7 % base.len());
        store.write_with(|txn| Ok(table.put(txn, &[(ChunkId(next as u32), vector)])?))?;
        next += 1;
        refresh()
    })
}

fn exact(name: &str, base: &Arc<Vectors>, folder: &Path) -> Result<Peer> {
    let (build_ms, (store, table)) = timed(|| filled(base, folder))?;
    let open = || -> Result<_> {
        let cache = IndexCache::new(table.clone());
        let index = store.read_with(|txn| Ok(cache.at(txn)?))?;
        Ok((Arc::new(cache), index))
    };
    open()?; // pages of the file into memory
    let (open_ms, (cache, index)) = timed(open)?;
    let (searched, refreshed) = ((store.clone(), cache.clone(), table.clone()), (store.clone(), cache));
    Ok(Peer {
        name: name.into(),
        build_s: build_ms / 1e3,
        add_one: Some(add_one(store, table, base.clone(), move || {
            refreshed.0.read_with(|txn| Ok(drop(refreshed.1.at(txn)?)))?;
            Ok(())
        })),
        open_ms: Some(open_ms),
        disk_bytes: Some(disk_bytes(folder)?),
        memory_bytes: Some(index.bytes() as u64),
        search: Box::new(move |query| {
            let (store, cache, table) = &searched;
            let found = store.read_with(|txn| Ok(cache.at(txn)?.search(&table.rows(txn), query, K, None)?))?;
            Ok(found.iter().map(|n| n.id.0).collect())
        }),
    })
}

fn approximate(name: &str, base: &Arc<Vectors>, folder: &Path) -> Result<Peer> {
    let (store, table) = filled(base, folder)?;
    let builds = folder.join("ann");
    let cache = ArroyCache::open(&builds, table.clone())?;
    let (build_ms, _) = timed(|| Ok(cache.rebuild(&*store, &AtomicBool::new(false))?))?;
    drop(cache);
    let (open_ms, cache) = timed(|| Ok(Arc::new(ArroyCache::open(&builds, table.clone())?)))?;
    let (searched, refreshed) = ((store.clone(), cache.clone(), table.clone()), (store.clone(), cache));
    Ok(Peer {
        name: name.into(),
        build_s: build_ms / 1e3,
        add_one: Some(add_one(store, table, base.clone(), move || {
            refreshed.0.read_with(|txn| Ok(drop(refreshed.1.at(txn)?)))?;
            Ok(())
        })),
        open_ms: Some(open_ms),
        disk_bytes: Some(disk_bytes(&builds)?),
        memory_bytes: None,
        search: Box::new(move |query| {
            let (store, cache, table) = &searched;
            let found = store.read_with(|txn| {
                let index = cache.at(txn)?.ok_or_else(|| nootropic_core::Error::invalid("index", "not built"))?;
                Ok(index.search(&table.rows(txn), query, K, None)?)
            })?;
            Ok(found.iter().map(|n| n.id.0).collect())
        }),
    })
}
