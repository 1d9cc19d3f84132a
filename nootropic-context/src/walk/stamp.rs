//! What tells a changed file from an unchanged one without opening it.

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What tells a changed file from an unchanged one without opening it: two equal stamps mean the same content, unless
/// one of them was taken so soon after a write that the next write could leave it as it is; see
/// [`is_settled`](Self::is_settled).
///
/// The device is left out, as git leaves it out by default: its number changes when disks are mounted anew.
///
/// Source: git's `Documentation/technical/racy-git.txt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FileStamp {
    /// Length in bytes.
    pub size: u64,
    /// When the content last changed, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When content or metadata last changed, in nanoseconds since 1970; 0 where the system does not say.
    pub ctime_ns: i64,
    /// The file's number in its file system; 0 where the system does not say.
    pub inode: u64,
}

impl FileStamp {
    /// Length of [`to_bytes`](Self::to_bytes).
    pub const LEN: usize = 32;

    /// Equal to no file's stamp: what to keep for a file that must be read again next time.
    pub const NEVER: Self = Self { size: u64::MAX, mtime_ns: 0, ctime_ns: 0, inode: 0 };

    /// The stamp of a file whose metadata was just read.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Self {
            size: metadata.len(),
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    /// The stamp of a file whose metadata was just read.
    #[cfg(not(unix))]
    pub fn of(metadata: &Metadata) -> Self {
        let mtime_ns = metadata.modified().map_or(0, since_epoch_ns);
        Self { size: metadata.len(), mtime_ns, ctime_ns: 0, inode: 0 }
    }

    /// Whether a write after `taken`, the moment the stamp was taken, is sure to change it.
    ///
    /// It is once the last change lies further back than the file system's clock is coarse: 100 ms where times have
    /// fractions of a second (a kernel tick is at most 10 ms), 2 s where they do not (FAT, HFS+, old ext4).
    pub fn is_settled(&self, taken: SystemTime) -> bool {
        let changed = if self.ctime_ns != 0 { self.ctime_ns } else { self.mtime_ns };
        let coarse = changed % 1_000_000_000 == 0;
        let margin = if coarse { Duration::from_secs(2) } else { Duration::from_millis(100) };
        let margin = i64::try_from(margin.as_nanos()).unwrap_or(i64::MAX);
        changed.saturating_add(margin) <= since_epoch_ns(taken)
    }

    /// The stamp to keep: itself if it is settled, else [`NEVER`](Self::NEVER), so that the file is read again next time.
    pub fn settled(self, taken: SystemTime) -> Self {
        if self.is_settled(taken) { self } else { Self::NEVER }
    }

    /// The stamp as bytes, little-endian, in field order.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.mtime_ns.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.ctime_ns.to_le_bytes());
        bytes[24..].copy_from_slice(&self.inode.to_le_bytes());
        bytes
    }

    /// The stamp of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            word
        };
        Self {
            size: u64::from_le_bytes(word(0)),
            mtime_ns: i64::from_le_bytes(word(8)),
            ctime_ns: i64::from_le_bytes(word(16)),
            inode: u64::from_le_bytes(word(24)),
        }
    }
}

/// Nanoseconds since 1970, negative before it.
fn since_epoch_ns(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_give_the_stamp_back() {
        let stamp = FileStamp { size: 7, mtime_ns: -3, ctime_ns: i64::MAX, inode: u64::MAX };
        assert_eq!(FileStamp::from_bytes(&stamp.to_bytes()), stamp);
        assert_eq!(FileStamp::from_bytes(&FileStamp::NEVER.to_bytes()), FileStamp::NEVER);
    }

    #[test]
    fn a_stamp_taken_right_after_a_write_is_not_settled() {
        let at = |ms: u64| UNIX_EPOCH + Duration::from_millis(ms);
        let fine = FileStamp { ctime_ns: 1_000_000_001, ..FileStamp::default() };
        assert!(!fine.is_settled(at(1_000)));
        assert!(!fine.is_settled(at(1_099)));
        assert!(fine.is_settled(at(1_101)));
        assert_eq!(fine.settled(at(1_000)), FileStamp::NEVER);
        assert_eq!(fine.settled(at(1_101)), fine);

        let coarse = FileStamp { ctime_ns: 1_000_000_000, ..FileStamp::default() };
        assert!(!coarse.is_settled(at(2_999)));
        assert!(coarse.is_settled(at(3_000)));
    }

    #[test]
    fn a_clock_that_runs_behind_does_not_settle_anything() {
        let future = FileStamp { ctime_ns: i64::MAX, mtime_ns: 1, ..FileStamp::default() };
        assert!(!future.is_settled(SystemTime::now()));
    }
}
