//! How much memory describing a file may take.

use super::Fault;

/// How much memory reading the header of a model file may take, in bytes.
///
/// Whatever a file announces is charged here before it is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    left: u64,
}

impl Budget {
    /// What any sound file keeps to: its own length and 64 MiB.
    pub fn for_file(len: u64) -> Self {
        Self { left: len.saturating_add(64 << 20) }
    }

    /// At most `bytes` in all.
    pub fn new(bytes: u64) -> Self {
        Self { left: bytes }
    }

    /// What may still be allocated.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Makes room for exactly `count` more items, if they can be afforded.
    pub(crate) fn reserve<T>(&mut self, items: &mut Vec<T>, count: usize) -> Result<(), Fault> {
        let bytes = (count as u64).saturating_mul(size_of::<T>() as u64);
        self.left = self.left.checked_sub(bytes).ok_or(Fault::Memory { bytes })?;
        items.try_reserve_exact(count).map_err(|_| Fault::Memory { bytes })
    }

    /// An empty vector with room for exactly `count` items.
    pub(crate) fn vec<T>(&mut self, count: usize) -> Result<Vec<T>, Fault> {
        let mut items = Vec::new();
        self.reserve(&mut items, count)?;
        Ok(items)
    }
}
