//! What a face hands in as JSON: its shape, and what is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use nootropic::{Call, Config, Error, ErrorKind, Nootropic, Pack, Scope, Search, Session, Symbols, invoke, registry};
use serde_json::{Value, json};

fn repository() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lock.rs"), "/// Waits for the lock.\npub fn acquire() {}\n").unwrap();
    std::fs::write(dir.path().join("retry.py"), "def acquire():\n    pass\n").unwrap();
    dir
}

fn ask(dir: &tempfile::TempDir, command: &str, input: Value) -> Result<Value, Error> {
    invoke(command, input, &Session::new(Some(dir.path().to_owned()), Vec::new()), &Call::default())
}

#[test]
fn where_to_look_stands_among_the_fields_of_every_request() {
    let scope = Scope { path: vec!["src".into()], lang: vec!["rust".into()], no_update: true };
    let json = serde_json::to_value(Search { scope: scope.clone(), ..Search::of("x") }).unwrap();
    let shape = json!({"query": "x", "limit": null, "path": ["src"], "lang": ["rust"], "no_update": true,
                       "symbol": [], "explain": false});
    assert_eq!(json, shape);
    assert_eq!(serde_json::from_value::<Search>(json).unwrap().scope, scope);
    let pack: Pack = serde_json::from_value(json!({"query": "x", "lang": ["rust"]})).unwrap();
    assert_eq!((pack.limit, pack.scope.lang, pack.scope.no_update), (50, vec!["rust".to_owned()], false));
    let dir = repository();
    for (command, key, list) in
        [("search", "query", "hits"), ("pack", "query", "blocks"), ("symbols", "name", "symbols")]
    {
        let found = ask(&dir, command, json!({key: "acquire", "lang": ["rust"]})).unwrap();
        let paths: Vec<_> = found[list].as_array().unwrap().iter().map(|found| &found["path"]).collect();
        assert_eq!(paths, ["lock.rs"], "{command}");
    }
    assert_eq!(ask(&dir, "map", json!({"path": ["*.py"]})).unwrap()["files"][0]["path"], "retry.py");
}

#[test]
fn a_field_that_does_not_exist_is_refused() {
    let dir = repository();
    for (command, input) in [
        ("search", json!({"query": "x", "languge": ["rust"]})),
        ("pack", json!({"query": "x", "scope": {"no_update": true}})),
        ("symbols", json!({"name": "x", "query": "x"})),
        ("map", json!({"limit": 3})),
        ("search", json!({"limit": 3})),
        ("search", json!({"query": "x", "path": "src"})),
    ] {
        let error = ask(&dir, command, input.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{command} {input}");
    }
}

#[test]
fn a_number_out_of_range_is_refused_whoever_asks() {
    let dir = repository();
    for (command, key, field, most) in [
        ("search", "query", "limit", 1000),
        ("pack", "query", "limit", 1000),
        ("pack", "query", "tokens", 10_000_000),
        ("symbols", "name", "limit", 1000),
        ("map", "focus", "tokens", 1_000_000),
        ("watch", "", "debounce_ms", 60_000),
        ("watch", "", "updates", u64::MAX),
    ] {
        let input = |n: u64| match key {
            "" => json!({field: n}),
            "focus" => json!({"focus": ["acquire"], field: n}),
            key => json!({key: "acquire", field: n}),
        };
        for n in [0, most.saturating_add(1), 4_294_967_295, u64::MAX].into_iter().filter(|n| *n == 0 || *n > most) {
            let error = ask(&dir, command, input(n)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{command} {field} {n}");
            assert!(error.to_string().contains(&n.to_string()), "{error}");
        }
        if command != "watch" {
            ask(&dir, command, input(most)).unwrap();
        }
    }
    let call = Call::default();
    let repository = Nootropic::open_with(dir.path(), Config::default()).unwrap();
    let search = repository.search(&Search { limit: Some(u32::MAX), ..Search::of("acquire") }, &call);
    let symbols = repository.symbols(&Symbols { limit: 0, ..Symbols::of("acquire") }, &call);
    assert!(matches!(search, Err(Error::Input { what: "limit", .. })));
    assert!(matches!(symbols, Err(Error::Input { what: "limit", .. })));
    let mut config = Config::default();
    config.search.limit = u32::MAX;
    let careless = Nootropic::open_with(dir.path(), config).unwrap();
    assert!(careless.search(&Search::of("acquire"), &call).is_err());
}

#[test]
fn the_help_names_the_default_that_is_a_setting() {
    let arguments = registry().unwrap().get("search").unwrap().arguments().unwrap();
    let limit = arguments.iter().find(|argument| argument.name == "limit").unwrap();
    assert!(limit.help.contains(&format!("default {}", Config::default().search.limit)), "{}", limit.help);
}

#[test]
fn paths_are_understood_as_people_write_them() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("src/deep")).unwrap();
    std::fs::write(dir.path().join("src/deep/lock.rs"), "pub fn acquire() {}\n").unwrap();
    std::fs::write(dir.path().join("lock.py"), "def acquire(): pass\n").unwrap();
    let absolute = dir.path().join("src").to_str().unwrap().to_owned();
    for path in ["SRC/**", "src/*", "sr?/", "/src/", absolute.as_str(), &format!("{absolute}/**/*.rs")] {
        for (command, key, list) in [
            ("search", "query", "hits"),
            ("pack", "query", "blocks"),
            ("map", "", "files"),
            ("symbols", "name", "symbols"),
        ] {
            let mut input = json!({"path": [path]});
            if !key.is_empty() {
                input[key] = "acquire".into();
            }
            let found = ask(&dir, command, input).unwrap();
            let paths: Vec<_> = found[list].as_array().unwrap().iter().map(|found| &found["path"]).collect();
            assert_eq!(paths, ["src/deep/lock.rs"], "{command} {path}");
        }
        let filter = format!("acquire -path:{path}");
        assert_eq!(ask(&dir, "search", json!({"query": filter})).unwrap()["hits"][0]["path"], "lock.py", "{path}");
    }
    for command in ["search", "pack"] {
        let error = ask(&dir, command, json!({"query": "acquire", "path": ["!*.rs"]})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("-path:*.rs"), "{error}");
    }
}

#[test]
fn what_cannot_be_a_filter_is_said_to_be_so() {
    let dir = repository();
    for (field, value) in [("path", ""), ("lang", "a b"), ("lang", ":rust"), ("path", "\"\"")] {
        let error = ask(&dir, "search", json!({"query": "acquire", field: [value]})).unwrap_err();
        assert_eq!((error.kind(), error.to_string().starts_with(field)), (ErrorKind::InvalidInput, true), "{error}");
    }
}
