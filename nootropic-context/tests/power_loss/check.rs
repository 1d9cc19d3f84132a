//! Whether a store after a power cut is what it has to be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use nootropic_context::store::{LmdbStore, StoreOptions, restore, verify};
use nootropic_context::{Error, Result};
use nootropic_core::{Store, StoreExt};

use crate::fault_shim::log::Op;
use crate::fault_shim::story::Story;
use crate::life::{self, STORE};

/// What processes were told or shown before the power cut, and so must be there after it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promises {
    /// Steps of the story the store may be at: the one last seen, and the one begun since. None: there may be no store.
    heads: BTreeSet<u64>,
    /// The snapshot last seen: store and commit.
    snapshot: Option<(String, u64)>,
    /// Backups by name: what they hold, and whether they have to be there.
    backups: BTreeMap<String, (u64, bool)>,
}

impl Promises {
    /// What would have to be said for these promises to be made.
    pub(crate) fn as_said(&self) -> Vec<String> {
        let mut heads = self.heads.iter();
        let mut said = Vec::new();
        if let Some((store, commit)) = &self.snapshot {
            said.extend(heads.next().map(|head| format!("has {head} {store}-{commit}")));
        }
        said.extend(heads.map(|head| format!("begin {head}")));
        for (name, (head, promised)) in &self.backups {
            said.push(format!("copy {name} {head}"));
            said.extend(promised.then(|| format!("keeps {name}")));
        }
        said
    }

    /// Takes in what was said in `ops`.
    pub(crate) fn hear(&mut self, ops: &[Op]) {
        let said = ops.iter().filter_map(|op| if let Op::Said(line) = op { Some(line.trim()) } else { None });
        for line in said {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["has", head, snapshot] => {
                    let (store, commit) = snapshot.split_once('-').unwrap();
                    self.heads = BTreeSet::from([head.parse().unwrap()]);
                    self.snapshot = Some((store.to_owned(), commit.parse().unwrap()));
                }
                ["begin", head] => drop(self.heads.insert(head.parse().unwrap())),
                ["copy", name, head] => drop(self.backups.insert((*name).to_owned(), (head.parse().unwrap(), false))),
                ["keeps", name] => self.backups.get_mut(*name).unwrap().1 = true,
                ["drops", name] => drop(self.backups.remove(*name)),
                _ => panic!("`{line}` was said"),
            }
        }
    }
}

/// What became of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// All that was promised is there, and can be used.
    Whole,
    /// There is none, and none was promised.
    None,
    /// Something promised is not there.
    Lost,
    /// It is not what it was at any time.
    Mixed,
    /// It is refused with an error.
    Refused,
    /// It opens and is damaged.
    Damaged,
    /// The process that looked was ended by a signal, panicked or hung.
    Died,
}

impl Verdict {
    pub(crate) const ALL: [Self; 7] =
        [Self::Whole, Self::None, Self::Lost, Self::Mixed, Self::Refused, Self::Damaged, Self::Died];

    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Whole | Self::None)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What became of a store, and what tells so.
pub(crate) type Finding = (Verdict, String);

fn refused(what: &str, error: &dyn std::error::Error) -> Finding {
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    (Verdict::Refused, format!("{what}: {error}{cause}"))
}

/// Looks at what a power cut left in `root`, and goes on with it; `scratch` is an empty folder.
pub(crate) fn check(root: &Path, scratch: &Path, story: &Story, promises: &Promises) -> Finding {
    let place = root.join(STORE);
    let verdict = match look(&place, story, promises) {
        Ok(head) => go_on(&place, story, head).map(|()| Verdict::Whole),
        Err((Verdict::None, _)) => begin(&place, story).map(|()| Verdict::None),
        Err(finding) => Err(finding),
    };
    match verdict.and_then(|verdict| check_backups(&place, scratch, story, promises).map(|()| verdict)) {
        Ok(verdict) => (verdict, String::new()),
        Err(finding) => finding,
    }
}

/// The step a store has come to, which has to be one of those promised.
fn look(place: &Path, story: &Story, promises: &Promises) -> Result<u64, Finding> {
    let store = match LmdbStore::open(place, &StoreOptions { create: false, ..life::options() }) {
        Ok(store) => store,
        Err(Error::StoreMissing { .. }) if promises.snapshot.is_none() => return Err((Verdict::None, String::new())),
        Err(error @ Error::StoreMissing { .. }) => return Err((Verdict::Lost, error.to_string())),
        Err(error) => return Err(refused("open", &error)),
    };
    let head = store.read_with(|txn| story.recognize(txn)).map_err(|error| refused("read", &error))?;
    let head = head.map_err(|difference| (Verdict::Mixed, difference))?;
    if !promises.heads.is_empty() && !promises.heads.contains(&head) {
        return Err((Verdict::Lost, format!("the store is at {head}, not at one of {:?}", promises.heads)));
    }
    let now = store.snapshot().map_err(|error| refused("snapshot", &error))?.to_string();
    if let (Some((store, commit)), Some((now, at))) = (&promises.snapshot, now.split_once('-'))
        && store == now
        && at.parse::<u64>().unwrap() < *commit
    {
        return Err((Verdict::Lost, format!("the store is at commit {at}, not {commit}")));
    }
    Ok(head)
}

/// Takes the next step, and finds it after opening the store again.
fn go_on(place: &Path, story: &Story, head: u64) -> Result<(), Finding> {
    let report = verify(place).map_err(|error| refused("verify", &error))?;
    let damaged =
        |report: &nootropic_context::store::VerifyReport| (Verdict::Damaged, format!("{:?}", report.problems));
    if !report.is_clean() {
        return Err(damaged(&report));
    }
    let store = LmdbStore::open(place, &life::options()).map_err(|error| refused("open again", &error))?;
    store.write(&mut |txn| story.take(txn, head + 1)).map_err(|error| refused("write", &error))?;
    drop(store);
    let store = LmdbStore::open(place, &life::options()).map_err(|error| refused("open after a write", &error))?;
    let found =
        store.read_with(|txn| story.recognize(txn)).map_err(|error| refused("read what was written", &error))?;
    if found != Ok(head + 1) {
        return Err((Verdict::Mixed, format!("after step {}: {found:?}", head + 1)));
    }
    drop(store);
    let report = verify(place).map_err(|error| refused("verify", &error))?;
    if !report.is_clean() {
        return Err(damaged(&report));
    }
    let left: Vec<_> = std::fs::read_dir(place.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("store.") && name != "store.lock")
        .collect();
    if left.is_empty() { Ok(()) } else { Err((Verdict::Damaged, format!("left over: {left:?}"))) }
}

/// Makes the store that was not there.
fn begin(place: &Path, story: &Story) -> Result<(), Finding> {
    drop(LmdbStore::open(place, &life::options()).map_err(|error| refused("create", &error))?);
    go_on(place, story, 0)
}

/// Backups that were promised are there, and those that have their name are complete.
fn check_backups(place: &Path, scratch: &Path, story: &Story, promises: &Promises) -> Result<(), Finding> {
    for (name, (head, promised)) in &promises.backups {
        let backup = place.with_file_name(name);
        if !backup.exists() {
            if *promised {
                return Err((Verdict::Lost, format!("{name} is gone")));
            }
            continue;
        }
        let restored = scratch.join(name);
        restore(&backup, &restored, &life::options()).map_err(|error| refused(name, &error))?;
        let store = LmdbStore::open(&restored, &life::options()).map_err(|error| refused(name, &error))?;
        let found = store.read_with(|txn| story.recognize(txn)).map_err(|error| refused(name, &error))?;
        if found.as_ref() != Ok(head) {
            return Err((Verdict::Mixed, format!("{name} holds {found:?}, not {head}")));
        }
    }
    Ok(())
}
