use std::fs;

use crate::Repository;

#[test]
fn the_repository_is_found_upward() {
    let repository = Repository::sample();
    let mut command = repository.command(["search", "lock", "--json", "-k1"]);
    command.current_dir(repository.path().join("src"));
    let run = crate::Run::of(command);
    assert!(run.out.contains("\"path\":\"src/lock.rs\""), "{run:?}");
    assert!(repository.path().join(".nootropic/store").is_dir());
    assert!(!repository.path().join("src/.nootropic").exists());
    for folder in [".nootropic", ".nootropic-cache"] {
        assert_eq!(fs::read_to_string(repository.path().join(folder).join(".gitignore")).unwrap(), "*\n");
    }
}

#[test]
fn an_index_counts_before_a_git_repository() {
    let repository = Repository::sample();
    fs::create_dir_all(repository.path().join("inner/.git")).unwrap();
    fs::create_dir(repository.path().join(".nootropic")).unwrap();
    let mut command = repository.command(["status", "--json"]);
    command.current_dir(repository.path().join("inner"));
    let status: serde_json::Value = serde_json::from_str(&crate::Run::of(command).out).unwrap();
    assert_eq!(status["root"], repository.path().to_str().unwrap());
    assert_eq!((&status["found_by"], &status["indexed"]), (&"index".into(), &false.into()));
}

#[test]
fn a_named_folder_is_the_repository_itself() {
    let repository = Repository::sample();
    let report = repository.json(["index", "tools"]);
    assert_eq!((&report["files"], &report["indexed"]), (&1.into(), &1.into()));
    assert!(repository.path().join("tools/.nootropic/store").is_dir());
    let named = repository.json(["--repo", "src", "index"]);
    assert_eq!(named["files"], 1);
    assert!(!repository.path().join(".nootropic").exists());
    repository.error(["--repo", "src", "index", "tools"], 2);
    let by_variable = |arguments: &[&str]| {
        let mut command = repository.command(arguments);
        command.env("NOOTROPIC_REPO", "tools");
        crate::Run::of(command)
    };
    assert!(by_variable(&["index", "src", "--json"]).out.contains("\"files\":1"), "what is named counts more");
    let by_variable = by_variable(&["status", "--json"]);
    assert!(by_variable.out.contains("\"found_by\":\"given\"") && by_variable.out.contains("tools"), "{by_variable:?}");
}

#[test]
fn a_folder_that_does_not_exist_is_said_to_be_so() {
    let repository = Repository::sample();
    assert_eq!(repository.error(["--repo", "nowhere", "search", "x"], 3)["kind"], "not_found");
    assert_eq!(repository.error(["index", "README.md"], 2)["kind"], "invalid_input");
}

#[test]
fn the_index_can_lie_elsewhere() {
    let repository = Repository::sample();
    repository.json(["search", "lock", "--set", "store.place=user"]);
    assert!(!repository.path().join(".nootropic").exists());
    assert!(!repository.path().join(".nootropic-cache").exists());
    let kept = fs::read_dir(repository.home().join(".local/share/nootropic/repositories")).unwrap().count();
    assert_eq!(kept, 1);
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_our_folder_is_not_followed() {
    let repository = Repository::sample();
    let elsewhere = repository.home().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, repository.path().join(".nootropic")).unwrap();
    assert_eq!(repository.error(["search", "lock"], 11)["kind"], "denied");
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
}
