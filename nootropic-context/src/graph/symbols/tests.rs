use nootropic_core::reference::MemoryStore;
use nootropic_core::{ErrorKind, SymbolKind};

use super::{NameMatch, SymbolAnswer, SymbolHit, SymbolQuery, symbols};
use crate::graph::testing::{REPOSITORY, index};

fn query(name: &str) -> SymbolQuery {
    SymbolQuery { name: name.into(), ..SymbolQuery::default() }
}

fn find(store: &MemoryStore, query: &SymbolQuery) -> Vec<SymbolHit> {
    symbols(store, query).unwrap().symbols
}

fn shown(hits: &[SymbolHit]) -> Vec<String> {
    hits.iter().map(|h| format!("{:?} {}:{} {}", h.matched, h.path, h.start_line, h.name)).collect()
}

#[test]
fn the_same_name_comes_first_then_beginnings_then_parts() {
    let store = index(&[
        (
            "src/a.rs",
            "pub struct JoinSet;\npub struct JoinSetBuilder;\npub fn join_set() {}\npub struct TaskJoinSet;\n",
        ),
        ("tests/a.rs", "pub struct JoinSet;\n"),
    ]);
    assert_eq!(
        shown(&find(&store, &query("JoinSet"))),
        [
            "Exact src/a.rs:1 JoinSet",
            "Exact tests/a.rs:1 JoinSet",
            "Exact src/a.rs:3 join_set",
            "Prefix src/a.rs:2 JoinSetBuilder",
            "Part src/a.rs:4 TaskJoinSet",
        ]
    );
    let exact = SymbolQuery { loosest: NameMatch::Exact, ..query("join_set") };
    assert_eq!(shown(&find(&store, &exact))[0], "Exact src/a.rs:3 join_set");
    assert_eq!(find(&store, &exact).len(), 3);
    assert_eq!(shown(&find(&store, &query("jsb"))), ["Fuzzy src/a.rs:2 JoinSetBuilder"]);
    assert_eq!(find(&store, &SymbolQuery { limit: 2, ..query("JoinSet") }).len(), 2);
}

#[test]
fn a_hit_says_where_and_what() {
    let store = index(REPOSITORY);
    let hits = find(&store, &query("KeyStore::read_value"));
    let hit = &hits[0];
    assert_eq!(hits.len(), 1);
    assert_eq!((hit.path.as_str(), hit.start_line, hit.end_line), ("src/store.rs", 17, 19));
    assert_eq!((hit.kind, hit.container.as_deref()), (SymbolKind::Method, Some("KeyStore")));
    assert_eq!(hit.signature, "pub fn read_value(&self, key: &str) -> Option<Vec<u8>>");
    assert_eq!(hit.language.as_deref(), Some("rust"));
    assert!(hit.references.is_none());
}

#[test]
fn uses_are_listed_by_file_and_line() {
    let store = index(REPOSITORY);
    let hits = find(&store, &SymbolQuery { references: true, ..query("open_folder") });
    let uses = hits[0].references.as_ref().unwrap();
    let places: Vec<(&str, &[u32])> = uses.places.iter().map(|p| (p.path.as_str(), p.lines.as_slice())).collect();
    assert_eq!(places, [("src/main.rs", &[6][..]), ("src/server.rs", &[13]), ("tests/store.rs", &[5])]);
    assert_eq!((uses.count, uses.files), (3, 3));
    let few = SymbolQuery { references: true, reference_files: 1, ..query("open_folder") };
    let uses = find(&store, &few)[0].references.clone().unwrap();
    assert_eq!((uses.places.len(), uses.files), (1, 3));
}

#[test]
fn filters_narrow() {
    let store = index(REPOSITORY);
    assert_eq!(find(&store, &SymbolQuery { kinds: vec![SymbolKind::Struct], ..query("KeyStore") }).len(), 1);
    assert_eq!(find(&store, &SymbolQuery { kinds: vec![SymbolKind::Impl], ..query("KeyStore") }).len(), 1);
    assert!(find(&store, &SymbolQuery { paths: vec!["tests/".into()], ..query("KeyStore") }).is_empty());
    assert!(find(&store, &SymbolQuery { languages: vec!["python".into()], ..query("KeyStore") }).is_empty());
    let bad = SymbolQuery { paths: vec!["[".into()], ..query("KeyStore") };
    assert_eq!(symbols(&store, &bad).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn names_the_index_of_names_leaves_out_are_found_too() {
    let long = format!("l{}", "o".repeat(90));
    let text = format!("pub struct Z;\npub fn {long}() {{}}\n");
    let store = index(&[("a.rs", &text), ("b.py", "def größe():\n    pass\n")]);
    assert_eq!(shown(&find(&store, &query("Z")))[0], "Exact a.rs:1 Z");
    assert_eq!(find(&store, &query(&long)).len(), 1);
    assert_eq!(find(&store, &query("GRÖSSE")).len(), 0, "ß is not ss");
    assert_eq!(find(&store, &query("Größe")).len(), 1);
    for name in ["", " ", "::", "()", "no_such_name_at_all"] {
        assert!(find(&store, &query(name)).is_empty(), "{name:?}");
    }
}

#[test]
fn an_answer_survives_json_and_is_the_same_every_time() {
    let query = SymbolQuery { references: true, ..query("store") };
    let (a, b) = (symbols(&index(REPOSITORY), &query).unwrap(), symbols(&index(REPOSITORY), &query).unwrap());
    assert_eq!(a.symbols, b.symbols);
    let json = serde_json::to_string(&a).unwrap();
    assert_eq!(serde_json::from_str::<SymbolAnswer>(&json).unwrap(), a);
    assert!(json.contains("\"matched\":\"part\""), "{json}");
    assert!(symbols(&index(&[]), &query).unwrap().symbols.is_empty());
}
