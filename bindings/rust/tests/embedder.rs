//! An index with an encoder: chosen once, kept in step, counted in, and done without where it cannot be run.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use nootropic::{Call, Event, Index, Nootropic, Search, SinkFn};

const ENCODER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nootropic-models/tests/fixtures/encoder/bert");

fn repository() -> (tempfile::TempDir, Nootropic) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lock.rs"), "/// Waits for the lock.\npub fn acquire() {}\n").unwrap();
    std::fs::write(dir.path().join("retry.py"), "def back_off():\n    pass\n").unwrap();
    let repository = Nootropic::open(dir.path()).unwrap();
    (dir, repository)
}

fn index(repository: &Nootropic, embedder: Option<&str>) -> nootropic::Result<Option<u64>> {
    let index = Index { embedder: embedder.map(str::to_owned), ..Index::default() };
    repository.index(&index, &Call::default()).map(|report| report.embedded)
}

/// Whether anything but words counted, and what was warned of.
fn search(repository: &Nootropic, question: &str) -> (bool, Vec<String>) {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let held = Arc::clone(&warnings);
    let call = Call::reporting(Arc::new(SinkFn(move |event: &Event| {
        if let Event::Warning { message, .. } = event {
            held.lock().unwrap().push(message.clone());
        }
    })));
    let answer = repository.search(&Search { explain: true, ..Search::of(question) }, &call).unwrap();
    let near = answer.hits.iter().flat_map(|hit| &hit.signals).any(|signal| signal.name == "nearness");
    let warnings = warnings.lock().unwrap().clone();
    (near, warnings)
}

#[test]
fn an_encoder_is_chosen_once_and_kept_in_step() {
    let (dir, repository) = repository();
    assert_eq!(index(&repository, None).unwrap(), None);
    assert_eq!(search(&repository, "zebra crossing"), (false, vec![]));
    assert_eq!(index(&repository, Some(ENCODER)).unwrap(), Some(2));
    let (near, warnings) = search(&repository, "zebra crossing");
    assert!(near && warnings.is_empty(), "no word is in the files: {warnings:?}");

    std::fs::write(dir.path().join("new.rs"), "pub fn zebra() {}\n").unwrap();
    assert_eq!(index(&repository, None).unwrap(), Some(1), "what is new, by the encoder of before");
    let again = Nootropic::open(dir.path()).unwrap();
    assert!(search(&again, "crossing").0, "another process knows it too");

    assert_eq!(index(&repository, Some("none")).unwrap(), None);
    assert_eq!(search(&repository, "crossing"), (false, vec![]));
    assert_eq!(index(&repository, Some(ENCODER)).unwrap(), Some(0), "its vectors were kept");
}

#[test]
fn without_its_encoder_an_index_is_searched_by_words() {
    let (dir, repository) = repository();
    let encoder = dir.path().join("encoder");
    copy(Path::new(ENCODER), &encoder);
    std::fs::write(dir.path().join(".ignore"), "encoder\n").unwrap();
    assert!(index(&repository, Some(encoder.to_str().unwrap())).unwrap().unwrap() > 0);

    // Other weights: its vectors would mean something else.
    let path = encoder.join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (near, warnings) = search(&Nootropic::open(dir.path()).unwrap(), "lock");
    assert!(!near && warnings[0].contains("another encoder"), "{warnings:?}");

    std::fs::remove_dir_all(&encoder).unwrap();
    let (near, warnings) = search(&Nootropic::open(dir.path()).unwrap(), "lock");
    assert!(!near && warnings[0].starts_with("found by words alone"), "{warnings:?}");
    let error = index(&repository, Some("no/such/folder")).unwrap_err();
    assert_eq!(error.kind(), nootropic::ErrorKind::NotFound);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}
