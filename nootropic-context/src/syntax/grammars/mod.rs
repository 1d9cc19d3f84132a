//! What the nodes of each grammar mean: one description a language family.
//!
//! To add a language: add it to [`Language`](super::Language), add its grammar crate, write a [`Spec`] here, and put a
//! sample beside the tests. Node kinds and fields are listed in the grammar's `src/node-types.json`; a test fails for
//! a name the grammar does not have.

mod bash;
mod c;
mod csharp;
mod data;
mod elixir;
mod go;
mod haskell;
mod java;
mod javascript;
mod kotlin;
mod lua;
mod markdown;
mod php;
mod python;
mod ruby;
mod rust;
mod scala;
mod swift;
mod zig;

use super::Language;
use super::spec::Spec;

/// The grammar of a language and what its nodes mean.
pub(super) fn grammar(language: Language) -> (tree_sitter::Language, &'static Spec) {
    let (grammar, spec) = match language {
        Language::Rust => (tree_sitter_rust::LANGUAGE, &rust::SPEC),
        Language::Python => (tree_sitter_python::LANGUAGE, &python::SPEC),
        Language::TypeScript => (tree_sitter_typescript::LANGUAGE_TYPESCRIPT, &javascript::TYPESCRIPT),
        Language::Tsx => (tree_sitter_typescript::LANGUAGE_TSX, &javascript::TSX),
        Language::JavaScript => (tree_sitter_javascript::LANGUAGE, &javascript::SPEC),
        Language::Go => (tree_sitter_go::LANGUAGE, &go::SPEC),
        Language::Java => (tree_sitter_java::LANGUAGE, &java::SPEC),
        Language::C => (tree_sitter_c::LANGUAGE, &c::SPEC),
        Language::Cpp => (tree_sitter_cpp::LANGUAGE, &c::CPP),
        Language::CSharp => (tree_sitter_c_sharp::LANGUAGE, &csharp::SPEC),
        Language::Ruby => (tree_sitter_ruby::LANGUAGE, &ruby::SPEC),
        Language::Php => (tree_sitter_php::LANGUAGE_PHP, &php::SPEC),
        Language::Swift => (tree_sitter_swift::LANGUAGE, &swift::SPEC),
        Language::Kotlin => (tree_sitter_kotlin_ng::LANGUAGE, &kotlin::SPEC),
        Language::Scala => (tree_sitter_scala::LANGUAGE, &scala::SPEC),
        Language::Elixir => (tree_sitter_elixir::LANGUAGE, &elixir::SPEC),
        Language::Haskell => (tree_sitter_haskell::LANGUAGE, &haskell::SPEC),
        Language::Lua => (tree_sitter_lua::LANGUAGE, &lua::SPEC),
        Language::Zig => (tree_sitter_zig::LANGUAGE, &zig::SPEC),
        Language::Bash => (tree_sitter_bash::LANGUAGE, &bash::SPEC),
        Language::Markdown => (tree_sitter_md::LANGUAGE, &markdown::SPEC),
        Language::Toml => (tree_sitter_toml_ng::LANGUAGE, &data::TOML),
        Language::Yaml => (tree_sitter_yaml::LANGUAGE, &data::YAML),
        Language::Json => (tree_sitter_json::LANGUAGE, &data::JSON),
    };
    (grammar.into(), spec)
}
