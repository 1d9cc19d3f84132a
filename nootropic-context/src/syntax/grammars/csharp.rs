//! C#. Types are plain identifiers, told apart by the field they stand in.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Named, Seen, Spec, named, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        with(&["namespace_declaration", "file_scoped_namespace_declaration"], namespace),
        named(&["class_declaration"], "name", Kind::Class),
        named(&["struct_declaration", "record_declaration"], "name", Kind::Struct),
        named(&["interface_declaration"], "name", Kind::Interface),
        named(&["enum_declaration"], "name", Kind::Enum),
        named(&["delegate_declaration"], "name", Kind::Type),
        named(&["method_declaration", "constructor_declaration", "destructor_declaration"], "name", Kind::Method),
        named(&["local_function_statement"], "name", Kind::Function),
        named(&["property_declaration", "event_declaration"], "name", Kind::Field),
        with(&["variable_declarator"], field),
    ],
    uses: &[
        ("invocation_expression", At::Field("function")),
        ("generic_name", At::First),
        ("attribute", At::Field("name")),
        ("using_directive", At::Last),
    ],
    scopes: &["base_list", "type_argument_list", "type_parameter_constraints_clause"],
    field_scopes: &[("identifier", "type"), ("identifier", "returns")],
    identifiers: &["identifier"],
    tails: &[
        ("member_access_expression", At::Field("name")),
        ("conditional_access_expression", At::Last),
        ("member_binding_expression", At::Field("name")),
        ("generic_name", At::First),
        ("qualified_name", At::Field("name")),
        ("alias_qualified_name", At::Field("name")),
    ],
    comments: &["comment"],
    keywords: &["nameof"],
    ..Spec::NONE
};

fn namespace<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    Named::dotted(seen, seen.field("name")?, Kind::Module)
}

fn field<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let declaration = seen.ancestor(2)?;
    if !matches!(declaration.kind(), "field_declaration" | "event_field_declaration") {
        return None;
    }
    let before = seen.text.get(declaration.start_byte()..seen.node.start_byte()).unwrap_or_default();
    let constant = before.split_whitespace().any(|word| word == "const");
    Named::new(seen, seen.field("name")?, if constant { Kind::Constant } else { Kind::Field })
}
