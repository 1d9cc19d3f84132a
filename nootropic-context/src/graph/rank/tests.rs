use nootropic_core::StoreExt;
use nootropic_core::reference::MemoryStore;

use super::{Focus, Ranks};
use crate::graph::SymbolGraph;
use crate::graph::testing::{REPOSITORY, index};

fn graph(store: &MemoryStore) -> SymbolGraph {
    store.read_with(|txn| SymbolGraph::load(txn)).unwrap()
}

fn best_file(graph: &SymbolGraph, ranks: &Ranks) -> String {
    let best = (0..ranks.files.len()).max_by(|a, b| ranks.files[*a].total_cmp(&ranks.files[*b])).unwrap();
    graph.files()[best].path.clone()
}

fn rank_of(graph: &SymbolGraph, ranks: &Ranks, name: &str) -> f32 {
    let of_file = |(file, ranks): (&crate::graph::FileNode, &Vec<f32>)| {
        file.symbols
            .iter()
            .position(|s| s.name == name && s.kind != nootropic_core::SymbolKind::Impl)
            .map(|at| ranks[at])
    };
    graph.files().iter().zip(&ranks.symbols).find_map(of_file).unwrap()
}

#[test]
fn what_others_use_ranks_above_what_uses_it() {
    let graph = graph(&index(REPOSITORY));
    let ranks = graph.rank(&Focus::default());
    assert!((ranks.files.iter().sum::<f32>() - 1.0).abs() < 1e-3, "file ranks sum to 1");
    assert_eq!(best_file(&graph, &ranks), "src/store.rs");
    let of = |name| rank_of(&graph, &ranks, name);
    assert!(of("KeyStore") > of("HttpServer"), "two files use one, one file the other");
    assert!(of("HttpServer") > of("forget"));
    assert!(of("open_folder") > of("check_folder"), "used at home only");
}

#[test]
fn focus_draws_ranks_towards_paths_and_words() {
    let graph = graph(&index(REPOSITORY));
    let focus = Focus::of(&graph, ["src/server.rs"]);
    assert_eq!((focus.paths.as_slice(), focus.words.len()), (["src/server.rs".to_owned()].as_slice(), 0));
    let plain = graph.rank(&Focus::default());
    let of_path = graph.rank(&focus);
    assert!(rank_of(&graph, &of_path, "HttpServer") > rank_of(&graph, &plain, "HttpServer"));

    let focus = Focus::of(&graph, ["how does it answer", "größe"]);
    assert_eq!(focus.words, ["answer", "größe"]);
    let of_words = graph.rank(&focus);
    for name in ["answer", "größe"] {
        assert!(rank_of(&graph, &of_words, name) > rank_of(&graph, &plain, name), "{name}");
    }
    assert!(Focus::of(&graph, ["", "./src/", "server.rs"]).paths == ["src", "server.rs"]);
}

#[test]
fn ranks_are_the_same_every_time() {
    let (a, b) = (graph(&index(REPOSITORY)), graph(&index(REPOSITORY)));
    let focus = Focus { words: vec!["store".into()], paths: vec!["tests".into()] };
    assert_eq!(a.rank(&focus), b.rank(&focus));
}

#[test]
fn an_empty_index_has_no_ranks() {
    let graph = graph(&index(&[]));
    assert_eq!(
        graph.rank(&Focus { words: vec!["x".into()], paths: vec!["y".into()] }),
        Ranks { files: vec![], symbols: vec![] }
    );
}

#[test]
fn languages_do_not_use_each_others_names() {
    let python = ("a.py", "def shared_name_of_both():\n    pass\n");
    let rust = ("b.rs", "pub fn shared_name_of_both() {}\n");
    let user = ("c.rs", "fn user() { shared_name_of_both(); }\n");
    let graph = graph(&index(&[python, rust, user]));
    let at = |path: &str| graph.files().iter().position(|file| file.path == path).unwrap();
    let targets: Vec<u32> = graph.edges_from(at("c.rs")).iter().map(|e| graph.groups[e.group as usize].file).collect();
    assert_eq!(targets, [at("b.rs") as u32]);
}
