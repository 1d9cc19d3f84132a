//! PHP.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Named, Seen, Spec, named, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        with(&["namespace_definition"], namespace),
        named(&["class_declaration"], "name", Kind::Class),
        named(&["interface_declaration"], "name", Kind::Interface),
        named(&["trait_declaration"], "name", Kind::Trait),
        named(&["enum_declaration"], "name", Kind::Enum),
        named(&["function_definition"], "name", Kind::Function),
        named(&["method_declaration"], "name", Kind::Method),
        named(&["property_element"], "name", Kind::Field),
        with(&["const_element"], constant),
    ],
    uses: &[
        ("function_call_expression", At::Field("function")),
        ("member_call_expression", At::Field("name")),
        ("nullsafe_member_call_expression", At::Field("name")),
        ("scoped_call_expression", At::Field("name")),
        ("scoped_call_expression", At::Field("scope")),
        ("class_constant_access_expression", At::First),
        ("object_creation_expression", At::First),
        ("namespace_use_clause", At::First),
        ("named_type", At::First),
        ("attribute", At::First),
    ],
    scopes: &["base_clause", "class_interface_clause", "use_declaration"],
    identifiers: &["name"],
    tails: &[("qualified_name", At::Last), ("relative_name", At::Last), ("variable_name", At::First)],
    comments: &["comment"],
    keywords: &["self", "static", "parent"],
    ..Spec::NONE
};

fn namespace<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    Named::dotted(seen, seen.field("name")?, Kind::Module)
}

fn constant<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    Named::new(seen, seen.node.named_child(0)?, Kind::Constant)
}
