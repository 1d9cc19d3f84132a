use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::config::Config;
use crate::{Backup, Compact, Event, Map, Pack, Search, SinkFn, Status, Symbols, Verify};

/// A repository of these files, configured by nothing.
fn repository(files: &[(&str, &str)]) -> (tempfile::TempDir, Nootropic) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        fs::write(dir.path().join(path), text).unwrap();
    }
    let repository = Nootropic::open_with(dir.path(), Config::default()).unwrap();
    (dir, repository)
}

#[test]
fn a_repository_with_nothing_to_index_answers_every_question() {
    for files in [&[][..], &[("logo.png", "x"), ("Cargo.lock", "x")]] {
        let (dir, repository) = repository(files);
        let call = Call::default();
        let report = repository.index(&Index::default(), &call).unwrap();
        assert_eq!((report.files, report.indexed), (0, 0));
        let answer = repository.search(&Search::of("anything"), &call).unwrap();
        assert!(answer.hits.is_empty());
        assert_eq!(Some(answer.snapshot), report.snapshot);
        assert_eq!(repository.pack(&Pack::of("anything"), &call).unwrap().text, "");
        assert!(repository.symbols(&Symbols::of("anything"), &call).unwrap().symbols.is_empty());
        repository.map(&Map::default(), &call).unwrap();
        let to = Some(dir.path().join("backup"));
        repository.backup(&Backup { to }, &call).unwrap();
        repository.compact(&Compact::default(), &call).unwrap();
        assert!(repository.verify(&Verify::default(), &call).unwrap().ok);
        let status = repository.status(&Status::default(), &call).unwrap();
        assert!(status.indexed && status.snapshot.is_some());
        // Also without the index having been asked for.
        drop(repository);
        fs::remove_dir_all(dir.path().join(".nootropic")).unwrap();
        let repository = Nootropic::open_with(dir.path(), Config::default()).unwrap();
        assert!(repository.search(&Search::of("anything"), &call).unwrap().hits.is_empty());
    }
}

/// A turn that someone else has.
fn someone_elses(repository: &Nootropic) -> UpdateTurn {
    repository.make_data().unwrap();
    UpdateTurn::take(&repository.layout().update_lock(), Duration::ZERO, &|| false).unwrap().unwrap()
}

/// A call, and the warnings it has given so far.
fn listening() -> (Call, Arc<Mutex<Vec<ErrorKind>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    let sink = SinkFn(move |event: &Event| {
        if let Event::Warning { kind, .. } = event {
            hear.lock().unwrap().push(*kind);
        }
    });
    (Call::reporting(Arc::new(sink)), heard)
}

fn hits(repository: &Nootropic, question: &str, call: &Call) -> usize {
    repository.search(&Search::of(question), call).unwrap().hits.len()
}

#[test]
fn a_question_during_an_update_is_answered_from_what_is_there() {
    let (dir, repository) = repository(&[("a.rs", "fn zebra() {}\n")]);
    repository.index(&Index::default(), &Call::default()).unwrap();
    fs::write(dir.path().join("b.rs"), "fn giraffe() {}\n").unwrap();
    let turn = someone_elses(&repository);
    let (call, heard) = listening();
    assert_eq!((hits(&repository, "zebra", &call), hits(&repository, "giraffe", &call)), (1, 0));
    assert_eq!(*heard.lock().unwrap(), [ErrorKind::Busy, ErrorKind::Busy]);
    drop(turn);
    let (call, heard) = listening();
    assert_eq!(hits(&repository, "giraffe", &call), 1);
    assert!(heard.lock().unwrap().is_empty());
}

#[test]
fn a_question_during_the_first_update_waits_for_it() {
    let (dir, repository) = repository(&[("a.rs", "fn zebra() {}\n")]);
    let turn = someone_elses(&repository);
    let (call, heard) = listening();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| hits(&repository, "zebra", &call));
        while heard.lock().unwrap().is_empty() {
            assert!(!asked.is_finished(), "it did not wait");
            std::thread::sleep(Duration::from_millis(10));
        }
        // The other one finds something more before it ends.
        fs::write(dir.path().join("b.rs"), "fn zebra_crossing() {}\n").unwrap();
        drop(turn);
        assert_eq!(asked.join().unwrap(), 2);
    });
    assert_eq!(*heard.lock().unwrap(), [ErrorKind::Busy]);
}

#[test]
fn waiting_for_an_update_can_be_cancelled() {
    let (_dir, repository) = repository(&[("a.rs", "fn zebra() {}\n")]);
    let _turn = someone_elses(&repository);
    let (call, heard) = listening();
    std::thread::scope(|scope| {
        let index = scope.spawn(|| repository.index(&Index::default(), &call));
        while heard.lock().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        call.cancel.cancel();
        assert_eq!(index.join().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    });
}

#[test]
fn two_that_index_at_once_share_the_work() {
    const FILES: u64 = 300;
    let (dir, _) = repository(&[]);
    for i in 0..FILES {
        fs::write(dir.path().join(format!("f{i}.rs")), format!("fn number_{i}() {{}}\n")).unwrap();
    }
    std::thread::sleep(Duration::from_millis(150)); // until files count as unchanged
    let index = |root: &Path| {
        let repository = Nootropic::open_with(root, Config::default()).unwrap();
        repository.index(&Index::default(), &Call::default()).unwrap()
    };
    let reports = std::thread::scope(|scope| {
        let two = [(); 2].map(|()| scope.spawn(|| index(dir.path())));
        two.map(|one| one.join().unwrap())
    });
    assert_eq!(reports.iter().map(|report| report.indexed).sum::<u64>(), FILES, "{reports:?}");
    assert!(reports.iter().all(|report| report.files == FILES && report.indexed + report.unchanged == FILES));
}
