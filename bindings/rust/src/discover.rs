//! Which repository is meant.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layout::FOLDER;
use crate::{Error, Result};

/// Why a folder was taken for the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// It was named.
    Given,
    /// It is the nearest folder upward that holds `.nootropic`.
    Index,
    /// It is the nearest folder upward that holds `.git`.
    Git,
    /// Nothing was found upward: it is the folder we stand in.
    Here,
}

/// The repository of a folder: the nearest folder upward that holds `.nootropic`, else the nearest that holds `.git`
/// (a folder, or a file as in worktrees and submodules), else the folder itself.
///
/// # Errors
/// [`Error::Io`] if `from` does not exist, [`Error::NotAFolder`] if it is none.
pub fn discover(from: &Path) -> Result<(PathBuf, FoundBy)> {
    let from = folder(from)?;
    for (name, found_by) in [(FOLDER, FoundBy::Index), (".git", FoundBy::Git)] {
        let holds = |dir: &&Path| {
            let marker = dir.join(name);
            // A `.nootropic` that is a file is not ours.
            if name == FOLDER { marker.is_dir() } else { marker.exists() }
        };
        if let Some(root) = from.ancestors().find(holds) {
            return Ok((root.to_owned(), found_by));
        }
    }
    Ok((from, FoundBy::Here))
}

/// The absolute name of an existing folder.
pub(crate) fn folder(dir: &Path) -> Result<PathBuf> {
    let dir = std::fs::canonicalize(dir).map_err(Error::io("open", dir))?;
    if dir.is_dir() { Ok(dir) } else { Err(Error::NotAFolder { path: dir }) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_index_is_nearer_than_a_repository_and_a_repository_than_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(temp.path()).unwrap();
        let deep = root.join("work/inner/src");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir(root.join("work/inner/.git")).unwrap();
        assert_eq!(discover(&deep).unwrap(), (root.join("work/inner"), FoundBy::Git));
        fs::create_dir(root.join("work/.nootropic")).unwrap();
        assert_eq!(discover(&deep).unwrap(), (root.join("work"), FoundBy::Index));
    }

    #[test]
    fn a_worktree_is_known_by_its_git_file() {
        let temp = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(temp.path()).unwrap();
        fs::write(root.join(".git"), "gitdir: /elsewhere").unwrap();
        fs::create_dir(root.join("src")).unwrap();
        assert_eq!(discover(&root.join("src")).unwrap().0, root);
    }

    #[test]
    fn a_file_is_no_repository() {
        let temp = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(discover(temp.path()).unwrap_err().kind(), nootropic_core::ErrorKind::InvalidInput);
    }
}
