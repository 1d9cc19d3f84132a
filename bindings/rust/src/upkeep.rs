//! Looking after the store.

use std::path::PathBuf;

use nootropic_context::index;
use nootropic_context::store::{self, Manifest};
use nootropic_core::{Error as CoreError, ErrorKind, Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::discover::FoundBy;
use crate::{Call, Error, Nootropic, Result};

/// Asks what is indexed, and where it is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Status {}

/// What is indexed, and where it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusReport {
    /// The repository's folder.
    pub root: PathBuf,
    /// Why that folder was taken.
    pub found_by: FoundBy,
    /// The folder of the store.
    pub store: PathBuf,
    /// Whether there is an index.
    pub indexed: bool,
    /// The state of the index.
    pub snapshot: Option<String>,
    /// Indexed files.
    pub files: u64,
    /// Their passages.
    pub chunks: u64,
    /// Bytes of text in them.
    pub bytes: u64,
    /// Words in them.
    pub words: u64,
    /// Bytes of the store on disk.
    pub store_bytes: u64,
    /// Of those, bytes that wait to be used again.
    pub free_bytes: u64,
    /// Whether the store cannot be written from here.
    pub read_only: bool,
    /// The version of this program.
    pub version: String,
}

/// Asks for every page and record to be checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Verify {
    /// Only that every page and record is as it was written, not that the records agree with each other.
    pub quick: bool,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyReport {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// The store that was checked.
    pub store: PathBuf,
    /// The state that was checked, if it could say.
    pub snapshot: Option<String>,
    /// Version of its format, if it could say.
    pub format: Option<u32>,
    /// Bytes of its file.
    pub file_bytes: u64,
    /// Entries in all tables.
    pub entries: u64,
    /// Pages in use or free.
    pub pages: u64,
    /// Pages waiting to be used again.
    pub free_pages: u64,
    /// Pages that are neither used nor free.
    pub leaked_pages: u64,
    /// The first problems.
    pub problems: Vec<String>,
    /// How many problems there are in all.
    pub problem_count: u64,
}

/// Asks for a copy of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// The new folder; `.nootropic/backups/<snapshot>` if not given.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "DIR", "x-complete" = "dir"))]
    pub to: Option<PathBuf>,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupReport {
    /// Its folder.
    pub path: PathBuf,
    /// The state that was copied.
    pub snapshot: String,
    /// Bytes of its data.
    pub bytes: u64,
    /// Their BLAKE3 hash, in hexadecimal.
    pub blake3: String,
}

impl BackupReport {
    fn of(path: PathBuf, Manifest { snapshot, bytes, blake3, .. }: Manifest) -> Self {
        Self { path, snapshot, bytes, blake3 }
    }
}

/// Asks for a backup to be put in the store's place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The backup's folder.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "DIR", "x-complete" = "dir"))]
    pub from: PathBuf,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RestoreReport {
    /// The store that now stands.
    pub store: PathBuf,
    /// The state of the backup.
    pub from_snapshot: String,
    /// The state of the store: it is a new one.
    pub snapshot: String,
    /// Bytes of its data.
    pub bytes: u64,
}

/// Asks for the store to be written anew without unused room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Compact {}

/// What compacting won.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CompactReport {
    /// The state of the store.
    pub snapshot: String,
    /// Bytes of the file before.
    pub bytes_before: u64,
    /// Bytes of the file now.
    pub bytes_after: u64,
}

impl Nootropic {
    /// What is indexed, and where it is kept. A repository without an index is no error.
    ///
    /// # Errors
    /// Why the store cannot be opened.
    pub fn status(&self, _: &Status, _: &Call) -> Result<StatusReport> {
        let mut report = StatusReport {
            root: self.root().to_owned(),
            found_by: self.found_by(),
            store: self.layout().store(),
            indexed: false,
            snapshot: None,
            files: 0,
            chunks: 0,
            bytes: 0,
            words: 0,
            store_bytes: 0,
            free_bytes: 0,
            read_only: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let (opened, meta) = match self.indexed() {
            Err(Error::NoIndex { .. }) => return Ok(report),
            indexed => indexed?,
        };
        let stats = opened.store.stats()?;
        report.indexed = true;
        report.snapshot = Some(stats.snapshot);
        (report.files, report.chunks) = (meta.files.into(), meta.chunks.into());
        (report.bytes, report.words) = (meta.bytes, meta.words);
        (report.store_bytes, report.free_bytes) = (stats.file_bytes, stats.free_bytes);
        report.read_only = opened.store.is_read_only();
        Ok(report)
    }

    /// Checks every page and record of the store, without mapping it, and then that the records of the index agree.
    ///
    /// # Errors
    /// [`Error::NoIndex`]; a file that is no store, was cut short or is of a newer version; `cancelled` when the call is, once
    /// the pages have been read. Damage is reported, not raised.
    pub fn verify(&self, input: &Verify, call: &Call) -> Result<VerifyReport> {
        self.layout().check()?;
        let store = self.layout().store();
        let report = store::verify(&store).map_err(|error| self.no_index(error))?;
        let mut problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        let mut problem_count = report.problem_count;
        if report.is_clean() && !input.quick {
            // Every record is as it was written; whether the records agree with each other is another question.
            let index = index::check(&call.cancellable(&*self.opened(false)?.store))?;
            problems.extend(index.problems.iter().map(ToString::to_string));
            problem_count += index.problem_count;
        }
        Ok(VerifyReport {
            ok: problem_count == 0,
            snapshot: report.snapshot,
            format: report.format,
            file_bytes: report.file_bytes,
            entries: report.tables.iter().map(|table| table.entries).sum(),
            pages: report.pages,
            free_pages: report.free_pages,
            leaked_pages: report.leaked_pages,
            problems,
            problem_count,
            store,
        })
    }

    /// Copies a consistent snapshot of the store to a new folder. Where none is named and the snapshot was copied before, that copy
    /// is the answer.
    ///
    /// # Errors
    /// [`Error::NoIndex`]; an error of kind `AlreadyExists` if the folder that is named is there; `cancelled` when the call is; as the
    /// store's. Nothing is left behind.
    pub fn backup(&self, input: &Backup, call: &Call) -> Result<BackupReport> {
        let (opened, _) = self.indexed()?;
        let path = match &input.to {
            Some(path) => path.clone(),
            None => {
                let backups = self.layout().data.join("backups");
                std::fs::create_dir_all(&backups).map_err(Error::io("make", &backups))?;
                let path = backups.join(opened.store.snapshot()?.to_string());
                if path.exists() {
                    return Ok(BackupReport::of(path.clone(), store::read_manifest(&path)?)); // nothing changed since
                }
                path
            }
        };
        call.started("backup", Unit::Bytes);
        let made = opened.store.backup_until(&path, &|| call.cancel.is_cancelled()).map_err(CoreError::from);
        call.finished("backup", &made);
        Ok(BackupReport::of(path, made?))
    }

    /// Puts a backup in the place of the store.
    ///
    /// # Errors
    /// [`Error::Io`] if there is no such folder; a backup that is not what its manifest says; an error of kind `Busy` if someone has the store open. Either way the
    /// store stays as it was.
    pub fn restore(&self, input: &Restore, call: &Call) -> Result<RestoreReport> {
        call.cancel.check()?;
        self.layout().check()?;
        std::fs::metadata(&input.from).map_err(Error::io("open", &input.from))?;
        self.layout().make_data()?;
        self.close();
        let store = self.layout().store();
        let manifest = store::restore(&input.from, &store, &self.store_options(true))?;
        let snapshot = self.opened(false)?.store.snapshot()?.to_string();
        Ok(RestoreReport { store, from_snapshot: manifest.snapshot, snapshot, bytes: manifest.bytes })
    }

    /// Joins what the index holds in pieces and writes the store anew without unused room.
    ///
    /// # Errors
    /// [`Error::NoIndex`]; an error of kind `Busy` if another process has it open; as the store's.
    pub fn compact(&self, _: &Compact, call: &Call) -> Result<CompactReport> {
        let (opened, _) = self.indexed()?;
        let bytes_before = opened.store.stats()?.file_bytes;
        index::optimize(&call.cancellable(&*opened.store))?;
        call.cancel.check()?;
        let snapshot = opened.store.compact()?.to_string();
        Ok(CompactReport { snapshot, bytes_before, bytes_after: opened.store.stats()?.file_bytes })
    }

    pub(crate) fn no_index(&self, error: nootropic_context::Error) -> Error {
        match error {
            nootropic_context::Error::StoreMissing { .. } => Error::NoIndex { root: self.root().to_owned() },
            error => error.into(),
        }
    }
}

impl VerifyReport {
    /// The error that a damaged store yields; `Ok` if it is clean.
    ///
    /// # Errors
    /// An error of kind `Corrupt` with the first problem.
    pub fn into_result(self) -> Result<Self> {
        match self.problems.first() {
            None => Ok(self),
            Some(first) => {
                let problem = format!("{} problems, the first: {first}", self.problem_count);
                Err(CoreError::Failed {
                    op: format!("verify {}", self.store.display()),
                    kind: ErrorKind::Corrupt,
                    hint: Some("`nootropic restore` a backup, or start anew with `nootropic index --rebuild`".into()),
                    source: problem.into(),
                }
                .into())
            }
        }
    }
}
