//! A process that indexes is killed at random moments: nothing that was acknowledged is lost, and what is found is whole.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nootropic_context::index::{self, InlineVectors, UpdateOptions};
use nootropic_context::search::Semantic;
use nootropic_context::walk::RelPath;
use nootropic_core::reference::HashingEmbedder;
use nootropic_core::{Embedder, Store, StoreExt};

use support::rng::{Rng, from_env, seed};
use support::spy::{Log, Records, Spy, apply, records};
use support::{assert_consistent, child, open, repo, small_batches, update_with, view};

const SEED: &str = "NOOTROPIC_TEST_CHILD_SEED";

fn embedder() -> Arc<dyn Embedder> {
    Arc::new(HashingEmbedder::new(16).unwrap())
}

/// Passages, postings and vectors are to commit together.
fn with_vectors(store: &dyn Store) -> UpdateOptions {
    UpdateOptions { vectors: InlineVectors::open(store, embedder()).unwrap(), ..small_batches() }
}

/// Changes files and brings the index into step, until it is killed.
fn index_until_killed(dir: &Path) -> ! {
    let root = dir.join("repo");
    let store = Spy::new(open(&dir.join("store")), &dir.join("log"));
    let mut rng = Rng::new(from_env(SEED, 0));
    let options = with_vectors(&store);
    loop {
        index::update(&store, &root, &options, &mut |_| {}, &|| false).unwrap();
        match rng.below(8) {
            0 => {
                index::optimize(&store).unwrap();
            }
            1 | 2 => {
                // As watching does it: one file, one commit.
                repo::edit(&root, &mut rng);
                let file = rng.pick(&repo::files(&root)).clone();
                let path = file.strip_prefix(&root).unwrap().as_os_str().as_encoded_bytes();
                index::update_files(&store, &root, &options, &[RelPath::new(path).unwrap()]).unwrap();
            }
            _ => {
                let n = 1 + rng.below(30);
                repo::edits(&root, n, &mut rng);
            }
        }
    }
}

/// Waits until the child has written so much, or has had enough time for it, then kills it.
fn kill(child: &mut Child, log: &Path, rng: &mut Rng) {
    let begun = Instant::now();
    if rng.below(4) == 0 {
        // Perhaps before it has opened anything.
        std::thread::sleep(Duration::from_micros(rng.below(60_000) as u64));
    } else {
        let lines = 1 + rng.below(24);
        let written = || fs::read(log).map_or(0, |text| text.iter().filter(|b| **b == b'\n').count());
        while written() < lines && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_micros(500));
        }
        std::thread::sleep(Duration::from_micros(rng.below(8_000) as u64));
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "the child failed by itself: {status}");
}

/// What was seen in all.
#[derive(Default)]
struct Tally {
    acknowledged: u64,
    /// Commits whose process died before it could say so.
    unsaid: u64,
}

/// Fails unless what is there is what must be.
fn survived(store: &dyn Store, expected: &mut Records, log: &Path, round: u64, tally: &mut Tally) {
    let log = Log::read(log);
    for changes in &log.acknowledged {
        apply(expected, changes);
    }
    let found = records(store);
    if found != *expected {
        let lost = expected.iter().filter(|(key, hash)| found.get(*key) != Some(hash)).count();
        let in_doubt =
            log.in_doubt.unwrap_or_else(|| panic!("kill {round}: {lost} acknowledged records are not there"));
        apply(expected, &in_doubt);
        assert!(found == *expected, "kill {round}: neither the last acknowledged state nor the next one");
        tally.unsaid += 1;
    }
    if let Some(commit) = log.last_commit {
        let now = store.read_with(|txn| Ok(txn.snapshot().commit)).unwrap();
        assert!(now >= commit, "kill {round}: commit {commit} was acknowledged, and the store is at {now}");
    }
    assert_consistent(store, &format!("kill {round}"));
    tally.acknowledged += log.acknowledged.len() as u64;
}

#[test]
fn killing_the_indexer_loses_nothing_that_was_acknowledged() {
    if let Some(dir) = child::folder() {
        index_until_killed(&dir);
    }
    let kills = from_env("NOOTROPIC_KILLS", 40);
    let seed = seed("kills while indexing");
    let mut rng = Rng::new(seed);
    // On a disk, where commits take long enough to be killed in the middle.
    let dir = tempfile::tempdir().unwrap();
    let (root, log) = (dir.path().join("repo"), dir.path().join("log"));
    repo::generate(&root, 150, &mut rng);
    let (begun, mut expected, mut tally) = (Instant::now(), Records::new(), Tally::default());
    for round in 0..kills {
        let _ = fs::remove_file(&log);
        let mut command = child::command("killing_the_indexer_loses_nothing_that_was_acknowledged", dir.path());
        command.env(SEED, rng.next().to_string()).stdin(Stdio::null()).stdout(Stdio::null());
        kill(&mut command.spawn().unwrap(), &log, &mut rng);
        let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
        survived(&*store, &mut expected, &log, round, &mut tally);
        let semantic = Semantic::open(Arc::clone(&store), embedder()).unwrap();
        assert_eq!(semantic.count_missing().unwrap(), 0, "kill {round}: passages without their vectors");
        if round % 100 == 99 || round + 1 == kills {
            update_with(&*store, &root, &with_vectors(&*store));
            view::assert_like_fresh(Arc::clone(&store), &root, &format!("after kill {round}"));
            expected = records(&*store);
        }
    }
    let (seconds, Tally { acknowledged, unsaid }) = (begun.elapsed().as_secs_f64(), tally);
    println!(
        "{kills} kills, {:.1}/s, after {acknowledged} acknowledged commits and {unsaid} others",
        kills as f64 / seconds
    );
    println!("{} files in the end", expected.len());
    assert!(
        acknowledged >= kills,
        "only {acknowledged} commits: the children did not get far enough to prove anything"
    );
}
