//! Java.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Named, Seen, Spec, named, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        named(&["class_declaration"], "name", Kind::Class),
        named(&["record_declaration"], "name", Kind::Struct),
        named(&["interface_declaration", "annotation_type_declaration"], "name", Kind::Interface),
        named(&["enum_declaration"], "name", Kind::Enum),
        named(
            &[
                "method_declaration",
                "constructor_declaration",
                "compact_constructor_declaration",
                "annotation_type_element_declaration",
            ],
            "name",
            Kind::Method,
        ),
        with(&["variable_declarator"], field),
    ],
    uses: &[
        ("method_invocation", At::Field("name")),
        ("method_reference", At::Last),
        ("import_declaration", At::First),
        ("marker_annotation", At::Field("name")),
        ("annotation", At::Field("name")),
    ],
    names: &["type_identifier"],
    tails: &[("scoped_identifier", At::Field("name"))],
    comments: &["line_comment", "block_comment"],
    ..Spec::NONE
};

fn field<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let declaration = seen.ancestor(1).filter(|parent| parent.kind() == "field_declaration")?;
    let modifiers = declaration.named_child(0).filter(|first| first.kind() == "modifiers");
    let modifiers = modifiers.map(|modifiers| seen.text_of(modifiers)).unwrap_or_default();
    let constant = modifiers.contains("static") && modifiers.contains("final");
    Named::new(seen, seen.field("name")?, if constant { Kind::Constant } else { Kind::Field })
}
