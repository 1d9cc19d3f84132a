//! Memory for weights, in pages of 2 MiB where the system has them.
//!
//! Reading a matrix once is bound by memory, and faster by a fifth in large pages: the processor does not read ahead across
//! pages. Most matrices are smaller than a large page or end within one, so they share slabs.
#![expect(unsafe_code, reason = "the borrow checker cannot see that parts of a slab are handed out once")]

use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use memmap2::{MmapMut, MmapRaw};

/// A large page.
const PAGE: usize = 1 << 21;

/// Large enough that its last page is little beside it. What is not touched takes no memory.
const SLAB: usize = 32 * PAGE;

/// Bytes that were zero, for a matrix. The slab is given back when all of its matrices are gone.
pub(super) struct Memory {
    slab: Arc<MmapRaw>,
    range: Range<usize>,
}

/// The slab that is being filled, and where what is left of it starts.
static CURRENT: Mutex<(Weak<MmapRaw>, usize)> = Mutex::new((Weak::new(), 0));

impl Memory {
    /// `size` bytes, all zero.
    ///
    /// # Errors
    /// If there is no memory.
    pub(super) fn zeroed(size: usize) -> io::Result<Self> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        let start = current.1;
        if let Some(slab) = current.0.upgrade().filter(|slab| slab.len() - start >= size) {
            current.1 = (start + size).next_multiple_of(64).min(slab.len());
            return Ok(Self { slab, range: start..start + size });
        }
        let whole = size.checked_next_multiple_of(PAGE).and_then(|size| size.max(SLAB).checked_add(PAGE));
        let map = MmapMut::map_anon(whole.ok_or(io::ErrorKind::OutOfMemory)?)?;
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage); // an old kernel may not know it
        let start = map.as_ptr().align_offset(PAGE);
        let slab = Arc::new(MmapRaw::from(map));
        // The next matrices go where there is more room.
        let left = |slab: &MmapRaw, start: usize| slab.len() - start;
        let old = current.0.upgrade().map_or(0, |slab| left(&slab, current.1));
        if left(&slab, start + size) > old {
            *current = (Arc::downgrade(&slab), (start + size).next_multiple_of(64).min(slab.len()));
        }
        Ok(Self { slab, range: start..start + size })
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the range is inside the slab, as `zeroed` made it; it was handed out once, so all writers have `self` mutably.
        unsafe { std::slice::from_raw_parts(self.slab.as_ptr().add(self.range.start), self.range.len()) }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.slab.as_mut_ptr().add(self.range.start), self.range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, PAGE, SLAB};

    #[test]
    fn parts_are_zero_do_not_overlap_and_outlive_their_neighbours() {
        let sizes = [1, 64, 100, PAGE + 3, SLAB - 64, SLAB * 2, 5, 4096];
        let mut parts: Vec<_> = sizes.iter().map(|size| Memory::zeroed(*size).unwrap()).collect();
        for (i, (part, size)) in parts.iter_mut().zip(sizes).enumerate() {
            assert_eq!(part.len(), size);
            assert!(part.iter().all(|byte| *byte == 0), "part {i}");
            assert_eq!(part.as_ptr().align_offset(64), 0);
            part.fill(i as u8 + 1);
        }
        let mut kept: Vec<_> = parts.into_iter().enumerate().filter(|(i, _)| i % 2 == 1).collect();
        let more = Memory::zeroed(1000).unwrap();
        assert!(more.iter().all(|byte| *byte == 0));
        for (i, part) in &mut kept {
            assert!(part.iter().all(|byte| *byte == *i as u8 + 1), "part {i}");
        }
        assert!(Memory::zeroed(usize::MAX).is_err());
    }
}
