use nootropic_core::{Span, Symbol, SymbolKind};

use super::{Signature, signature};

fn of(text: &str, name: &str, kind: SymbolKind, language: &str, longest: usize) -> Signature {
    let at = text.find(name).unwrap();
    let start = text[..at].rfind("\n\n").map_or(0, |i| i + 2);
    let line = 1 + text[..start].matches('\n').count() as u32;
    let span = Span {
        start_line: line,
        end_line: line + text[start..].trim_end().matches('\n').count() as u32,
        start_byte: start as u32,
        end_byte: text.len() as u32,
    };
    signature(text, &Symbol { name: name.into(), kind, span, container: None }, Some(language), longest)
}

#[test]
fn heads_end_where_bodies_begin() {
    use SymbolKind as K;
    for (text, name, kind, language, head) in [
        (
            "pub fn open(path: &Path) -> Result<Self> {\n    x()\n}",
            "open",
            K::Function,
            "rust",
            "pub fn open(path: &Path) -> Result<Self>",
        ),
        (
            "pub fn spawn<F>(\n    &self,\n    task: F, // to run\n) -> JoinHandle<F::Output>\nwhere\n    F: Future,\n{\n}",
            "spawn",
            K::Method,
            "rust",
            "pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>",
        ),
        ("#[derive(Debug)]\npub struct Id(u32);", "Id", K::Struct, "rust", "pub struct Id(u32)"),
        ("pub const MAX: usize = 511;", "MAX", K::Constant, "rust", "pub const MAX: usize = 511"),
        ("static TABLE: [u8; 3] = [\n  1, 2, 3\n];", "TABLE", K::Constant, "rust", "static TABLE: [u8; 3]"),
        ("impl<T> Drop for Guard<'_, T> {\n}", "Guard", K::Impl, "rust", "impl<T> Drop for Guard<'_, T>"),
        (
            "def run(self, *, at: str = 'a:b (c') -> dict:  # go\n    pass",
            "run",
            K::Function,
            "python",
            "def run(self, *, at: str = 'a:b (c') -> dict",
        ),
        ("class App(Base):\n    x = 1", "App", K::Class, "python", "class App(Base)"),
        (
            "func (c *Context) Get(key string) (value any, ok bool) {\n}",
            "Get",
            K::Method,
            "go",
            "func (c *Context) Get(key string) (value any, ok bool)",
        ),
        ("func Any(x interface{}) interface{} {\n}", "Any", K::Function, "go", "func Any(x interface{}) interface{}"),
        (
            "@Override\n@Named(\"x{\") public void close() throws IOException {\n}",
            "close",
            K::Method,
            "java",
            "public void close() throws IOException",
        ),
        ("static int\ngrow(struct buf *b)\n{\n}", "grow", K::Function, "c", "static int grow(struct buf *b)"),
        (
            "export const load = async (id: string) => {\n}",
            "load",
            K::Function,
            "typescript",
            "export const load = async (id: string)",
        ),
        ("export type Shape = {\n  a: number\n}", "Shape", K::Type, "typescript", "export type Shape"),
        ("def call(env)\n  run\nend", "call", K::Method, "ruby", "def call(env)"),
        ("def render(conn, opts) do\n  x\nend", "render", K::Function, "elixir", "def render(conn, opts)"),
        (
            "#if A\ninternal\n#else\npublic\n#endif\nstatic class Code\n{\n}",
            "Code",
            K::Class,
            "csharp",
            "public static class Code",
        ),
        (
            "#define MAX(a, b) ((a) > (b) ? (a) : (b))",
            "MAX",
            K::Macro,
            "c",
            "#define MAX(a, b) ((a) > (b) ? (a) : (b))",
        ),
        (
            "export interface Box<\n  A = any,\n  B = A\n> extends Base {\n}",
            "Box",
            K::Interface,
            "typescript",
            "export interface Box<A = any, B = A> extends Base",
        ),
        ("fun area(): Int = 3", "area", K::Function, "kotlin", "fun area(): Int"),
        ("## Größe: ein Überblick\n\ntext", "Größe", K::Heading, "markdown", "## Größe: ein Überblick"),
    ] {
        assert_eq!(of(text, name, kind, language, 200).text, head, "{text}");
    }
}

#[test]
fn long_parameters_are_cut_before_the_result() {
    let text = "fn all(first: usize, second: usize, third: usize, fourth: usize) -> Result<Vec<String>> {}";
    assert_eq!(
        of(text, "all", SymbolKind::Function, "rust", 60).text,
        "fn all(first: usize, …) -> Result<Vec<String>>"
    );
    let text = format!("class {} {{}}", "Ä".repeat(90));
    let cut = of(&text, "Ä", SymbolKind::Class, "java", 40).text;
    assert_eq!(cut.chars().count(), 40);
    assert!(cut.ends_with('…'));
}

#[test]
fn lines_are_those_of_the_head() {
    let text = "#[inline]\nfn wide(\n    a: u8,\n) -> u8 {\n    a\n}\n";
    let found = of(text, "wide", SymbolKind::Function, "rust", 80);
    assert_eq!((found.first_line, found.last_line), (2, 4));
}

#[test]
fn any_bytes_are_read_without_harm() {
    for text in ["", "(", "@", "@x(", "#[", "/*", "\"", "'", "fn ü(\u{1F600}", "[a", "{{{{", ")))", "// x"] {
        for kind in SymbolKind::ALL {
            for language in ["rust", "python", "elixir", "go"] {
                let span = Span { start_line: 1, end_line: 1, start_byte: 0, end_byte: 99 };
                let symbol = Symbol { name: "x".into(), kind, span, container: None };
                signature(text, &symbol, Some(language), 3);
            }
        }
    }
}
