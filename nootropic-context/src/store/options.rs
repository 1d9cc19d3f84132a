//! How to open a store.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use nootropic_core::Table;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Every table that will be used. Tables are opened once, at the start; missing ones are made.
    pub tables: Vec<Table>,
    /// Address space to reserve, in bytes; disk is only used as it fills. Less is taken under an address-space limit,
    /// and the store grows past it when it has to.
    pub map_size: usize,
    /// Open for reading only. A place that cannot be written is opened so in any case.
    pub read_only: bool,
    /// Make the store if there is none.
    pub create: bool,
    /// Open even on a network filesystem, where LMDB's locks and maps cannot be relied on.
    pub allow_network_fs: bool,
    /// Refuse to write when the filesystem has fewer bytes free than this.
    pub min_free_bytes: u64,
    /// How long to wait for a process that is creating, checking or replacing the store, and for readers to finish
    /// when the map has to grow.
    pub lock_timeout: Duration,
    /// Checks a store after an unclean shutdown in a process of its own, in addition to the check that is always made.
    pub verifier: Option<VerifierCommand>,
}

/// A command that checks a store: it is run with the store's folder as its last argument, should call
/// [`verify_mapped`](super::verify_mapped), and exits with 0 if all is well. A death by signal counts as damage.
#[derive(Debug, Clone)]
pub struct VerifierCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments, before the folder.
    pub args: Vec<OsString>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            tables: Vec::new(),
            map_size: 64 << 30,
            read_only: false,
            create: true,
            allow_network_fs: false,
            min_free_bytes: 32 << 20,
            lock_timeout: Duration::from_secs(30),
            verifier: None,
        }
    }
}

impl StoreOptions {
    /// The defaults, with these tables.
    pub fn with_tables(tables: &[Table]) -> Self {
        Self { tables: tables.to_vec(), ..Self::default() }
    }
}
