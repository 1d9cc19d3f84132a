use std::fs;
use std::path::Path;

use crate::Repository;

const COMMANDS: [&str; 27] = [
    "ask",
    "backup",
    "chat",
    "compact",
    "complete",
    "completions",
    "config.show",
    "doctor",
    "embed",
    "guide",
    "index",
    "list-capabilities",
    "map",
    "models.bench",
    "models.distill",
    "models.info",
    "models.list",
    "models.probe",
    "models.pull",
    "models.quantize",
    "pack",
    "restore",
    "search",
    "status",
    "symbols",
    "verify",
    "watch",
];

#[test]
fn every_command_is_a_capability_and_in_the_help() {
    let repository = Repository::sample();
    let list = repository.json(["list-capabilities"]);
    let all = list["capabilities"].as_array().unwrap();
    let listed: Vec<_> = all.iter().filter(|capability| capability["kind"] == "command").collect();
    let names: Vec<_> = listed.iter().map(|capability| capability["name"].as_str().unwrap()).collect();
    assert_eq!(names, COMMANDS);
    let help = repository.run(["--help"]);
    assert_eq!(help.code, Some(0));
    for capability in listed {
        assert_eq!(capability["input"]["type"], "object", "{capability}");
        let first = capability["name"].as_str().unwrap().split('.').next().unwrap();
        assert!(help.out.contains(&format!("\n  {first} ")), "no {first} in {}", help.out);
        let own = repository.run(capability["name"].as_str().unwrap().split('.').chain(["--help"]));
        assert!(own.out.starts_with(capability["summary"].as_str().unwrap()), "{own:?}");
    }
    assert!(help.out.contains("130  interrupted"));
    let stores = repository.json(["list-capabilities", "--kind", "store"]);
    assert_eq!(stores["capabilities"][0]["name"], "lmdb");
    assert!(repository.run(["list-capabilities", "--kind", "agent"]).out.contains("Nothing"));
}

#[test]
fn the_registry_is_kept_in_the_cache() {
    let repository = Repository::sample();
    repository.json(["index"]);
    let path = repository.path().join(".nootropic-cache/describe-registry.json");
    let first = fs::read_to_string(&path).unwrap();
    let registry: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert!(registry["capabilities"].as_array().unwrap().len() > COMMANDS.len());
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    repository.json(["index"]);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written, "the same content is not written again");
    fs::write(&path, "old").unwrap();
    repository.json(["index"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), first);
    fs::remove_dir_all(repository.path().join(".nootropic-cache")).unwrap();
    repository.json(["search", "lock"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), first, "the cache may be deleted at any time");
}

#[test]
fn completions_know_every_command() {
    let repository = Repository::sample();
    for shell in ["bash", "fish", "zsh", "powershell", "elvish"] {
        let script = repository.run(["completions", shell]).out;
        for name in ["list-capabilities", "explain", "limit"] {
            assert!(script.contains(name), "no {name} for {shell}");
        }
        assert!(!script.contains("__verify-store"), "{shell}");
    }
    assert_eq!(repository.run(["completions", "tcsh"]).code, Some(2));
}

#[test]
fn the_reference_is_in_step_with_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let now = Repository::sample().run(["guide", "--reference"]).out;
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == now, "docs/cli.md is old: run `UPDATE_DOCS=1 cargo test -p nootropic-cli reference`");
}

#[test]
fn the_tour_shows_commands_that_exist() {
    let guide = Repository::sample().run(["guide"]).out;
    let mut shown = 0;
    for line in guide.lines().filter_map(|line| line.trim().strip_prefix("nootropic ")) {
        let name = line.split_whitespace().next().unwrap();
        assert!(COMMANDS.contains(&name), "{line}");
        shown += 1;
    }
    assert!(shown > 8);
}

#[test]
fn the_readme_shows_commands_that_exist_one_on_a_line() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let mut shown = 0;
    for line in readme.lines().filter_map(|line| line.strip_prefix("nootropic ")) {
        let command = line.split(" #").next().unwrap();
        let words: Vec<&str> = command.split_whitespace().take(2).collect();
        assert!(COMMANDS.contains(&words[0]) || COMMANDS.contains(&words.join(".").as_str()), "{line}");
        assert!(!command.contains('|'), "a shell takes this for a pipeline: {line}");
        shown += 1;
    }
    assert!(shown > 8);
}

#[test]
fn mistakes_on_the_command_line_are_errors_with_a_hint() {
    let repository = Repository::sample();
    for arguments in [
        &["serach", "x"][..],
        &["search"],
        &["search", "x", "--limit", "0"],
        &["search", "x", "--yaml"],
        &["search", " "],
        &["search", "x", "--set", "nonsense"],
        &["search", "x", "--lang", "a b"],
        &["frobnicate"],
        &[],
        &["config"],
    ] {
        let error = repository.error(arguments, 2);
        assert_eq!(error["kind"], "invalid_input", "{arguments:?}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    let shown = repository.run(["serach", "x"]);
    assert_eq!(shown.code, Some(2));
    assert!(shown.err.contains("search"), "the right name is suggested: {shown:?}");
    assert_eq!(repository.run(["--version"]).out, format!("nootropic {}\n", env!("CARGO_PKG_VERSION")));
}
