//! Why keeping or finding failed.

use std::path::{Path, PathBuf};

use nootropic_core::{BoxError, ErrorKind};

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why keeping or finding failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A contract's own error.
    #[error(transparent)]
    Core(#[from] nootropic_core::Error),
    /// The operating system refused something.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// What was being done, e.g. `read`.
        op: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The system has no more file watches to give.
    #[error("no file watch left for {} after {folders} folders", path.display())]
    WatchLimit {
        /// The folder that could not be watched.
        path: PathBuf,
        /// How many folders are watched.
        folders: usize,
        /// What the system said.
        source: BoxError,
    },
    /// The system's file watcher failed.
    #[error("cannot watch {}", path.display())]
    Watch {
        /// What was to be watched.
        path: PathBuf,
        /// Why not.
        source: BoxError,
    },
    /// There is no store, and none was to be made.
    #[error("there is no store at {}", path.display())]
    StoreMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The folder holds something else than a store, or a store whose first pages are destroyed.
    #[error("{} is not a store: {problem}", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// The store's file ends too early.
    #[error("the store at {} was cut short: {found} bytes{}", path.display(), of_expected(*expected))]
    Truncated {
        /// The store.
        path: PathBuf,
        /// How long its file is, in bytes.
        found: u64,
        /// How long it should be, where that is known.
        expected: Option<u64>,
    },
    /// The store was written by a newer version.
    #[error("the store at {} has format {found}; this version reads up to {supported}", path.display())]
    NewerFormat {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this version reads.
        supported: u32,
    },
    /// The store was written by an older version and was not migrated.
    #[error("the store at {} has format {found}; this version reads {supported}, and {reason}", path.display())]
    OlderFormat {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format this version reads.
        supported: u32,
        /// Why it was not migrated.
        reason: &'static str,
    },
    /// The store's bytes are not those that were written.
    #[error("the store at {} is damaged ({count} problems): {problem}", path.display())]
    Damaged {
        /// The store.
        path: PathBuf,
        /// The first problem.
        problem: String,
        /// How many were found.
        count: u64,
    },
    /// The store lost commits that it had when it was last closed.
    #[error("the store at {} went back: it was closed at commit {expected} and now ends at {found}", path.display())]
    RolledBack {
        /// The store.
        path: PathBuf,
        /// The last commit when it was closed.
        expected: u64,
        /// The last commit now.
        found: u64,
    },
    /// The store lies on a filesystem that LMDB cannot rely on.
    #[error("{} lies on a network filesystem ({filesystem})", path.display())]
    NetworkFilesystem {
        /// The store.
        path: PathBuf,
        /// Which one.
        filesystem: &'static str,
    },
    /// The store was opened for reading only.
    #[error("the store at {} is open for reading only", path.display())]
    ReadOnlyStore {
        /// The store.
        path: PathBuf,
    },
    /// The disk is full, or nearly so.
    #[error("no room to write to {}: {free} bytes are free{}", path.display(), to_stay_free(*free, *wanted))]
    StorageFull {
        /// The store.
        path: PathBuf,
        /// Bytes free on its filesystem.
        free: u64,
        /// Bytes that must be free before anything is written.
        wanted: u64,
    },
    /// The store outgrew the address space that could be reserved for it.
    #[error("the store at {} needs {wanted} bytes of address space, which this process may not have", path.display())]
    AddressSpace {
        /// The store.
        path: PathBuf,
        /// What it needs, in bytes.
        wanted: u64,
    },
    /// Someone else holds the store.
    #[error("cannot {op} {}: it is in use", path.display())]
    InUse {
        /// What was to be done.
        op: &'static str,
        /// The store.
        path: PathBuf,
    },
    /// The process forked after it had opened the store.
    #[error("the store at {} was opened by process {opened_by}, not by {pid}", path.display())]
    Forked {
        /// The store.
        path: PathBuf,
        /// Who opened it.
        opened_by: u32,
        /// Who uses it.
        pid: u32,
    },
    /// A transaction's body called into its own store.
    #[error("a transaction on {} was begun inside another one on the same thread", path.display())]
    Nested {
        /// The store.
        path: PathBuf,
    },
    /// The store was closed after a failure; its next use opens it again.
    #[error("the store at {} closed after a failure", path.display())]
    Closed {
        /// The store.
        path: PathBuf,
    },
    /// A folder that is none of our backups.
    #[error("{} is not a backup: it has no manifest.json", path.display())]
    NotABackup {
        /// The folder.
        path: PathBuf,
    },
    /// A backup that is not what its manifest says.
    #[error("the backup at {} cannot be used: {problem}", path.display())]
    BadBackup {
        /// The backup.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// Something is there already.
    #[error("{} exists already", path.display())]
    Exists {
        /// What exists.
        path: PathBuf,
    },
    /// LMDB failed.
    #[error("cannot {op} {}", path.display())]
    Lmdb {
        /// What was being done, e.g. `commit to`.
        op: &'static str,
        /// The store.
        path: PathBuf,
        /// What the caller can do.
        kind: ErrorKind,
        /// Why not.
        source: BoxError,
    },
    /// Another version of the program made the index.
    #[error("the index has version {found}, this program reads {supported}")]
    IndexVersion {
        /// The index's version.
        found: u32,
        /// The version this program reads and writes.
        supported: u32,
    },
    /// An embedder kept its identity and makes other vectors.
    #[error("embedder {embedder} made vectors of {stored} dimensions before, now of {given}")]
    EmbedderChanged {
        /// Its identity.
        embedder: String,
        /// Dimensions of the stored vectors.
        stored: usize,
        /// Dimensions it makes now.
        given: usize,
    },
    /// The approximate vector index failed. Nothing is lost: it is a cache.
    #[cfg(feature = "arroy")]
    #[error("cannot {op} the approximate index at {}", path.display())]
    Approximate {
        /// What was being done, e.g. `build`.
        op: &'static str,
        /// Its folder.
        path: PathBuf,
        /// What the caller can do.
        kind: ErrorKind,
        /// Why not.
        source: BoxError,
    },
}

fn of_expected(expected: Option<u64>) -> String {
    expected.map(|expected| format!(" of {expected}")).unwrap_or_default()
}

/// What [`Error::StorageFull`] says where it is the caller's margin that is used up, and not the disk.
fn to_stay_free(free: u64, wanted: u64) -> String {
    if is_margin(free, wanted) { format!(", {wanted} are to stay free (store.min_free_bytes)") } else { String::new() }
}

/// A disk that is full wants one byte more than there is.
fn is_margin(free: u64, wanted: u64) -> bool {
    wanted > free.saturating_add(1)
}

/// What to do about a store that cannot be read any more.
const REPAIR: &str = "run `nootropic verify` to see what is wrong, then `nootropic restore` a backup, or move the store \
                      away and index again with `nootropic index --rebuild`";

/// What to do about a disk that reports errors.
const DISK_FAILED: &str =
    "the disk failed to read or write: look into the system's log, make a backup elsewhere, and try again";

impl Error {
    /// The operating system refused something.
    pub(crate) fn io(op: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { op, path: path.to_owned(), source }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(error) => error.kind(),
            Self::Io { source, .. } => io_kind(source),
            Self::WatchLimit { .. } | Self::Watch { .. } => ErrorKind::Unavailable,
            Self::StoreMissing { .. } => ErrorKind::NotFound,
            Self::NotAStore { .. }
            | Self::Truncated { .. }
            | Self::Damaged { .. }
            | Self::RolledBack { .. }
            | Self::BadBackup { .. } => ErrorKind::Corrupt,
            Self::NewerFormat { .. } | Self::OlderFormat { .. } | Self::IndexVersion { .. } => {
                ErrorKind::UnsupportedVersion
            }
            Self::NetworkFilesystem { .. } | Self::Forked { .. } => ErrorKind::Unsupported,
            Self::ReadOnlyStore { .. } => ErrorKind::ReadOnly,
            Self::StorageFull { .. } | Self::AddressSpace { .. } => ErrorKind::StorageFull,
            Self::InUse { .. } => ErrorKind::Busy,
            Self::Nested { .. } | Self::NotABackup { .. } => ErrorKind::InvalidInput,
            Self::Closed { .. } => ErrorKind::Unavailable,
            Self::Exists { .. } => ErrorKind::AlreadyExists,
            Self::Lmdb { kind, .. } => *kind,
            Self::EmbedderChanged { .. } => ErrorKind::InvalidInput,
            #[cfg(feature = "arroy")]
            Self::Approximate { kind, .. } => *kind,
        }
    }

    /// What failed, as a contract's error puts it: “watching failed”.
    fn doing(&self) -> &'static str {
        match self {
            Self::WatchLimit { .. } | Self::Watch { .. } => "watching",
            Self::EmbedderChanged { .. } => "embedding",
            #[cfg(feature = "arroy")]
            Self::Approximate { .. } => "the approximate index",
            _ => "the store",
        }
    }

    /// Which file or folder it is about, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::WatchLimit { path, .. }
            | Self::Watch { path, .. }
            | Self::StoreMissing { path, .. }
            | Self::NotAStore { path, .. }
            | Self::Truncated { path, .. }
            | Self::NewerFormat { path, .. }
            | Self::OlderFormat { path, .. }
            | Self::Damaged { path, .. }
            | Self::RolledBack { path, .. }
            | Self::NetworkFilesystem { path, .. }
            | Self::ReadOnlyStore { path, .. }
            | Self::StorageFull { path, .. }
            | Self::AddressSpace { path, .. }
            | Self::InUse { path, .. }
            | Self::Forked { path, .. }
            | Self::Nested { path, .. }
            | Self::Closed { path, .. }
            | Self::NotABackup { path }
            | Self::BadBackup { path, .. }
            | Self::Exists { path, .. }
            | Self::Lmdb { path, .. } => Some(path),
            #[cfg(feature = "arroy")]
            Self::Approximate { path, .. } => Some(path),
            _ => None,
        }
    }

    /// What to try, in one sentence, where something can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Core(error) => error.hint(),
            Self::WatchLimit { .. } => Some("raise fs.inotify.max_user_watches (sysctl), or watch by polling".into()),
            Self::Watch { .. } => Some("watch by polling".into()),
            Self::Io { source, .. } => io_hint(source),
            Self::StoreMissing { .. } => Some("run `nootropic index` first".into()),
            Self::NotAStore { .. } | Self::Truncated { .. } | Self::Damaged { .. } | Self::RolledBack { .. } => {
                Some(REPAIR.into())
            }
            Self::NewerFormat { .. } => {
                Some("use the newer version, or index anew for this one with `nootropic index --rebuild`".into())
            }
            Self::OlderFormat { .. } => Some("open it once where it can be written".into()),
            Self::IndexVersion { .. } => Some("run `nootropic index`: the index is then built anew".into()),
            Self::NetworkFilesystem { .. } => {
                Some("keep the store on a local disk, or allow network filesystems at your own risk".into())
            }
            Self::ReadOnlyStore { .. } => Some("open it where it can be written".into()),
            Self::StorageFull { free, wanted, .. } if is_margin(*free, *wanted) => {
                Some("free some disk space, or set store.min_free_bytes lower; nothing was lost".into())
            }
            Self::StorageFull { .. } => Some("free some disk space and try again; nothing was lost".into()),
            Self::AddressSpace { .. } => Some("raise the limit (`ulimit -v`) and open the store again".into()),
            Self::InUse { .. } => Some("close the other programs that use it, then try again".into()),
            Self::Forked { .. } => Some("open the store after forking, or start a new program instead".into()),
            Self::Nested { .. } => Some("do the inner work in the same transaction, or after it".into()),
            Self::Closed { .. } => Some("try again: the store is opened anew".into()),
            Self::BadBackup { .. } => Some("use another backup".into()),
            Self::NotABackup { .. } => Some("name a folder that `nootropic backup` made".into()),
            Self::Exists { .. } => Some("choose another place, or remove it first".into()),
            Self::Lmdb { kind: ErrorKind::Corrupt, .. } => Some(REPAIR.into()),
            Self::Lmdb { kind: ErrorKind::PermissionDenied, .. } => {
                Some("check who owns the files of the store: whoever reads it must be able to write lock.mdb".into())
            }
            Self::Lmdb { kind: ErrorKind::Unavailable, .. } => Some(DISK_FAILED.into()),
            Self::Lmdb { .. } => None,
            #[cfg(feature = "arroy")]
            Self::Approximate { path, .. } => {
                Some(format!("nothing is lost: delete {} and it is built again", path.display()))
            }
            Self::EmbedderChanged { .. } => {
                Some("give the embedder a new identity, or forget the vectors it made before".into())
            }
        }
    }
}

fn io_hint(error: &std::io::Error) -> Option<String> {
    let hint = match io_kind(error) {
        ErrorKind::InvalidInput => "something else is in its place: move that away",
        ErrorKind::PermissionDenied => "check who owns the file and its folder",
        ErrorKind::ReadOnly => "the place cannot be written; choose another one",
        ErrorKind::StorageFull => "free some disk space and try again",
        ErrorKind::Unavailable => DISK_FAILED,
        _ => return None,
    };
    Some(hint.into())
}

/// The kind of an operating system error.
pub(crate) fn io_kind(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) {
        return ErrorKind::Unavailable;
    }
    match error.kind() {
        Io::NotFound => ErrorKind::NotFound,
        Io::PermissionDenied => ErrorKind::PermissionDenied,
        Io::AlreadyExists => ErrorKind::AlreadyExists,
        Io::ReadOnlyFilesystem => ErrorKind::ReadOnly,
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::StorageFull,
        Io::ResourceBusy | Io::WouldBlock => ErrorKind::Busy,
        Io::InvalidInput | Io::NotADirectory | Io::IsADirectory => ErrorKind::InvalidInput,
        Io::TimedOut => ErrorKind::Timeout,
        Io::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Internal,
    }
}

impl From<Error> for nootropic_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            other => {
                let (op, kind, hint) = (other.doing(), other.kind(), other.hint());
                Self::Failed { op: op.into(), kind, hint, source: BoxError::from(other) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_margin_that_is_used_up_are_told_apart() {
        let full = |free, wanted| Error::StorageFull { path: "store".into(), free, wanted };
        assert_eq!(full(7, 8).to_string(), "no room to write to store: 7 bytes are free");
        assert!(!full(7, 8).hint().unwrap().contains("min_free_bytes"));
        let margin = "no room to write to store: 7 bytes are free, 4096 are to stay free (store.min_free_bytes)";
        assert_eq!(full(7, 4096).to_string(), margin);
        assert!(full(7, 4096).hint().unwrap().contains("store.min_free_bytes"));
    }

    #[test]
    fn a_newer_store_can_be_indexed_anew() {
        let newer = Error::NewerFormat { path: "store".into(), found: 9, supported: 1 };
        assert!(newer.hint().unwrap().contains("nootropic index --rebuild"));
    }

    #[test]
    fn a_contract_says_what_failed() {
        let error = nootropic_core::Error::from(Error::StoreMissing { path: "x".into() });
        assert_eq!(error.to_string(), "the store failed");
        assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::NotFound, true));
    }
}
