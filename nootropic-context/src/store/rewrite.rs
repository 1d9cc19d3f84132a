//! Writes a store's records into a fresh file: how a store is compacted, backed up and migrated.
//!
//! LMDB can copy itself, but loses its transaction number doing so, trusts every page on the way and refuses files that lost
//! track of a page. Records copied one by one are checked, packed, and numbered as they should be.

use std::path::Path;

use heed::{PutFlags, RwTxn};
use nootropic_core::Snapshot;

use super::env::{self, Db, Lmdb};
use super::frame::Frame;
use super::identity::Identity;
use super::tables::{self, Opened};
use crate::{Error, Result};

/// Bytes written between commits: it bounds memory, not what a crash leaves, for the file is not in place yet.
const BATCH: usize = 16 << 20;

/// A fresh environment being filled.
pub(super) struct Target<'e> {
    env: &'e Lmdb,
    dir: &'e Path,
    tables: Vec<(String, Db)>,
    own: Db,
    /// `None` only while one ends and the next has not begun.
    txn: Option<RwTxn<'e>>,
    pending: usize,
}

impl<'e> Target<'e> {
    /// Makes the tables in `env`, which is empty and lies in `dir`.
    pub(super) fn new(env: &'e Lmdb, dir: &'e Path, names: &[String]) -> Result<Self> {
        let lmdb = |error| env::failed("write to", dir, error);
        let mut dbs = tables::create(env, names, None).map_err(lmdb)?;
        let own = dbs.pop().ok_or_else(|| Error::Closed { path: dir.to_owned() })?;
        let tables = names.iter().cloned().zip(dbs).collect();
        let txn = Some(env.write_txn().map_err(lmdb)?);
        Ok(Self { env, dir, tables, own, txn, pending: 0 })
    }

    /// Adds a record whose value is framed already. Keys of a table must ascend.
    pub(super) fn put_framed(&mut self, table: &str, key: &[u8], value: &[u8]) -> Result<()> {
        let dir = self.dir;
        let lmdb = |error| env::failed("write to", dir, error);
        let found = self.tables.iter().find(|(name, _)| name == table);
        let (Some((_, db)), Some(txn)) = (found, self.txn.as_mut()) else {
            let problem = format!("there is no table {table} to write to");
            return Err(nootropic_core::Error::invalid("table", problem).into());
        };
        db.put_with_flags(txn, PutFlags::APPEND, key, value).map_err(lmdb)?;
        self.pending += key.len() + value.len();
        if self.pending > BATCH {
            self.pending = 0;
            if let Some(txn) = self.txn.take() {
                txn.commit().map_err(lmdb)?;
            }
            self.txn = Some(self.env.write_txn().map_err(lmdb)?);
        }
        Ok(())
    }

    /// Adds a record. Keys of a table must ascend.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "called by migration steps, of which only the tests have one so far")
    )]
    pub(super) fn put(&mut self, table: &str, key: &[u8], payload: &[u8]) -> Result<()> {
        let mut framed = Vec::new();
        Frame::of(table).seal(key, payload, &mut framed);
        self.put_framed(table, key, &framed)
    }

    /// Writes the identity, so numbered that the file's last commit is `commit`, and commits.
    pub(super) fn finish(self, mut identity: Identity, commit: u64) -> Result<()> {
        let lmdb = |error| env::failed("write to", self.dir, error);
        let Some(mut txn) = self.txn else { return Err(Error::Closed { path: self.dir.to_owned() }) };
        identity.base = commit.wrapping_sub(txn.id() as u64);
        identity.tables = self.tables.into_iter().map(|(name, _)| name).collect();
        tables::write_identity(&mut txn, self.own, &identity).map_err(lmdb)?;
        txn.commit().map_err(lmdb)
    }
}

/// Copies every record of one snapshot into a fresh file in `dir`, checking each, until `cancel` says so; gives the snapshot.
pub(super) fn copy(
    from: &Opened,
    dir: &Path,
    source: &Path,
    map_size: usize,
    cancel: &dyn Fn() -> bool,
) -> Result<Snapshot> {
    let reading = |error| env::failed("read", source, error);
    let env = env::open(dir, map_size, false).map_err(|error| env::failed("create", dir, error))?;
    let names: Vec<String> = from.tables.iter().filter(|h| h.db.is_some()).map(|h| h.name.clone()).collect();
    let txn = from.env.read_txn().map_err(reading)?;
    let commit = from.identity.base.wrapping_add(txn.id() as u64);
    let mut target = Target::new(&env, dir, &names)?;
    for handle in &from.tables {
        let Some(db) = handle.db else { continue };
        for entry in db.iter(&txn).map_err(reading)? {
            if cancel() {
                return Err(nootropic_core::Error::Cancelled.into());
            }
            let (key, value) = entry.map_err(reading)?;
            handle.frame.open(key, value).map_err(|error| Error::Damaged {
                path: source.to_owned(),
                problem: format!("{}, key {}: {error}", handle.name, super::walk::hex(key)),
                count: 1,
            })?;
            target.put_framed(&handle.name, key, value)?;
        }
    }
    target.finish(from.identity.clone(), commit)?;
    Ok(Snapshot { store: from.identity.store, commit })
}
