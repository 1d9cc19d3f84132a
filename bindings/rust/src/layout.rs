//! Where things are kept on disk.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::config::{Config, Place};
use crate::{Error, Result};

/// The folder of what must last.
pub(crate) const FOLDER: &str = ".nootropic";
/// The folder of what may be deleted at any time.
pub(crate) const CACHE: &str = ".nootropic-cache";
/// The folder of what is kept for repositories, in the user's own.
pub(crate) const REPOSITORIES: &str = "repositories";

/// The folders of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What must last: `.nootropic`, or a folder of the user's.
    pub data: PathBuf,
    /// What may be deleted at any time: `.nootropic-cache`, or a folder of the user's.
    pub cache: PathBuf,
}

impl Layout {
    /// Where the repository at `root` keeps its things.
    ///
    /// # Errors
    /// [`Error::Setting`] if the user's folder is wanted and cannot be known.
    pub fn of(root: &Path, config: &Config) -> Result<Self> {
        match config.store.place {
            Place::Repository => Ok(Self { data: root.join(FOLDER), cache: root.join(CACHE) }),
            Place::User => {
                let home = match &config.store.user_dir {
                    Some(dir) => dir.clone(),
                    None => crate::places::data_dir().ok_or_else(no_home)?,
                };
                let base = home.join(REPOSITORIES).join(folder_name(root));
                Ok(Self { data: base.join("data"), cache: base.join("cache") })
            }
        }
    }

    /// The folder of the store.
    pub fn store(&self) -> PathBuf {
        self.data.join("store")
    }

    /// The file that says whose turn it is to bring the index into step.
    pub(crate) fn update_lock(&self) -> PathBuf {
        self.data.join("index.lock")
    }

    /// The file that names the encoder whose vectors are in the store.
    pub(crate) fn embedder(&self) -> PathBuf {
        self.data.join("embedder.json")
    }

    /// Makes the folder of what must last, ignored by git from inside.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::LinkedFolder`] for a link in its place, which a repository may have brought along.
    pub fn make_data(&self) -> Result<()> {
        make_ignored(&self.data)
    }

    /// Where the approximate vector index is kept.
    pub fn approximate(&self) -> PathBuf {
        self.cache.join("ann")
    }

    /// Makes the folder of what may be deleted, ignored by git from inside.
    ///
    /// # Errors
    /// As [`make_data`](Self::make_data).
    pub fn make_cache(&self) -> Result<()> {
        make_ignored(&self.cache)
    }

    /// Refuses links in place of our folders and of what lies in them: what they point to lies outside the repository, or
    /// is not ours, and a repository may have brought them along.
    ///
    /// # Errors
    /// [`Error::LinkedFolder`].
    pub fn check(&self) -> Result<()> {
        let store = self.store();
        for folder in [&self.data, &self.cache, &store] {
            refuse_link(folder)?;
            // What cannot be listed cannot be opened either, which says so better.
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                refuse_link(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Replaces a file of the cache in one step, if its content changed; says whether it did.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::LinkedFolder`].
    pub fn write_cached(&self, name: &str, content: &str) -> Result<bool> {
        let path = self.cache.join(name);
        if fs::read(&path).is_ok_and(|old| old == content.as_bytes()) {
            return Ok(false);
        }
        self.make_cache()?;
        let temporary = self.cache.join(format!(".{name}.{}", std::process::id()));
        let written = fs::File::create(&temporary)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            // The error that matters is the one below.
            let _ = fs::remove_file(&temporary);
        }
        written.map_err(Error::io("write", path))?;
        Ok(true)
    }
}

fn no_home() -> Error {
    Error::Setting {
        place: "store.place".into(),
        problem: "the user's data folder is not known".into(),
        hint: Some("set HOME, or name a folder with `store.user_dir`".into()),
    }
}

fn refuse_link(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_symlink()) {
        return Err(Error::LinkedFolder { path: path.to_owned() });
    }
    Ok(())
}

fn make_ignored(dir: &Path) -> Result<()> {
    if fs::symlink_metadata(dir).is_ok_and(|m| m.file_type().is_symlink()) {
        return Err(Error::LinkedFolder { path: dir.to_owned() });
    }
    if dir.exists() && !dir.is_dir() {
        return Err(Error::io("make", dir)(std::io::ErrorKind::NotADirectory.into()));
    }
    fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
    let ignore = dir.join(".gitignore");
    if fs::symlink_metadata(&ignore).is_err() {
        fs::write(&ignore, "*\n").map_err(Error::io("write", ignore))?;
    }
    Ok(())
}

/// A name that people recognise and that no other repository has.
fn folder_name(root: &Path) -> String {
    let name = root.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_else(|| "root".into());
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).take(40).collect();
    format!("{name}-{:016x}", fnv1a(root.as_os_str().as_encoded_bytes()))
}

/// FNV-1a, 64 bits: stable across builds, which the standard hasher is not.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(root: &Path) -> Layout {
        Layout::of(root, &Config::default()).unwrap()
    }

    #[test]
    fn our_folders_are_ignored_from_inside() {
        let temp = tempfile::tempdir().unwrap();
        let layout = layout(temp.path());
        layout.make_data().unwrap();
        assert!(layout.write_cached("x.json", "{}").unwrap());
        assert!(!layout.write_cached("x.json", "{}").unwrap(), "the same content is not written again");
        for dir in [".nootropic", ".nootropic-cache"] {
            assert_eq!(fs::read_to_string(temp.path().join(dir).join(".gitignore")).unwrap(), "*\n");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_our_folder_is_refused() {
        let (temp, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), temp.path().join(".nootropic")).unwrap();
        let layout = layout(temp.path());
        assert!(matches!(layout.make_data(), Err(Error::LinkedFolder { .. })));
        assert!(layout.check().is_err());
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_a_repository_brought_along_is_not_written_through() {
        for name in ["store.lock", "store/lock.mdb", "store/anchor", "store/data.mdb"] {
            let (temp, mine) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
            fs::write(mine.path(), "mine").unwrap();
            fs::create_dir_all(temp.path().join(".nootropic/store")).unwrap();
            std::os::unix::fs::symlink(mine.path(), temp.path().join(".nootropic").join(name)).unwrap();
            let repository = crate::Nootropic::open_with(temp.path(), Config::default()).unwrap();
            let outcome = repository.index(&crate::Index::default(), &crate::Call::default());
            assert!(matches!(outcome, Err(Error::LinkedFolder { .. })), "{name}: {outcome:?}");
            assert_eq!(fs::read_to_string(mine.path()).unwrap(), "mine", "{name}");
        }
    }

    #[test]
    fn a_folder_of_the_users_is_one_per_repository() {
        let config = Config {
            store: crate::config::StoreSettings {
                place: Place::User,
                user_dir: Some("/data".into()),
                ..Default::default()
            },
            ..Config::default()
        };
        let a = Layout::of(Path::new("/a/app"), &config).unwrap();
        let b = Layout::of(Path::new("/b/app"), &config).unwrap();
        assert!(a.data.starts_with("/data/repositories"));
        assert_ne!(a.data, b.data);
    }
}
