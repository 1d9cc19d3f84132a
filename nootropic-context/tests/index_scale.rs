//! Very many files, very deep sources, and much text: an index takes them in bounded memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nootropic_context::index::UpdateOptions;
use nootropic_context::search::{Engine, SearchOptions};
use nootropic_context::syntax::ChunkOptions;
use nootropic_core::Store;

use support::rng::{Rng, at_most};
use support::{assert_consistent, child, fast_dir, open, repo, update_with};

#[test]
fn a_hundred_thousand_files_in_one_folder() {
    let many = at_most(100_000) as u64;
    let dir = fast_dir();
    let root = dir.path().join("repo");
    fs::create_dir(&root).unwrap();
    for i in 0..many {
        let text = if i % 100 == 0 { format!("number {i}\n") } else { String::new() };
        fs::write(root.join(format!("{i}.txt")), text).unwrap();
    }
    std::thread::sleep(Duration::from_millis(150)); // until stamps are older than the clock is coarse
    let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    let report = update_with(&*store, &root, &UpdateOptions::default());
    assert_eq!((report.files, report.chunks), (many, many / 100));
    let again = update_with(&*store, &root, &UpdateOptions::default());
    assert_eq!((again.files, again.indexed, again.unchanged), (many, 0, many));
    fs::remove_file(root.join("1200.txt")).unwrap();
    let without = update_with(&*store, &root, &UpdateOptions::default());
    assert_eq!((without.files, without.removed), (many - 1, 1));
    let engine = Engine::new(Arc::clone(&store));
    let paths = |question: &str| -> Vec<String> {
        let answer = engine.search(question, &SearchOptions::default()).unwrap();
        answer.hits.into_iter().map(|hit| hit.chunk.path).collect()
    };
    assert_eq!(paths("1300"), ["1300.txt"]);
    assert!(paths("1200").is_empty());
    assert_consistent(&*store, "very many files");
}

/// A text nested that deep, in the language of an ending.
fn nested(ending: &str, depth: usize) -> String {
    let (before, open, close, after) = match ending {
        "rs" => ("fn deep() {", "{", "}", "}"),
        "c" | "cpp" | "java" | "cs" => ("class A { int deep() {", "{", "}", "}}"),
        "js" | "ts" | "go" => ("function deep() { return ", "(", ")", " }"),
        "tsx" => ("const deep = ", "<a>", "</a>", ";"),
        "py" | "rb" | "lua" | "kt" | "swift" | "scala" | "ex" | "hs" | "zig" => ("deep = ", "(", ")", "\n"),
        "php" => ("<?php $deep = ", "[", "]", ";"),
        "sh" => ("deep() { echo ", "$(", ")", "; }"),
        "md" => ("# deep\n", "> ", "", "text"),
        "toml" => ("deep = ", "[", "]", "\n"),
        "yaml" => ("deep: ", "[", "]", "\n"),
        _ => ("", "[", "]", ""),
    };
    format!("{before}{}{}{after}\n", open.repeat(depth), close.repeat(depth))
}

#[test]
fn sources_nested_ten_thousand_deep() {
    const ENDINGS: &[&str] = &[
        "rs", "c", "cpp", "java", "cs", "js", "ts", "go", "tsx", "py", "rb", "lua", "kt", "swift", "scala", "ex", "hs",
        "zig", "php", "sh", "md", "toml", "yaml", "json",
    ];
    let (dir, depth) = (fast_dir(), at_most(10_000));
    let root = dir.path().join("repo");
    for ending in ENDINGS {
        repo::write(&root.join(format!("nested.{ending}")), nested(ending, depth));
        // The other way to make a tree deep: one operator after the other.
        let sum = format!("long = {}1\n", "1 + ".repeat(depth));
        repo::write(&root.join(format!("long.{ending}")), sum);
        repo::write(&root.join(format!("open.{ending}")), nested(ending, depth).split_at(depth + depth / 5).0);
    }
    repo::write(&root.join("plain.rs"), "fn still_found() {}\n");
    let store: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    let options = UpdateOptions {
        chunks: ChunkOptions { max_parse_time: Duration::from_millis(200), ..ChunkOptions::default() },
        walk: nootropic_context::walk::WalkOptions { generated: true, ..Default::default() }, // such lines look minified
        ..UpdateOptions::default()
    };
    let report = update_with(&*store, &root, &options);
    assert_eq!(report.files, 3 * ENDINGS.len() as u64 + 1, "{report:?}");
    assert_consistent(&*store, "nested");
    let engine = Engine::new(Arc::clone(&store));
    let hits = engine.search("still found", &SearchOptions::default()).unwrap().hits;
    assert_eq!(hits[0].chunk.path, "plain.rs");
}

/// Indexes `repo` in a process of its own, which fails if that takes more than `bound` bytes of memory.
fn expect_memory(test: &str, dir: &Path, options: &UpdateOptions, bound: u64, least_text: u64) {
    let Some(dir) = child::folder() else { return child::expect_success(child::command(test, dir)) };
    let store = open(&dir.join("store"));
    let report = update_with(&store, &dir.join("repo"), options);
    let peak = child::peak_memory();
    println!("{} bytes of text, {} chunks: {} MiB at most", report.bytes, report.chunks, peak >> 20);
    assert!(peak < bound, "{} MiB for {} MiB of text", peak >> 20, report.bytes >> 20);
    assert!(report.bytes >= least_text, "{report:?}");
}

#[test]
fn much_text_takes_bounded_memory() {
    let dir = fast_dir();
    let many = at_most(14_000) / 20;
    if child::folder().is_none() {
        let mut rng = Rng::new(3);
        // Two thirds of it in files of a few thousand lines.
        for i in 0..many {
            let ending = ["rs", "py", "ts", "go", "java", "c"][i % 6];
            let definitions = if i % 10 == 0 { 1500 } else { 100 };
            let path = dir.path().join(format!("repo/{}/f{i}.{ending}", i % 20));
            repo::write(&path, repo::content(ending, definitions, &mut rng));
        }
    }
    expect_memory(
        "much_text_takes_bounded_memory",
        dir.path(),
        &UpdateOptions::default(),
        200 << 20,
        many as u64 * 24_000,
    );
}

#[test]
fn large_files_do_not_add_up_over_threads() {
    let dir = fast_dir();
    let size = at_most(50_000) * 1000;
    if child::folder().is_none() {
        let mut rng = Rng::new(4);
        for i in 0..4 {
            let mut text = String::with_capacity(size);
            while text.len() < size {
                text.push_str(&repo::content("txt", 1000, &mut rng));
            }
            repo::write(&dir.path().join(format!("repo/f{i}.txt")), &text[..size]);
        }
    }
    let options = UpdateOptions {
        threads: 4,
        walk: nootropic_context::walk::WalkOptions { max_file_bytes: 64 << 20, ..Default::default() },
        ..UpdateOptions::default()
    };
    expect_memory(
        "large_files_do_not_add_up_over_threads",
        dir.path(),
        &options,
        (100 << 20) + 6 * size as u64,
        4 * size as u64,
    );
}
