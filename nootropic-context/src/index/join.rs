//! Which segments are joined, and when: many small ones make questions slow, and joining large ones takes long.

use nootropic_core::{ReadTxn, Result, Store, StoreExt, WriteTxn};

use super::columns::Live;
use super::record::IndexMeta;
use super::update::Cancel;
use crate::lexical::merge::merge;
use crate::lexical::segment::{SegmentInfo, segments};

/// Neighbouring segments of one size are joined when there are this many.
const FAN_IN: usize = 8;
/// Segments that come to more than this, in bytes, are not joined in the transaction of a batch.
const LARGE: u64 = 8 << 20;
/// Nor are those that come to more than this ever, so that no transaction grows with the index.
const LARGEST: u64 = 64 << 20;
/// Segments more than there have to be that are put up with.
const SUPERFLUOUS: usize = 4 * FAN_IN;

/// Joins the newest segments that are small and of one size, if there are enough of them.
pub(super) fn join_newest(txn: &mut dyn WriteTxn, meta: &mut IndexMeta) -> Result<()> {
    let infos = segments(txn)?;
    match due(&infos) {
        Some(parts) => join(txn, meta, parts),
        None => Ok(()),
    }
}

fn due(infos: &[SegmentInfo]) -> Option<&[SegmentInfo]> {
    let size = |info: &SegmentInfo| info.bytes.max(4096).ilog2() / 3;
    let last = infos.last()?;
    let start = infos.iter().rposition(|info| size(info) > size(last)).map_or(0, |i| i + 1);
    let run = &infos[start..];
    (run.len() >= FAN_IN && run.iter().map(|info| info.bytes).sum::<u64>() <= LARGE).then_some(run)
}

/// Replaces neighbouring segments by one, without the chunks that were removed.
fn join(txn: &mut dyn WriteTxn, meta: &mut IndexMeta, parts: &[SegmentInfo]) -> Result<()> {
    let (first, end) = (parts.first().map_or(0, |info| info.first), parts.last().map_or(0, |info| info.end));
    let live = Live::load(txn, first, end)?;
    merge(txn, parts, meta.next_segment, &|chunk| live.contains(chunk))?;
    meta.next_segment += 1;
    Ok(())
}

/// Joins the segments of the index into as few as their size allows (64 MiB), and leaves out what was removed, so that
/// it is as small and as fast as a fresh one. Says whether there was anything to do. Updates do this by themselves where
/// it pays.
///
/// # Errors
/// As the store's; what was joined by then stays so.
pub fn optimize(store: &dyn Store) -> Result<bool> {
    join_all(store, true, LARGEST, &|| false)
}

/// Joins segments where that makes questions cheaper: many of them, or many removed chunks. Once cancelled, it leaves the
/// rest for the next time.
pub(super) fn compact(store: &dyn Store, cancel: &Cancel<'_>) -> Result<()> {
    let trouble = store.read_with(|txn| {
        let Some(meta) = IndexMeta::read(txn)? else { return Ok(None) };
        let infos = segments(txn)?;
        let dead: u64 = infos.iter().map(|info| u64::from(info.dead)).sum();
        let many = infos.len() >= groups(&infos, LARGEST).count() + SUPERFLUOUS;
        let much_dead = dead > 1000 && dead * 2 > u64::from(meta.chunks);
        Ok((many || much_dead).then_some(much_dead))
    })?;
    match trouble {
        Some(much_dead) => join_all(store, much_dead, LARGEST, cancel).map(drop),
        None => Ok(()),
    }
}

/// Joins neighbours until none are left that come to at most `largest` bytes, each group in a transaction of its own;
/// `rewrite` says whether those that only hold removed chunks are written anew, too.
fn join_all(store: &dyn Store, rewrite: bool, largest: u64, cancel: &Cancel<'_>) -> Result<bool> {
    let next = |txn: &dyn ReadTxn| -> Result<_> {
        let Some(meta) = IndexMeta::read(txn)? else { return Ok(None) };
        let infos = segments(txn)?;
        let mut groups = groups(&infos, largest);
        let group = groups.find(|group| group.len() > 1 || rewrite && group.iter().any(|info| info.dead > 0));
        Ok(group.map(|group| (meta, group.to_vec())))
    };
    let mut done = false;
    while !cancel() && store.read_with(|txn| next(txn))?.is_some() {
        store.write_with(|txn| {
            let Some((mut meta, group)) = next(txn)? else { return Ok(()) };
            join(txn, &mut meta, &group)?;
            meta.write(txn)
        })?;
        done = true;
    }
    Ok(done)
}

/// Neighbouring segments by as many as come to at most `largest` bytes; a larger one stands alone.
fn groups(infos: &[SegmentInfo], largest: u64) -> impl Iterator<Item = &[SegmentInfo]> {
    let mut rest = infos;
    std::iter::from_fn(move || {
        let mut bytes = 0u64;
        let fits = |info: &&SegmentInfo| {
            bytes = bytes.saturating_add(info.bytes);
            bytes <= largest
        };
        let n = rest.iter().take_while(fits).count().max(1);
        let (group, after) = rest.split_at_checked(n)?;
        rest = after;
        Some(group)
    })
}

#[cfg(test)]
mod tests {
    use nootropic_core::reference::MemoryStore;

    use super::*;
    use crate::index::{UpdateOptions, check, update};

    #[test]
    fn segments_are_joined_up_to_a_size_and_then_left_alone() {
        let root = tempfile::tempdir().unwrap();
        for i in 0..100 {
            let text: String = (0..40).map(|j| format!("word{} of file{i}\n", (i * j) % 97)).collect();
            std::fs::write(root.path().join(format!("f{i:03}.txt")), text).unwrap();
        }
        let store = MemoryStore::new(crate::TABLES);
        let options = UpdateOptions { batch_bytes: 11_000, threads: 1, ..UpdateOptions::default() };
        let bring = || update(&store, root.path(), &options, &mut |_| {}, &|| false).unwrap();
        bring();
        for i in (0..100).step_by(3) {
            std::fs::remove_file(root.path().join(format!("f{i:03}.txt"))).unwrap();
        }
        bring();
        let infos = || store.read_with(|txn| segments(txn)).unwrap();
        let largest = infos().iter().map(|info| info.bytes).sum::<u64>() / 2;
        let before = infos();
        assert!((4..8).contains(&before.len()) && before.iter().any(|info| info.dead > 0), "{before:?}");
        assert!(join_all(&store, true, largest, &|| false).unwrap());
        let after = infos();
        assert!((2..=4).contains(&after.len()), "{after:?}");
        assert!(after.iter().all(|info| info.bytes <= largest && info.dead == 0), "{after:?}");
        assert!(check(&store).unwrap().is_clean());
        assert!(!join_all(&store, true, largest, &|| false).unwrap(), "nothing is left to do");
        assert!(optimize(&store).unwrap());
        assert_eq!(infos().len(), 1);
        assert!(check(&store).unwrap().is_clean());
    }
}
