//! Rust. An `impl` block is named by its type, so that methods are found as `Type.method`.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Spec, named};

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
    ..Spec::NONE
};
