//! Checksums, as hubs list them.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use super::PullError;

/// Which bytes a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    /// SHA-256 of the bytes: for large files.
    Sha256([u8; 32]),
    /// The name that git gives the bytes, a SHA-1: for small files, which hubs keep in git itself.
    GitBlob([u8; 20]),
}

impl Digest {
    pub(super) fn sha256(hex: &str) -> Option<Self> {
        from_hex(hex).map(Self::Sha256)
    }

    pub(super) fn git_blob(hex: &str) -> Option<Self> {
        from_hex(hex).map(Self::GitBlob)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes) = match self {
            Self::Sha256(bytes) => ("sha256", &bytes[..]),
            Self::GitBlob(bytes) => ("git", &bytes[..]),
        };
        write!(f, "{name}:")?;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn from_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if hex.len() != 2 * N || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Computes the digest of a file of known length, of the same kind as an expected one.
pub(super) struct Hasher {
    context: Context,
    expected: Digest,
}

impl Hasher {
    pub(super) fn new(expected: Digest, size: u64) -> Self {
        let context = match expected {
            Digest::Sha256(_) => Context::new(&SHA256),
            Digest::GitBlob(_) => {
                let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                context.update(format!("blob {size}\0").as_bytes());
                context
            }
        };
        Self { context, expected }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// The digest of what came, if it is not the expected one.
    pub(super) fn finish(self) -> Result<(), Digest> {
        let found = self.context.finish();
        let found = match self.expected {
            Digest::Sha256(_) => found.as_ref().try_into().map(Digest::Sha256),
            Digest::GitBlob(_) => found.as_ref().try_into().map(Digest::GitBlob),
        };
        match found {
            Ok(found) if found == self.expected => Ok(()),
            Ok(found) => Err(found),
            // A digest has the length of its kind.
            Err(_) => Err(Digest::Sha256([0; 32])),
        }
    }
}

/// Feeds `file` to `each` until its end.
pub(super) fn read(
    path: &Path,
    file: &mut File,
    mut each: impl FnMut(&[u8]) -> Result<(), PullError>,
) -> Result<(), PullError> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => each(buffer.get(..length).unwrap_or_default())?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(PullError::io("read", path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &[u8], expected: Digest) -> Result<(), Digest> {
        let mut hasher = Hasher::new(expected, text.len() as u64);
        text.chunks(2).for_each(|part| hasher.update(part));
        hasher.finish()
    }

    #[test]
    fn digests_are_those_of_sha256sum_and_git() {
        // `printf 'hello\n' | sha256sum` and `printf 'hello\n' | git hash-object --stdin`
        let sha256 = Digest::sha256("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03").unwrap();
        let git = Digest::git_blob("ce013625030ba8dba906f756967f9e9ca394464a").unwrap();
        for expected in [sha256, git] {
            assert_eq!(digest(b"hello\n", expected), Ok(()));
            let found = digest(b"hellO\n", expected).unwrap_err();
            assert_eq!(found.to_string().len(), expected.to_string().len());
        }
        assert_eq!(git.to_string(), "git:ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn what_is_no_digest_is_none() {
        for hex in ["", "zz", &"g".repeat(64), &"é".repeat(32), &"a".repeat(63), &"+a".repeat(32)] {
            assert_eq!(Digest::sha256(hex), None, "{hex}");
        }
    }
}
