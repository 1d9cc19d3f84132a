//! Text made to break parsers: deep, endless, torn.

use super::*;
use crate::scale::at_most;

/// Cuts `text` as a file of every language; no answer may break the rules, nothing may overflow the stack.
fn survive(text: &str) {
    for (_, path, _) in SAMPLES {
        survive_as(path, text);
    }
}

fn survive_as(path: &str, text: &str) {
    let options = ChunkOptions { max_parse_time: Duration::from_millis(50), ..ChunkOptions::default() };
    check_pieces(text, &parse(path, text, &options), &options);
}

#[test]
fn deep_nesting() {
    let depth = at_most(10_000);
    for open in ["(", "[", "{", "<", "((", "[{", "{(", "a(", "- ", "> ", "\"${", "`${", "#{", "<<", "!", "-", "*", "&"]
    {
        survive(&open.repeat(depth));
    }
    for (open, close) in [("(", ")"), ("[", "]"), ("{", "}"), ("f(", ")"), ("{\n", "}\n")] {
        survive(&format!("{}x{}", open.repeat(depth), close.repeat(depth)));
    }
}

#[test]
fn deep_nesting_in_each_languages_own_words() {
    let cases = [
        ("a.rs", "mod a { ", "}"),
        ("a.rs", "fn f() { ", "}"),
        ("a.rs", "impl A { fn f() { ", "}}"),
        ("a.ts", "class A { m() { return ", "}}"),
        ("a.ts", "namespace A { ", "}"),
        ("a.tsx", "<A>", "</A>"),
        ("a.js", "function f() { ", "}"),
        ("a.js", "const f = () => ", "1"),
        ("a.js", "x = { a: function () { ", "}}"),
        ("a.go", "func f() { func() { ", "}}"),
        ("a.java", "class A { ", "}"),
        ("a.c", "struct a { ", "};"),
        ("a.c", "#if A\n", "#endif\n"),
        ("a.cpp", "namespace a { ", "}"),
        ("a.cpp", "template <", ">"),
        ("a.cs", "namespace A { ", "}"),
        ("a.rb", "module A\n", "end\n"),
        ("a.rb", "def f; ", "end;"),
        ("a.php", "<?php function f() { ", "}"),
        ("a.php", "<?php if (1) { ?>", "<?php } ?>"),
        ("a.swift", "class A { ", "}"),
        ("a.kt", "class A { ", "}"),
        ("a.scala", "object A { ", "}"),
        ("a.ex", "defmodule A do\n", "end\n"),
        ("a.ex", "def f(x) do\n", "end\n"),
        ("a.hs", "f = let x = ", " in x"),
        ("a.lua", "function f()\n", "end\n"),
        ("a.zig", "const A = struct { ", "};"),
        ("a.sh", "if true; then\n", "fi\n"),
        ("a.sh", "$(", ")"),
        ("a.toml", "a = [", "]"),
        ("a.yaml", "- ", ""),
        ("a.json", "{\"a\": [", "]}"),
        ("a.md", "> - ", ""),
    ];
    let depth = at_most(10_000);
    for (path, open, close) in cases {
        let text = format!("{}{}", open.repeat(depth), close.repeat(depth));
        survive_as(path, &text);
        survive_as(path, &open.repeat(depth));
    }
}

#[test]
fn deep_indentation() {
    for (path, line) in
        [("a.py", "if x:"), ("a.py", "class A:"), ("a.yaml", "a:"), ("a.scala", "object A:"), ("a.hs", "where x = do")]
    {
        let text: String = (0..1_000).map(|depth| format!("{}{line}\n", " ".repeat(depth))).collect();
        survive_as(path, &text);
    }
}

#[test]
fn one_character_for_ever() {
    for byte in [
        "a", " ", "\n", "\t", "\r", "\0", "\"", "'", "`", "#", "/", "\\", "=", "*", "|", ":", ";", ",", ".", "é",
        "\u{feff}",
    ] {
        survive(&byte.repeat(at_most(20_000)));
    }
    // The size where a text is no longer parsed.
    for (_, path, _) in SAMPLES {
        survive_as(path, &"a".repeat(1 << 20));
    }
}

#[test]
fn what_is_never_closed() {
    for open in [
        "\"",
        "'",
        "`",
        "\"\"\"",
        "'''",
        "/*",
        "{-",
        "<!--",
        "--[[",
        "r#\"",
        "R\"(",
        "<<EOF\n",
        "%{",
        "~s\"\"\"",
        "@doc \"\"\"\n",
    ] {
        survive(&format!("{open}{}", "some words\n".repeat(500)));
    }
}

#[test]
fn bytes_that_are_no_text() {
    survive("\0\u{1}\u{2}fn f\0() {}\n\0");
    survive(&"fn\0def\u{85}\u{2028}class\u{200b}\n".repeat(200));
    survive("\u{feff}\u{feff}x\r\r\n\ry");
}

#[test]
fn torn_samples() {
    for (_, path, text) in SAMPLES {
        for part in [3, 2] {
            let mut cut = text.len() / part;
            while !text.is_char_boundary(cut) {
                cut += 1;
            }
            survive_as(path, &text[..cut]);
            survive_as(path, &text[cut..]);
            survive_as(path, &format!("{}{}", &text[cut..], &text[..cut]));
        }
        for (_, other, _) in SAMPLES {
            survive_as(other, text);
        }
    }
}

/// What macros are given is parsed again: never more often than the text bears.
#[test]
fn macros_in_macros_for_ever() {
    let nested = |open: &str, close: &str, times: usize| format!("{}{}", open.repeat(times), close.repeat(times));
    for (open, close) in [
        ("a! {", "}"),
        ("a! { fn f() {} ", "}"),
        ("a! { struct A: u8 { const B = 1; } ", "}"),
        ("a! { mod a { ", "} }"),
        ("a! { fn f( ", "}"),
        ("a! { { fn ", "} }"),
        ("a! { fn f() {} let a = 1; ", "}"),
    ] {
        survive_as("a.rs", &nested(open, close, 10_000));
        survive_as("a.rs", &open.repeat(10_000));
        survive_as("a.rs", &nested(open, close, 10).repeat(1_000));
        survive_as("a.rs", &nested(open, close, 1).repeat(10_000));
    }
    for inside in ["fn f() {}", "struct A: u8 {}", "}", "\"", "r#\"", "/*", "// é", "fn é\0", "$", "#", "'"] {
        survive_as("a.rs", &format!("a! {{ fn g() {{}} {inside} }}\nfn h() {{}}\n").repeat(50));
    }
}

/// However much is nested, the first parse and what may follow it end in a time that grows with the text.
#[test]
fn only_so_much_is_parsed_again() {
    let options = ChunkOptions { max_parse_time: Duration::from_secs(600), ..ChunkOptions::default() };
    let text = format!("{}{}", "a! { fn f() {} ".repeat(2_000), "}".repeat(2_000));
    let parsed = parse("a.rs", &text, &options);
    check_pieces(&text, &parsed, &options);
    assert!((1..=8).contains(&parsed.symbols.len()), "{}", parsed.symbols.len());
    let text = "a! { fn f() {} }\n".repeat(2_000);
    let parsed = parse("a.rs", &text, &options);
    check_pieces(&text, &parsed, &options);
    assert_eq!(parsed.symbols.len(), 1_024);
}

#[test]
fn counts_are_capped() {
    let options = ChunkOptions { max_parse_time: Duration::from_secs(600), ..ChunkOptions::default() };
    let parsed = parse("a.js", &"\nfirst(second());".repeat(3_000), &options);
    assert_eq!(parsed.references.len(), 4_096);
    let parsed = parse("a.js", &"const a = 1;\n".repeat(20_000), &options);
    assert_eq!(parsed.symbols.len(), 16_384);
    let parsed = parse("a.json", &format!("{{{}}}", "\"a\": 1,\n".repeat(2_000)), &options);
    assert_eq!(parsed.symbols.len(), 512);
}

/// A scanner once looked for the end of this word for ever.
#[test]
fn kotlin_may_end_in_an_annotation() {
    survive_as("a.kt", "package a\n\nconst val A = 1\n\n@Seri");
    survive_as("a.kt", "class A {\n    val a: Int = 1\n    @Get(x");
}

/// Each of these once ended the process inside a grammar's scanner.
#[test]
fn texts_that_scanners_cannot_bear_are_not_parsed() {
    let steps = |line: &str| (0..600).map(|depth| format!("{}{line}\n", " ".repeat(depth))).collect::<String>();
    let cases = [
        ("a.py", format!("{}{}x = f\"{{y}}\"\n", steps("if x:"), " ".repeat(600))),
        ("a.yaml", steps("a:")),
        ("a.yaml", "- ".repeat(600)),
        ("a.yaml", format!("{}{}", steps("a:")[..10_000].to_owned(), "? ".repeat(300))),
        ("a.rb", format!("x = <<{}\nbody\n", "A".repeat(300))),
        ("a.rb", format!("x = <<~\"{}\"\nbody\n", "A b\n".repeat(100))),
        ("a.rb", "\"#{".repeat(300)),
    ];
    for (path, text) in cases {
        let parsed = parse(path, &text, &ChunkOptions::default());
        check_pieces(&text, &parsed, &ChunkOptions::default());
        assert!(parsed.truncated_parse, "{path}");
    }
}

/// A description may only name what its grammar has.
#[test]
fn descriptions_fit_their_grammars() {
    for language in Language::ALL {
        let (grammar, spec) = grammars::grammar(language);
        let known: std::collections::HashSet<&str> = (0..grammar.node_kind_count() as u16)
            .filter(|id| grammar.node_kind_is_named(*id))
            .filter_map(|id| grammar.node_kind_for_id(id))
            .collect();
        for kind in spec.kinds() {
            assert!(known.contains(kind), "{language} has no node {kind}");
        }
        for field in spec.fields() {
            assert!(grammar.field_id_for_name(field).is_some(), "{language} has no field {field}");
        }
    }
}
