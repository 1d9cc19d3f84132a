//! Where texts are cut.

use super::*;

fn lines_of(path: &str, text: &str) -> Vec<(u32, u32)> {
    let parsed = parse(path, text, &ChunkOptions::default());
    check_pieces(text, &parsed, &ChunkOptions::default());
    parsed.pieces.iter().map(|piece| (piece.span.start_line, piece.span.end_line)).collect()
}

#[test]
fn samples_are_covered_under_any_limits() {
    for (_, path, text) in SAMPLES {
        for (max_lines, max_bytes, ideal_lines) in [(40, 3_200, 20), (1, 4, 1), (3, 60, 50), (10, 200, 5), (0, 0, 0)] {
            let options = ChunkOptions { max_lines, max_bytes, ideal_lines, ..ChunkOptions::default() };
            for text in
                [text.to_owned(), text.replace('\n', "\r\n"), text.trim_end().to_owned(), format!("\u{feff}{text}")]
            {
                check_pieces(&text, &parse(path, &text, &options), &options);
            }
        }
    }
}

#[test]
fn text_is_cut_at_blank_lines() {
    let paragraph = "some words of text\n".repeat(15);
    let text = format!("{paragraph}\n{paragraph}\n\n{paragraph}");
    assert_eq!(lines_of("notes.txt", &text), [(1, 15), (17, 31), (34, 48)]);
}

#[test]
fn small_paragraphs_are_merged() {
    let text = "one\n\ntwo\n\nthree\n";
    assert_eq!(lines_of("notes.txt", text), [(1, 5)]);
}

#[test]
fn nothing_is_cut_from_nothing() {
    for text in ["", "\n", "  \t \r\n\n\u{3000}\n", "\u{feff}"] {
        let parsed = parse("a.txt", text, &ChunkOptions::default());
        check_pieces(text, &parsed, &ChunkOptions::default());
    }
    assert_eq!(parse("a.rs", " \n \n", &ChunkOptions::default()).pieces, []);
}

#[test]
fn a_monstrous_line_is_cut_at_characters() {
    for line in ["x".repeat(20_000), "é".repeat(10_000), "a b; ".repeat(4_000), "\u{1f600}".repeat(5_000)] {
        let text = format!("first\n{line}\nlast\n");
        for path in ["a.txt", "a.js"] {
            let parsed = parse(path, &text, &ChunkOptions::default());
            check_pieces(&text, &parsed, &ChunkOptions::default());
            assert!(parsed.pieces.len() >= text.len() / 3_200);
        }
    }
}

#[test]
fn large_texts_are_cut_as_text_and_say_so() {
    let options = ChunkOptions { max_parse_bytes: 100, ..ChunkOptions::default() };
    let text = "fn f() {}\n".repeat(20);
    let parsed = parse("a.rs", &text, &options);
    check_pieces(&text, &parsed, &options);
    assert_eq!(parsed.truncated_parse, cfg!(feature = "languages"));
    assert_eq!((parsed.language, parsed.symbols.len()), (Some(Language::Rust), 0));
}

#[cfg(feature = "languages")]
#[test]
fn text_that_takes_too_long_to_parse_is_cut_as_text() {
    let text = "fn f() { g(1, 2, 3); }\n".repeat(5_000);
    let options = ChunkOptions { max_parse_time: Duration::ZERO, ..ChunkOptions::default() };
    let parsed = parse("a.rs", &text, &options);
    check_pieces(&text, &parsed, &options);
    assert!(parsed.truncated_parse && parsed.symbols.is_empty());
    // The next text is parsed from its own beginning.
    let parsed = parse("a.rs", "fn next() {}\n", &ChunkOptions::default());
    assert_eq!(parsed.symbols.first().map(|symbol| symbol.name.as_str()), Some("next"));
}

#[cfg(feature = "languages")]
mod by_syntax {
    use super::*;

    /// The passages and what each is named by.
    fn named(path: &str, text: &str) -> Vec<(u32, u32, String)> {
        let parsed = parse(path, text, &ChunkOptions::default());
        check_pieces(text, &parsed, &ChunkOptions::default());
        let name = |piece: &Piece| piece.symbol.map_or("", |at| &parsed.symbols[at as usize].name).to_owned();
        parsed.pieces.iter().map(|piece| (piece.span.start_line, piece.span.end_line, name(piece))).collect()
    }

    fn function(name: &str, lines: usize) -> String {
        format!("/// Says what.\n#[inline]\nfn {name}() {{\n{}}}\n", "    work();\n".repeat(lines))
    }

    #[test]
    fn a_definition_stays_whole_with_its_comment_and_attributes() {
        let text = format!("{}\n{}\n{}", function("one", 14), function("two", 30), function("three", 14));
        let expected = [(1, 18, "one"), (20, 53, "two"), (55, 72, "three")];
        assert_eq!(named("a.rs", &text), expected.map(|(first, last, name)| (first, last, name.to_owned())));
    }

    #[test]
    fn a_comment_is_named_by_what_it_belongs_to() {
        let text = format!("{}{}", "/// Says what.\n".repeat(50), function("documented", 30));
        let names: Vec<_> = named("a.rs", &text).into_iter().map(|(.., name)| name).collect();
        assert!(names.len() > 1 && names.iter().all(|name| name == "documented"), "{names:?}");
    }

    #[test]
    fn a_long_function_is_cut_between_statements() {
        let step = "    if ready() {\n        for each in all() {\n            work(each);\n        }\n    }\n";
        let text = format!("fn long() {{\n{}}}\n", step.repeat(16));
        for (first, last, name) in named("a.rs", &text) {
            assert_eq!(name, "long");
            assert!(first == 1 || (first - 2) % 5 == 0, "cut before line {first}, inside a statement");
            assert!(last == 82 || (last - 1) % 5 == 0, "cut after line {last}, inside a statement");
        }
    }

    #[test]
    fn methods_name_the_passages_of_a_class_and_its_head_stays_with_the_first() {
        let method = |name: &str| format!("    def {name}(self):\n{}\n", "        work()\n".repeat(17));
        let text = format!("class Big:\n    \"\"\"Doc.\"\"\"\n\n{}{}{}", method("one"), method("two"), method("three"));
        let expected = [(1, 21, "Big"), (23, 40, "two"), (42, 59, "three")];
        assert_eq!(named("a.py", &text), expected.map(|(first, last, name)| (first, last, name.to_owned())));
    }

    #[test]
    fn markdown_is_cut_at_headings() {
        let section = |name: &str| format!("## {name}\n\n{}\n", "Words.\n".repeat(16));
        let text = format!("# Top\n\n{}{}{}", section("One"), section("Two"), section("Three"));
        let expected = [(1, 20, "Top"), (22, 39, "Two"), (41, 58, "Three")];
        assert_eq!(named("a.md", &text), expected.map(|(first, last, name)| (first, last, name.to_owned())));
    }

    #[test]
    fn text_with_syntax_errors_is_still_understood() {
        let text = "fn broken( {\n\nstruct Found { a: u8 }\n\n@@@@ %%%\n\nfn also_found() { helper() }\n";
        let parsed = parse("a.rs", text, &ChunkOptions::default());
        check_pieces(text, &parsed, &ChunkOptions::default());
        assert!(parsed.symbols.iter().any(|symbol| symbol.name == "also_found"));
    }

    #[test]
    fn macros_do_not_hide_cpp_definitions() {
        let text = "#ifndef A_H\n#define A_H\nBEGIN_SPACE\nnamespace a {\nclass A_API Pool : Base {\n  A_API void drain();\n};\n\
                    A_EXPORT template <typename T> class Map {\n};\n}\nEND_SPACE\nTEST(pool, drains) {\n}\n#endif\n";
        let parsed = parse("a.h", text, &ChunkOptions::default());
        let symbols: Vec<_> = parsed.symbols.iter().map(|symbol| symbol.name.as_str()).collect();
        assert_eq!(symbols, ["a", "Pool", "drain", "Map", "drains"]);
    }
}
