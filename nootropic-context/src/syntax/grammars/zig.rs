//! Zig, where a type is a value given to a constant.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Named, Seen, Spec, named, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        named(&["function_declaration"], "name", Kind::Function),
        with(&["variable_declaration"], variable),
        with(&["test_declaration"], test),
    ],
    uses: &[("call_expression", At::Field("function"))],
    field_scopes: &[("identifier", "type"), ("identifier", "ok")],
    scopes: &["pointer_type", "nullable_type", "slice_type"],
    identifiers: &["identifier"],
    tails: &[("field_expression", At::Field("member"))],
    comments: &["comment"],
    ..Spec::NONE
};

fn variable<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let mut cursor = seen.node.walk();
    let mut children = seen.node.named_children(&mut cursor);
    let name = children.find(|child| child.kind() == "identifier")?;
    let kind = match children.last().map(|value| value.kind()).unwrap_or_default() {
        "struct_declaration" | "opaque_declaration" | "union_declaration" => Kind::Struct,
        "enum_declaration" | "error_set_declaration" => Kind::Enum,
        // An import is a use.
        "builtin_function" if seen.text_of(seen.node).contains("@import(") => return None,
        _ => {
            let before = seen.text.get(seen.node.start_byte()..name.start_byte()).unwrap_or_default();
            if before.split_whitespace().any(|word| word == "const") { Kind::Constant } else { Kind::Variable }
        }
    };
    Named::new(seen, name, kind)
}

fn test<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let name = seen.node.named_child(0).filter(|name| matches!(name.kind(), "string" | "identifier"))?;
    Named::new(seen, name, Kind::Function)
}
