//! Scala 2 and 3.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Spec, named};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        named(&["class_definition", "object_definition", "package_object"], "name", Kind::Class),
        named(&["trait_definition"], "name", Kind::Trait),
        named(&["enum_definition"], "name", Kind::Enum),
        named(&["function_definition", "function_declaration"], "name", Kind::Function),
        named(&["val_definition", "var_definition"], "pattern", Kind::Variable),
        named(&["val_declaration", "var_declaration", "given_definition"], "name", Kind::Variable),
        named(&["type_definition"], "name", Kind::Type),
    ],
    uses: &[("call_expression", At::Field("function")), ("annotation", At::Field("name"))],
    names: &["type_identifier"],
    scopes: &["import_declaration"],
    identifiers: &["identifier"],
    tails: &[
        ("field_expression", At::Field("field")),
        ("generic_function", At::Field("function")),
        ("call_expression", At::Field("function")),
    ],
    comments: &["comment", "block_comment"],
    leads: &["annotation"],
    ..Spec::NONE
};
