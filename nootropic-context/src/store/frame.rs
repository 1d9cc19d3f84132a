//! How a value lies in a table: a version byte, a checksum, the payload.
//!
//! The checksum covers the table's name, the key and the payload, so that a record which turns up in the wrong place
//! is found as surely as one whose bytes changed.

use crc32c::{crc32c, crc32c_append};

/// Bytes in front of each payload.
pub(super) const FRAME_LEN: usize = 5;
/// The only way values have been framed so far.
const FRAME_VERSION: u8 = 1;

/// What is wrong with a framed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// Fewer bytes than a frame has.
    #[error("{0} bytes are too few for a record")]
    Short(usize),
    /// Framed some other way.
    #[error("unknown record version {0}")]
    Version(u8),
    /// The bytes are not those that were written here.
    #[error("checksum is {found:08x}, the record says {expected:08x}")]
    Checksum {
        /// Stored with the record.
        expected: u32,
        /// Computed from what was read.
        found: u32,
    },
}

/// Frames the values of one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    seed: u32,
}

/// A checksum under way, for values too long to hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running(u32);

impl Frame {
    /// For the table of that name.
    pub(super) fn of(table: &str) -> Self {
        Self { seed: crc32c(table.as_bytes()) }
    }

    /// Begins the checksum of the record at `key`.
    pub(super) fn begin(self, key: &[u8]) -> Running {
        // The length keeps bytes from wandering between key and payload; a table's longest key is 511 bytes.
        Running(crc32c_append(self.seed ^ u32::try_from(key.len()).unwrap_or(u32::MAX), key))
    }

    /// Writes the framed `payload` over `out`.
    pub(super) fn seal(self, key: &[u8], payload: &[u8], out: &mut Vec<u8>) {
        let checksum = self.begin(key).update(payload).0;
        out.clear();
        out.reserve(FRAME_LEN + payload.len());
        out.push(FRAME_VERSION);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(payload);
    }

    /// The payload of `value`, if it is what was written at `key`.
    pub(super) fn open<'v>(self, key: &[u8], value: &'v [u8]) -> Result<&'v [u8], FrameError> {
        let (expected, payload) = split(value)?;
        self.begin(key).update(payload).compare(expected)?;
        Ok(payload)
    }
}

impl Running {
    /// Takes more of the payload.
    pub(super) fn update(self, bytes: &[u8]) -> Self {
        Self(crc32c_append(self.0, bytes))
    }

    /// Ends the checksum.
    pub(super) fn compare(self, expected: u32) -> Result<(), FrameError> {
        if self.0 == expected { Ok(()) } else { Err(FrameError::Checksum { expected, found: self.0 }) }
    }
}

/// The stored checksum and what follows it.
pub(super) fn split(value: &[u8]) -> Result<(u32, &[u8]), FrameError> {
    let Some((&[version, a, b, c, d], payload)) = value.split_first_chunk::<FRAME_LEN>() else {
        return Err(FrameError::Short(value.len()));
    };
    if version != FRAME_VERSION {
        return Err(FrameError::Version(version));
    }
    Ok((u32::from_le_bytes([a, b, c, d]), payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(table: &str, key: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Frame::of(table).seal(key, payload, &mut out);
        out
    }

    #[test]
    fn a_record_is_read_only_where_it_was_written() {
        let value = sealed("chunks", b"key", b"payload");
        assert_eq!(Frame::of("chunks").open(b"key", &value), Ok(&b"payload"[..]));
        assert!(matches!(Frame::of("files").open(b"key", &value), Err(FrameError::Checksum { .. })));
        assert!(matches!(Frame::of("chunks").open(b"kex", &value), Err(FrameError::Checksum { .. })));
    }

    #[test]
    fn bytes_do_not_wander_between_key_and_payload() {
        let value = sealed("t", b"ab", b"c");
        let mut moved = value[..FRAME_LEN].to_vec();
        moved.extend_from_slice(b"bc");
        assert!(Frame::of("t").open(b"a", &moved).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let value = sealed("t", b"k", b"some payload");
        for bit in 0..value.len() * 8 {
            let mut bad = value.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::of("t").open(b"k", &bad).is_err(), "bit {bit}");
        }
        for len in 0..value.len() {
            assert!(Frame::of("t").open(b"k", &value[..len]).is_err(), "cut to {len}");
        }
    }
}
