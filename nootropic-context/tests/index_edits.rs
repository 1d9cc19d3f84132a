//! However an index came to be, it says what a fresh one would say; and what contradicts itself is noticed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use nootropic_context::index::{
    self, COLUMNS, FILES, INDEX_VERSION, IndexMeta, IndexProblem, META, OUTLINES, Progress, TEXTS, UpdateOptions,
};
use nootropic_context::lexical::{POSTINGS, SEGMENTS, segments};
use nootropic_context::search::{Engine, SearchOptions};
use nootropic_context::store::LmdbStore;
use nootropic_context::vectors::{Kept, VectorTable};
use nootropic_context::walk::RelPath;
use nootropic_context::{JOURNAL, MEMORY};
use nootropic_core::{ChunkId, EmbedderInfo, ErrorKind, KeyRange, Store, StoreExt, Table, WriteTxn};

use support::rng::{Rng, seed};
use support::{assert_consistent, fast_dir, open, repo, small_batches, update, update_with, view};

/// The files that edits touched, as watching would name them.
fn changed(root: &Path, edit: impl FnOnce()) -> Vec<RelPath> {
    let read = |root| -> BTreeMap<_, _> {
        repo::files(root).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    };
    let before = read(root);
    edit();
    let after = read(root);
    let differs = |path: &&std::path::PathBuf| before.get(*path) != after.get(*path);
    let mut paths: Vec<_> = before.keys().chain(after.keys()).filter(differs).collect();
    paths.sort();
    paths.dedup();
    let relative = |path: &std::path::PathBuf| path.strip_prefix(root).unwrap().as_os_str().as_encoded_bytes().to_vec();
    paths.into_iter().map(|path| RelPath::new(relative(path)).unwrap()).collect()
}

#[test]
fn any_series_of_edits_ends_like_a_fresh_index() {
    let seed = seed("edits");
    for series in 0..4 {
        let mut rng = Rng::new(seed + series);
        let dir = fast_dir();
        let root = dir.path().join("repo");
        repo::generate(&root, 120, &mut rng);
        let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
        update(&*store, &root);
        for group in 0..20 {
            let (n, mut done) = (1 + rng.below(25), Vec::new());
            let paths = changed(&root, || done = repo::edits(&root, n, &mut rng));
            if rng.below(3) == 0 {
                index::update_files(&*store, &root, &small_batches(), &paths).unwrap();
            } else {
                update(&*store, &root);
            }
            assert_consistent(&*store, &format!("series {series}, group {group}: {done:?}"));
        }
        // What `update_files` is not told of, and files skipped by name, are for the walk to find.
        update(&*store, &root);
        view::assert_like_fresh(Arc::clone(&store), &root, &format!("series {series}"));
    }
}

#[test]
fn many_small_updates_leave_few_segments_and_few_dead_chunks() {
    let mut rng = Rng::new(seed("small updates"));
    let dir = fast_dir();
    let root = dir.path().join("repo");
    repo::generate(&root, 60, &mut rng);
    let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    update(&*store, &root);
    let mut merged = 0;
    for i in 0..600 {
        let file = rng.pick(&repo::files(&root)).clone();
        let ending = file.extension().unwrap().to_str().unwrap().to_owned();
        repo::write(&file, repo::content(&ending, 2 + i % 40, &mut rng));
        let path = RelPath::new(file.strip_prefix(&root).unwrap().as_os_str().as_encoded_bytes()).unwrap();
        let report = index::update_files(&*store, &root, &small_batches(), &[path]).unwrap();
        let (infos, meta) = store.read_with(|txn| Ok((segments(txn)?, IndexMeta::read(txn)?.unwrap()))).unwrap();
        let dead: u64 = infos.iter().map(|info| u64::from(info.dead)).sum();
        assert!(infos.len() <= 40, "{} segments after {i} updates", infos.len());
        assert!(dead <= 1000.max(report.chunks), "{dead} dead chunks beside {} live ones", report.chunks);
        merged = meta.next_segment - infos.len() as u32;
        if i % 100 == 0 {
            assert_consistent(&*store, &format!("update {i}"));
        }
    }
    assert!(merged > 50, "segments are joined");
    view::assert_like_fresh(Arc::clone(&store), &root, "after 600 small updates");
}

#[test]
fn lists_of_what_was_removed_are_written_anew_where_it_pays() {
    let mut rng = Rng::new(seed("removed"));
    let dir = fast_dir();
    let root = dir.path().join("repo");
    for i in 0..100 {
        repo::write(&root.join(format!("file{i}.rs")), repo::content("rs", 120, &mut rng));
    }
    let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    let large_batch = UpdateOptions::default();
    let chunks = update_with(&*store, &root, &large_batch).chunks;
    let lists = index::check(&*store).unwrap().lists;
    let mut gone = Vec::new();
    for i in 0..90 {
        std::fs::remove_file(root.join(format!("file{i}.rs"))).unwrap();
        gone.push(RelPath::new(format!("file{i}.rs")).unwrap());
    }
    let report = index::update_files(&*store, &root, &large_batch, &gone).unwrap();
    assert!(chunks - report.chunks > 1000 && report.removed == 90, "{report:?}");
    let dead: u32 = store.read_with(|txn| Ok(segments(txn)?.iter().map(|info| info.dead).sum())).unwrap();
    assert_eq!(dead, 0, "still in the lists");
    assert!(index::check(&*store).unwrap().lists < lists);
    view::assert_like_fresh(store, &root, "after removing most of it");
}

#[test]
fn looking_again_at_unchanged_files_changes_nothing() {
    let mut rng = Rng::new(5);
    let dir = fast_dir();
    let root = dir.path().join("repo");
    repo::generate(&root, 50, &mut rng);
    std::thread::sleep(std::time::Duration::from_millis(150)); // until stamps are older than the clock is coarse
    let store = open(&dir.path().join("store"));
    let first = update(&store, &root);
    let second = update(&store, &root);
    assert_eq!((second.indexed, second.removed, second.unchanged), (0, 0, first.files));
    assert_eq!(second.snapshot, first.snapshot, "nothing was committed");
    let again = update_with(&store, &root, &UpdateOptions { rehash: true, ..small_batches() });
    assert_eq!((again.indexed, again.files, again.chunks), (0, first.files, first.chunks));
    view::assert_like_fresh(Arc::new(store), &root, "unchanged");
}

#[test]
fn what_is_to_be_read_is_known_before_the_first_file_is() {
    let dir = fast_dir();
    let root = dir.path().join("repo");
    repo::generate(&root, 60, &mut Rng::new(2));
    let files = repo::files(&root).len() as u64;
    let mut seen = Vec::new();
    let mut on_progress = |progress: Progress| seen.push(progress);
    index::update(&open(&dir.path().join("store")), &root, &small_batches(), &mut on_progress, &|| false).unwrap();
    assert!(seen.iter().all(|progress| (progress.found, progress.queued) == (files, files)));
    assert_eq!(seen.iter().map(|progress| progress.done).collect::<Vec<_>>(), (0..=files).collect::<Vec<_>>());
}

/// An index that another version made: its counters go on differently, and its records are of another make.
fn make_foreign(store: &dyn Store) {
    let meta = store.read_with(|txn| IndexMeta::read(txn)).unwrap().unwrap();
    store
        .write(&mut |txn| {
            let mut bytes = vec![INDEX_VERSION as u8 + 1];
            for mut number in [meta.next_chunk, meta.next_file, meta.next_segment] {
                while number >= 0x80 {
                    bytes.push(number as u8 | 0x80);
                    number >>= 7;
                }
                bytes.push(number as u8);
            }
            bytes.extend_from_slice(b"and fields that this version does not know");
            txn.put(META, b"meta", &bytes)?;
            txn.put(FILES, b"src/new.rs", b"a record of another make")?;
            txn.put(COLUMNS, &7u32.to_be_bytes(), b"too short")
        })
        .unwrap();
}

#[test]
fn an_index_of_another_version_is_built_anew() {
    let mut rng = Rng::new(seed("other version"));
    let dir = fast_dir();
    let root = dir.path().join("repo");
    repo::generate(&root, 40, &mut rng);
    let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    update(&*store, &root);
    let before = store.read_with(|txn| IndexMeta::read(txn)).unwrap().unwrap();
    let embedder = EmbedderInfo { id: "embedder".into(), dim: 4, max_tokens: 100 };
    let (table, _) = store
        .write_with(|txn| {
            let table = VectorTable::register(txn, &embedder, Kept::Vectors)?;
            table.put(txn, &[(ChunkId(0), &[1.0, 0.0, 0.0, 0.0]), (ChunkId(1), &[0.0, 1.0, 0.0, 0.0])])?;
            txn.put(MEMORY, b"note", b"kept")?;
            txn.put(JOURNAL, b"run", b"kept")?;
            Ok(table)
        })
        .unwrap();
    make_foreign(&*store);

    let report = index::check(&*store).unwrap();
    let found = INDEX_VERSION + 1;
    assert_eq!(report.problems, [IndexProblem::Version { found, supported: INDEX_VERSION }]);
    let path = RelPath::new("src/new.rs").unwrap();
    let error = index::update_files(&*store, &root, &small_batches(), &[path]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion, "{error}");
    assert!(error.hint().is_some());

    let report = update(&*store, &root);
    assert_eq!(report.unchanged, 0);
    let after = store.read_with(|txn| IndexMeta::read(txn)).unwrap().unwrap();
    assert!(after.next_chunk >= before.next_chunk + after.chunks, "no number is given out twice");
    store
        .read_with(|txn| {
            assert_eq!(txn.get(MEMORY, b"note")?, Some(&b"kept"[..]));
            assert_eq!(txn.get(JOURNAL, b"run")?, Some(&b"kept"[..]));
            assert_eq!(
                VectorTable::find(txn, &embedder)?.map(|table| table.embedder().to_owned()),
                Some("embedder".into())
            );
            assert!(table.is_empty(txn)?, "vectors of passages that are gone");
            Ok(())
        })
        .unwrap();
    view::assert_like_fresh(store, &root, "built anew");
}

type Tampering = fn(&mut dyn WriteTxn);

fn key_at(txn: &dyn WriteTxn, table: Table, place: usize) -> Vec<u8> {
    let (mut at, mut found) = (0, Vec::new());
    txn.scan(table, &KeyRange::all(), &mut |key, _| {
        found = key.to_vec();
        at += 1;
        Ok(if at > place { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
    .unwrap();
    found
}

fn remove(txn: &mut dyn WriteTxn, table: Table, at: usize) {
    let key = key_at(txn, table, at);
    assert!(txn.delete(table, &key).unwrap());
}

fn value(txn: &dyn WriteTxn, table: Table, key: &[u8]) -> Vec<u8> {
    txn.get(table, key).unwrap().unwrap().to_vec()
}

/// What could go wrong between two tables, and would not be seen by looking at one.
const TAMPERINGS: &[(&str, Tampering)] = &[
    ("an outline is gone", |txn| remove(txn, OUTLINES, 3)),
    ("a text is gone", |txn| remove(txn, TEXTS, 3)),
    ("a file is gone", |txn| remove(txn, FILES, 3)),
    ("columns are gone", |txn| remove(txn, COLUMNS, 0)),
    ("a list is gone", |txn| remove(txn, POSTINGS, 40)),
    ("a segment is gone", |txn| remove(txn, SEGMENTS, 0)),
    ("two texts changed places", |txn| {
        let (a, b) = (key_at(txn, TEXTS, 2), key_at(txn, TEXTS, 9));
        let (of_a, of_b) = (value(txn, TEXTS, &a), value(txn, TEXTS, &b));
        txn.put(TEXTS, &a, &of_b).and_then(|()| txn.put(TEXTS, &b, &of_a)).unwrap();
    }),
    ("two lists changed places", |txn| {
        // Neighbours of one segment that name different chunks.
        let of = |at| (key_at(txn, POSTINGS, at), value(txn, POSTINGS, &key_at(txn, POSTINGS, at)));
        let ((a, of_a), (b, of_b)) = (0..200).map(|at| (of(at), of(at + 1))).find(|(a, b)| a.1 != b.1).unwrap();
        txn.put(POSTINGS, &a, &of_b).and_then(|()| txn.put(POSTINGS, &b, &of_a)).unwrap();
    }),
    ("a file lies under another name", |txn| {
        let key = key_at(txn, FILES, 5);
        let record = value(txn, FILES, &key);
        txn.delete(FILES, &key).and_then(|_| txn.put(FILES, b"elsewhere.rs", &record)).unwrap();
    }),
    ("a file is there twice", |txn| {
        let record = value(txn, FILES, &key_at(txn, FILES, 5));
        txn.put(FILES, b"elsewhere.rs", &record).unwrap();
    }),
    ("a list of no segment", |txn| txn.put(POSTINGS, b"\xff\xff\xff\xf0wword", &[1, 0]).unwrap()),
    ("an outline of no file", |txn| {
        let outline = value(txn, OUTLINES, &key_at(txn, OUTLINES, 0));
        txn.put(OUTLINES, &0xffff_u32.to_be_bytes(), &outline).unwrap();
    }),
    ("a record is garbage", |txn| txn.put(FILES, &key_at(txn, FILES, 1), b"garbage").unwrap()),
    ("columns are garbage", |txn| txn.put(COLUMNS, &key_at(txn, COLUMNS, 0), b"garbage").unwrap()),
    ("counters are gone", |txn| remove(txn, META, 0)),
];

#[test]
fn tables_that_contradict_each_other_are_noticed() {
    let mut rng = Rng::new(11);
    let dir = fast_dir();
    let root = dir.path().join("repo");
    repo::generate(&root, 40, &mut rng);
    let good = dir.path().join("good");
    let store = open(&good);
    update(&store, &root);
    assert_consistent(&store, "before");
    for (i, (what, tamper)) in TAMPERINGS.iter().enumerate() {
        let copy = dir.path().join(format!("copy{i}"));
        store.backup(&copy).unwrap();
        let tampered: LmdbStore = open(&copy);
        let tampering = |txn: &mut dyn WriteTxn| {
            tamper(txn);
            Ok(())
        };
        tampered.write(&mut { tampering }).unwrap();
        let report = index::check(&tampered).unwrap();
        assert!(!report.is_clean(), "not noticed: {what}");
        assert!(!report.problems.is_empty() && report.problem_count >= report.problems.len() as u64, "{what}");
        assert!(report.problems.iter().all(|problem| !problem.to_string().is_empty()));
    }
}

#[test]
fn a_search_sees_files_come_and_go() {
    let dir = fast_dir();
    let root = dir.path().join("repo");
    let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    let engine = Engine::new(Arc::clone(&store));
    let paths = |question: &str| -> Vec<String> {
        let answer = engine.search(question, &SearchOptions::default()).unwrap();
        answer.hits.into_iter().map(|hit| hit.chunk.path).collect()
    };
    repo::write(&root.join("a.rs"), "fn zebra_crossing() {}\n");
    update(&*store, &root);
    assert_eq!(paths("zebra"), ["a.rs"]);
    std::fs::rename(root.join("a.rs"), root.join("b.rs")).unwrap();
    update(&*store, &root);
    assert_eq!(paths("zebra"), ["b.rs"]);
    repo::write(&root.join("b.rs"), "fn giraffe() {}\n");
    update(&*store, &root);
    assert_eq!((paths("zebra"), paths("giraffe")), (vec![], vec!["b.rs".to_owned()]));
    std::fs::remove_file(root.join("b.rs")).unwrap();
    let report = update(&*store, &root);
    assert_eq!((report.files, report.chunks, report.bytes, report.removed), (0, 0, 0, 1));
    assert_eq!(paths("giraffe"), Vec::<String>::new());
}
