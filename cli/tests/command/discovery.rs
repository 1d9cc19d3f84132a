use std::fs;
use std::process::Command;

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

/// A command in a folder of the repository, for which some folders of the repository belong to somebody else. Root gives them
/// away; anybody else looks from a name space in which all but their own files are nobody's.
#[cfg(target_os = "linux")]
fn among_strangers(repository: &Repository, folder: &str, foreign: &[&str], arguments: &[&str]) -> Command {
    use std::os::unix::fs::chown;
    let plain = repository.command(arguments);
    let mut command = if rustix::process::geteuid().is_root() {
        for marker in [".git", ".nootropic"].map(|marker| repository.path().join(marker)) {
            let owner = if foreign.iter().any(|name| marker.ends_with(name)) { 65534 } else { 0 };
            if marker.exists() {
                chown(marker, Some(owner), None).unwrap();
            }
        }
        plain
    } else {
        let mounts: String = foreign.iter().map(|name| format!("mount --bind /usr {name} && ")).collect();
        let script = format!("{mounts}cd '{folder}' && exec \"$0\" \"$@\"");
        let mut command = repository.command(["-Urm", "sh", "-c", &script]);
        command.arg(plain.get_program()).args(plain.get_args());
        return crate::through("unshare", &command);
    };
    command.current_dir(repository.path().join(folder));
    command
}

#[cfg(target_os = "linux")]
#[test]
fn what_somebody_else_left_further_up_is_not_used() {
    let repository = Repository::sample();
    if !rustix::process::geteuid().is_root() && !crate::can_mount() {
        return;
    }
    let inner = "alice/project";
    fs::create_dir_all(repository.path().join(inner)).unwrap();
    let code = |folder: &str, foreign: &[&str], arguments: &[&str]| {
        crate::Run::of(among_strangers(&repository, folder, foreign, arguments)).code
    };
    let refused = |folder: &str, name: &str| {
        let run = crate::Run::of(among_strangers(&repository, folder, &[name], &["status", "--json"]));
        assert_eq!(run.code, Some(11), "{run:?}");
        let error: serde_json::Value = serde_json::from_str(&run.err).unwrap();
        assert_eq!(error["error"]["kind"], "denied");
        let place = repository.path().join(name);
        assert!(error["error"]["message"].as_str().unwrap().starts_with(place.to_str().unwrap()), "{error}");
        assert!(error["error"]["hint"].as_str().unwrap().contains("--repo"), "{error}");
    };
    refused(inner, ".git");
    assert_eq!(code(".", &[".git"], &["status"]), Some(0), "who stands in it means it");
    fs::create_dir(repository.path().join(".nootropic")).unwrap();
    assert_eq!(code(inner, &[".git"], &["status"]), Some(0), "one's own index comes before a repository");
    refused(inner, ".nootropic");
    refused(".", ".nootropic");
    for named in ["--repo=../..", "--repo=."] {
        assert_eq!(code(inner, &[".nootropic"], &["status", named]), Some(0), "what is named is used");
    }
    let mut behind_sudo = among_strangers(&repository, inner, &[".nootropic"], &["status"]);
    behind_sudo.env("SUDO_UID", "65534");
    assert_eq!(crate::Run::of(behind_sudo).code, Some(0));
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
