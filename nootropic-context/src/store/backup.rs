//! Copies of a snapshot to keep elsewhere, and the way back.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use nootropic_core::Snapshot;
use serde::{Deserialize, Serialize};

use super::files::{self, Draft};
use super::lock::Presence;
use super::shared::Shared;
use super::shutdown::ANCHOR_FILE;
use super::tables::Opened;
use super::{DATA_FILE, LOCK_FILE, StoreOptions, env, identity, open, rewrite, tables, verify};
use crate::{Error, Result};

const MANIFEST_FILE: &str = "manifest.json";
const MANIFEST_VERSION: u32 = 1;

/// What a backup says about itself, in `manifest.json` beside its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this manifest's form.
    pub manifest: u32,
    /// Version of the store's format.
    pub format: u32,
    /// The snapshot that was copied, as [`Snapshot`] is written.
    pub snapshot: String,
    /// Length of the data file, in bytes.
    pub bytes: u64,
    /// Its BLAKE3 hash, in hexadecimal.
    pub blake3: String,
    /// When the backup was made, in seconds since 1970.
    pub created: u64,
}

/// Copies the newest snapshot to the new folder `dest`, until `cancel` says so.
pub(super) fn backup(shared: &Shared, dest: &Path, cancel: &dyn Fn() -> bool) -> Result<Manifest> {
    let _stay = shared.enter()?;
    shared.heal()?;
    if dest.exists() {
        return Err(Error::Exists { path: dest.to_owned() });
    }
    let dest = std::path::absolute(dest).map_err(|error| Error::io("find", dest, error))?;
    remove_leftovers(&dest)?;
    let draft = Draft::beside(&dest)?;
    let _ours = claim(draft.path())?;
    let (snapshot, format) = {
        let state = shared.state();
        let opened = state.as_ref().ok_or_else(|| shared.closed())?;
        let map_size = opened.env.info().map_size;
        let snapshot = rewrite::copy(opened, draft.path(), &shared.dir, map_size, cancel)?;
        (snapshot, opened.identity.format)
    };
    let manifest = describe(draft.path(), snapshot, format)?;
    let path = draft.path().join(MANIFEST_FILE);
    let text = serde_json::to_string_pretty(&manifest).map_err(std::io::Error::from);
    text.and_then(|text| fs::write(&path, text + "\n")).map_err(|error| Error::io("write", &path, error))?;
    let (made, name) = (files::file_id(draft.path()).ok(), draft.path().to_owned());
    let placed = draft.replace(&dest).and_then(|()| files::sync_ancestors(&dest));
    // It may not be durable, and would be in the way of the next attempt. What has its name is complete, so it loses that first.
    if placed.is_err() && made.is_some() && files::file_id(&dest).ok() == made {
        let renamed = fs::rename(&dest, &name).is_ok() && files::sync_parent(&name).is_ok();
        let _ = if renamed { fs::remove_dir_all(&name) } else { Ok(()) };
    }
    placed.map(|()| manifest)
}

/// Says to whoever looks for leftovers that the folder is being worked on, for as long as the result lives.
fn claim(dir: &Path) -> Result<Option<File>> {
    let file = File::open(dir).map_err(|error| Error::io("open", dir, error))?;
    Ok(file.try_lock().is_ok().then_some(file))
}

/// Removes backups beside `dest` that were cut off before they had a name.
fn remove_leftovers(dest: &Path) -> Result<()> {
    let Some(parent) = dest.parent() else { return Ok(()) };
    for path in files::list(parent, b"")?.into_iter().filter(|path| files::is_draft(path)) {
        // One whose data are not there yet is either being begun or takes no room.
        let theirs = !path.join(DATA_FILE).exists() || claim(&path).ok().flatten().is_none();
        if !theirs && files::list(&path, b"")?.iter().all(|file| is_part(file)) {
            files::remove_dir_if_there(&path).map_err(|error| Error::io("remove", &path, error))?;
        }
    }
    Ok(())
}

fn is_part(path: &Path) -> bool {
    let parts = [DATA_FILE, LOCK_FILE, ANCHOR_FILE, MANIFEST_FILE];
    path.file_name().is_some_and(|name| parts.iter().any(|part| name == *part))
}

fn describe(dir: &Path, snapshot: Snapshot, format: u32) -> Result<Manifest> {
    let path = dir.join(DATA_FILE);
    let (bytes, blake3) = hash(&path).map_err(|error| Error::io("read", &path, error))?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let created = now.map(|now| now.as_secs()).unwrap_or(0);
    Ok(Manifest { manifest: MANIFEST_VERSION, format, snapshot: snapshot.to_string(), bytes, blake3, created })
}

fn hash(path: &Path) -> std::io::Result<(u64, String)> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let read = reader.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        hasher.update(part);
        bytes += read as u64;
    }
    Ok((bytes, hasher.finalize().to_hex().to_string()))
}

/// Reads a backup's manifest.
///
/// # Errors
/// [`Error::NotABackup`] if there is none, [`Error::BadBackup`] if it does not read, [`Error::NewerFormat`] if a newer version wrote it.
pub fn read_manifest(backup: &Path) -> Result<Manifest> {
    let bad = |problem: String| Error::BadBackup { path: backup.to_owned(), problem };
    let text = fs::read_to_string(backup.join(MANIFEST_FILE)).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            Error::NotABackup { path: backup.to_owned() }
        }
        _ => bad(format!("{MANIFEST_FILE} cannot be read: {error}")),
    })?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| bad(format!("{MANIFEST_FILE} does not read: {error}")))?;
    if manifest.manifest > MANIFEST_VERSION || manifest.format > identity::FORMAT {
        let (found, supported) = (manifest.format.max(manifest.manifest), identity::FORMAT);
        return Err(Error::NewerFormat { path: backup.to_owned(), found, supported });
    }
    Ok(manifest)
}

/// Puts a backup in the place of the store in `dest`, or makes the store from it, to be opened with `options`.
///
/// The copy is compared with its manifest and checked whole before anything is replaced; the old store is removed only after
/// the new one stands. The restored store is a new one: its snapshots differ from those of the store it was copied from.
///
/// # Errors
/// [`Error::NotABackup`], [`Error::BadBackup`], [`Error::Damaged`], [`Error::NewerFormat`]; [`Error::InUse`] if someone has the store open. Either way
/// the old store stays as it was.
pub fn restore(backup: &Path, dest: &Path, options: &StoreOptions) -> Result<Manifest> {
    let manifest = read_manifest(backup)?;
    let dest = open::resolve(dest, options)?;
    let _alone = Presence::alone(&dest, "restore")?;
    files::clean_up(&dest)?;
    let draft = Draft::beside(&dest)?;
    let (from, to) = (backup.join(DATA_FILE), draft.path().join(DATA_FILE));
    fs::copy(&from, &to).map_err(|error| Error::io("copy", &from, error))?;
    let (bytes, blake3) = hash(&to).map_err(|error| Error::io("read", &to, error))?;
    if (bytes, &blake3) != (manifest.bytes, &manifest.blake3) {
        let problem = format!("its data are {bytes} bytes with hash {blake3}, not those of the manifest");
        return Err(Error::BadBackup { path: backup.to_owned(), problem });
    }
    verify::verify(draft.path())?.into_result(backup)?;
    rename_store(draft.path(), manifest.format)?;
    draft.become_store(&dest)?;
    Ok(manifest)
}

/// Gives the store in `dir` a new identity.
fn rename_store(dir: &Path, format: u32) -> Result<()> {
    let opened = Opened::open(dir, &StoreOptions::default(), false, format)?;
    let identity = identity::Identity { store: identity::random(), ..opened.identity };
    tables::create(&opened.env, &[], Some(&identity)).map_err(|error| env::failed("write to", dir, error))?;
    Ok(())
}
