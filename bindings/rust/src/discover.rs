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
/// What is found so was not named, and may be somebody else's trap: an index that says what they want, or a place where they
/// can read what is indexed. It has to belong to the user or to root, as git's `safe.directory` asks; only the `.git` of the
/// very folder `from` may be anybody's.
///
/// # Errors
/// [`Error::Io`] if `from` does not exist, [`Error::NotAFolder`] if it is none, [`Error::ForeignFolder`].
pub fn discover(from: &Path) -> Result<(PathBuf, FoundBy)> {
    let from = folder(from)?;
    for (name, found_by) in [(FOLDER, FoundBy::Index), (".git", FoundBy::Git)] {
        let holds = |dir: &&Path| {
            let marker = dir.join(name);
            // A `.nootropic` that is a file is not ours.
            if name == FOLDER { marker.is_dir() } else { marker.exists() }
        };
        if let Some(root) = from.ancestors().find(holds) {
            if found_by == FoundBy::Index || root != from {
                check_owner(&root.join(name))?;
            }
            return Ok((root.to_owned(), found_by));
        }
    }
    Ok((from, FoundBy::Here))
}

/// Refuses what belongs to neither the user nor root.
#[cfg(unix)]
fn check_owner(path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    // A link is its owner's word for where to look.
    let owner = std::fs::symlink_metadata(path).map_err(Error::io("examine", path))?.uid();
    let user = rustix::process::geteuid().as_raw();
    let behind_sudo = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
    if is_trusted(owner, user, behind_sudo) {
        Ok(())
    } else {
        Err(Error::ForeignFolder { path: path.to_owned(), owner })
    }
}

#[cfg(not(unix))]
fn check_owner(_: &Path) -> Result<()> {
    Ok(())
}

/// Root trusts who became root by `sudo`, as git does.
#[cfg(unix)]
fn is_trusted(owner: u32, user: u32, behind_sudo: Option<u32>) -> bool {
    owner == user || owner == 0 || user == 0 && behind_sudo == Some(owner)
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

    #[cfg(unix)]
    #[test]
    fn only_the_user_root_and_who_became_root_are_trusted() {
        for (owner, user, behind_sudo, trusted) in [
            (1000, 1000, None, true),
            (0, 1000, None, true),
            (1001, 1000, None, false),
            (1001, 1000, Some(1001), false),
            (0, 0, None, true),
            (1000, 0, None, false),
            (1000, 0, Some(1000), true),
            (1001, 0, Some(1000), false),
        ] {
            assert_eq!(is_trusted(owner, user, behind_sudo), trusted, "{owner} {user} {behind_sudo:?}");
        }
    }

    #[test]
    fn a_file_is_no_repository() {
        let temp = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(discover(temp.path()).unwrap_err().kind(), nootropic_core::ErrorKind::InvalidInput);
    }
}
