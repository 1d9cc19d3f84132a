//! Everything that can go wrong, looked at before it does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use nootropic_context::index::FileRecord;
use nootropic_context::store::{MAX_READERS, set_aside};
use nootropic_context::walk::{self, FileStamp, Found, Reader, RelPath};
use nootropic_core::StoreExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nootropic::Opened;
use crate::upkeep::Verify;
use crate::{Call, Error, Nootropic, Result};

/// Asks for everything to be checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Doctor {}

/// What was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoctorReport {
    /// Whether nothing failed.
    pub ok: bool,
    /// Each check, in order.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub state: CheckState,
    /// What was found.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// Works, and could be better.
    Warn,
    /// Does not work.
    Fail,
}

/// Room below which an index of a large repository may not fit.
const LITTLE_ROOM: u64 = 1 << 30;

type Finding = (CheckState, String, Option<String>);

fn ok(message: impl Into<String>) -> Finding {
    (CheckState::Ok, message.into(), None)
}

fn warn(message: impl Into<String>, hint: impl Into<String>) -> Finding {
    (CheckState::Warn, message.into(), Some(hint.into()))
}

fn fail(error: &Error) -> Finding {
    (CheckState::Fail, crate::chain(error), error.hint())
}

impl Nootropic {
    /// Checks everything that can go wrong; what fails is in the report.
    pub fn doctor(&self, _: &Doctor, call: &Call) -> DoctorReport {
        let mut checks = Vec::new();
        let mut add = |name: &str, (state, message, hint): Finding| {
            checks.push(Check { name: name.to_owned(), state, message, hint });
        };
        add("repository", ok(format!("{} ({})", self.root().display(), found_by(self.found_by()))));
        add("configuration", self.check_configuration());
        let opened = self.indexed().map(|(opened, _)| opened);
        add("folder", check_folder(&self.layout().data));
        match &opened {
            Ok(opened) => {
                add("store", self.check_store(opened));
                add("records", self.check_records(call));
                add("size", check_size(opened));
                add("readers", check_readers(opened));
            }
            Err(error @ Error::NoIndex { .. }) => {
                add("store", (CheckState::Warn, error.to_string(), error.hint()));
            }
            Err(error) => {
                add("store", fail(error));
                add("records", self.check_records(call));
            }
        }
        add("old indexes", check_old(&self.layout().store()));
        add("disk", self.check_disk());
        let walked = self.walk(opened.as_ref().ok(), call);
        add("files", walked.as_ref().map_or_else(fail, |walked| check_freshness(walked, opened.is_ok())));
        if let Ok(walked) = &walked {
            add("watches", check_watches(walked.folders));
        }
        DoctorReport { ok: checks.iter().all(|check| check.state != CheckState::Fail), checks }
    }

    fn check_configuration(&self) -> Finding {
        match self.layers().warnings() {
            [] => ok(format!("{} settings, all understood", crate::config::SETTINGS.len())),
            warnings => warn(warnings.join("; "), "unset it, or see `nootropic config show` for the names that count"),
        }
    }

    fn check_store(&self, opened: &Opened) -> Finding {
        let path = opened.store.path().display();
        match opened.store.snapshot() {
            Ok(_) if opened.store.is_read_only() => warn(
                format!("{path} can be read and not written"),
                "to keep the index elsewhere: `--set store.place=user`",
            ),
            Ok(snapshot) => ok(format!("{path} opens, snapshot {snapshot}")),
            Err(error) => fail(&error.into()),
        }
    }

    fn check_records(&self, call: &Call) -> Finding {
        match self.verify(&Verify { quick: true }, call).and_then(crate::VerifyReport::into_result) {
            Ok(report) => ok(format!("{} entries on {} pages, all as written", report.entries, report.pages)),
            Err(error) => fail(&error),
        }
    }

    fn check_disk(&self) -> Finding {
        let place = existing(&self.layout().store());
        let kind = filesystem(&place).unwrap_or_else(|| "unknown filesystem".into());
        match free_bytes(&place) {
            Ok(free) if free < self.config().store.min_free_bytes => (
                CheckState::Fail,
                format!("{} MiB are free on {kind}: nothing will be written", free >> 20),
                Some("free some disk space".into()),
            ),
            Ok(free) if free < LITTLE_ROOM => {
                warn(format!("only {} MiB are free on {kind}", free >> 20), "free some disk space")
            }
            Ok(free) => ok(format!("{} GiB free, {kind}", free >> 30)),
            Err(error) => fail(&Error::Io { op: "examine", path: place, source: error }),
        }
    }

    /// Compares what is there with what is indexed.
    fn walk(&self, opened: Option<&Opened>, call: &Call) -> Result<Walked> {
        let (mut files, mut unread) = (HashMap::new(), Vec::new());
        let options = self.config().index.options();
        let cancel = || call.cancel.is_cancelled();
        let summary = walk::walk(self.root(), &options.walk, &cancel, &mut |found| match found {
            Found::File { path, stamp } => drop(files.insert(path, stamp)),
            Found::Skipped { path, reason } if reason.is_passing() => unread.push(path),
            Found::Skipped { .. } => {}
        })?;
        let mut walked = Walked { files: summary.files, folders: summary.folders, ..Walked::default() };
        let Some(opened) = opened else { return Ok(walked) };
        opened.store.read_with(|txn| {
            FileRecord::each(txn, &mut |record| {
                let path = RelPath::new(record.path);
                match path.as_ref().and_then(|path| files.remove(path)) {
                    // Read so soon after a change that it will be read again, which does not mean that it changed.
                    Some(stamp) if record.stamp == stamp || record.stamp == FileStamp::NEVER => {}
                    Some(_) => walked.changed += 1,
                    // What cannot be read is kept as it was indexed.
                    None if path.is_some_and(|path| unread.iter().any(|unread| lies_in(&path, unread))) => {}
                    None => walked.gone += 1,
                }
                Ok(())
            })
        })?;
        let reader = Reader::new(self.root(), &options.walk)?;
        let can_be_read = |path: &RelPath| reader.read(path).map_or_else(|skip| !skip.reason.is_passing(), |_| true);
        let (new, unreadable): (Vec<_>, Vec<_>) = files.into_keys().partition(can_be_read);
        walked.new = new.len() as u64;
        walked.unreadable = unreadable.into_iter().chain(unread).collect();
        walked.unreadable.sort_unstable();
        Ok(walked)
    }
}

/// Whether a file is `folder`, or lies in it.
fn lies_in(path: &RelPath, folder: &RelPath) -> bool {
    path.as_bytes().strip_prefix(folder.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
}

#[derive(Debug, Default)]
struct Walked {
    files: u64,
    folders: u64,
    new: u64,
    changed: u64,
    gone: u64,
    /// Files and folders that no update can read, in order.
    unreadable: Vec<RelPath>,
}

fn check_freshness(walked: &Walked, indexed: bool) -> Finding {
    let Walked { files, new, changed, gone, .. } = *walked;
    if !indexed {
        return ok(counted(files, "file could be indexed", "files could be indexed"));
    }
    let mut found = Vec::new();
    for (n, one, several) in [
        (new, "file is new", "files are new"),
        (changed, "file looks changed", "files look changed"),
        (gone, "file is gone", "files are gone"),
    ] {
        if n > 0 {
            found.push(counted(n, one, several));
        }
    }
    let mut hints = Vec::new();
    if !found.is_empty() {
        hints.push("`nootropic index` brings the index into step; `nootropic search` does so by itself");
    }
    if let Some(first) = walked.unreadable.first() {
        let n = walked.unreadable.len() as u64;
        found.push(format!("{}: {first}", counted(n, "path cannot be read", "paths cannot be read, the first")));
        hints.push("give yourself the right to read what should be indexed, or exclude it: `--set index.exclude=...`");
    }
    match found.as_slice() {
        [] => ok(counted(files, "file, as indexed", "files, all as indexed")),
        found => warn(found.join(", "), hints.join("; ")),
    }
}

fn counted(n: u64, one: &str, several: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { several })
}

fn check_folder(data: &Path) -> Finding {
    let place = existing(data);
    match tempfile_in(&place) {
        Ok(()) => ok(format!("{} can be written", place.display())),
        Err(error) => warn(
            format!("{} cannot be written: {error}", place.display()),
            "to keep the index elsewhere: `--set store.place=user`",
        ),
    }
}

/// Whether a file can be made there.
fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!(".nootropic-doctor-{}", std::process::id()));
    std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)
}

/// What was moved out of the way and takes room.
fn check_old(store: &Path) -> Finding {
    let old = match set_aside(store) {
        Ok(old) if old.is_empty() => return ok("none is kept"),
        Ok(old) => old,
        Err(error) => return fail(&error.into()),
    };
    let (mut sizes, mut hints) = (Vec::new(), Vec::new());
    for old in &old {
        sizes.push(format!("{} ({:.1} MiB)", old.path.display(), old.bytes as f64 / f64::from(1 << 20)));
        if old.damaged {
            hints.push(format!("delete {} once nobody wants to mend it", old.path.display()));
        }
    }
    if old.iter().any(|old| !old.damaged) {
        hints.push("`nootropic index` removes what was replaced once the new index is complete".to_owned());
    }
    warn(sizes.join(", "), hints.join("; "))
}

fn check_size(opened: &Opened) -> Finding {
    match opened.store.stats() {
        Ok(stats) if stats.growth > 4.0 && stats.file_bytes > 16 << 20 => warn(
            format!("{} MiB, {:.1} times what is in use", stats.file_bytes >> 20, stats.growth),
            "`nootropic compact` gives the rest back",
        ),
        Ok(stats) => ok(format!(
            "{:.1} MiB, {:.1} times what is in use; {} GiB of address space",
            stats.file_bytes as f64 / f64::from(1 << 20),
            stats.growth,
            stats.map_bytes >> 30
        )),
        Err(error) => fail(&error.into()),
    }
}

fn check_readers(opened: &Opened) -> Finding {
    match opened.store.stats() {
        Ok(stats) if stats.reader_slots > MAX_READERS / 4 * 3 => warn(
            format!("{} of {MAX_READERS} places for readers were taken at once", stats.reader_slots),
            "close programs that have the repository open",
        ),
        Ok(stats) => ok(format!("{} of {MAX_READERS} places for readers taken at most", stats.reader_slots)),
        Err(error) => fail(&error.into()),
    }
}

fn check_watches(folders: u64) -> Finding {
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches");
    match limit.ok().and_then(|limit| limit.trim().parse::<u64>().ok()) {
        Some(limit) if limit < folders => warn(
            format!(
                "the system gives {limit} watches, the repository has {folders} folders: `watch` looks at intervals"
            ),
            "raise `fs.inotify.max_user_watches` with sysctl",
        ),
        Some(limit) => ok(format!("{folders} folders, {limit} watches allowed")),
        None => ok(format!("{folders} folders")),
    }
}

fn found_by(found_by: crate::FoundBy) -> &'static str {
    match found_by {
        crate::FoundBy::Given => "named",
        crate::FoundBy::Index => "the nearest `.nootropic` upward",
        crate::FoundBy::Git => "the nearest `.git` upward",
        crate::FoundBy::Here => "the current folder",
    }
}

/// The nearest folder upward that exists.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(path).to_owned()
}

#[cfg(unix)]
fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> std::io::Result<u64> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// The kind of filesystem a folder lies on, as the system's list of mounts names it.
fn filesystem(path: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let of_mount = |line: &str| {
        let mut fields = line.split(' ');
        let (point, kind) = (fields.nth(1)?.replace("\\040", " "), fields.next()?.to_owned());
        path.starts_with(&point).then_some((point.len(), kind))
    };
    mounts.lines().filter_map(of_mount).max_by_key(|(len, _)| *len).map(|(_, kind)| kind)
}
