//! Opening: find out what lies there, make or migrate or check it, and only then map it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nootropic_core::Table;

use super::files::{self, Draft};
use super::identity::{self, Identity};
use super::lock::{Held, Presence, is_unwritable};
use super::migrate::{self, Plan};
use super::registry::{self, Found};
use super::shared::{Shared, note_state};
use super::shutdown::{self, Anchor, FileState};
use super::tables::{self, Opened};
use super::verify;
use super::{DATA_FILE, StoreOptions, env, platform};
use crate::{Error, Result};

/// Times a store may be replaced while it is being opened.
const ATTEMPTS: usize = 8;

/// Opens the store in `dir`, sharing it if this process has it open.
pub(super) fn open(dir: &Path, options: &StoreOptions, plan: &Plan) -> Result<Arc<Shared>> {
    check_tables(&options.tables)?;
    let dir = resolve(dir, options)?;
    loop {
        let mut registry = registry::lock();
        if let Ok(file) = files::file_id(&dir) {
            match registry.find(file) {
                Found::Open(shared) => {
                    drop(registry); // dropping the last handle takes the same lock
                    check_same(&shared, options)?;
                    return Ok(shared);
                }
                Found::Closing => {
                    drop(registry);
                    thread::sleep(Duration::from_millis(1));
                    continue;
                }
                Found::Nothing => {}
            }
        }
        let (shared, file) = open_file(&dir, options, plan)?;
        let shared = Arc::new(shared);
        registry.add(file, &shared);
        return Ok(shared);
    }
}

fn open_file(dir: &Path, options: &StoreOptions, plan: &Plan) -> Result<(Shared, (u64, u64))> {
    for _ in 0..ATTEMPTS {
        let mut presence = Presence::enter(dir, options.lock_timeout)?;
        let alone = presence.held() == Held::Alone;
        if alone && !options.read_only {
            match files::clean_up(dir) {
                Err(Error::Io { source, .. }) if is_unwritable(&source) => {}
                other => other?,
            }
        }
        let data = dir.join(DATA_FILE);
        if !data.try_exists().map_err(|error| Error::io("examine", &data, error))? {
            make(dir, options, plan, alone)?;
        }
        let read_only = options.read_only || !is_writable(dir)?;
        check(dir, options, alone, read_only)?;
        let opened = match Opened::open(dir, options, read_only, plan.format) {
            Err(Error::OlderFormat { found, .. }) => {
                migrate::run(dir, options, plan, found, alone, read_only)?;
                continue;
            }
            other => other?,
        };
        let file = opened.file;
        if alone {
            presence.share()?;
            // Between letting go and holding on, someone may have put another store in its place.
            if files::file_id(dir).ok() != Some(file) {
                continue;
            }
        }
        return Ok((Shared::new(dir.to_owned(), options.clone(), plan.format, read_only, opened, presence), file));
    }
    Err(Error::InUse { op: "open", path: dir.to_owned() })
}

/// Makes an empty store.
fn make(dir: &Path, options: &StoreOptions, plan: &Plan, alone: bool) -> Result<()> {
    if options.read_only || !options.create {
        return Err(Error::StoreMissing { path: dir.to_owned() });
    }
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        let problem = format!("the folder is not empty and has no {DATA_FILE}");
        return Err(Error::NotAStore { path: dir.to_owned(), problem });
    }
    let draft = Draft::beside(dir)?; // where nothing can be written, this says why
    if !alone {
        return Err(Error::InUse { op: "create", path: dir.to_owned() });
    }
    let identity = Identity::new(plan.format, &options.tables);
    let env = env::open(draft.path(), env::map_size(1 << 30, 0), false)
        .map_err(|error| env::failed("create", draft.path(), error))?;
    tables::create(&env, &identity.tables, Some(&identity)).map_err(|error| env::failed("create", dir, error))?;
    drop(env);
    draft.become_store(dir)
}

/// Looks at the file before it is mapped; walks all of it if it was not closed in order, or was touched since.
pub(super) fn check(dir: &Path, options: &StoreOptions, alone: bool, read_only: bool) -> Result<()> {
    let file = verify::open_data(dir)?;
    let metas = verify::read_metas(dir, &file)?;
    let path = dir.join(DATA_FILE);
    let state = FileState::of(&file.metadata().map_err(|error| Error::io("read", &path, error))?);
    let found = state.len;
    let marks = if alone { shutdown::marks(dir)? } else { Vec::new() };
    let marked = !marks.is_empty();
    let unclean = alone
        && match shutdown::check_anchor(dir, &metas, state, marked)? {
            Anchor::Same => marked,
            // Where it cannot be noted that all is well, every opener would read all of it.
            Anchor::Touched => marked || !read_only,
            Anchor::Unknown => true,
        };
    // A file may end early and be whole: pages that were numbered and freed in one transaction are never written.
    let expected = metas.expected_len();
    let short = !alone && expected.is_none_or(|expected| found < expected);
    if !unclean && !short {
        return Ok(());
    }
    let report = verify::verify(dir)?;
    if !report.is_clean() && expected.is_none_or(|expected| found < expected) {
        return Err(Error::Truncated { path: dir.to_owned(), found, expected });
    }
    report.into_result(dir)?;
    if let Some(verifier) = options.verifier.as_ref().filter(|_| unclean) {
        super::child::check(dir, verifier)?;
    }
    if alone && !read_only {
        // A commit that was cut off may be seen without being durable, and so may a store that was just made.
        files::settle(dir)?;
        files::sync_ancestors(dir)?;
        note_state(dir);
        for mark in marks {
            files::remove_if_there(&mark).map_err(|error| Error::io("remove", &mark, error))?;
        }
    }
    Ok(())
}

/// Whether the data file may be written.
fn is_writable(dir: &Path) -> Result<bool> {
    let path = dir.join(DATA_FILE);
    match fs::File::options().read(true).write(true).open(&path) {
        Ok(_) => Ok(true),
        Err(error) if is_unwritable(&error) => Ok(false),
        Err(error) => Err(Error::io("open", &path, error)),
    }
}

/// The store's folder under its own name, so that what lies beside it is found whichever way it was reached.
pub(super) fn resolve(dir: &Path, options: &StoreOptions) -> Result<PathBuf> {
    let full = match fs::canonicalize(dir) {
        Ok(full) => full,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let dir = std::path::absolute(dir).map_err(|error| Error::io("find", dir, error))?;
            let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
                return Err(Error::StoreMissing { path: dir });
            };
            if options.create && !options.read_only {
                fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, error))?;
            } else if !parent.exists() {
                return Err(Error::StoreMissing { path: dir });
            }
            fs::canonicalize(parent).map_err(|error| Error::io("find", parent, error))?.join(name)
        }
        Err(error) => return Err(Error::io("find", dir, error)),
    };
    if !options.allow_network_fs {
        let there = if full.exists() { full.as_path() } else { full.parent().unwrap_or(&full) };
        platform::refuse_network(there)?;
    }
    Ok(full)
}

fn check_tables(tables: &[Table]) -> Result<()> {
    let bad = |problem: String| Err(Error::Core(nootropic_core::Error::invalid("tables", problem)));
    if tables.len() >= identity::MAX_TABLES {
        return bad(format!("{} tables; a store has fewer than {}", tables.len(), identity::MAX_TABLES));
    }
    for (index, table) in tables.iter().enumerate() {
        let name = table.name();
        let plain = !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain || *table == identity::TABLE || tables.iter().skip(index + 1).any(|other| other == table) {
            return bad(format!("`{name}` cannot be the name of a table here"));
        }
    }
    Ok(())
}

/// A second opener takes the store as the first one opened it.
fn check_same(shared: &Shared, options: &StoreOptions) -> Result<()> {
    if let Some(table) = options.tables.iter().find(|table| !shared.options.tables.contains(table)) {
        return Err(nootropic_core::Error::UnknownTable(*table).into());
    }
    if shared.read_only && !options.read_only && is_writable(&shared.dir)? {
        return Err(Error::ReadOnlyStore { path: shared.dir.clone() });
    }
    Ok(())
}
