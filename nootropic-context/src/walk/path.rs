//! Paths relative to the root, as the bytes they are.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// A path relative to the root: raw bytes, parts separated by `/`.
///
/// Names need not be UTF-8, so two different paths may be displayed alike; bytes tell them apart. The order is by bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Box<[u8]>);

impl RelPath {
    /// Takes the bytes; `None` unless every part is a plain name: not empty, not `.` or `..`, without NUL.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        let plain = |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
        bytes.split(|&b| b == b'/').all(plain).then(|| Self(bytes.into_boxed_slice()))
    }

    /// The bytes, e.g. for a key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as text, with U+FFFD for what is not UTF-8.
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// Whether [`to_text`](Self::to_text) loses something.
    pub fn is_lossy(&self) -> bool {
        std::str::from_utf8(&self.0).is_err()
    }

    /// The last part.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or_default()
    }

    /// Where it is on disk.
    pub fn under(&self, root: &Path) -> PathBuf {
        root.join(to_path(&self.0))
    }

    /// The parts, outermost first.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/')
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

/// `folder/name`, or `name` in the root itself (the empty path).
pub(super) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(folder.len() + 1 + name.len());
    path.extend_from_slice(folder);
    if !folder.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The bytes of a name as the operating system gave it.
pub(super) fn to_bytes(name: &OsStr) -> &[u8] {
    name.as_encoded_bytes()
}

/// A relative path of `path` as bytes with `/` between the parts.
pub(super) fn from_path(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.as_os_str().len());
    for part in path.components() {
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(to_bytes(part.as_os_str()));
    }
    bytes
}

/// The bytes as a path of this system.
#[cfg(unix)]
pub(super) fn to_path(bytes: &[u8]) -> Cow<'_, Path> {
    use std::os::unix::ffi::OsStrExt;
    Cow::Borrowed(Path::new(OsStr::from_bytes(bytes)))
}

/// The bytes as a path of this system.
#[cfg(not(unix))]
pub(super) fn to_path(bytes: &[u8]) -> Cow<'_, Path> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => Cow::Borrowed(Path::new(text)),
        Cow::Owned(text) => Cow::Owned(PathBuf::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_are_taken() {
        for bad in ["", "/etc/passwd", "a//b", "a/", "./a", "a/../b", "..", "a\0b"] {
            assert!(RelPath::new(bad).is_none(), "{bad:?} was taken");
        }
        for good in ["a", "a/b.rs", "...", "..a/b.", " "] {
            assert_eq!(RelPath::new(good).unwrap().as_bytes(), good.as_bytes());
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_is_shown_lossily_and_kept_exactly() {
        let path = RelPath::new(b"src/caf\xe9.txt".to_vec()).unwrap();
        assert!(path.is_lossy());
        assert_eq!(path.to_string(), "src/caf\u{fffd}.txt");
        assert_eq!(path.as_bytes(), b"src/caf\xe9.txt");
        assert_eq!(path.name(), b"caf\xe9.txt");
        assert!(!RelPath::new("src/café.txt").unwrap().is_lossy());
    }
}
