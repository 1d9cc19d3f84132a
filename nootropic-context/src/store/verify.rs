//! Proves that a store is whole, or says where it is not.

use std::fs::File;
use std::path::Path;

use nootropic_core::Snapshot;

use super::identity::Identity;
use super::layout::{MetaError, Metas};
use super::walk::{self, Walked};
use super::{DATA_FILE, identity};
use crate::{Error, Result};

/// How often a store that others are writing is walked again before its problems are believed.
const ATTEMPTS: usize = 5;

/// What [`verify`] found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VerifyReport {
    /// The snapshot that was checked, if the store could say.
    pub snapshot: Option<String>,
    /// Version of its format, if it could say.
    pub format: Option<u32>,
    /// Bytes of the data file.
    pub file_bytes: u64,
    /// Pages in use or free.
    pub pages: u64,
    /// Bytes of a page.
    pub page_bytes: u64,
    /// Pages waiting to be used again.
    pub free_pages: u64,
    /// Pages that are neither used nor free: space that `compact` wins back.
    pub leaked_pages: u64,
    /// Every table.
    pub tables: Vec<TableReport>,
    /// The first problems; empty if the store is whole.
    pub problems: Vec<Problem>,
    /// How many problems there are in all.
    pub problem_count: u64,
}

/// One table of a [`VerifyReport`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TableReport {
    /// Its name.
    pub name: String,
    /// How many entries it holds.
    pub entries: u64,
    /// Bytes of its keys and payloads.
    pub bytes: u64,
    /// Pages it takes.
    pub pages: u64,
}

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Number of the page it is on.
    pub page: u64,
    /// The table, or list of LMDB's own, that the page belongs to.
    pub table: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "page {}", self.page)?;
        if let Some(table) = &self.table {
            write!(f, " of {table}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }

    /// The error that a damaged store yields; `Ok` if it is clean.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the first problem.
    pub fn into_result(self, dir: &Path) -> Result<Self> {
        match self.problems.first() {
            None => Ok(self),
            Some(first) => {
                Err(Error::Damaged { path: dir.to_owned(), problem: first.to_string(), count: self.problem_count })
            }
        }
    }
}

/// Checks every page and every record of the store in `dir`, without mapping it: whatever the bytes, this ends with a
/// report and never with a signal. 1 to 2 GB/s from the page cache.
///
/// A store in use may be checked; it is walked again when a writer got in between.
///
/// # Errors
/// [`Error::StoreMissing`], [`Error::NotAStore`], [`Error::Truncated`], [`Error::NewerFormat`], and failures to read. Damage
/// is reported, not raised; see [`VerifyReport::into_result`].
pub fn verify(dir: &Path) -> Result<VerifyReport> {
    let path = dir.join(DATA_FILE);
    let file = open_data(dir)?;
    let mut attempt = 1;
    loop {
        let metas = read_metas(dir, &file)?;
        let walked = walk::walk(&file, &metas).map_err(|error| Error::io("read", &path, error))?;
        let moved_on = walked.problem_count > 0 && read_metas(dir, &file).is_ok_and(|now| now != metas);
        if moved_on && attempt < ATTEMPTS {
            attempt += 1;
            continue;
        }
        let bytes = file.metadata().map_err(|error| Error::io("read", &path, error))?.len();
        return report(dir, &metas, walked, bytes);
    }
}

/// Opens a store's data file for reading.
pub(super) fn open_data(dir: &Path) -> Result<File> {
    let path = dir.join(DATA_FILE);
    File::open(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::StoreMissing { path: dir.to_owned() },
        _ => Error::io("open", &path, error),
    })
}

/// Reads a store's meta pages.
pub(super) fn read_metas(dir: &Path, file: &File) -> Result<Metas> {
    Metas::read(file).map_err(|error| match error {
        MetaError::Io(error) => Error::io("read", &dir.join(DATA_FILE), error),
        MetaError::Short(found) => Error::Truncated { path: dir.to_owned(), found, expected: None },
        MetaError::Bad(problem) => Error::NotAStore { path: dir.to_owned(), problem },
    })
}

fn report(dir: &Path, metas: &Metas, mut walked: Walked, file_bytes: u64) -> Result<VerifyReport> {
    let identity = Identity::from_records(&walked.identity);
    match &identity {
        Ok(identity) => {
            if identity.format > identity::FORMAT {
                let (found, supported) = (identity.format, identity::FORMAT);
                return Err(Error::NewerFormat { path: dir.to_owned(), found, supported });
            }
            for name in &identity.tables {
                if !walked.tables.iter().any(|table| table.name == *name) {
                    note(&mut walked, format!("the table {name} is gone"));
                }
            }
        }
        Err(problem) if walked.problem_count == 0 => note(&mut walked, problem.clone()),
        Err(_) => {} // told already, by whatever kept it from being read
    }
    let identity = identity.ok();
    let snapshot = identity
        .as_ref()
        .map(|identity| Snapshot { store: identity.store, commit: identity.base.wrapping_add(metas.newest.txn) });
    Ok(VerifyReport {
        snapshot: snapshot.map(|snapshot| snapshot.to_string()),
        format: identity.map(|identity| identity.format),
        file_bytes,
        pages: metas.newest.last_page + 1,
        page_bytes: metas.page_size as u64,
        free_pages: walked.free_pages,
        leaked_pages: walked.leaked_pages,
        tables: walked.tables,
        problems: walked.problems,
        problem_count: walked.problem_count,
    })
}

fn note(walked: &mut Walked, what: String) {
    walked.problem_count += 1;
    walked.problems.push(Problem { page: 0, table: Some(identity::TABLE.name().to_owned()), what });
}
