//! What is taken out of Rust items that macros wrap.

use super::symbols::check;
use super::*;

/// Every definition of a Rust text, as `container.name`.
fn names(text: &str) -> Vec<String> {
    let parsed = parse("a.rs", text, &ChunkOptions::default());
    check_pieces(text, &parsed, &ChunkOptions::default());
    let name = |symbol: &Symbol| match &symbol.container {
        Some(container) => format!("{container}.{}", symbol.name),
        None => symbol.name.clone(),
    };
    parsed.symbols.iter().map(name).collect()
}

#[test]
fn items_in_a_macro_are_found_as_if_they_stood_beside_it() {
    let text = "//! Streams.
use crate::x;

cfg_net! {
    /// A stream — of bytes.
    #[derive(Debug)]
    pub struct Stream {
        io: Poll<Evented>,
    }

    impl Stream {
        // Once.
        pub fn open(at: &Address) -> Self {
            connect(at)
        }
    }
}

impl Close for Stream {
    cfg_unix! {
        fn close(&self) {
            shut_down()
        }
    }
}

mod sys {
    cfg_time! { pub(crate) mod driver; }
}
";
    check(
        "a.rs",
        text,
        "
        struct Stream 7-9
        impl Stream 11-16
        method Stream > open 13-15
        impl Stream 19-25
        method Stream > close 21-23
        module sys 27-29
        module sys > driver 28-28
        ",
        &["cfg_net 4", "Evented 8", "Address 13", "connect 14", "cfg_unix 20", "shut_down 22"],
        &["//! Streams.", "/// A stream — of bytes.", "// Once."],
    );
    let parsed = parse("a.rs", text, &ChunkOptions::default());
    let spans: Vec<&str> = parsed.symbols.iter().map(|symbol| &text[symbol.span.bytes()]).collect();
    assert!(spans[0].starts_with("pub struct Stream {") && spans[0].ends_with("io: Poll<Evented>,\n    }"));
    assert_eq!(spans[6], "pub(crate) mod driver;");
    // What stands in a function's body is no use by being there.
    assert!(!parsed.references.iter().any(|used| used.name == "at"));
}

#[test]
fn widely_used_macros() {
    let cases: [(&str, &[&str]); 8] = [
        ("pin_project! { pub struct X<T> where T: A { #[pin] inner: T, } }", &["X"]),
        (
            "pin_project! { #[project = P] enum X { A { #[pin] a: u8 } }\n impl PinnedDrop for X { fn drop(this: Pin<&mut Self>) { } } }",
            &["X", "X", "X.drop"],
        ),
        ("thread_local! { static A: Cell<u8> = const { Cell::new(0) };\n pub static B: u8 = 1 }", &["A", "B"]),
        ("lazy_static::lazy_static! { static ref A: Map = { let m = Map::new(); m }; }", &["A"]),
        (
            "cfg_if! { if #[cfg(unix)] { mod unix; fn f() {} } else if #[cfg(x)] { fn f() {} } else { mod other; } }",
            &["unix", "f", "f", "other"],
        ),
        (
            "proptest! { #[test] fn holds(a in 0..9u8, b in any::<u8>()) { let c = a.wrapping_add(b); assert_eq!(c.wrapping_sub(b), a); } }",
            &["holds"],
        ),
        ("doc! { macro_rules! select { ($a:expr) => { fn hidden() {} }; } }", &["select"]),
        ("variants! { stable: { pub fn now(&self) -> u8 { 1 } }, unstable: { pub fn then() {} } }", &["now", "then"]),
    ];
    for (text, expected) in cases {
        assert_eq!(names(text), expected, "{text}");
        assert_eq!(
            names(&format!("impl Y {{ fn a() {{}} }}\n{text}\nfn z() {{}}\n")).len(),
            expected.len() + 3,
            "{text}"
        );
    }
}

#[test]
fn definitions_that_are_not_quite_rust() {
    let text = "bitflags! {
    /// Doc.
    #[derive(Debug)]
    pub(crate) struct Flags: u32 {
        /// Read.
        const READ = 1 << 0;
        #[doc(hidden)]
        const BOTH = Self::READ.bits() | bitcast!(c::WRITE);
        const _ = !0;
    }

    struct Other: u8 {
        const READ = 1;
    }
}
";
    check(
        "a.rs",
        text,
        "
        struct Flags 4-10
        constant Flags > READ 6-6
        constant Flags > BOTH 8-8
        struct Other 12-14
        constant Other > READ 13-13
        ",
        &["bits 8", "WRITE 8"],
        &["/// Doc.", "/// Read."],
    );
    let parsed = parse("a.rs", text, &ChunkOptions::default());
    assert!(text[parsed.symbols[0].span.bytes()].starts_with("pub(crate) struct Flags: u32 {\n"));
    assert_eq!(&text[parsed.symbols[1].span.bytes()], "const READ = 1 << 0;");
}

#[test]
fn macros_in_macros() {
    assert_eq!(names("cfg_a! { fn a() {} cfg_b! { mod b { cfg_c! { cfg_d! { struct D; } } } } }"), ["a", "b", "b.D"]);
    assert_eq!(names("cfg_a! { cfg_b! { cfg_c! { struct C; } } }"), ["C"]);
}

#[test]
fn what_is_given_to_a_macro_need_not_be_items() {
    for text in [
        "forward_to_deserialize! { bool char struct identifier enum ignored_any }",
        "criterion_group! { name = benches; config = f(); targets = a, b }",
        "html! { <div class=\"const\">{ for x in y { fn } }</div> }",
        "rules! { a => const b; }",
        "map! { \"type\" => { type }, \"fn\" => { fn } }",
        "join!(struct A { a: u8 });",
        "const A: u8 = ",
        "define! { let a = 1; struct A; call(); let b = struct_of(a); }",
    ] {
        assert_eq!(names(&format!("{text}\n")), [""; 0], "{text}");
    }
    // A function's body is not outlined, whatever the macros in it say.
    assert_eq!(names("fn f() {\n    thread_local! { static A: u8 = 1; }\n    run! { fn g() {} }\n}\n"), ["f"]);
    assert_eq!(names("const A: u8 = build! { fn g() {} };\n"), ["A"]);
}

#[test]
fn passages_are_cut_at_the_items_of_a_macro() {
    let function =
        |name: &str| format!("    /// Says what.\n    fn {name}() {{\n{}    }}\n", "        work();\n".repeat(15));
    let text = format!("cfg_net! {{\n{}\n{}\n{}}}\n", function("one"), function("two"), function("three"));
    let parsed = parse("a.rs", &text, &ChunkOptions::default());
    check_pieces(&text, &parsed, &ChunkOptions::default());
    let named = |piece: &Piece| {
        let name = piece.symbol.map_or("", |at| &parsed.symbols[at as usize].name);
        (piece.span.start_line, piece.span.end_line, name)
    };
    let found: Vec<_> = parsed.pieces.iter().map(named).collect();
    assert_eq!(found, [(1, 19, "one"), (21, 38, "two"), (40, 58, "three")]);
}

#[test]
fn the_line_that_opens_a_macro_stays_with_its_first_item() {
    let function = |name: &str| format!("/// Says what.\nfn {name}() {{\n{}}}\n", "    work();\n".repeat(20));
    let text = format!("{}\ncfg_net! {{\n{}}}\n", function("one"), function("two"));
    let parsed = parse("a.rs", &text, &ChunkOptions::default());
    check_pieces(&text, &parsed, &ChunkOptions::default());
    let lines: Vec<_> = parsed.pieces.iter().map(|piece| (piece.span.start_line, piece.span.end_line)).collect();
    assert_eq!(lines, [(1, 23), (25, 49)]);
}

#[test]
fn items_in_a_macro_whatever_ends_the_lines() {
    let text = "cfg_net! {\n    /// Doc.\n    pub struct Stream {\n        io: u8,\n    }\n}\nfn after() {}\n";
    let places = |text: &str| -> Vec<(u32, u32)> {
        let parsed = parse("a.rs", text, &ChunkOptions::default());
        check_pieces(text, &parsed, &ChunkOptions::default());
        parsed.symbols.iter().map(|symbol| (symbol.span.start_line, symbol.span.end_line)).collect()
    };
    for text in [text.to_owned(), text.replace('\n', "\r\n"), text.trim_end().to_owned(), format!("\u{feff}{text}")] {
        assert_eq!(places(&text), [(3, 5), (7, 7)], "{text:?}");
    }
}
