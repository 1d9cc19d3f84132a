use nootropic_core::reference::MemoryStore;
use nootropic_core::{ChunkId, StoreExt};

use super::{LeftOutReason, Pack, PackOptions, PackOrder, pack, pack_with};
use crate::graph::testing::{REPOSITORY, all_chunks, chunk_at, index, reindex};
use crate::graph::{EstimatedTokens, TokenCounter};

fn packed(store: &MemoryStore, chunks: &[ChunkId], options: &PackOptions) -> Pack {
    let pack = pack(store, chunks, options).unwrap();
    assert!(pack.tokens <= options.tokens, "{} of {}", pack.tokens, options.tokens);
    assert_eq!(pack.tokens, EstimatedTokens.count(&pack.text()));
    pack
}

/// A class whose methods stand in passages of their own.
fn tall() -> String {
    let mut text = String::from("class Tall:\n    \"\"\"Has many parts.\"\"\"\n\n");
    for i in 0..8 {
        text.push_str(&format!("    def part_{i}(self, value):\n"));
        for j in 0..30 {
            text.push_str(&format!("        value = self.step_{j}(value, {i})\n"));
        }
        text.push_str("        return value\n\n");
    }
    text
}

#[test]
fn a_block_is_cited_by_the_lines_it_shows() {
    let store = index(REPOSITORY);
    let pack = packed(&store, &[chunk_at(&store, "src/main.rs", 4)], &PackOptions::default());
    assert_eq!(
        pack.text(),
        "[1] src/main.rs:1-8 (main)
mod server;
mod store;

fn main() {
    let server = server::HttpServer::listen_on(80);
    let store = store::KeyStore::open_folder(\".\".as_ref());
    server.answer(\"/\");
}
"
    );
    for (path, text) in REPOSITORY {
        let chunk = chunk_at(&store, path, 1);
        let pack = packed(&store, &[chunk], &PackOptions::default());
        let block = &pack.blocks[0];
        let lines: Vec<&str> = text.lines().collect();
        let cited = &lines[block.start_line as usize - 1..block.end_line as usize];
        assert_eq!(block.text.lines().collect::<Vec<_>>(), cited, "{path}");
        assert_eq!((block.path.as_str(), block.chunks.as_slice()), (*path, &[chunk][..]));
    }
}

#[test]
fn a_citation_takes_one_line_and_the_text_stays_as_it_is() {
    let store = index(&[("a\nb.rs", "pub fn opened() {\n\tclose();\n}\n")]);
    let pack = packed(&store, &all_chunks(&store), &PackOptions::default());
    assert_eq!(pack.text(), "[1] a␊b.rs:1-3 (opened)\npub fn opened() {\n\tclose();\n}\n");
    assert_eq!(pack.blocks[0].path, "a\nb.rs");
}

#[test]
fn a_passage_inside_a_class_shows_the_head_of_the_class() {
    let text = tall();
    let store = index(&[("tall.py", &text)]);
    let line = text.lines().position(|line| line.contains("def part_5")).unwrap() as u32 + 3;
    let options = PackOptions { line_numbers: true, ..PackOptions::default() };
    let pack = packed(&store, &[chunk_at(&store, "tall.py", line)], &options);
    let block = &pack.blocks[0];
    assert_eq!(block.headers[0].text, "class Tall:");
    assert!(block.text.contains("def part_5(self, value):"), "{}", block.text);
    assert!(block.text.trim_end().ends_with("return value"), "the whole method is shown: {}", block.text);
    let text = pack.text();
    assert!(text.contains("    1 class Tall:\n      ⋮\n"), "{text}");
    assert!(text.starts_with(&format!("[1] tall.py:{}-{} (Tall.", block.start_line, block.end_line)), "{text}");
}

#[test]
fn a_comment_brings_what_it_is_about() {
    let comment: String = (0..50).map(|i| format!("/// Line {i} of a long explanation of what it does.\n")).collect();
    let text = format!("{comment}pub fn explained() -> u32 {{\n    42\n}}\n");
    let store = index(&[("a.rs", &text)]);
    let chunk = chunk_at(&store, "a.rs", 30);
    let pack = packed(&store, &[chunk], &PackOptions::default());
    assert!(pack.text().ends_with("pub fn explained() -> u32 {\n    42\n}\n"), "{}", pack.text());
}

#[test]
fn neighbours_become_one_block_and_nothing_is_shown_twice() {
    let text = tall();
    let store = index(&[("tall.py", &text)]);
    let mut chunks = all_chunks(&store);
    chunks.reverse();
    let pack = packed(&store, &chunks, &PackOptions { tokens: 100_000, ..PackOptions::default() });
    assert_eq!(pack.blocks.len(), 1);
    assert_eq!(pack.blocks[0].text.trim_end(), text.trim_end());
    assert_eq!(pack.blocks[0].chunks.len(), chunks.len());
    let doubled: Vec<ChunkId> = chunks.iter().chain(&chunks).copied().collect();
    assert_eq!(
        packed(&store, &doubled, &PackOptions { tokens: 100_000, ..PackOptions::default() }).text(),
        pack.text()
    );
}

#[test]
fn copies_are_left_out() {
    let body = tall();
    let store = index(&[("a.py", &body), ("vendor/a.py", &body)]);
    let chunks = [chunk_at(&store, "a.py", 60), chunk_at(&store, "vendor/a.py", 60)];
    let pack = packed(&store, &chunks, &PackOptions::default());
    assert_eq!(pack.blocks.len(), 1);
    assert_eq!(pack.left_out.len(), 1);
    assert_eq!(pack.left_out[0].reason, LeftOutReason::Duplicate);
    assert_eq!(pack.left_out[0].path.as_deref(), Some("vendor/a.py"));
    assert!(!pack.text().contains("did not fit"));
}

#[test]
fn no_budget_is_exceeded() {
    let mut files: Vec<(&str, &str)> = REPOSITORY.to_vec();
    let text = tall();
    files.push(("tall.py", &text));
    let store = index(&files);
    let chunks = all_chunks(&store);
    for tokens in (0..120).chain((120..4000).step_by(97)) {
        for order in [PackOrder::Rank, PackOrder::File] {
            let options = PackOptions { tokens, order, line_numbers: tokens % 2 == 0, ..PackOptions::default() };
            let pack = packed(&store, &chunks, &options);
            let taken: usize = pack.blocks.iter().map(|block| block.chunks.len()).sum();
            assert_eq!(taken + pack.left_out.len(), chunks.len(), "each passage is taken or said to be left out");
            let numbers: Vec<u32> = pack.blocks.iter().map(|block| block.citation).collect();
            assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
        }
    }
    let words = |text: &str| text.split_whitespace().count();
    let options = PackOptions { tokens: 300, ..PackOptions::default() };
    let pack = store.read_with(|txn| pack_with(txn, &chunks, &options, &words)).unwrap();
    assert!(words(&pack.text()) <= 300 && words(&pack.text()) == pack.tokens);
}

#[test]
fn a_counter_for_which_the_whole_is_more_than_its_parts_holds_too() {
    let store = index(REPOSITORY);
    let steep = |text: &str| text.len() * text.len() / 64;
    for tokens in [0, 100, 2_000, 6_000, 40_000, 1_000_000] {
        let options = PackOptions { tokens, ..PackOptions::default() };
        let pack = store.read_with(|txn| pack_with(txn, &all_chunks(&store), &options, &steep)).unwrap();
        assert!(steep(&pack.text()) <= tokens, "{tokens}");
        assert_eq!(pack.tokens, steep(&pack.text()));
    }
}

#[test]
fn the_best_passage_is_cut_rather_than_lost() {
    let text = tall();
    let store = index(&[("tall.py", &text)]);
    let pack =
        packed(&store, &[chunk_at(&store, "tall.py", 40)], &PackOptions { tokens: 120, ..PackOptions::default() });
    assert_eq!(pack.blocks.len(), 1);
    assert!(pack.blocks[0].cut && pack.text().ends_with("⋮\n"), "{}", pack.text());
}

#[test]
fn order_is_by_rank_or_by_file() {
    let store = index(REPOSITORY);
    let chunks =
        [chunk_at(&store, "src/server.rs", 1), chunk_at(&store, "README.md", 1), chunk_at(&store, "src/main.rs", 1)];
    let paths = |order| -> Vec<String> {
        packed(&store, &chunks, &PackOptions { order, ..PackOptions::default() })
            .blocks
            .into_iter()
            .map(|b| b.path)
            .collect()
    };
    assert_eq!(paths(PackOrder::Rank), ["src/server.rs", "README.md", "src/main.rs"]);
    assert_eq!(paths(PackOrder::File), ["src/server.rs", "README.md", "src/main.rs"]);

    let text = tall();
    let store = index(&[("tall.py", &text), ("b.py", "def between_them():\n    return 1\n")]);
    let (last, first) = (chunk_at(&store, "tall.py", 240), chunk_at(&store, "tall.py", 5));
    let chunks = [last, chunk_at(&store, "b.py", 1), first];
    let starts = |order| -> Vec<(String, u32)> {
        let pack = packed(&store, &chunks, &PackOptions { order, ..PackOptions::default() });
        pack.blocks.into_iter().map(|b| (b.path, b.chunks[0].0)).collect()
    };
    let (tall, b) = ("tall.py".to_owned(), "b.py".to_owned());
    assert_eq!(starts(PackOrder::Rank), [(tall.clone(), last.0), (b.clone(), chunks[1].0), (tall.clone(), first.0)]);
    assert_eq!(starts(PackOrder::File), [(tall.clone(), first.0), (tall, last.0), (b, chunks[1].0)]);
}

#[test]
fn passages_that_are_gone_are_said_to_be() {
    let store = index(REPOSITORY);
    let chunks = all_chunks(&store);
    reindex(&store, tempfile::tempdir().unwrap().path());
    let pack = packed(&store, &chunks, &PackOptions::default());
    assert!(pack.blocks.is_empty() && pack.text().is_empty());
    assert!(pack.left_out.iter().all(|left| left.reason == LeftOutReason::Gone));
    assert_eq!(pack.left_out.len(), chunks.len());
    assert!(packed(&index(&[]), &[ChunkId(7)], &PackOptions::default()).text().is_empty());
}

#[test]
fn a_pack_survives_json_and_is_the_same_every_time() {
    let store = index(REPOSITORY);
    let options = PackOptions { tokens: 200, ..PackOptions::default() };
    let chunks = all_chunks(&store);
    let (a, b) = (packed(&store, &chunks, &options), packed(&store, &chunks, &options));
    assert_eq!(a, b);
    assert!(a.text().contains("more did not fit)"), "{}", a.text());
    let json = serde_json::to_string(&a).unwrap();
    assert_eq!(serde_json::from_str::<Pack>(&json).unwrap(), a);
    assert!(json.contains("\"reason\":\"budget\""), "{json}");
}
