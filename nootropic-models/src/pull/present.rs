//! Models that are on this machine already.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nootropic_core::CancelToken;

use super::choose::Chosen;
use super::digest::{self, Hasher};
use super::hub::HubFile;
use super::{Progress, PullError};
use crate::library::{ModelLibrary, ModelSource};

/// A model that is there already.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) source: ModelSource,
    /// The paths of its files, in the order of those that were looked for.
    pub(super) paths: Vec<PathBuf>,
}

/// Looks for `chosen` in the folders of other programs. A file counts by its length and its checksum, whatever its name.
pub(super) fn find(
    library: &ModelLibrary,
    chosen: &Chosen,
    progress: &mut Progress<'_>,
    cancel: &CancelToken,
) -> Result<Option<Present>, PullError> {
    for found in library.list() {
        // What is ours is looked at where it belongs.
        if found.source == ModelSource::Nootropic {
            continue;
        }
        let paths: Option<Vec<PathBuf>> = match chosen.files.as_slice() {
            [only] if chosen.first.is_some() && found.path.is_file() => {
                has_length(&found.path, only).then(|| vec![found.path.clone()])
            }
            files => {
                let folder = if found.path.is_dir() { Some(found.path.as_path()) } else { found.path.parent() };
                folder.and_then(|folder| all_in(folder, files))
            }
        };
        let Some(paths) = paths else { continue };
        let mut same = true;
        for (path, file) in paths.iter().zip(&chosen.files) {
            same = same && is_same(path, file, progress, cancel)?;
        }
        if same {
            return Ok(Some(Present { source: found.source, paths }));
        }
    }
    Ok(None)
}

/// The files in `folder`, if all are there with their names and lengths.
fn all_in(folder: &Path, files: &[HubFile]) -> Option<Vec<PathBuf>> {
    let path = |file: &HubFile| {
        let path = folder.join(file.path.rsplit('/').next()?);
        has_length(&path, file).then_some(path)
    };
    files.iter().map(path).collect()
}

fn has_length(path: &Path, file: &HubFile) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == file.size)
}

/// Whether the file at `path` is `file`. One that cannot be read is not.
pub(super) fn is_same(
    path: &Path,
    file: &HubFile,
    progress: &mut Progress<'_>,
    cancel: &CancelToken,
) -> Result<bool, PullError> {
    if !has_length(path, file) {
        return Ok(false);
    }
    let Ok(mut opened) = File::open(path) else { return Ok(false) };
    let mut hasher = Hasher::new(file.digest, file.size);
    let mut read = 0;
    let whole = digest::read(path, &mut opened, |bytes| {
        hasher.update(bytes);
        read += bytes.len() as u64;
        progress.at(&file.path, read);
        if cancel.is_cancelled() { Err(PullError::Cancelled) } else { Ok(()) }
    });
    match whole {
        Ok(()) => Ok(hasher.finish().is_ok()),
        Err(PullError::Cancelled) => Err(PullError::Cancelled),
        Err(_) => Ok(false),
    }
}
