//! A process that uses a store in every way there is, and says what it was told is safe.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use nootropic_context::store::{LmdbStore, StoreOptions, restore};
use nootropic_core::{Store, StoreExt, Table};

use crate::fault_shim::story::Story;
use crate::store_support::{A, B, Random};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Where the store lies in the watched folder: in folders that opening it makes.
pub(crate) const STORE: &str = "home/user/store";
/// Backups kept; older ones are removed.
const BACKUPS: usize = 2;

pub(crate) fn options() -> StoreOptions {
    let tables: &[Table] = &[A, B];
    StoreOptions { min_free_bytes: 0, map_size: 1 << 20, ..StoreOptions::with_tables(tables) }
}

/// One process's use of the store.
#[derive(Debug)]
pub(crate) struct Life<'s> {
    story: &'s Story,
    place: PathBuf,
    said: File,
    backups: Vec<(PathBuf, u64)>,
    random: Random,
}

impl<'s> Life<'s> {
    pub(crate) fn new(story: &'s Story, root: &Path, said: &Path, seed: u64) -> Self {
        let said = File::options().append(true).create(true).open(said).unwrap();
        Self { story, place: root.join(STORE), said, backups: Vec::new(), random: Random::new(seed) }
    }

    /// Does up to `steps` things. After an error it goes on, with the store as it is or opened again; after a second one in a
    /// row it gives up.
    pub(crate) fn run(&mut self, steps: u64) {
        let mut store = None;
        let mut failures = 0;
        for _ in 0..steps {
            let result = if store.is_some() { self.go_on(&mut store) } else { self.open(&mut store) };
            failures = if result.is_err() { failures + 1 } else { 0 };
            if failures == 2 {
                return;
            }
            if failures == 1 && self.random.below(2) == 0 {
                store = None;
            }
        }
    }

    fn say(&mut self, what: &str) {
        self.said.write_all(format!("{what}\n").as_bytes()).unwrap();
    }

    fn open(&mut self, store: &mut Option<LmdbStore>) -> Result<()> {
        let store = store.insert(LmdbStore::open(&self.place, &options())?);
        self.look(store).map(drop)
    }

    /// Where the store has come to. Whoever has seen that counts on it.
    fn look(&mut self, store: &LmdbStore) -> Result<u64> {
        let head = store.read_with(|txn| self.story.recognize(txn))?.expect("what another process left is whole");
        let snapshot = store.snapshot()?;
        self.say(&format!("has {head} {snapshot}"));
        Ok(head)
    }

    fn go_on(&mut self, opened: &mut Option<LmdbStore>) -> Result<()> {
        let Some(store) = opened.as_ref() else { return Ok(()) };
        match self.random.below(20) {
            0..2 => {
                store.compact()?;
            }
            2..4 => {
                *opened = None;
                self.open(opened)?;
            }
            4 => self.back_up(store)?,
            5 if !self.backups.is_empty() => {
                *opened = None;
                let (backup, head) = self.backups[0].clone();
                self.say(&format!("begin {head}"));
                restore(&backup, &self.place, &options())?;
                self.open(opened)?;
            }
            _ => {
                let step = self.look(store)? + 1;
                assert!(step <= self.story.len(), "the story is too short");
                self.say(&format!("begin {step}"));
                let snapshot = store.write(&mut |txn| self.story.take(txn, step))?;
                self.say(&format!("has {step} {snapshot}"));
            }
        }
        Ok(())
    }

    fn back_up(&mut self, store: &LmdbStore) -> Result<()> {
        let head = self.look(store)?;
        let name = format!("backup-{:08x}", self.random.below(u64::from(u32::MAX)));
        let dest = self.place.with_file_name(&name);
        self.say(&format!("copy {name} {head}"));
        store.backup(&dest)?;
        self.say(&format!("keeps {name}"));
        self.backups.push((dest, head));
        if self.backups.len() > BACKUPS {
            let (oldest, _) = self.backups.remove(0);
            self.say(&format!("drops {}", oldest.file_name().unwrap().to_str().unwrap()));
            fs::remove_dir_all(oldest)?;
        }
        Ok(())
    }
}
