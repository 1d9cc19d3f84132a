//! Kotlin. One node kind stands for classes, interfaces and enums.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Named, Seen, Spec, named, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        with(&["class_declaration"], class),
        named(&["object_declaration"], "name", Kind::Class),
        with(&["companion_object"], companion),
        named(&["function_declaration"], "name", Kind::Function),
        with(&["secondary_constructor"], constructor),
        with(&["property_declaration"], property),
        named(&["type_alias"], "type", Kind::Type),
    ],
    uses: &[("call_expression", At::First), ("import", At::First)],
    scopes: &["user_type"],
    identifiers: &["identifier"],
    tails: &[("navigation_expression", At::Last), ("qualified_identifier", At::Last)],
    comments: &["line_comment", "block_comment"],
    ..Spec::NONE
};

fn class<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let name = seen.field("name")?;
    let before = seen.text.get(seen.node.start_byte()..name.start_byte()).unwrap_or_default();
    let kind = match before.split_whitespace().rev().find(|word| matches!(*word, "interface" | "enum")) {
        Some("interface") => Kind::Interface,
        Some(_) => Kind::Enum,
        None => Kind::Class,
    };
    Named::new(seen, name, kind)
}

fn companion<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    match seen.field("name") {
        Some(name) => Named::new(seen, name, Kind::Class),
        None => Some(Named::fixed(seen, "Companion", Kind::Class)),
    }
}

fn constructor<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    Some(Named::fixed(seen, "constructor", Kind::Method))
}

fn property<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let mut cursor = seen.node.walk();
    let variable = seen.node.named_children(&mut cursor).find(|child| child.kind() == "variable_declaration")?;
    let mut cursor = variable.walk();
    let name = variable.named_children(&mut cursor).find(|child| child.kind() == "identifier")?;
    let before = seen.text.get(seen.node.start_byte()..name.start_byte()).unwrap_or_default();
    let constant = before.split_whitespace().any(|word| word == "const");
    Named::new(seen, name, if constant { Kind::Constant } else { Kind::Variable })
}
