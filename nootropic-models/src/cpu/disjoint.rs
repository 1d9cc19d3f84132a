//! A slice that threads fill in parts.
#![expect(unsafe_code, reason = "the borrow checker cannot follow which thread has which part")]

use std::marker::PhantomData;
use std::ops::Range;

use super::pool::Pool;

/// A mutable slice of which several threads have different parts at once.
pub(super) struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    whole: PhantomData<&'a mut [T]>,
}

// SAFETY: a `&mut [T]` that is cut up; parts are handed to threads as `&mut [T]` would be, which takes `T: Send`.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    pub(super) fn new(whole: &'a mut [T]) -> Self {
        Self { start: whole.as_mut_ptr(), len: whole.len(), whole: PhantomData }
    }

    /// A part; empty if `range` is not inside.
    ///
    /// # Safety
    /// While a part is in use, no other may be asked for that overlaps it.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "parts do not overlap: the caller's promise")]
    pub(super) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        let (start, len) = match range.start <= range.end && range.end <= self.len {
            true => (range.start, range.end - range.start),
            false => (0, 0),
        };
        // SAFETY: inside the slice that is borrowed for 'a; the caller lets no other part overlap.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

/// Calls `run` for parts of `rows` whole rows of `row_len` numbers each, the last with what is left, on the threads of `pool`:
/// with the number of the part's first row, and the part.
pub(super) fn for_each_part<T: Send>(
    pool: &Pool,
    data: &mut [T],
    row_len: usize,
    rows: usize,
    run: impl Fn(usize, &mut [T]) + Sync,
) {
    let part = (row_len * rows).max(1);
    let parts = data.len().div_ceil(part);
    let len = data.len();
    let data = Disjoint::new(data);
    pool.run(parts, |i| {
        // SAFETY: the ranges of different parts do not overlap, and each part is run once.
        run(i * rows, unsafe { data.part(i * part..len.min((i + 1) * part)) });
    });
}

/// Calls `run` for panels of rows of several buffers, each with its row length, on the threads of `pool`: with the panel's rows, and its
/// part of each buffer. There are as many panels for each thread, of about `about` rows.
pub(crate) fn for_each_panel<const N: usize>(
    pool: &Pool,
    rows: usize,
    about: usize,
    buffers: [(&mut [f32], usize); N],
    run: impl Fn(Range<usize>, [&mut [f32]; N]) + Sync,
) {
    let per_thread = rows.div_ceil(pool.threads() * about.max(1));
    let panel = rows.div_ceil(pool.threads() * per_thread.max(1)).max(1);
    let buffers = buffers.map(|(numbers, row)| (Disjoint::new(numbers), row));
    pool.run(rows.div_ceil(panel), |i| {
        let rows = i * panel..rows.min((i + 1) * panel);
        // SAFETY: the rows of different panels do not overlap, and each panel is run once.
        let parts = std::array::from_fn(|b| unsafe {
            let (numbers, row) = &buffers[b];
            numbers.part(rows.start * row..rows.end * row)
        });
        run(rows, parts);
    });
}
