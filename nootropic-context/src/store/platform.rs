//! What the operating system says about the place a store lies in.

use std::io;
use std::path::Path;

use crate::{Error, Result};

/// Bytes that an unprivileged process may still write there.
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The address-space limit of this process, in bytes, if it has one.
pub(super) fn address_space_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::As).current
}

/// The longest file this process may write, in bytes, if there is a limit.
pub(super) fn file_size_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

/// What tells this run of the machine from others; zero where the system does not say.
pub(super) fn boot_id() -> [u8; 16] {
    static ID: std::sync::OnceLock<[u8; 16]> = std::sync::OnceLock::new();
    *ID.get_or_init(|| {
        let text = if cfg!(target_os = "linux") { std::fs::read("/proc/sys/kernel/random/boot_id").ok() } else { None };
        let mut id = [0; 16];
        if let Some(text) = text {
            blake3::Hasher::new().update(&text).finalize_xof().fill(&mut id);
        }
        id
    })
}

/// Refuses filesystems whose locks and maps reach over a network.
pub(super) fn refuse_network(path: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        let stat = rustix::fs::statfs(path).map_err(|error| Error::io("examine", path, error.into()))?;
        if let Some(filesystem) = network_filesystem(stat.f_type as u64) {
            return Err(Error::NetworkFilesystem { path: path.to_owned(), filesystem });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = path;
    Ok(())
}

/// Names the network filesystem with that magic number (`statfs(2)`), if it is one.
///
/// FUSE and 9P may well be local, but nothing says so; overlay filesystems are local and not listed.
#[cfg(any(target_os = "linux", test))]
fn network_filesystem(magic: u64) -> Option<&'static str> {
    Some(match magic & 0xFFFF_FFFF {
        0x6969 => "NFS",
        0x517B => "SMB",
        0xFF53_4D42 => "CIFS",
        0xFE53_4D42 => "SMB2",
        0x0102_1997 => "9P",
        0x6573_5546 => "FUSE",
        0x00C3_6400 => "Ceph",
        0x5346_414F => "AFS",
        0x0BD0_0BD0 => "Lustre",
        0x7375_7245 => "Coda",
        0x0116_1970 => "GFS2",
        0x7461_636F => "OCFS2",
        0x786F_4256 => "VirtualBox shared folder",
        0xBACB_ACBC => "VMware shared folder",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_filesystems_are_told_from_local_ones() {
        assert_eq!(network_filesystem(0x6969), Some("NFS"));
        assert_eq!(network_filesystem(0xFFFF_FFFF_FF53_4D42), Some("CIFS"), "sign-extended on some platforms");
        for (local, magic) in
            [("ext4", 0xEF53), ("btrfs", 0x9123_683E), ("tmpfs", 0x0102_1994), ("overlay", 0x794C_7630)]
        {
            assert_eq!(network_filesystem(magic), None, "{local}");
        }
    }

    #[test]
    fn free_space_is_known() {
        assert!(free_bytes(Path::new("/")).unwrap() > 0);
    }
}
