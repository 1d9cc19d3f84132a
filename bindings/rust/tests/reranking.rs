//! A reranker that is configured orders what is found, and is done without where it cannot be run.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use nootropic::{Call, Config, Event, Nootropic, Pack, Search, SinkFn};

const RERANKER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../nootropic-models/tests/fixtures/encoder/bert_scores");
const ENCODER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nootropic-models/tests/fixtures/encoder/bert");

const NAMES: [&str; 12] =
    ["acorn", "birch", "cedar", "daisy", "elder", "fir", "grass", "hazel", "iris", "juniper", "kale", "larch"];

struct Found {
    paths: Vec<String>,
    /// Whether the reranker had a say in the order of any hit.
    reranked: bool,
    warnings: Vec<String>,
}

fn search(reranker: Option<&str>, limit: u32) -> Found {
    let dir = tempfile::tempdir().unwrap();
    // It reads letters, and no more than twenty of a passage, which begins with its path.
    for (n, name) in NAMES.into_iter().enumerate() {
        let (locks, others) = ("// a lock\n".repeat(n), "// zebra\n".repeat(n * 5 % 12));
        let text = format!("/// Waits for lock {n}.\npub fn wait_{n}() {{}}\n{others}{locks}");
        std::fs::write(dir.path().join(format!("{name}.rs")), text).unwrap();
    }
    let mut config = Config::default();
    config.search.reranker = reranker.map(PathBuf::from);
    config.search.rerank_ms = 60_000;
    let repository = Nootropic::open_with(dir.path(), config).unwrap();
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let call = Call::reporting(Arc::new(SinkFn(move |event: &Event| {
        if let Event::Warning { message, .. } = event {
            heard.lock().unwrap().push(message.clone());
        }
    })));
    let question = Search { explain: true, limit: Some(limit), ..Search::of("who waits for the lock?") };
    let answer = repository.search(&question, &call).unwrap();
    let reranked = answer.hits.iter().flat_map(|hit| &hit.signals).any(|signal| signal.name == "rerank");
    let paths = answer.hits.into_iter().map(|hit| hit.path).collect::<Vec<_>>();
    let pack = repository.pack(&Pack::of("who waits for the lock?"), &call).unwrap();
    assert_eq!(pack.pack.blocks[0].path, paths[0], "passages are packed in that order");
    let warnings = warnings.lock().unwrap().clone();
    Found { paths, reranked, warnings }
}

#[test]
fn what_is_found_is_ordered_by_a_reranker() {
    let (plain, reranked) = (search(None, 12), search(Some(RERANKER), 12));
    assert!(!plain.reranked && reranked.reranked);
    assert!(reranked.warnings.is_empty(), "{:?}", reranked.warnings);
    assert_ne!(plain.paths, reranked.paths);
    let sorted = |mut paths: Vec<String>| {
        paths.sort();
        paths
    };
    assert_eq!(sorted(plain.paths), sorted(reranked.paths.clone()), "nothing is lost");
    assert_eq!(search(Some(RERANKER), 3).paths, reranked.paths[..3], "it chooses among more than are shown");
}

#[test]
fn without_its_reranker_a_search_says_so_and_keeps_its_order() {
    let plain = search(None, 12);
    for (wrong, problem) in [("/no/such/folder", "no such"), (ENCODER, "classifier.weight")] {
        let found = search(Some(wrong), 12);
        assert_eq!((found.paths, found.reranked), (plain.paths.clone(), false));
        let warning = found.warnings[0].to_lowercase();
        assert!(warning.starts_with("ranked without the reranker") && warning.contains(problem), "{warning}");
    }
}
