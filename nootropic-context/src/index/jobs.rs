//! Which files an update has to look at, as the walk and the index together say.

use std::collections::BTreeMap;
use std::path::Path;

use nootropic_core::{Result, Store, StoreExt};
use rustc_hash::FxHashMap;

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
    /// Files that are not indexed, by reason, as far as is known without reading.
    pub(super) skipped: BTreeMap<&'static str, u64>,
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
    walk(root, &options.walk, cancel, &mut |found| match found {
        Found::Skipped { path, reason } => {
            survey.skip(reason);
            if reason.is_passing() {
                // It may be there still: what is indexed of it, and below it, stays until it can be read again.
                let below = [path.as_bytes(), b"/"].concat();
                known.retain(|known, _| known != path.as_bytes() && !known.starts_with(&below));
            }
        }
        Found::File { path, stamp } => {
            survey.found += 1;
            match known.remove(path.as_bytes()) {
                Some(old) if old.stamp == stamp && !options.rehash => match old.skipped {
                    Some(reason) => survey.skip(reason),
                    None => survey.unchanged += 1,
                },
                old => {
                    let known = old.filter(|old| old.skipped.is_none()).map(|old| old.hash);
                    survey.jobs.push(Job { path, size: stamp.size, known });
                }
            }
        }
    })?;
    survey.gone = known.into_keys().filter_map(RelPath::new).collect();
    Ok(survey)
}

impl Survey {
    fn skip(&mut self, reason: SkipReason) {
        *self.skipped.entry(reason.as_str()).or_default() += 1;
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
