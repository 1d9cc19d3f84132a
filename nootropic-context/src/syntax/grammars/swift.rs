//! Swift. One node kind stands for classes, structs, enums, actors and extensions.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Named, Seen, Spec, named, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        with(&["class_declaration"], class),
        named(&["protocol_declaration"], "name", Kind::Interface),
        named(&["function_declaration", "protocol_function_declaration"], "name", Kind::Function),
        with(&["init_declaration", "deinit_declaration", "subscript_declaration"], special),
        with(&["property_declaration"], property),
        named(&["protocol_property_declaration"], "name", Kind::Field),
        named(&["typealias_declaration", "associatedtype_declaration"], "name", Kind::Type),
        with(&["macro_declaration"], macro_),
    ],
    uses: &[
        ("call_expression", At::First),
        ("import_declaration", At::Last),
        ("attribute", At::First),
        ("macro_invocation", At::First),
    ],
    names: &["type_identifier"],
    tails: &[
        ("navigation_expression", At::Field("suffix")),
        ("navigation_suffix", At::Field("suffix")),
        ("identifier", At::Last),
        ("user_type", At::Last),
        ("pattern", At::Field("bound_identifier")),
    ],
    comments: &["comment", "multiline_comment"],
    ..Spec::NONE
};

fn class<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let kind = match seen.field("declaration_kind").map(|kind| kind.kind()).unwrap_or_default() {
        "struct" => Kind::Struct,
        "enum" => Kind::Enum,
        "extension" => Kind::Impl,
        _ => Kind::Class,
    };
    let name = seen.field("name")?;
    // `extension Array<Int>`: the type's own name is the first one.
    let name = name.named_child(0).filter(|_| name.kind() == "user_type").unwrap_or(name);
    Named::new(seen, name, kind)
}

fn special<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let name = match seen.node.kind() {
        "init_declaration" => "init",
        "deinit_declaration" => "deinit",
        _ => "subscript",
    };
    Some(Named::fixed(seen, name, Kind::Method))
}

fn property<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let name = seen.field("name")?;
    let before = seen.text.get(seen.node.start_byte()..name.start_byte()).unwrap_or_default();
    let constant = before.split_whitespace().any(|word| word == "let");
    let top = seen.above.len() <= 1;
    Named::new(seen, name, if top && constant { Kind::Constant } else { Kind::Variable })
}

fn macro_<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let mut cursor = seen.node.walk();
    let name = seen.node.named_children(&mut cursor).find(|child| child.kind() == "simple_identifier")?;
    Named::new(seen, name, Kind::Macro)
}
