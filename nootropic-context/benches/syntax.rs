//! What cutting a source and taking out its names costs beside tree-sitter's own parse.
//!
//! `cargo bench -p nootropic-context --bench syntax`. The texts are the tests' samples, repeated to 256 KiB; real
//! repositories cost relatively less, since their lines are longer.

use divan::Bencher;
use divan::counter::BytesCount;
use nootropic_context::syntax::{ChunkOptions, parse};
use tree_sitter::{Language, Parser};

const SIZE: usize = 256 * 1024;

/// File name and text of a sample, and its grammar.
type Source = (&'static str, &'static str, fn() -> Language);

const SOURCES: [Source; 8] = [
    ("a.rs", include_str!("../src/syntax/tests/samples/rust.rs"), || tree_sitter_rust::LANGUAGE.into()),
    ("a.py", include_str!("../src/syntax/tests/samples/python.py"), || tree_sitter_python::LANGUAGE.into()),
    ("a.ts", include_str!("../src/syntax/tests/samples/typescript.ts"), || {
        tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into()
    }),
    ("a.go", include_str!("../src/syntax/tests/samples/go.go"), || tree_sitter_go::LANGUAGE.into()),
    ("a.java", include_str!("../src/syntax/tests/samples/java.java"), || tree_sitter_java::LANGUAGE.into()),
    ("a.cpp", include_str!("../src/syntax/tests/samples/cpp.cpp"), || tree_sitter_cpp::LANGUAGE.into()),
    ("a.cs", include_str!("../src/syntax/tests/samples/csharp.cs"), || tree_sitter_c_sharp::LANGUAGE.into()),
    ("a.rb", include_str!("../src/syntax/tests/samples/ruby.rb"), || tree_sitter_ruby::LANGUAGE.into()),
];

fn main() {
    divan::main();
}

fn source(name: &str) -> (String, Language) {
    let Some((_, sample, grammar)) = SOURCES.into_iter().find(|(path, ..)| *path == name) else {
        unreachable!("only names of SOURCES are measured");
    };
    (sample.repeat(SIZE / sample.len() + 1), grammar())
}

fn names() -> [&'static str; 8] {
    SOURCES.map(|(path, ..)| path)
}

#[divan::bench(args = names())]
fn tree_sitter_alone(bencher: Bencher<'_, '_>, name: &str) {
    let (text, grammar) = source(name);
    let mut parser = Parser::new();
    if parser.set_language(&grammar).is_ok() {
        bencher.counter(BytesCount::of_str(&text)).bench_local(|| parser.parse(&text, None));
    }
}

#[divan::bench(args = names())]
fn cut_and_take_out(bencher: Bencher<'_, '_>, name: &str) {
    let (text, _) = source(name);
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| parse(name, &text, &ChunkOptions::default()));
}
