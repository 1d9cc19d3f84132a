//! Builds on disk: which there are, and whether their bytes are those that were written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arroy::distances::Cosine;
use heed::{CommitOrAbort, Env, EnvFlags, EnvOpenOptions, WithoutTls};
use serde::{Deserialize, Serialize};

use super::super::table::{Mark, VectorTable};
use super::failure;
use crate::{Error, Result};

/// Changes whenever builds of another version could not be read, or would not be as good.
const FORMAT: u32 = 1;

/// The version of arroy that wrote the trees.
const ARROY: &str = "0.9";

const DATA: &str = "data.mdb";
const MANIFEST: &str = "manifest.json";
/// How folders of builds that are not finished begin.
const UNFINISHED: &str = "build-";

/// A finished build, open for reading.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) env: Env<WithoutTls>,
    pub(super) database: arroy::Database<'static, Cosine>,
    /// The state that the trees show.
    pub(super) mark: Mark,
    pub(super) path: PathBuf,
    broken: AtomicBool,
}

impl Built {
    /// Never uses it again.
    pub(super) fn give_up(&self) {
        self.broken.store(true, Ordering::Release);
    }

    pub(super) fn broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        if self.broken() {
            drop(fs::remove_dir_all(&self.path)); // found again and checked again otherwise
        }
    }
}

/// What a build must be for its bytes to be looked at.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    arroy: String,
    /// LMDB files and vectors in them are of one kind of machine.
    machine: String,
    embedder: String,
    dim: usize,
    seq: u64,
    token: u64,
    bytes: u64,
    blake3: String,
}

impl Manifest {
    /// Of the build of `mark` whose file is `data`.
    fn of(data: &Path, table: &VectorTable, mark: Mark) -> io::Result<Self> {
        let mut file = File::open(data)?;
        let mut hasher = blake3::Hasher::new();
        let bytes = io::copy(&mut file, &mut hasher)?;
        Ok(Self {
            format: FORMAT,
            arroy: ARROY.into(),
            machine: format!("{}-{}-{}", std::env::consts::ARCH, usize::BITS, 1_u16.to_ne_bytes()[0]),
            embedder: table.embedder().into(),
            dim: table.dim(),
            seq: mark.seq,
            token: mark.token,
            bytes,
            blake3: hasher.finalize().to_hex().to_string(),
        })
    }
}

/// The folder of one embedder's builds, made.
pub(super) fn of(root: &Path, table: &VectorTable) -> Result<PathBuf> {
    let name = blake3::hash(table.embedder().as_bytes()).to_hex();
    let folder = root.join(&name.as_str()[..16]);
    fs::create_dir_all(&folder).map_err(|source| Error::Io { op: "create", path: folder.clone(), source })?;
    Ok(folder)
}

/// A place for a build to be made. What is left of builds that were cut off is removed: the caller holds the lock.
pub(super) fn unfinished(folder: &Path) -> io::Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    let path = folder.join(format!("{UNFINISHED}{}", std::process::id()));
    fs::create_dir(&path)?;
    Ok(path)
}

/// How the names of builds of `mark` begin; what follows tells apart two builds of one state.
fn name_of(mark: Mark) -> String {
    format!("{:016x}-{:016x}-", mark.seq, mark.token)
}

/// The build that shows `mark`, if there is one that can be used.
pub(super) fn existing(folder: &Path, table: &VectorTable, mark: Mark) -> Option<Arc<Built>> {
    let of_mark = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&name_of(mark));
    let paths = fs::read_dir(folder).ok()?.flatten().filter(of_mark).map(|entry| entry.path());
    paths.filter_map(|path| open(&path, check(&path, table).filter(|found| *found == mark)?).ok()).next()
}

/// Declares a build finished, under the name of the state it shows, and opens it.
pub(super) fn finish(folder: &Path, unfinished: &Path, table: &VectorTable, mark: Mark) -> Result<Arc<Built>> {
    let io = |source: io::Error| failure("finish", unfinished, source);
    let manifest = Manifest::of(&unfinished.join(DATA), table, mark).map_err(io)?;
    let json = serde_json::to_vec_pretty(&manifest).map_err(|error| failure("finish", unfinished, error))?;
    fs::write(unfinished.join(MANIFEST), json).map_err(io)?;
    let mut names = (0_u32..).map(|n| folder.join(format!("{}{n}", name_of(mark))));
    let path = names.find(|path| !path.exists()).unwrap_or_default(); // there is always a next number
    fs::rename(unfinished, &path).map_err(io)?;
    open(&path, mark).map_err(|error| failure("open", &path, error))
}

/// The newest build of `table` that can be used. Others that cannot are removed.
pub(super) fn newest(folder: &Path, table: &VectorTable) -> Result<Option<Arc<Built>>> {
    let io = |source| Error::Io { op: "list", path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        if entry.path().is_dir() && !name.to_string_lossy().starts_with(UNFINISHED) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    for path in paths.iter().rev() {
        match check(path, table) {
            Some(mark) => match open(path, mark) {
                Ok(built) => return Ok(Some(built)),
                // Open in this process under another name, or no address space: nothing is wrong with its bytes.
                Err(heed::Error::EnvAlreadyOpened | heed::Error::Io(_)) => {}
                Err(_) => drop(fs::remove_dir_all(path)),
            },
            None => drop(fs::remove_dir_all(path)), // if it stays, it is refused again next time
        }
    }
    Ok(None)
}

/// The state that a build shows, if its bytes are those that were written, for this table, by this version.
fn check(path: &Path, table: &VectorTable) -> Option<Mark> {
    let written: Manifest = serde_json::from_slice(&fs::read(path.join(MANIFEST)).ok()?).ok()?;
    let mark = Mark { seq: written.seq, token: written.token };
    let length = fs::metadata(path.join(DATA)).ok()?.len();
    if length != written.bytes {
        return None; // without reading it all
    }
    (Manifest::of(&path.join(DATA), table, mark).ok()? == written).then_some(mark)
}

/// Removes builds other than `kept`. Where they are mapped by someone who does not let go, later.
pub(super) fn remove_others(folder: &Path, kept: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path != kept && path.is_dir() && !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            drop(fs::remove_dir_all(path));
        }
    }
}

/// Opens a checked build. LMDB must not open a folder twice in a process: whoever has it open shares it.
fn open(path: &Path, mark: Mark) -> heed::Result<Arc<Built>> {
    static OPEN: Mutex<BTreeMap<PathBuf, Weak<Built>>> = Mutex::new(BTreeMap::new());
    let path = fs::canonicalize(path)?;
    let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, built| built.strong_count() > 0);
    if let Some(built) = all.get(&path).and_then(Weak::upgrade)
        && !built.broken()
    {
        return Ok(built);
    }
    // One that was given up but is still held fails here: LMDB has it open.
    let length = usize::try_from(fs::metadata(path.join(DATA))?.len()).unwrap_or(usize::MAX);
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(length.next_multiple_of(1 << 20)).max_readers(1024);
    let env = open_env(&mut options, &path, true)?;
    let txn = env.read_txn()?;
    let opened = env.open_databases_and_commit(txn, |opener, txn| {
        opener.open_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
    })?;
    let CommitOrAbort::Commit(Some(database)) = opened else {
        return Err(heed::Error::Mdb(heed::MdbError::Corrupted));
    };
    let built = Arc::new(Built { env, database, mark, path: path.clone(), broken: AtomicBool::new(false) });
    all.insert(path, Arc::downgrade(&built));
    Ok(built)
}

/// Opens an LMDB environment of the cache.
#[expect(unsafe_code, reason = "LMDB maps the file; Rust cannot see other writers")]
pub(super) fn open_env(
    options: &mut EnvOpenOptions<WithoutTls>,
    path: &Path,
    finished: bool,
) -> heed::Result<Env<WithoutTls>> {
    if finished {
        // SAFETY: read-only is among the flags that keep LMDB's guarantees.
        unsafe { options.flags(EnvFlags::READ_ONLY) };
    }
    // SAFETY: only LMDB writes the file: while it is built, the one process that holds the build lock; once finished,
    // nobody ever again. Its bytes were checked against their hash, or were just written by this process.
    unsafe { options.open(path) }
}
