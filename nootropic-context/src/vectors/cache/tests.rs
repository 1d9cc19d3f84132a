use nootropic_core::reference::MemoryStore;
use nootropic_core::{EmbedderInfo, Error as CoreError, StoreExt, WriteTxn};

use super::*;
use crate::vectors::testing::Random;
use crate::vectors::{Kept, Neighbor, VECTORS, VectorIndex};

const DIM: usize = 40;

fn setup() -> (MemoryStore, IndexCache) {
    let store = MemoryStore::new([VECTORS]);
    let info = EmbedderInfo { id: "test".into(), dim: DIM, max_tokens: 64 };
    let (table, _) = store.write_with(|txn| Ok(VectorTable::register(txn, &info, Kept::Vectors)?)).unwrap();
    (store, IndexCache::new(table))
}

fn put(
    txn: &mut dyn WriteTxn,
    cache: &IndexCache,
    random: &mut Random,
    ids: impl IntoIterator<Item = u32>,
) -> nootropic_core::Result<()> {
    let rows: Vec<_> = ids.into_iter().map(|id| (ChunkId(id), random.unit(DIM))).collect();
    let rows: Vec<_> = rows.iter().map(|(id, row)| (*id, row.as_slice())).collect();
    Ok(cache.table().put(txn, &rows)?)
}

/// What the cache finds, and what an index made from scratch finds.
fn both(store: &MemoryStore, cache: &IndexCache, query: &[f32]) -> [Vec<Neighbor>; 2] {
    let fresh = IndexCache::new(cache.table().clone());
    let search = |cache: &IndexCache| {
        let found = store.read_with(|txn| {
            let index = cache.at(txn)?;
            assert_eq!(index.len() as u64, cache.table().len(txn)?);
            Ok(index.search(&cache.table().rows(txn), query, 10, None)?)
        });
        found.unwrap()
    };
    [search(cache), search(&fresh)]
}

#[test]
fn the_cache_follows_every_commit() {
    let (store, cache) = setup();
    let mut random = Random::new(30);
    for round in 0..40_u32 {
        store
            .write_with(|txn| {
                put(txn, &cache, &mut random, round * 20..round * 20 + 37)?; // some replace
                let gone: Vec<_> = (0..5).map(|_| ChunkId(random.next() as u32 % (round * 20 + 1))).collect();
                cache.table().delete(txn, &gone)?;
                Ok(())
            })
            .unwrap();
        let [got, expected] = both(&store, &cache, &random.unit(DIM));
        assert_eq!(got.len(), 10);
        assert_eq!(got, expected, "round {round}");
    }
}

#[test]
fn a_reader_at_an_older_state_gets_that_state() {
    let (store, cache) = setup();
    let mut random = Random::new(31);
    store.write_with(|txn| put(txn, &cache, &mut random, 0..100)).unwrap();
    store
        .read_with(|old| {
            let before = cache.at(old)?;
            // A store may let readers and a writer on one thread; the cache only ever sees transactions.
            std::thread::scope(|scope| {
                let write = || {
                    store.write_with(|txn| put(txn, &cache, &mut Random::new(32), 100..103)).unwrap();
                    let len = store.read_with(|new| Ok(cache.at(new)?.len()));
                    assert_eq!(len.unwrap(), 103);
                };
                scope.spawn(write).join().map_err(|_| CoreError::Cancelled)
            })?;
            assert!(Arc::ptr_eq(&before, &cache.at(old)?));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_write_that_was_given_up_leaves_no_trace() {
    let (store, cache) = setup();
    let mut random = Random::new(33);
    store.write_with(|txn| put(txn, &cache, &mut random, 0..50)).unwrap();
    let given_up = store.write_with(|txn| {
        put(txn, &cache, &mut random, 50..60)?;
        assert_eq!(cache.at(&*txn)?.len(), 60);
        Err::<(), _>(CoreError::Cancelled)
    });
    assert!(given_up.is_err());
    // As many changes as before, but not the same ones.
    store.write_with(|txn| put(txn, &cache, &mut random, 70..75)).unwrap();
    let query = random.unit(DIM);
    let [got, expected] = both(&store, &cache, &query);
    assert_eq!(got, expected);
    let index = store.read_with(|txn| Ok(cache.at(txn)?)).unwrap();
    assert!(!index.contains(ChunkId(55)) && index.contains(ChunkId(72)));
}

#[test]
fn a_cache_survives_the_store_being_replaced_by_a_backup() {
    let (store, cache) = setup();
    let mut random = Random::new(34);
    store.write_with(|txn| put(txn, &cache, &mut random, 0..50)).unwrap();
    store.write_with(|txn| put(txn, &cache, &mut random, 50..60)).unwrap();
    store.read_with(|txn| Ok(cache.at(txn)?)).unwrap();
    // Another store of the same shape, with fewer changes.
    let (other, _) = setup();
    other.write_with(|txn| put(txn, &cache, &mut random, 5..9)).unwrap();
    let [got, expected] = both(&other, &cache, &random.unit(DIM));
    assert_eq!((got.len(), got), (4, expected));
}
