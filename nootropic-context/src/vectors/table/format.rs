//! Bytes of the vector table, formats 1 and 2.
//!
//! ```text
//! key                                value
//! slot:u16be 0                       format:u8  dim:u32le  embedder:utf-8
//! slot:u16be 1                       seq:u64le  token:u64le  count:u64le
//! slot:u16be 2 chunk:u32be           f32le × dim, of unit length; in format 1 only
//! slot:u16be 3 chunk:u32be           scale:f32le  i8 × dim: the vector rotated, over scale
//! slot:u16be 4 seq:u64be             token before:u64le  chunk:u32le × changed
//! 0xffff 0                           next slot:u16le
//! ```

use nootropic_core::{ChunkId, Error, Result};

use super::super::MAX_DIM;
use super::{Kept, Mark, VECTORS};

/// Where the number of the next slot is kept; above every slot's own keys.
pub(super) const NEXT_SLOT: [u8; 3] = [0xff, 0xff, 0];

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Info = 0,
    State = 1,
    Row = 2,
    Code = 3,
    Log = 4,
}

impl Kind {
    pub(super) fn key(self, slot: u16) -> [u8; 3] {
        let [high, low] = slot.to_be_bytes();
        [high, low, self as u8]
    }

    pub(super) fn key_of(self, slot: u16, id: ChunkId) -> [u8; 7] {
        let mut key = [0; 7];
        key[..3].copy_from_slice(&self.key(slot));
        key[3..].copy_from_slice(&id.0.to_be_bytes());
        key
    }

    pub(super) fn key_at(self, slot: u16, seq: u64) -> [u8; 11] {
        let mut key = [0; 11];
        key[..3].copy_from_slice(&self.key(slot));
        key[3..].copy_from_slice(&seq.to_be_bytes());
        key
    }
}

/// The slot whose first entry this is.
pub(super) fn slot_of_info(key: &[u8]) -> Result<u16> {
    match *key {
        [high, low, kind] if kind == Kind::Info as u8 => Ok(u16::from_be_bytes([high, low])),
        _ => Err(Error::corrupt(VECTORS, key, "an entry of an embedder that is not registered")),
    }
}

/// The chunk of a row's or code's key.
pub(super) fn id_of(key: &[u8]) -> Result<ChunkId> {
    match key.split_first_chunk::<3>() {
        Some((_, rest)) if rest.len() == 4 => Ok(ChunkId(u32::from_be_bytes(array(rest)))),
        _ => Err(Error::corrupt(VECTORS, key, "not the key of a vector")),
    }
}

pub(super) fn bad_length(key: &[u8], len: usize) -> Error {
    Error::corrupt(VECTORS, key, format!("a value of {len} bytes"))
}

/// The first `N` bytes, or zeros where there are fewer: callers have checked.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

pub(super) fn u16_at(key: &[u8], bytes: &[u8]) -> Result<u16> {
    if bytes.len() != 2 {
        return Err(bad_length(key, bytes.len()));
    }
    Ok(u16::from_le_bytes(array(bytes)))
}

/// An embedder.
#[derive(Debug)]
pub(super) struct Info {
    pub(super) dim: usize,
    pub(super) kept: Kept,
    pub(super) embedder: String,
}

impl Info {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kept as u8];
        bytes.extend((self.dim as u32).to_le_bytes());
        bytes.extend(self.embedder.as_bytes());
        bytes
    }

    pub(super) fn from_bytes(key: &[u8], bytes: &[u8]) -> Result<Self> {
        let Some((&format, rest)) = bytes.split_first() else { return Err(bad_length(key, 0)) };
        let Some(kept) = [Kept::Vectors, Kept::Codes].into_iter().find(|kept| *kept as u8 == format) else {
            return Err(Error::failed(
                "reading vectors",
                nootropic_core::ErrorKind::UnsupportedVersion,
                format!("vectors have format {format}; this version reads 1 and 2"),
            ));
        };
        let Some((dim, embedder)) = rest.split_first_chunk() else { return Err(bad_length(key, bytes.len())) };
        let dim = u32::from_le_bytes(*dim) as usize;
        match std::str::from_utf8(embedder) {
            Ok(embedder) if (1..=MAX_DIM).contains(&dim) => Ok(Self { dim, kept, embedder: embedder.to_owned() }),
            _ => Err(Error::corrupt(VECTORS, key, "not an embedder")),
        }
    }
}

/// Where an embedder's vectors stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) mark: Mark,
    pub(super) len: u64,
}

impl State {
    pub(super) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.mark.seq.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.mark.token.to_le_bytes());
        bytes[16..].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(key: &[u8], bytes: &[u8]) -> Result<Self> {
        let Ok(bytes) = <&[u8; 24]>::try_from(bytes) else { return Err(bad_length(key, bytes.len())) };
        let word = |at: usize| u64::from_le_bytes(array(&bytes[at..]));
        Ok(Self { mark: Mark { seq: word(0), token: word(8) }, len: word(16) })
    }
}

/// A quantized vector.
#[derive(Debug, Clone, Copy)]
pub(in crate::vectors) struct Code<'a> {
    pub(in crate::vectors) scale: f32,
    pub(in crate::vectors) code: &'a [i8],
}

impl<'a> Code<'a> {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + self.code.len());
        bytes.extend(self.scale.to_le_bytes());
        bytes.extend(self.code.iter().map(|c| c.cast_unsigned()));
        bytes
    }

    /// Decodes into `buffer`.
    pub(super) fn from_bytes(key: &[u8], bytes: &[u8], dim: usize, buffer: &'a mut Vec<i8>) -> Result<Self> {
        match bytes.split_first_chunk() {
            Some((scale, code)) if code.len() == dim => {
                let scale = f32::from_le_bytes(*scale);
                if !scale.is_finite() {
                    return Err(Error::corrupt(VECTORS, key, format!("a scale of {scale}")));
                }
                buffer.clear();
                buffer.extend(code.iter().map(|byte| byte.cast_signed()));
                Ok(Self { scale, code: buffer })
            }
            _ => Err(bad_length(key, bytes.len())),
        }
    }
}

pub(super) fn row_bytes(unit: &[f32]) -> Vec<u8> {
    unit.iter().flat_map(|x| x.to_le_bytes()).collect()
}

pub(super) fn log_bytes(before: u64, ids: &[ChunkId]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + 4 * ids.len());
    bytes.extend(before.to_le_bytes());
    bytes.extend(ids.iter().flat_map(|id| id.0.to_le_bytes()));
    bytes
}

/// The token before a change, and what it changed.
pub(super) fn log_entry<'a>(key: &[u8], bytes: &'a [u8]) -> Result<(u64, impl Iterator<Item = ChunkId> + 'a)> {
    match bytes.split_first_chunk() {
        Some((before, ids)) if ids.len().is_multiple_of(4) => {
            let (ids, _) = ids.as_chunks::<4>();
            Ok((u64::from_le_bytes(*before), ids.iter().map(|id| ChunkId(u32::from_le_bytes(*id)))))
        }
        _ => Err(bad_length(key, bytes.len())),
    }
}

pub(super) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    first_word(&hasher.finalize())
}

pub(super) fn first_word(hash: &blake3::Hash) -> u64 {
    u64::from_le_bytes(array(hash.as_bytes()))
}
