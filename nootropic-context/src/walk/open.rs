//! Opens regular files and nothing else.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{RelPath, SkipReason};

/// Reads at most `max` bytes from the front of a regular file.
///
/// # Errors
/// As the operating system says; `InvalidInput` for what is not a regular file.
pub(super) fn read_small(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    // A FIFO under the name of an ignore file must not hang us.
    if !std::fs::symlink_metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let file = open_path(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(unix)]
fn open_path(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(path, unix::FILE, rustix::fs::Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open_path(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// A folder whose files can be opened without leaving it.
#[derive(Debug)]
pub(super) struct Root {
    #[cfg(unix)]
    folder: std::os::fd::OwnedFd,
    #[cfg(not(unix))]
    folder: std::path::PathBuf,
}

#[cfg(unix)]
mod unix {
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::fs::{AtFlags, FileType, Mode, OFlags, open, openat, statat};
    use rustix::io::Errno;

    use super::*;

    /// How to open a file: no link, no wait for a FIFO's other end, no inheritance by children.
    pub(super) const FILE: OFlags =
        OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);
    /// How to open a folder on the way.
    const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    impl Root {
        pub(in super::super) fn new(path: &Path) -> io::Result<Self> {
            Ok(Self { folder: open(path, FOLDER, Mode::empty())? })
        }

        /// Opens a regular file of at most `max` bytes, going down folder by folder so that none is a link, not even one
        /// put there after the walk.
        pub(in super::super) fn open(&self, path: &RelPath, max: u64) -> Result<File, SkipReason> {
            let mut folder: Option<OwnedFd> = None;
            let mut parts = path.parts().peekable();
            while let Some(part) = parts.next() {
                let here = folder.as_ref().unwrap_or(&self.folder).as_fd();
                if parts.peek().is_some() {
                    folder = Some(
                        openat(here, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())
                            .map_err(|e| folder_reason(here, part, e))?,
                    );
                    continue;
                }
                // Looked at before it is opened: opening some devices has effects.
                let stat = statat(here, part, AtFlags::SYMLINK_NOFOLLOW).map_err(reason)?;
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::RegularFile => {}
                    FileType::Symlink => return Err(SkipReason::Symlink),
                    _ => return Err(SkipReason::NotRegular),
                }
                if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > max {
                    return Err(SkipReason::TooLarge);
                }
                return openat(here, part, FILE, Mode::empty()).map(File::from).map_err(reason);
            }
            Err(SkipReason::Vanished)
        }
    }

    fn folder_reason(folder: impl AsFd, name: &[u8], error: Errno) -> SkipReason {
        // Linux says "not a directory" of a link, too.
        let kind = || statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| FileType::from_raw_mode(stat.st_mode));
        match error {
            Errno::NOTDIR if kind() == Ok(FileType::Symlink) => SkipReason::Symlink,
            Errno::NOTDIR => SkipReason::Vanished,
            error => reason(error),
        }
    }

    fn reason(error: Errno) -> SkipReason {
        match error {
            Errno::LOOP => SkipReason::Symlink,
            Errno::NXIO | Errno::NODEV => SkipReason::NotRegular,
            error => SkipReason::of(&error.into()),
        }
    }
}

#[cfg(not(unix))]
impl Root {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { folder: path.to_owned() })
    }

    /// Opens a regular file of at most `max` bytes.
    pub(super) fn open(&self, path: &RelPath, max: u64) -> Result<File, SkipReason> {
        let path = path.under(&self.folder);
        let metadata = std::fs::symlink_metadata(&path).map_err(|error| SkipReason::of(&error))?;
        if metadata.is_symlink() {
            return Err(SkipReason::Symlink);
        }
        if !metadata.is_file() {
            return Err(SkipReason::NotRegular);
        }
        if metadata.len() > max {
            return Err(SkipReason::TooLarge);
        }
        File::open(path).map_err(|error| SkipReason::of(&error))
    }
}
