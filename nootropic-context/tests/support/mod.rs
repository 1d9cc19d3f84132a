//! What the tests of the index share.
#![allow(dead_code, reason = "every test program uses some of it")]

pub(crate) mod child;
pub(crate) mod not_run;
pub(crate) mod repo;
pub(crate) mod rng;
pub(crate) mod spy;
pub(crate) mod view;

use std::path::{Path, PathBuf};

use nootropic_context::TABLES;
use nootropic_context::index::{self, UpdateOptions, UpdateReport};
use nootropic_context::store::{LmdbStore, StoreOptions};
use nootropic_context::walk::WalkOptions;
use nootropic_core::Store;

/// Options with which a few files already make several batches.
pub(crate) fn small_batches() -> UpdateOptions {
    UpdateOptions {
        batch_bytes: 3000,
        threads: 2,
        walk: WalkOptions { threads: 2, ..WalkOptions::default() },
        ..UpdateOptions::default()
    }
}

pub(crate) fn store_options() -> StoreOptions {
    StoreOptions { min_free_bytes: 0, ..StoreOptions::with_tables(&TABLES) }
}

pub(crate) fn open(dir: &Path) -> LmdbStore {
    LmdbStore::open(dir, &store_options()).unwrap()
}

pub(crate) fn update(store: &dyn Store, root: &Path) -> UpdateReport {
    update_with(store, root, &small_batches())
}

pub(crate) fn update_with(store: &dyn Store, root: &Path, options: &UpdateOptions) -> UpdateReport {
    index::update(store, root, options, &mut |_| {}, &|| false).unwrap()
}

/// Fails unless all tables of the index agree with each other.
pub(crate) fn assert_consistent(store: &dyn Store, when: &str) {
    let report = index::check(store).unwrap();
    assert!(report.is_clean(), "{when}: {} problems: {:#?}", report.problem_count, report.problems);
}

/// A folder that is gone at the end; in memory where that is possible, since many small commits are slow on a disk and
/// what a process left in the page cache survives its death either way.
pub(crate) fn fast_dir() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}
