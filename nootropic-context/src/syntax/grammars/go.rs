//! Go. A method belongs to its receiver's type.

use nootropic_core::SymbolKind as Kind;
use tree_sitter::Node;

use crate::syntax::spec::{At, Named, Seen, Spec, named, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        named(&["function_declaration"], "name", Kind::Function),
        with(&["method_declaration"], method),
        named(&["method_elem"], "name", Kind::Method),
        with(&["type_spec"], type_spec),
        named(&["type_alias"], "name", Kind::Type),
        named(&["const_spec"], "name", Kind::Constant),
        named(&["var_spec"], "name", Kind::Variable),
    ],
    uses: &[("call_expression", At::Field("function"))],
    names: &["type_identifier"],
    tails: &[
        ("selector_expression", At::Field("field")),
        ("parenthesized_expression", At::First),
        ("type_instantiation_expression", At::Field("type")),
        ("generic_type", At::Field("type")),
        ("pointer_type", At::First),
        ("parenthesized_type", At::First),
        ("qualified_type", At::Field("name")),
    ],
    comments: &["comment"],
    ..Spec::NONE
};

fn method<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let receiver = seen.field("receiver").and_then(|list| list.named_child(0));
    let owner = receiver.and_then(|parameter: Node<'t>| parameter.child_by_field_name("type"));
    let owner = owner.and_then(|owner| seen.name(owner)).map(|(name, _)| name.to_owned());
    Some(Named::new(seen, seen.field("name")?, Kind::Method)?.owned(owner))
}

fn type_spec<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let kind = match seen.field("type")?.kind() {
        "struct_type" => Kind::Struct,
        "interface_type" => Kind::Interface,
        _ => Kind::Type,
    };
    Named::new(seen, seen.field("name")?, kind)
}
