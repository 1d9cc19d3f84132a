//! Lua. `function M.open`, `function M:close` and `M.label = function` belong to the table `M`.

use nootropic_core::SymbolKind as Kind;
use tree_sitter::Node;

use crate::syntax::spec::{At, Named, Seen, Spec, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        with(&["function_declaration"], function),
        with(&["assignment_statement"], assignment),
        with(&["field"], field),
    ],
    uses: &[("function_call", At::Field("name"))],
    tails: &[("dot_index_expression", At::Field("field")), ("method_index_expression", At::Field("method"))],
    comments: &["comment"],
    keywords: &["require"],
    ..Spec::NONE
};

fn function<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    in_table(seen, seen.field("name")?, Kind::Function)
}

fn assignment<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let (names, values) = (seen.node.named_child(0)?, seen.node.named_child(1));
    let value = values.and_then(|values| values.named_child(0));
    let function = value.is_some_and(|value| value.kind() == "function_definition");
    if value.is_some_and(|value| seen.text_of(value).starts_with("require")) {
        return None;
    }
    let name = names.named_child(0).filter(|name| name.kind() != "bracket_index_expression")?;
    in_table(seen, name, if function { Kind::Function } else { Kind::Variable })
}

/// `{ open = function … }`
fn field<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let value = seen.field("value").filter(|value| value.kind() == "function_definition")?;
    let name = seen.field("name").filter(|name| name.id() != value.id() && name.kind() == "identifier")?;
    Named::new(seen, name, Kind::Function)
}

fn in_table<'t>(seen: &Seen<'_, 't>, name: Node<'t>, kind: Kind) -> Option<Named<'t>> {
    let table = name.child_by_field_name("table").map(|table| seen.text_of(table).replace(':', "."));
    let kind = if name.kind() == "method_index_expression" { Kind::Method } else { kind };
    Some(Named::new(seen, name, kind)?.owned(table))
}
