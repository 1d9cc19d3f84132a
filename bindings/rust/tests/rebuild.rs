//! An index that is made anew, and what becomes of the old one.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::path::Path;
use std::sync::Arc;

use nootropic::{Call, Check, CheckState, Config, Doctor, ErrorKind, Event, Index, Nootropic, Search, SinkFn};

fn repository(dir: &Path) -> Nootropic {
    std::fs::write(dir.join("lock.rs"), "/// Waits for the lock.\npub fn acquire() {}\n").unwrap();
    Nootropic::open_with(dir, Config::default()).unwrap()
}

/// A call that is interrupted once indexing begins.
fn interrupted() -> Call {
    let call = Call::default();
    let stop = call.cancel.clone();
    let events = move |event: &Event| {
        if matches!(event, Event::Started { .. }) {
            stop.cancel();
        }
    };
    Call { events: Arc::new(SinkFn(events)), ..call }
}

fn old_indexes(repository: &Nootropic) -> Check {
    let report = repository.doctor(&Doctor::default(), &Call::default());
    report.checks.into_iter().find(|check| check.name == "old indexes").unwrap()
}

#[test]
fn an_interrupted_rebuild_leaves_nothing_once_the_index_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let repository = repository(dir.path());
    let call = Call::default();
    let rebuild = Index { rebuild: true, ..Index::default() };
    repository.index(&Index::default(), &call).unwrap();
    assert_eq!(old_indexes(&repository).state, CheckState::Ok);
    for n in 1..=2 {
        let error = repository.index(&rebuild, &interrupted()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        let old = dir.path().join(".nootropic").join(format!("store.replaced-{n}"));
        assert!(old.is_dir(), "the old index stays until there is another");
        let check = old_indexes(&repository);
        assert_eq!(check.state, CheckState::Warn);
        assert!(check.message.contains(&*old.to_string_lossy()) && check.message.contains("MiB"), "{check:?}");
        assert!(check.hint.unwrap().contains("nootropic index"));
    }
    // Whatever completes the index will do: a question as well.
    assert_eq!(repository.search(&Search::of("acquire"), &call).unwrap().hits.len(), 1);
    assert_eq!(old_indexes(&repository).state, CheckState::Ok);
    let report = repository.index(&rebuild, &call).unwrap();
    assert_eq!((report.indexed, report.kept), (1, None));
    let left: Vec<_> =
        std::fs::read_dir(dir.path().join(".nootropic")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("replaced")), "{left:?}");
}

#[test]
fn a_call_that_is_cancelled_already_moves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let repository = repository(dir.path());
    repository.index(&Index::default(), &Call::default()).unwrap();
    let call = Call::default();
    call.cancel.cancel();
    assert!(repository.index(&Index { rebuild: true, ..Index::default() }, &call).is_err());
    assert_eq!(old_indexes(&repository).state, CheckState::Ok);
}

#[test]
fn a_rebuild_where_there_is_no_index_yet_makes_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join(".nootropic/store")).unwrap();
    let report = repository(dir.path()).index(&Index { rebuild: true, ..Index::default() }, &Call::default()).unwrap();
    assert_eq!((report.files, report.kept), (1, None));
}
