use nootropic_core::reference::MemoryStore;
use nootropic_core::{ErrorKind, StoreExt};

use super::{MapOptions, RepoMap, repo_map};
use crate::graph::testing::{REPOSITORY, index, reindex};
use crate::graph::{EstimatedTokens, SymbolGraph, TokenCounter};

fn map(store: &MemoryStore, options: &MapOptions) -> RepoMap {
    let map = repo_map(store, options).unwrap();
    assert!(map.tokens <= options.tokens, "{} of {}", map.tokens, options.tokens);
    assert_eq!(map.tokens, EstimatedTokens.count(&map.text()));
    map
}

#[test]
fn the_map_shows_what_matters_most_first() {
    let store = index(REPOSITORY);
    let map = map(&store, &MapOptions { tokens: 100, ..MapOptions::default() });
    assert_eq!(
        map.text(),
        "src/store.rs
  6 pub struct KeyStore
  10 impl KeyStore ⋮
    12 pub fn open_folder(folder: &Path) -> Option<Self>
    17 pub fn read_value(&self, key: &str) -> Option<Vec<u8>>
src/server.rs
  6 pub struct HttpServer
  10 impl HttpServer ⋮
    12 pub fn listen_on(port: u16) -> Self
"
    );
    assert_eq!((map.files_total, map.definitions_shown), (6, 5));
}

#[test]
fn files_between_folders_are_counted_under_the_folder_they_lie_in() {
    let text = |name: &str| format!("pub fn {name}() {{}}\n");
    let files: Vec<(String, String)> = ["src/a.rs", "src/b.rs", "src/c.rs", "src/deep/d.rs", "docs/e.rs"]
        .map(|path| (path.to_owned(), text(&path[path.len() - 4..path.len() - 3])))
        .into();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let map = map(&index(&files), &MapOptions::default());
    let folders: Vec<_> = map.folders.iter().map(|folder| (folder.path.as_str(), folder.files)).collect();
    assert_eq!(folders, [("src", 3), ("docs", 1), ("src/deep", 1)]);
    assert!(map.text().starts_with("5 files: src/ 3, docs/ 1, src/deep/ 1\n"), "{}", map.text());
}

#[test]
fn no_budget_is_exceeded_and_more_shows_more() {
    let store = index(REPOSITORY);
    let mut shown = 0;
    for tokens in 0..400 {
        let map = map(&store, &MapOptions { tokens, ..MapOptions::default() });
        if map.folders.is_empty() {
            assert!(map.definitions_shown >= shown, "{tokens} tokens show less than {}", tokens - 1);
            shown = map.definitions_shown;
        }
    }
    assert!(shown >= 8);
    assert_eq!(map(&store, &MapOptions { tokens: 0, ..MapOptions::default() }).text(), "");
}

#[test]
fn a_name_with_a_line_break_takes_one_line() {
    let store = index(&[("a\nb/c\rd.rs", "pub fn opened() {}\n"), ("src/e.rs", "pub fn closed() {}\n")]);
    let map = map(&store, &MapOptions::default());
    let lines: Vec<_> = map.files.iter().map(|file| file.path.as_str()).collect();
    assert!(lines.contains(&"a\nb/c\rd.rs"), "{lines:?}");
    let text = map.text();
    assert!(text.contains("\na␊b/c␍d.rs\n  1 pub fn opened()\n"), "{text}");
    assert!(text.starts_with("2 files: ") && !text.contains(['\r']) && text.lines().all(|line| line != "a"), "{text}");
}

#[test]
fn any_counter_holds() {
    let store = index(REPOSITORY);
    let words = |text: &str| text.split_whitespace().count() * 3;
    for tokens in [0, 10, 50, 100, 1000] {
        let options = MapOptions { tokens, ..MapOptions::default() };
        let map = store.read_with(|txn| SymbolGraph::load(txn)?.map(txn, &options, &words)).unwrap();
        assert!(words(&map.text()) <= tokens);
        assert_eq!(map.tokens, words(&map.text()));
    }
}

#[test]
fn parts_of_a_repository_are_mapped_alone() {
    let store = index(REPOSITORY);
    let only =
        |options: MapOptions| -> Vec<String> { map(&store, &options).files.into_iter().map(|f| f.path).collect() };
    assert_eq!(only(MapOptions { languages: vec!["py".into()], ..MapOptions::default() }), ["tools/größe.py"]);
    assert_eq!(only(MapOptions { paths: vec!["tests/**".into()], ..MapOptions::default() }), ["tests/store.rs"]);
    let error =
        repo_map(&store, &MapOptions { languages: vec!["klingon".into()], ..MapOptions::default() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn focus_comes_first() {
    let store = index(REPOSITORY);
    let options = MapOptions { tokens: 60, focus: vec!["tools/größe.py".into()], ..MapOptions::default() };
    assert_eq!(map(&store, &options).files[0].path, "tools/größe.py");
    let options = MapOptions { tokens: 60, focus: vec!["HttpServer".into()], ..MapOptions::default() };
    assert_eq!(map(&store, &options).files[0].path, "src/server.rs");
}

#[test]
fn a_focus_that_nothing_matches_is_said_to_be_so() {
    let store = index(REPOSITORY);
    let unmatched = |focus: &[&str]| {
        let focus = focus.iter().map(|typed| (*typed).to_owned()).collect();
        map(&store, &MapOptions { focus, ..MapOptions::default() }).unmatched
    };
    for known in [
        "src",
        "./src/server.rs",
        "server.rs",
        "tools/größe.py",
        "HttpServer",
        "http_server",
        "listen",
        ".",
        "read value",
    ] {
        assert!(unmatched(&[known]).is_empty(), "{known}");
    }
    assert_eq!(
        unmatched(&["src/misspelt.rs", "src", "Zanzibar", "the", "???"]),
        ["src/misspelt.rs", "Zanzibar", "the", "???"]
    );
}

#[test]
fn an_empty_repository_has_an_empty_map() {
    let map = map(&index(&[]), &MapOptions::default());
    assert_eq!((map.text().as_str(), map.files_total, map.tokens), ("", 0, 0));
}

#[test]
fn a_giant_file_is_mapped_within_the_budget() {
    let mut text = String::new();
    for i in 0..5_000 {
        text.push_str(&format!(
            "/// Does {i}.\npub fn does_thing_{i}(a: u32) -> u32 {{\n    does_thing_{}(a)\n}}\n\n",
            i / 2
        ));
    }
    let store = index(&[("src/lib.rs", &text), ("src/other.rs", "pub fn caller() { crate::does_thing_77(1); }\n")]);
    let map = map(&store, &MapOptions::default());
    assert!(map.definitions_shown > 50, "{}", map.definitions_shown);
    assert_eq!(map.files[0].path, "src/lib.rs");
    assert!(map.text().contains("pub fn does_thing_77(a: u32) -> u32\n"), "the one used from outside is among them");
}

#[test]
fn a_map_survives_json_and_is_the_same_every_time() {
    let options = MapOptions { focus: vec!["store".into()], ..MapOptions::default() };
    let (a, b) = (map(&index(REPOSITORY), &options), map(&index(REPOSITORY), &options));
    assert_eq!(a.text(), b.text());
    let json = serde_json::to_string(&a).unwrap();
    assert_eq!(serde_json::from_str::<RepoMap>(&json).unwrap().text(), a.text());
}

#[test]
fn a_graph_of_another_snapshot_is_refused() {
    let store = index(REPOSITORY);
    let graph = store.read_with(|txn| SymbolGraph::load(txn)).unwrap();
    reindex(&store, tempfile::tempdir().unwrap().path());
    let error = store.read_with(|txn| graph.map(txn, &MapOptions::default(), &EstimatedTokens)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
