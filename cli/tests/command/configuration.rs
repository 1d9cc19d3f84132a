use serde_json::Value;

use crate::{Repository, Run};

fn value(report: &Value, key: &str) -> Value {
    report["values"].as_array().unwrap().iter().find(|value| value["key"] == key).unwrap().clone()
}

#[test]
fn every_value_says_where_it_came_from() {
    let repository = Repository::sample();
    repository.write("nootropic.toml", "[search]\nlimit = 2\n\n[index]\nexclude = [\"*.md\"]\n");
    let user = repository.home().join(".config/nootropic");
    std::fs::create_dir_all(&user).unwrap();
    std::fs::write(user.join("config.toml"), "search.limit = 3\nindex.chunk_lines = 20\n").unwrap();
    let mut command = repository.command(["config", "show", "--json", "--set", "index.hidden=true"]);
    command.env("NOOTROPIC_INDEX_THREADS", "2");
    let report: Value = serde_json::from_str(&Run::of(command).out).unwrap();
    for (key, shown, from) in [
        ("search.limit", Value::from(2), "repository_file"),
        ("index.chunk_lines", 20.into(), "user_file"),
        ("index.threads", 2.into(), "environment"),
        ("index.hidden", true.into(), "flag"),
        ("search.update", true.into(), "default"),
    ] {
        let value = value(&report, key);
        assert_eq!((&value["value"], &value["source"]["from"]), (&shown, &from.into()), "{value}");
    }
    assert_eq!(value(&report, "index.exclude")["source"]["line"], 5);
    let text = repository.run(["config", "show", "index.ex"]).out;
    assert!(text.contains("index.exclude = [\"*.md\"]") && text.contains("nootropic.toml:5"), "{text}");
}

#[test]
fn settings_change_what_is_done() {
    let repository = Repository::sample();
    repository.write(".nootropic.toml", "index.exclude = [\"tools\", \"*.toml\"]\nsearch.limit = 1\n");
    let report = repository.json(["index"]);
    assert_eq!(report["files"], 2, "{report}");
    assert_eq!(repository.json(["search", "lock"])["hits"].as_array().unwrap().len(), 1);
    assert_eq!(repository.json(["search", "lock", "--set", "search.limit=5"])["hits"].as_array().unwrap().len(), 2);
}

#[test]
fn an_unknown_key_is_shown_where_it_stands() {
    let repository = Repository::sample();
    repository.write("nootropic.toml", "[search]\nlimit = 2\nlimits = 3\n");
    let error = repository.error(["search", "lock"], 2);
    assert!(
        error["message"].as_str().unwrap().contains("nootropic.toml:3:1: unknown setting `search.limits`"),
        "{error}"
    );
    assert_eq!(error["hint"], "did you mean `search.limit`?");
    let shown = repository.run(["search", "lock"]);
    assert_eq!(shown.code, Some(2));
    assert!(shown.err.starts_with("error: ") && shown.err.contains("\nhint: did you mean"), "{shown:?}");
    let flag = repository.error(["search", "lock", "--set", "x=1"], 2);
    assert_eq!(flag["kind"], "invalid_input");
}

#[test]
fn a_name_that_does_not_exist_is_said_to_be_so() {
    let repository = Repository::sample();
    for (arguments, hint) in [
        (&["config", "show", "serach.limit"][..], "did you mean `search.limit`?"),
        (&["config", "show", "idnex"], "did you mean `index`?"),
        (&["config", "show", "nosuch"], "`nootropic config show` lists them"),
        (&["list-capabilities", "serach"], "did you mean `search`?"),
        (&["list-capabilities", "nosuch"], "`nootropic list-capabilities` lists them"),
    ] {
        let error = repository.error(arguments, 3);
        assert_eq!((&error["kind"], &error["hint"]), (&"not_found".into(), &hint.into()), "{error}");
    }
    assert_eq!(repository.json(["list-capabilities", "--kind", "model"])["capabilities"], serde_json::json!([]));
}

#[test]
fn a_repository_may_not_set_everything() {
    let repository = Repository::sample();
    repository.write("nootropic.toml", "store.place = \"user\"\n");
    let error = repository.error(["status"], 2);
    assert!(error["message"].as_str().unwrap().contains("cannot be set by a repository"), "{error}");
}
