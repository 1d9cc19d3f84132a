//! Rust. An `impl` block is named by its type, so that methods are found as `Type.method`.
//!
//! To the grammar a macro's arguments are bare tokens. Many crates wrap items in macros (`cfg_net! { pub struct … }`,
//! `pin_project! { … }`, `cfg_if! { if #[cfg(…)] { … } else { … } }`), so what stands in braces where items may stand is
//! parsed again, and taken as items if it reads as such. Where it does not (`bitflags! { struct Flags: u8 { … } }`),
//! definitions are taken from the tokens as far as they can be told.

use std::ops::Range;

use nootropic_core::SymbolKind as Kind;
use tree_sitter::{Node, Tree};

use crate::syntax::spec::{At, Bare, Loose, Seen, Spec, Table, named};

/// How many braces deep items may lie in what a macro is given.
const MAX_BRACES: usize = 4;
/// Words one of which stands in every item that defines something, but for `macro_rules`.
const ITEM_WORDS: &[&str] = &["const", "enum", "fn", "impl", "mod", "static", "struct", "trait", "type", "union"];
/// Of what is taken as items, at most one byte in so many may be something else.
const STRANGE: usize = 8;

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        named(&["function_item", "function_signature_item"], "name", Kind::Function),
        named(&["struct_item", "union_item"], "name", Kind::Struct),
        named(&["enum_item"], "name", Kind::Enum),
        named(&["trait_item"], "name", Kind::Trait),
        named(&["impl_item"], "type", Kind::Impl),
        named(&["type_item", "associated_type"], "name", Kind::Type),
        named(&["mod_item"], "name", Kind::Module),
        named(&["macro_definition"], "name", Kind::Macro),
        named(&["const_item", "static_item"], "name", Kind::Constant),
    ],
    uses: &[("call_expression", At::Field("function")), ("macro_invocation", At::Field("macro"))],
    names: &["type_identifier"],
    // A macro's arguments are bare tokens: whatever is named there is a use.
    scopes: &["use_declaration", "attribute_item", "token_tree"],
    identifiers: &["identifier"],
    tails: &[
        ("field_expression", At::Field("field")),
        ("scoped_identifier", At::Field("name")),
        ("scoped_type_identifier", At::Field("name")),
        ("generic_function", At::Field("function")),
        ("generic_type", At::Field("type")),
        ("reference_type", At::Field("type")),
    ],
    comments: &["line_comment", "block_comment"],
    leads: &["attribute_item"],
    keywords: &["Self", "std", "core", "alloc", "derive"],
    bare: &[("token_tree", Bare { bytes: item_tokens, fits: are_items, loose: loose_items })],
    ..Spec::NONE
};

/// What stands in braces, of a macro that stands where items do.
fn item_tokens(seen: &Seen<'_, '_>) -> Option<Range<usize>> {
    let braces = seen.text_of(seen.node);
    if !braces.starts_with('{') || !braces.ends_with('}') || braces.len() < 2 || !is_for_items(seen) {
        return None;
    }
    let begins_item = |token: Node<'_>| match token.kind() {
        "identifier" => seen.text_of(token) == "macro_rules",
        word => ITEM_WORDS.contains(&word),
    };
    let mut cursor = seen.node.walk();
    let items = seen.node.children(&mut cursor).any(begins_item);
    items.then(|| seen.node.start_byte() + 1..seen.node.start_byte() + braces.len() - 1)
}

fn is_for_items(seen: &Seen<'_, '_>) -> bool {
    let mut up = 1;
    while up < MAX_BRACES && seen.above_kind(up) == "token_tree" {
        up += 1;
    }
    if seen.above_kind(up) != "macro_invocation" {
        return false;
    }
    up += 1;
    if seen.above_kind(up) == "expression_statement" {
        up += 1;
    }
    matches!(seen.above_kind(up), "source_file" | "declaration_list")
}

/// Whether a tree is of items, some of which define something, and little else.
fn are_items(tree: &Tree, table: &Table) -> bool {
    let root = tree.root_node();
    let mut cursor = root.walk();
    let (mut defines, mut strange, mut all) = (false, 0usize, 0usize);
    for item in root.children(&mut cursor) {
        let bytes = item.byte_range().len();
        all += bytes;
        strange = strange.saturating_add(match item.kind() {
            "let_declaration" => bytes,
            "expression_statement" if item.named_child(0).is_none_or(|inner| inner.kind() != "macro_invocation") => {
                bytes
            }
            _ => {
                defines |= table.role(item.kind_id()).definition.is_some();
                errors(item)
            }
        });
    }
    defines && strange <= all / STRANGE
}

/// Bytes of a node that could not be understood. If one is a brace, nothing is certain: then all there can be.
fn errors(node: Node<'_>) -> usize {
    let mut bytes = 0;
    let mut cursor = node.walk();
    loop {
        let node = cursor.node();
        if node.is_error() {
            if node.children(&mut node.walk()).any(|token| matches!(token.kind(), "{" | "}")) {
                return usize::MAX;
            }
            bytes += node.byte_range().len();
        } else if node.has_error() && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return bytes;
            }
        }
    }
}

/// What tokens define that are not quite items, as `struct Flags: u8 { const READ = 1; }`.
fn loose_items(seen: &Seen<'_, '_>) -> Vec<Loose> {
    let mut found = Vec::new();
    let mut begun = Begun::default();
    let mut cursor = seen.node.walk();
    for token in seen.node.children(&mut cursor) {
        match token.kind() {
            "token_tree" if seen.text_of(token).starts_with('{') => {
                if let Some(item) = begun.end(token.end_byte(), None) {
                    let (name, kind) = (item.name.clone(), item.kind);
                    found.push(item);
                    if kind != Kind::Function {
                        constants(token, &name, &mut found);
                    }
                }
            }
            ";" => begun = Begun::default(),
            _ => begun.read(token, loose_kind(token.kind())),
        }
    }
    found
}

fn loose_kind(word: &str) -> Option<Kind> {
    Some(match word {
        "struct" | "union" => Kind::Struct,
        "enum" => Kind::Enum,
        "trait" => Kind::Trait,
        "fn" => Kind::Function,
        _ => return None,
    })
}

/// The constants between the braces of a loose item.
fn constants(braces: Node<'_>, owner: &Range<usize>, found: &mut Vec<Loose>) {
    let mut begun = Begun::default();
    let mut cursor = braces.walk();
    for token in braces.children(&mut cursor) {
        match token.kind() {
            ";" => found.extend(begun.end(token.end_byte(), Some(owner.clone()))),
            kind => begun.read(token, (kind == "const").then_some(Kind::Constant)),
        }
    }
}

/// A loose definition whose end was not read yet.
#[derive(Debug, Default)]
struct Begun {
    lead: Option<usize>,
    start: Option<usize>,
    kind: Option<Kind>,
    name: Option<Range<usize>>,
}

impl Begun {
    /// Goes on with a token; `kind` is what it begins a definition of.
    fn read(&mut self, token: Node<'_>, kind: Option<Kind>) {
        match token.kind() {
            "line_comment" | "block_comment" => {}
            _ if self.name.is_some() => {}
            "identifier" if self.kind.is_some() => self.name = Some(token.byte_range()),
            "#" if self.start.is_none() => self.lead = self.lead.or(Some(token.start_byte())),
            word => {
                // The name stands right after the word.
                self.kind = kind;
                if kind.is_some() || matches!(word, "pub" | "unsafe" | "const" | "async") {
                    self.start = self.start.or(Some(token.start_byte()));
                }
            }
        }
    }

    /// Ends it, and begins anew.
    fn end(&mut self, end: usize, owner: Option<Range<usize>>) -> Option<Loose> {
        let Self { lead, start, kind, name } = std::mem::take(self);
        let (start, kind, name) = (start?, kind?, name?);
        Some(Loose { name, kind, bytes: start..end, lead: lead.unwrap_or(start), owner })
    }
}
