//! Tests of passages, symbols and detection. `samples/` holds one small file a language.

mod cutting;
mod detection;
#[cfg(feature = "languages")]
mod hostile;
#[cfg(feature = "languages")]
mod rust_macros;
#[cfg(feature = "languages")]
mod symbols;

use super::*;

/// A small file in every language, by the file name it is known by.
const SAMPLES: [(Language, &str, &str); 24] = [
    (Language::Rust, "a.rs", include_str!("tests/samples/rust.rs")),
    (Language::Python, "a.py", include_str!("tests/samples/python.py")),
    (Language::TypeScript, "a.ts", include_str!("tests/samples/typescript.ts")),
    (Language::Tsx, "a.tsx", include_str!("tests/samples/tsx.tsx")),
    (Language::JavaScript, "a.js", include_str!("tests/samples/javascript.js")),
    (Language::Go, "a.go", include_str!("tests/samples/go.go")),
    (Language::Java, "a.java", include_str!("tests/samples/java.java")),
    (Language::C, "a.c", include_str!("tests/samples/c.c")),
    (Language::Cpp, "a.cpp", include_str!("tests/samples/cpp.cpp")),
    (Language::CSharp, "a.cs", include_str!("tests/samples/csharp.cs")),
    (Language::Ruby, "a.rb", include_str!("tests/samples/ruby.rb")),
    (Language::Php, "a.php", include_str!("tests/samples/php.php")),
    (Language::Swift, "a.swift", include_str!("tests/samples/swift.swift")),
    (Language::Kotlin, "a.kt", include_str!("tests/samples/kotlin.kt")),
    (Language::Scala, "a.scala", include_str!("tests/samples/scala.scala")),
    (Language::Elixir, "a.ex", include_str!("tests/samples/elixir.ex")),
    (Language::Haskell, "a.hs", include_str!("tests/samples/haskell.hs")),
    (Language::Lua, "a.lua", include_str!("tests/samples/lua.lua")),
    (Language::Zig, "a.zig", include_str!("tests/samples/zig.zig")),
    (Language::Bash, "a.sh", include_str!("tests/samples/bash.sh")),
    (Language::Markdown, "a.md", include_str!("tests/samples/markdown.md")),
    (Language::Toml, "a.toml", include_str!("tests/samples/toml.toml")),
    (Language::Yaml, "a.yaml", include_str!("tests/samples/yaml.yaml")),
    (Language::Json, "a.json", include_str!("tests/samples/json.json")),
];

/// Holds for every text: passages are in order, within the limits, of whole lines where lines are short, and leave out
/// only white space; symbols, comments and references lie inside the text.
fn check_pieces(text: &str, parsed: &Parsed, options: &ChunkOptions) {
    let line_starts: Vec<usize> =
        std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1)).collect();
    let line_of = |byte: usize| line_starts.partition_point(|&start| start <= byte) as u32;
    let mut end = 0;
    for piece in &parsed.pieces {
        let Span { start_line, end_line, .. } = piece.span;
        let bytes = piece.span.bytes();
        assert!(bytes.start >= end, "{bytes:?} begins before the passage above ends at {end}");
        assert!(text[end..bytes.start].trim().is_empty(), "left out {:?}", &text[end..bytes.start]);
        assert!(!text[bytes.clone()].trim().is_empty(), "{bytes:?} says nothing");
        assert!(bytes.len() <= options.max_bytes.max(4), "{} bytes", bytes.len());
        assert!(piece.span.lines() <= options.max_lines.max(1), "{} lines", piece.span.lines());
        assert_eq!((start_line, end_line), (line_of(bytes.start), line_of(bytes.end - 1)));
        let before = &text[..bytes.start];
        let after = &text[bytes.end..];
        let aligned = (before.is_empty() || before.ends_with('\n'))
            && (after.is_empty() || after.starts_with('\n') || after.starts_with("\r\n") || after == "\r");
        assert!(aligned || start_line == end_line, "{bytes:?} is not of whole lines");
        assert!(piece.symbol.is_none_or(|at| {
            let symbol = parsed.symbols.get(at as usize).map(|symbol| symbol.span);
            // It may also begin below a passage that is its comment.
            symbol.is_some_and(|span| span.end_byte > piece.span.start_byte)
        }));
        end = bytes.end;
    }
    assert!(text[end..].trim().is_empty(), "left out {:?}", &text[end..]);
    for symbol in &parsed.symbols {
        assert!(!symbol.name.is_empty() && text.get(symbol.span.bytes()).is_some());
        assert_eq!(symbol.span.start_line, line_of(symbol.span.start_byte as usize));
        assert!(symbol.span.start_line <= symbol.span.end_line && symbol.span.end_line as usize <= line_starts.len());
    }
    assert!(parsed.symbols.is_sorted_by_key(|symbol| symbol.span.start_byte));
    assert!(parsed.comments.is_sorted_by_key(|bytes| bytes.start));
    for bytes in &parsed.comments {
        assert!(text.get(bytes.start as usize..bytes.end as usize).is_some_and(|comment| !comment.is_empty()));
    }
    assert!(parsed.references.iter().all(|used| used.line >= 1 && used.line as usize <= line_starts.len()));
}
