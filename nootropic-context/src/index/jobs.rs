//! Which files an update has to look at, as the walk and the index together say.

use std::collections::BTreeMap;
use std::path::Path;

use nootropic_core::{Result, Store, StoreExt};
use rustc_hash::{FxHashMap, FxHashSet};

use super::analyze::Job;
use super::record::FileRecord;
use super::update::{Cancel, UpdateOptions};
use crate::walk::{FileStamp, Found, RelPath, SkipReason, walk};

/// What an update has to do, and what it has not.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Files that look new or changed.
    pub(super) jobs: Vec<Job>,
    /// Known files that are gone, or not wanted any more.
    pub(super) gone: Vec<RelPath>,
    /// Files that look worth reading, those that have not changed included.
    pub(super) found: u64,
    /// Files that are indexed as they are.
    pub(super) unchanged: u64,
    /// Files that are not indexed, as far as is known without reading.
    pub(super) skipped: Skipped,
}

/// Files and folders that are not indexed, by reason.
#[derive(Debug, Clone, Default)]
pub(super) struct Skipped(BTreeMap<SkipReason, u64>);

impl Skipped {
    pub(super) fn note(&mut self, reason: SkipReason) {
        *self.0.entry(reason).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (reason, n) in &other.0 {
            *self.0.entry(*reason).or_default() += n;
        }
    }

    pub(super) fn by_name(&self) -> BTreeMap<&'static str, u64> {
        self.0.iter().map(|(reason, n)| (reason.as_str(), *n)).collect()
    }
}

/// What the index says of a file.
struct Known {
    stamp: FileStamp,
    hash: [u8; 16],
    skipped: Option<SkipReason>,
}

/// By path.
type KnownFiles = FxHashMap<Vec<u8>, Known>;

/// Compares the files below `root` with those the index knows, by their stamps.
///
/// # Errors
/// `Cancelled`; as the store's and [`walk`].
pub(super) fn survey(store: &dyn Store, root: &Path, options: &UpdateOptions, cancel: &Cancel<'_>) -> Result<Survey> {
    let mut known = known_files(store)?;
    let mut survey = Survey::default();
    let mut unread = Unread::default();
    walk(root, &options.walk, cancel, &mut |found| match found {
        Found::Skipped { path, reason } => {
            survey.skipped.note(reason);
            if reason.is_passing() {
                unread.0.insert(path.as_bytes().to_vec());
            }
        }
        Found::File { path, stamp } => {
            survey.found += 1;
            match known.remove(path.as_bytes()) {
                Some(old) if old.stamp == stamp && !options.rehash => match old.skipped {
                    Some(reason) => survey.skipped.note(reason),
                    None => survey.unchanged += 1,
                },
                old => {
                    let known = old.filter(|old| old.skipped.is_none()).map(|old| old.hash);
                    survey.jobs.push(Job { path, size: stamp.size, known });
                }
            }
        }
    })?;
    survey.gone = known.into_keys().filter(|path| !unread.holds(path)).filter_map(RelPath::new).collect();
    Ok(survey)
}

/// Files and folders that could not be read this time. They may be there still: what is indexed of them, and below them,
/// stays until they can be read again.
#[derive(Debug, Default)]
struct Unread(FxHashSet<Vec<u8>>);

impl Unread {
    /// Whether a path, or a folder it lies in, is among them.
    fn holds(&self, path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        !self.0.is_empty() && ends.chain([path.len()]).any(|end| self.0.contains(&path[..end]))
    }
}

fn known_files(store: &dyn Store) -> Result<KnownFiles> {
    store.read_with(|txn| {
        let mut known = KnownFiles::default();
        FileRecord::each(txn, &mut |FileRecord { stamp, hash, skipped, path, .. }| {
            known.insert(path, Known { stamp, hash, skipped });
            Ok(())
        })?;
        Ok(known)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_an_unread_folder_is_told_from_what_is_named_alike() {
        let unread = Unread([b"a/b".to_vec(), b"c.rs".to_vec()].into_iter().collect());
        for (path, held) in [
            ("a/b", true),
            ("a/b/c/d.rs", true),
            ("c.rs", true),
            ("a/b.rs", false),
            ("a/bc/d.rs", false),
            ("a", false),
            ("b", false),
            ("d/c.rs", false),
        ] {
            assert_eq!(unread.holds(path.as_bytes()), held, "{path}");
        }
        assert!(!Unread::default().holds(b"a"));
    }
}
