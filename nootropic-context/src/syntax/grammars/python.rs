//! Python.

use std::ops::Range;

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Named, Seen, Spec, named, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        named(&["function_definition"], "name", Kind::Function),
        named(&["class_definition"], "name", Kind::Class),
        named(&["type_alias_statement"], "left", Kind::Type),
        with(&["assignment"], assignment),
    ],
    uses: &[("call", At::Field("function")), ("decorator", At::First)],
    scopes: &["import_statement", "import_from_statement", "type"],
    field_scopes: &[("argument_list", "superclasses")],
    identifiers: &["identifier"],
    tails: &[("attribute", At::Field("attribute")), ("call", At::Field("function"))],
    comments: &["comment"],
    leads: &["decorator"],
    docs: &[("module", docstring), ("block", docstring)],
    keywords: &["self", "cls", "super"],
    ..Spec::NONE
};

/// A name given a value by a module or a class itself.
fn assignment<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let home = match seen.above_kind(2) {
        "block" if seen.above_kind(3) == "class_definition" => Kind::Variable,
        "module" => Kind::Constant,
        _ => return None,
    };
    let left = seen.field("left").filter(|left| left.kind() == "identifier")?;
    let constant = seen.text_of(left).bytes().all(|byte| !byte.is_ascii_lowercase());
    let kind = if home == Kind::Constant && !constant { Kind::Variable } else { home };
    Named::new(seen, left, kind)
}

/// The string a module, class or function begins with.
fn docstring(seen: &Seen<'_, '_>) -> Option<Range<usize>> {
    let owned = matches!(seen.above_kind(1), "" | "function_definition" | "class_definition");
    let mut cursor = seen.node.walk();
    let first = seen.node.named_children(&mut cursor).find(|child| child.kind() != "comment").filter(|_| owned)?;
    let string = first.named_child(0).filter(|_| first.kind() == "expression_statement")?;
    (string.kind() == "string" && first.named_child_count() == 1).then(|| string.byte_range())
}
