//! An open environment with the handles of its tables.

use std::collections::BTreeMap;
use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, CommitToken, Database, OnCommit};
use nootropic_core::Table;

use super::env::{self, Db, Lmdb};
use super::frame::Frame;
use super::identity::{self, Identity};
use super::{StoreOptions, files};
use crate::{Error, Result};

/// One table.
#[derive(Debug)]
pub(super) struct Handle {
    /// Its name.
    pub(super) name: String,
    /// Whether it may be used: it was named when the store was opened.
    pub(super) declared: bool,
    /// `None` if it does not exist and could not be made: it is empty.
    pub(super) db: Option<Db>,
    /// How its values are framed.
    pub(super) frame: Frame,
}

/// An open environment with the handles of its tables.
#[derive(Debug)]
pub(super) struct Opened {
    /// What the store says about itself.
    pub(super) identity: Identity,
    /// Every table but the one that holds the identity.
    pub(super) tables: Vec<Handle>,
    /// LMDB.
    pub(super) env: Lmdb,
    /// Which file it is.
    pub(super) file: (u64, u64),
}

impl Opened {
    /// Opens the store in `dir`.
    ///
    /// # Errors
    /// [`Error::NewerFormat`], [`Error::OlderFormat`], or why LMDB could not.
    pub(super) fn open(dir: &Path, options: &StoreOptions, read_only: bool, format: u32) -> Result<Self> {
        let path = dir.join(super::DATA_FILE);
        let bytes = std::fs::metadata(&path).map_err(|error| Error::io("open", &path, error))?.len();
        env::check_lock_file(dir)?;
        let env = env::open(dir, env::map_size(options.map_size, bytes), read_only)
            .map_err(|error| env::failed("open", dir, error))?;
        let file = files::file_id(dir).map_err(|error| Error::io("open", &path, error))?;
        let _ = env.clear_stale_readers(); // where there is no lock file there are no readers
        let (identity, dbs) = open_all(&env, dir, options, format)?;
        let mut tables: Vec<Handle> = dbs
            .into_iter()
            .map(|(name, db)| {
                let declared = options.tables.iter().any(|table| table.name() == name);
                Handle { declared, frame: Frame::of(&name), name, db }
            })
            .collect();
        // Those in use come first, in the order they were named: tables are found by looking along the list.
        tables.sort_by_key(|handle| {
            options.tables.iter().position(|table| table.name() == handle.name).unwrap_or(usize::MAX)
        });
        let mut opened = Self { identity, tables, env, file };
        if !read_only {
            opened.make_missing(dir)?;
        }
        Ok(opened)
    }

    /// The table's handle and its place, if it was declared.
    pub(super) fn table(&self, table: Table) -> Result<(usize, &Handle), nootropic_core::Error> {
        self.tables
            .iter()
            .enumerate()
            .find(|(_, handle)| handle.declared && handle.name == table.name())
            .ok_or(nootropic_core::Error::UnknownTable(table))
    }

    fn make_missing(&mut self, dir: &Path) -> Result<()> {
        let missing: Vec<String> =
            self.tables.iter().filter(|handle| handle.db.is_none()).map(|handle| handle.name.clone()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.identity.tables.extend(missing.iter().cloned());
        let made = create(&self.env, &missing, Some(&self.identity))
            .map_err(|error| env::failed("add tables to", dir, error))?;
        for (handle, db) in self.tables.iter_mut().filter(|handle| handle.db.is_none()).zip(made) {
            handle.db = Some(db);
        }
        Ok(())
    }
}

/// Creates the tables and the records of the identity in one transaction; the identity's own table is the last.
pub(super) fn create(env: &Lmdb, names: &[String], identity: Option<&Identity>) -> Result<Vec<Db>, heed::Error> {
    let txn = env.write_txn()?;
    let made = env.create_databases_and_commit(txn, |opener, txn| {
        let mut all = Vec::new();
        for name in names.iter().map(String::as_str).chain([identity::TABLE.name()]) {
            let mut options = opener.database_options().types::<Bytes, Bytes>();
            all.push(options.name(name).create(txn)?);
        }
        if let (Some(identity), Some(own)) = (identity, all.last()) {
            write_identity(txn, *own, identity)?;
        }
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(Dbs(all)))
    })?;
    Ok(match made {
        CommitOrAbort::Commit(all) => all,
        CommitOrAbort::Abort(()) => Vec::new(),
    })
}

/// Writes the records of the identity.
pub(super) fn write_identity(
    txn: &mut heed::RwTxn<'_>,
    db: Database<'_, Bytes, Bytes>,
    identity: &Identity,
) -> Result<(), heed::Error> {
    let frame = Frame::of(identity::TABLE.name());
    let mut value = Vec::new();
    for (key, payload) in identity.records() {
        frame.seal(key, &payload, &mut value);
        db.put(txn, key, &value)?;
    }
    Ok(())
}

/// Handles, usable once the transaction that opened them has been committed.
struct Dbs<'e>(Vec<Database<'e, Bytes, Bytes>>);

impl OnCommit for Dbs<'_> {
    type Committed = Vec<Db>;

    fn on_commit(self, token: &CommitToken) -> Vec<Db> {
        self.0.into_iter().map(|db| db.on_commit(token)).collect()
    }
}

type Named = Vec<(String, Option<Db>)>;

/// Reads the identity and opens every table there is, in one transaction.
fn open_all(env: &Lmdb, dir: &Path, options: &StoreOptions, format: u32) -> Result<(Identity, Named)> {
    enum Failure {
        Lmdb(heed::Error),
        Ours(Error),
    }
    impl From<heed::Error> for Failure {
        fn from(error: heed::Error) -> Self {
            Self::Lmdb(error)
        }
    }
    let mut found = None;
    let mut names: Vec<(String, bool)> = Vec::new();
    let txn = env.read_txn().map_err(|error| env::failed("read", dir, error))?;
    let committed = env.open_databases_and_commit(txn, |opener, txn| {
        let mut own = opener.database_options().types::<Bytes, Bytes>();
        let records = match own.name(identity::TABLE.name()).open(txn)? {
            Some(db) => read_identity(txn, db, dir).map_err(Failure::Ours)?,
            None => BTreeMap::new(),
        };
        let identity = Identity::from_records(&records)
            .map_err(|problem| Failure::Ours(Error::NotAStore { path: dir.to_owned(), problem }))?;
        check_format(dir, identity.format, format).map_err(Failure::Ours)?;
        let declared = options.tables.iter().map(|table| table.name().to_owned());
        let mut all: Vec<String> = identity.tables.clone();
        all.extend(declared.filter(|name| !identity.tables.contains(name)));
        let mut dbs = Vec::new();
        for name in all {
            let mut options = opener.database_options().types::<Bytes, Bytes>();
            let db = options.name(&name).open(txn)?;
            names.push((name.clone(), db.is_some()));
            dbs.extend(db);
        }
        found = Some(identity);
        Ok::<_, Failure>(CommitOrAbort::<_, ()>::Commit(Dbs(dbs)))
    });
    let dbs = match committed {
        Ok(CommitOrAbort::Commit(dbs)) => dbs,
        Ok(CommitOrAbort::Abort(())) => Vec::new(),
        Err(Failure::Lmdb(error)) => return Err(env::failed("open the tables of", dir, error)),
        Err(Failure::Ours(error)) => return Err(error),
    };
    let identity =
        found.ok_or_else(|| Error::NotAStore { path: dir.to_owned(), problem: "it has no tables".into() })?;
    let mut dbs = dbs.into_iter();
    let named: Named = names.into_iter().map(|(name, there)| (name, if there { dbs.next() } else { None })).collect();
    if let Some((name, _)) = named.iter().find(|(name, db)| db.is_none() && identity.tables.contains(name)) {
        let problem = format!("the table {name} is gone");
        return Err(Error::Damaged { path: dir.to_owned(), problem, count: 1 });
    }
    Ok((identity, named))
}

fn check_format(dir: &Path, found: u32, supported: u32) -> Result<()> {
    let path = dir.to_owned();
    match found.cmp(&supported) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(Error::NewerFormat { path, found, supported }),
        std::cmp::Ordering::Less => {
            Err(Error::OlderFormat { path, found, supported, reason: "nothing says how to bring it up to date" })
        }
    }
}

fn read_identity(
    txn: &heed::RoTxn<'_>,
    db: Database<'_, Bytes, Bytes>,
    dir: &Path,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let lmdb = |error| env::failed("read", dir, error);
    let frame = Frame::of(identity::TABLE.name());
    let mut records = BTreeMap::new();
    for entry in db.iter(txn).map_err(lmdb)? {
        let (key, value) = entry.map_err(lmdb)?;
        let payload = frame.open(key, value).map_err(|error| Error::Damaged {
            path: dir.to_owned(),
            problem: format!("record `{}`: {error}", String::from_utf8_lossy(key)),
            count: 1,
        })?;
        records.insert(key.to_vec(), payload.to_vec());
    }
    Ok(records)
}
