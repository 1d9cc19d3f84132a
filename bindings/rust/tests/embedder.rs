//! An index with an encoder: chosen once, kept in step, counted in, and done without where it cannot be run.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use nootropic::{Call, Event, Index, Nootropic, Scope, Search, SinkFn, Watch};

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
    assert_eq!(index(&repository, Some("none")).unwrap(), None);
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
fn what_is_near_in_meaning_is_found_by_default() {
    let (dir, repository) = repository();
    assert_eq!(index(&repository, None).unwrap(), None, "its vectors are made while files are read");
    let asked = |repository: &Nootropic, question: &str| {
        let answer = repository.search(&Search::of(question), &Call::default()).unwrap();
        answer.hits.first().map(|hit| hit.path.clone())
    };
    assert_eq!(asked(&repository, "pause between attempts").as_deref(), Some("retry.py"), "no word is in the files");
    assert_eq!(asked(&repository, "zanzibar"), None, "nothing is near what means nothing");

    // A search brings vectors into step as it does everything else, and so does a watch.
    std::fs::write(dir.path().join("users.rs"), "pub fn authenticate(password: &str) {}\n").unwrap();
    assert_eq!(asked(&repository, "check credentials").as_deref(), Some("users.rs"));
    std::fs::write(dir.path().join("users.rs"), "pub fn upload(picture: &[u8]) {}\n").unwrap();
    repository.watch(&Watch { updates: Some(1), ..Watch::default() }, &Call::default(), &mut |_| {}).unwrap();
    let as_is = Search { scope: Scope { no_update: true, ..Scope::default() }, ..Search::of("image file transfer") };
    let answer = repository.search(&as_is, &Call::default()).unwrap();
    assert_eq!(answer.hits.first().map(|hit| hit.path.as_str()), Some("users.rs"));

    // What was read without it gets its vectors once it is chosen again, or with the next question.
    assert_eq!(index(&repository, Some("none")).unwrap(), None);
    std::fs::write(dir.path().join("users.rs"), "pub fn parse_header(line: &str) {}\n").unwrap();
    assert_eq!(search(&repository, "decode http request"), (false, vec![]));
    assert_eq!(index(&repository, Some("static")).unwrap(), Some(1), "what was read without it");
    assert!(search(&repository, "decode http request").0);
    assert_eq!(index(&repository, Some("none")).unwrap(), None);
    std::fs::write(dir.path().join("users.rs"), "pub fn sort_rows(table: &mut Table) {}\n").unwrap();
    index(&repository, None).unwrap();
    std::fs::remove_file(dir.path().join(".nootropic/embedder.json")).unwrap();
    assert_eq!(asked(&repository, "order records of a database").as_deref(), Some("users.rs"));
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
