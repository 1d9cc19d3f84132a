use std::fs;

use super::*;
use crate::config::Config;
use crate::{Backup, Compact, Map, Pack, Search, Status, Symbols, Verify};

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
