use std::fs;

use nootropic_core::reference::MemoryStore;
use nootropic_core::{EmbedderInfo, StoreExt};
use tempfile::TempDir;

use super::*;
use crate::vectors::testing::{MemoryRows, Random, normalized, recall};
use crate::vectors::{Kept, VECTORS, VectorSearch};

const DIM: usize = 24;

/// A store, what it should hold, and a folder for builds.
struct Setup {
    store: Arc<MemoryStore>,
    table: VectorTable,
    expected: MemoryRows,
    folder: TempDir,
    random: Random,
}

impl Setup {
    /// With `count` vectors.
    fn new(count: u32) -> Self {
        let store = Arc::new(MemoryStore::new([VECTORS]));
        let info = EmbedderInfo { id: "test".into(), dim: DIM, max_tokens: 64 };
        let (table, _) = store.write_with(|txn| Ok(VectorTable::register(txn, &info, Kept::Vectors)?)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut setup = Self { store, table, expected: MemoryRows::default(), folder, random: Random::new(40) };
        setup.put(0..count);
        setup
    }

    fn put(&mut self, ids: impl IntoIterator<Item = u32>) {
        let rows: Vec<_> = ids.into_iter().map(|id| (ChunkId(id), self.random.unit(DIM))).collect();
        let put: Vec<_> = rows.iter().map(|(id, row)| (*id, row.as_slice())).collect();
        self.store.write_with(|txn| Ok(self.table.put(txn, &put)?)).unwrap();
        self.expected.0.extend(rows.into_iter().map(|(id, row)| (id, normalized(row)))); // as it is stored
    }

    fn delete(&mut self, ids: &[u32]) {
        let ids: Vec<_> = ids.iter().map(|&id| ChunkId(id)).collect();
        self.store.write_with(|txn| Ok(self.table.delete(txn, &ids)?)).unwrap();
        self.expected.0.retain(|id, _| !ids.contains(id));
    }

    fn cache(&self) -> ArroyCache {
        ArroyCache::open(self.folder.path(), self.table.clone()).unwrap()
    }

    fn built(&self) -> ArroyCache {
        let cache = self.cache();
        assert!(cache.rebuild(&*self.store, &AtomicBool::new(false)).unwrap());
        cache
    }

    fn is_usable(&self, cache: &ArroyCache) -> bool {
        self.store.read_with(|txn| Ok(cache.at(txn)?.is_some())).unwrap()
    }

    fn search(&self, cache: &ArroyCache, query: &[f32], k: usize, accept: Option<Accept<'_>>) -> Vec<Neighbor> {
        let found = self.store.read_with(|txn| {
            let index = cache.at(txn)?.unwrap();
            assert_eq!((index.len(), index.dim()), (self.expected.0.len(), DIM));
            Ok(index.search(&self.table.rows(txn), query, k, accept)?)
        });
        found.unwrap()
    }

    /// The one finished build on disk.
    fn build_path(&self) -> Option<PathBuf> {
        let embedder = fs::read_dir(self.folder.path()).unwrap().next().unwrap().unwrap().path();
        let mut builds = fs::read_dir(embedder).unwrap().map(|e| e.unwrap().path()).filter(|path| path.is_dir());
        let found = builds.next();
        assert_eq!(builds.next(), None, "more than one build");
        found
    }
}

#[test]
fn nearly_all_true_neighbours_are_found() {
    let mut setup = Setup::new(1500);
    let cache = setup.built();
    let queries: Vec<_> = (0..20).map(|_| setup.random.unit(DIM)).collect();
    let each = queries
        .iter()
        .map(|query| recall(&setup.search(&cache, query, 10, None), &setup.expected.nearest(query, 10, |_| true)));
    assert!(each.sum::<f64>() / 20.0 >= 0.95);
}

#[test]
fn what_changed_since_the_build_is_found_at_once() {
    let mut setup = Setup::new(400);
    let cache = setup.built();
    for round in 0..5_u32 {
        setup.put([500 + round, 7, 8 + round]); // new ones, and one replaced again and again
        setup.delete(&[round * 3 + 100, round + 50]);
        for id in [500 + round, 7, 8 + round] {
            let query = setup.expected.0[&ChunkId(id)].clone();
            assert_eq!(setup.search(&cache, &query, 1, None)[0].id, ChunkId(id));
        }
        let all = setup.search(&cache, &setup.expected.0[&ChunkId(7)], 1000, None);
        assert_eq!(all, setup.expected.nearest(&setup.expected.0[&ChunkId(7)], 1000, |_| true));
    }
}

#[test]
fn a_filter_is_applied_before_the_count() {
    let mut setup = Setup::new(1000);
    let cache = setup.built();
    setup.put([2000, 2001]);
    let query = setup.random.unit(DIM);
    let rare = |id: ChunkId| id.0.is_multiple_of(250);
    assert_eq!(setup.search(&cache, &query, 10, Some(&rare)), setup.expected.nearest(&query, 10, rare));
    assert!(setup.search(&cache, &query, 10, Some(&|_| false)).is_empty());
    assert!(setup.search(&cache, &query, 0, None).is_empty());
}

#[test]
fn an_empty_and_a_tiny_table_are_served() {
    let mut setup = Setup::new(0);
    let cache = setup.built();
    assert!(setup.search(&cache, &[1.0; DIM], 3, None).is_empty());
    setup.put([4, 5]);
    assert_eq!(setup.search(&cache, &[1.0; DIM], 3, None).len(), 2);
    assert!(cache.rebuild(&*setup.store, &AtomicBool::new(false)).unwrap());
    assert_eq!(setup.search(&cache, &[1.0; DIM], 3, None).len(), 2);
}

#[test]
fn a_build_is_taken_up_again() {
    let setup = Setup::new(300);
    assert!(!setup.is_usable(&setup.cache()), "nothing was built");
    let first = setup.built();
    assert!(setup.is_usable(&setup.cache()), "beside one that has it open");
    drop(first);
    let again = setup.cache();
    assert!(setup.is_usable(&again));
    // Of the state that is there already: no second build.
    let before = fs::metadata(setup.build_path().unwrap()).unwrap().modified().unwrap();
    assert!(again.rebuild(&*setup.store, &AtomicBool::new(false)).unwrap());
    assert_eq!(fs::metadata(setup.build_path().unwrap()).unwrap().modified().unwrap(), before);
}

#[test]
fn a_newer_build_replaces_the_older() {
    let mut setup = Setup::new(300);
    let cache = setup.built();
    let old = setup.build_path();
    setup.put(300..310);
    assert!(cache.rebuild(&*setup.store, &AtomicBool::new(false)).unwrap());
    assert_ne!(setup.build_path(), old);
    let changed = setup.store.read_with(|txn| Ok(cache.at(txn)?.unwrap().changed())).unwrap();
    assert_eq!(changed, 0);
}

#[test]
fn a_build_that_is_not_what_was_written_is_removed() {
    let setup = Setup::new(300);
    let manifest = |path: &Path, from: &str, to: &str| {
        let path = path.join("manifest.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    };
    let data = |path: &Path, change: &dyn Fn(&mut Vec<u8>)| {
        let path = path.join("data.mdb");
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    };
    let damages: &[&dyn Fn(&Path)] = &[
        &|path| data(path, &|bytes| bytes[20_000] ^= 1),
        &|path| data(path, &|bytes| bytes[16] ^= 0x40),
        &|path| data(path, &|bytes| bytes.truncate(8192)),
        &|path| data(path, &|bytes| bytes.extend([0; 4096])),
        &|path| data(path, &|bytes| bytes.fill(0)),
        &|path| fs::remove_file(path.join("data.mdb")).unwrap(),
        &|path| fs::remove_file(path.join("manifest.json")).unwrap(),
        &|path| fs::write(path.join("manifest.json"), "{").unwrap(),
        &|path| manifest(path, "\"format\": 1", "\"format\": 2"),
        &|path| manifest(path, "\"arroy\": \"0.9\"", "\"arroy\": \"1.0\""),
        &|path| manifest(path, "\"embedder\": \"test\"", "\"embedder\": \"tset\""),
        &|path| manifest(path, "\"dim\": 24", "\"dim\": 25"),
    ];
    for (at, damage) in damages.iter().enumerate() {
        drop(setup.built());
        damage(&setup.build_path().unwrap());
        assert!(!setup.is_usable(&setup.cache()), "damage {at}");
        assert_eq!(setup.build_path(), None, "damage {at}");
    }
    assert!(setup.is_usable(&setup.built()));
}

#[test]
fn a_build_of_another_history_is_not_used() {
    let setup = Setup::new(300);
    drop(setup.built());
    let other = Setup { folder: tempfile::tempdir().unwrap(), ..Setup::new(5) };
    let cache = ArroyCache::open(setup.folder.path(), other.table.clone()).unwrap();
    assert!(!other.is_usable(&cache));
    assert!(other.store.read_with(|txn| Ok(cache.is_due(txn)?)).unwrap());
}

#[test]
fn a_build_can_be_cancelled_and_leaves_nothing() {
    let setup = Setup::new(3000);
    let cache = Arc::new(setup.cache());
    let cancelled = cache.rebuild(&*setup.store, &AtomicBool::new(true)).unwrap_err();
    assert_eq!(cancelled.kind(), ErrorKind::Cancelled);
    drop(cache.rebuild_in_background(setup.store.clone()).unwrap()); // cancels, or is just through
    let unfinished = |path: PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("build-");
    assert!(!setup.build_path().is_some_and(unfinished));
    assert!(cache.rebuild_in_background(setup.store.clone()).unwrap().wait().unwrap());
    assert!(setup.is_usable(&cache));
}

#[test]
fn what_a_killed_build_left_is_removed() {
    let setup = Setup::new(100);
    drop(setup.cache());
    let embedder = fs::read_dir(setup.folder.path()).unwrap().next().unwrap().unwrap().path();
    fs::create_dir_all(embedder.join("build-1/tmp")).unwrap();
    fs::write(embedder.join("build-1/data.mdb"), "half").unwrap();
    assert!(!setup.is_usable(&setup.cache()));
    assert!(setup.is_usable(&setup.built()));
    assert!(!embedder.join("build-1").exists());
}

#[test]
fn only_one_builds_at_a_time() {
    let setup = Setup::new(10);
    let cache = setup.cache();
    let lock = fs::File::create(cache.folder.join("build.lock")).unwrap();
    lock.lock().unwrap();
    assert!(!cache.rebuild(&*setup.store, &AtomicBool::new(false)).unwrap());
    drop(lock);
    assert!(cache.rebuild(&*setup.store, &AtomicBool::new(false)).unwrap());
}

#[test]
fn many_changes_make_a_build_due() {
    let mut setup = Setup::new(50);
    let cache = setup.built();
    let due = |setup: &Setup| setup.store.read_with(|txn| Ok(cache.is_due(txn)?)).unwrap();
    assert!(!due(&setup));
    setup.put(50..60 + TAIL as u32 / 4);
    assert!(due(&setup) && setup.is_usable(&cache));
}

#[test]
fn the_search_turns_to_the_exact_index_where_trees_fail() {
    let mut setup = Setup::new(200);
    let search = VectorSearch::new(setup.table.clone()).with_approximate(setup.folder.path(), Some(0)).unwrap();
    let query = setup.random.unit(DIM);
    let expected = setup.expected.nearest(&query, 5, |_| true);
    let found = || setup.store.read_with(|txn| Ok(search.search(txn, &query, 5, None)?)).unwrap();
    let due = || setup.store.read_with(|txn| Ok(search.is_build_due(txn)?)).unwrap();
    assert_eq!(found(), expected, "before there is a build");
    assert!(due());
    let cache = search.approximate().unwrap();

    // A build whose bytes are those that were written, yet arroy finds no trees in it.
    let mark = setup.store.read_with(|txn| Ok(setup.table.mark(txn)?)).unwrap();
    let path = folder::unfinished(&cache.folder).unwrap();
    build::create(&path, &setup.table, 0).unwrap().0.prepare_for_closing().wait();
    cache.state().built = Some(folder::finish(&cache.folder, &path, &setup.table, mark).unwrap());
    assert_eq!(found(), expected, "with a broken build");
    assert!(due(), "the broken build was given up");

    assert!(cache.rebuild(&*setup.store, &AtomicBool::new(false)).unwrap());
    assert!(!due());
    assert_eq!(found(), expected, "with a build");
    let index = setup.store.read_with(|txn| Ok(format!("{:?}", search.index(txn)?))).unwrap();
    assert!(index.starts_with("ArroyIndex"), "{index}");
}
