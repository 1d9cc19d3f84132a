//! Elixir, where every definition is a call.

use std::ops::Range;

use nootropic_core::SymbolKind as Kind;
use tree_sitter::Node;

use crate::syntax::spec::{At, Named, Seen, Spec, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[with(&["call"], call), with(&["unary_operator"], attribute)],
    uses: &[("call", At::Field("target"))],
    names: &["alias"],
    tails: &[("dot", At::Field("right"))],
    comments: &["comment"],
    leads: &["unary_operator"],
    docs: &[("unary_operator", doc)],
    keywords: KEYWORDS,
    clauses: true,
    ..Spec::NONE
};

const KEYWORDS: &[&str] = &[
    "alias",
    "case",
    "cond",
    "def",
    "defdelegate",
    "defexception",
    "defguard",
    "defguardp",
    "defimpl",
    "defmacro",
    "defmacrop",
    "defmodule",
    "defoverridable",
    "defp",
    "defprotocol",
    "defstruct",
    "doc",
    "for",
    "if",
    "impl",
    "import",
    "moduledoc",
    "quote",
    "raise",
    "receive",
    "require",
    "spec",
    "super",
    "try",
    "type",
    "typedoc",
    "typep",
    "unless",
    "unquote",
    "use",
    "with",
];

fn call<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let target = target(seen, seen.node)?;
    let kind = match target {
        "def" | "defp" | "defdelegate" | "defn" | "defnp" => Kind::Function,
        "defmacro" | "defmacrop" | "defguard" | "defguardp" => Kind::Macro,
        "defmodule" => Kind::Module,
        "defprotocol" => Kind::Interface,
        "defimpl" => Kind::Impl,
        "defstruct" | "defexception" => return structure(seen),
        _ => return None,
    };
    let mut cursor = seen.node.walk();
    let arguments = seen.node.named_children(&mut cursor).find(|child| child.kind() == "arguments")?;
    let mut name = arguments.named_child(0)?;
    // `def open(id) when guard`
    if name.kind() == "binary_operator" {
        name = name.child_by_field_name("left")?;
    }
    if name.kind() == "call" {
        name = name.child_by_field_name("target")?;
    }
    matches!(name.kind(), "identifier" | "alias" | "operator_identifier" | "dot")
        .then(|| if name.kind() == "alias" { Named::dotted(seen, name, kind) } else { Named::new(seen, name, kind) })
        .flatten()
}

/// A struct bears the name of its module.
fn structure<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let module = seen.above.iter().rev().take(8).find(|node| target(seen, **node) == Some("defmodule"))?;
    let mut cursor = module.walk();
    let arguments = module.named_children(&mut cursor).find(|child| child.kind() == "arguments")?;
    let name = seen.text_of(arguments.named_child(0)?);
    let name = name.rsplit('.').next().filter(|name| !name.is_empty() && name.len() < 200)?;
    Some(Named { name, at: seen.node.start_byte(), kind: Kind::Struct, owner: None, level: 0 })
}

/// `@limit 16` is a constant of the module, `@type t :: …` a type; the rest talks about what follows.
fn attribute<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let (target, name, argument) = attribute_parts(seen)?;
    match target {
        "type" | "typep" | "opaque" => {
            let left = argument.child_by_field_name("left")?;
            let name = left.child_by_field_name("target").unwrap_or(left);
            Named::new(seen, name, Kind::Type)
        }
        "doc" | "moduledoc" | "typedoc" | "spec" | "impl" | "behaviour" | "callback" | "macrocallback"
        | "deprecated" | "since" | "dialyzer" | "derive" | "enforce_keys" | "tag" | "moduletag" | "describetag"
        | "compile" | "optional_callbacks" | "before_compile" | "after_compile" | "on_load" | "external_resource" => {
            None
        }
        _ => Named::new(seen, name, Kind::Constant),
    }
}

fn doc(seen: &Seen<'_, '_>) -> Option<Range<usize>> {
    let (target, _, argument) = attribute_parts(seen)?;
    (matches!(target, "doc" | "moduledoc" | "typedoc") && matches!(argument.kind(), "string" | "sigil"))
        .then(|| argument.byte_range())
}

/// The word after `@`, its node, and what it is given.
fn attribute_parts<'t>(seen: &Seen<'_, 't>) -> Option<(&'t str, Node<'t>, Node<'t>)> {
    let operand = seen.field("operand").filter(|_| seen.text_of(seen.node).starts_with('@'))?;
    let name = operand.child_by_field_name("target").filter(|_| operand.kind() == "call")?;
    let mut cursor = operand.walk();
    let arguments = operand.named_children(&mut cursor).find(|child| child.kind() == "arguments")?;
    Some((seen.text_of(name), name, arguments.named_child(0)?))
}

fn target<'t>(seen: &Seen<'_, 't>, node: Node<'t>) -> Option<&'t str> {
    let target = node.child_by_field_name("target").filter(|_| node.kind() == "call")?;
    (target.kind() == "identifier").then(|| seen.text_of(target))
}
