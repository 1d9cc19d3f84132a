use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::{Repository, keys};

#[test]
fn an_index_run_says_what_it_did() {
    let repository = Repository::sample();
    repository.write("logo.png", b"\x89PNG\r\n\x1a\n\0\0\0\0");
    let report = repository.json(["index"]);
    assert_eq!(
        keys(&report),
        ["bytes", "chunks", "files", "indexed", "removed", "seconds", "skipped", "snapshot", "unchanged"]
    );
    assert_eq!((&report["files"], &report["indexed"], &report["removed"]), (&3.into(), &3.into(), &0.into()));
    assert_eq!(report["skipped"]["binary"], 1, "{report}");
    fs::remove_file(repository.path().join("README.md")).unwrap();
    let again = repository.json(["index"]);
    assert_eq!((&again["files"], &again["indexed"], &again["removed"]), (&2.into(), &0.into(), &1.into()));
    assert_eq!(repository.json(["index", "--rebuild"])["indexed"], 2);
    for old in ["store.damaged-1", "store.replaced-1"] {
        assert!(!repository.path().join(".nootropic").join(old).exists(), "a sound old index is not kept");
    }
}

#[test]
fn status_says_what_is_there() {
    let repository = Repository::sample();
    let before = repository.json(["status"]);
    assert_eq!((&before["indexed"], &before["snapshot"]), (&false.into(), &Value::Null));
    assert!(!repository.path().join(".nootropic").exists(), "asking makes nothing");
    let report = repository.json(["index"]);
    let after = repository.json(["status"]);
    assert_eq!(
        (&after["files"], &after["chunks"], &after["snapshot"]),
        (&report["files"], &report["chunks"], &report["snapshot"])
    );
}

#[test]
fn a_backup_is_a_copy_that_can_be_put_back() {
    let repository = Repository::sample();
    repository.json(["index"]);
    let backup = repository.json(["backup", "../backup"]);
    assert_eq!(repository.error(["backup", "../backup"], 4)["kind"], "already_exists");
    fs::remove_dir_all(repository.path().join(".nootropic")).unwrap();
    let restored = repository.json(["restore", "../backup"]);
    assert_eq!(restored["from_snapshot"], backup["snapshot"]);
    let answer = repository.json(["search", "backoff", "--no-update"]);
    assert_eq!(answer["hits"][0]["path"], "tools/retry.py");
    assert_eq!(repository.json(["verify"])["ok"], true);
    let first = repository.json(["backup"]);
    assert!(first["path"].as_str().unwrap().contains(".nootropic/backups"));
    assert_eq!(repository.json(["backup"]), first, "nothing changed: there is one already");
    repository.json(["compact"]);
    assert_eq!(repository.error(["restore", "src"], 2)["kind"], "invalid_input", "no backup");
    let missing = repository.error(["restore", "/nonexistent/backup"], 3);
    assert_eq!(missing["kind"], "not_found");
    assert!(
        missing["message"].as_str().unwrap().starts_with("cannot open /nonexistent/backup: No such file"),
        "{missing}"
    );
}

#[test]
fn a_disk_that_is_to_stay_free_is_named_with_its_setting() {
    let repository = Repository::sample();
    let error = repository.error(["index", "--set", "store.min_free_bytes=1024g"], 7);
    assert_eq!(error["kind"], "storage_full");
    assert!(error["message"].as_str().unwrap().starts_with("no room to write to "), "{error}");
    assert!(error["message"].as_str().unwrap().contains("store.min_free_bytes"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("store.min_free_bytes"), "{error}");
}

#[test]
fn the_counts_of_an_update_add_up() {
    let repository = Repository::sample();
    repository.write("logo.bin", b"\0\0");
    for (arguments, indexed) in [(&["index"][..], 3), (&["index", "--rehash"], 0), (&["index", "--rebuild"], 3)] {
        let report = repository.json(arguments);
        let count = |key: &str| report[key].as_u64().unwrap();
        assert_eq!((count("files"), count("indexed"), count("unchanged")), (3, indexed, 3 - indexed), "{report}");
        assert_eq!((count("removed"), &report["skipped"]["binary"]), (0, &1.into()), "{report}");
    }
}

#[test]
fn the_doctor_says_what_to_do() {
    let repository = Repository::sample();
    let check = |report: &Value, name: &str| {
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap().clone()
    };
    let before = repository.json(["doctor"]);
    let store = check(&before, "store");
    assert_eq!((&before["ok"], &store["state"]), (&true.into(), &"warn".into()));
    assert!(store["hint"].as_str().unwrap().contains("nootropic index"));
    repository.json(["index"]);
    let after = repository.json(["doctor"]);
    assert_eq!(check(&after, "records")["state"], "ok", "{after}");
    assert_eq!(check(&after, "files")["state"], "ok", "{after}");
    assert!(check(&after, "readers")["message"].as_str().unwrap().contains(" of 1024 places"), "{after}");
    repository.write("more.rs", "fn more() {}\n");
    let stale = repository.json(["doctor"]);
    assert!(check(&stale, "files")["message"].as_str().unwrap().starts_with("1 file is new"), "{stale}");
    repository.write("most.rs", "fn most() {}\n");
    std::fs::remove_file(repository.path().join("README.md")).unwrap();
    let stale = repository.json(["doctor"]);
    assert_eq!(check(&stale, "files")["message"], "2 files are new, 1 file is gone", "{stale}");
}

#[test]
fn nothing_is_verified_or_backed_up_before_there_is_an_index() {
    let repository = Repository::sample();
    for command in [&["verify"][..], &["backup"], &["compact"], &["search", "x", "--no-update"]] {
        let error = repository.error(command, 3);
        assert_eq!((&error["kind"], &error["hint"]), (&"not_found".into(), &"run `nootropic index` first".into()));
    }
    assert!(!repository.path().join(".nootropic").exists());
}

#[test]
fn watching_follows_changes() {
    let repository = Repository::sample();
    let mut child = repository
        .command(["watch", "--json", "--updates", "2", "--debounce-ms", "20"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["indexed"], 3);
    repository.write("src/late.rs", "fn late_arrival() {}\n");
    assert_eq!(next()["indexed"], 1);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let answer = repository.json(["search", "late arrival", "--no-update"]);
    assert_eq!(answer["hits"][0]["path"], "src/late.rs");
}
