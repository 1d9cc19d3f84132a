//! Ruby. Attributes and `define_method` define by calling.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Named, Seen, Spec, named, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        with(&["class"], class),
        with(&["module"], module),
        named(&["method"], "name", Kind::Method),
        named(&["singleton_method"], "name", Kind::Method),
        with(&["assignment"], assignment),
        with(&["call"], define_method),
        with(&["simple_symbol"], attribute),
    ],
    uses: &[("call", At::Field("method"))],
    names: &["constant"],
    tails: &[("scope_resolution", At::Field("name"))],
    comments: &["comment"],
    keywords: &["require", "require_relative", "include", "attr_reader", "attr_writer", "attr_accessor", "private"],
    ..Spec::NONE
};

fn class<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    scoped(seen, Kind::Class)
}

fn module<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    scoped(seen, Kind::Module)
}

/// `Admin::Session` is `Session`, which belongs to `Admin`.
fn scoped<'t>(seen: &Seen<'_, 't>, kind: Kind) -> Option<Named<'t>> {
    let name = seen.field("name")?;
    let owner = name.child_by_field_name("scope").map(|scope| seen.text_of(scope).replace("::", "."));
    Some(Named::new(seen, name, kind)?.owned(owner))
}

fn assignment<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let left = seen.field("left").filter(|left| left.kind() == "constant")?;
    let right = seen.field("right").map(|right| seen.text_of(right)).unwrap_or_default();
    let kind = if right.starts_with("Struct.new") || right.starts_with("Data.define") {
        Kind::Struct
    } else if right.starts_with("Class.new") {
        Kind::Class
    } else {
        Kind::Constant
    };
    Named::new(seen, left, kind)
}

fn define_method<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let method = seen.field("method").map(|method| seen.text_of(method))?;
    let name = seen.field("arguments").filter(|_| method == "define_method")?.named_child(0)?;
    (name.kind() == "simple_symbol").then(|| Named::new(seen, name, Kind::Method)).flatten()
}

fn attribute<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let call = seen.ancestor(2).filter(|call| call.kind() == "call")?;
    let method = call.child_by_field_name("method").map(|method| seen.text_of(method))?;
    let defines = matches!(
        method,
        "attr_reader" | "attr_writer" | "attr_accessor" | "mattr_accessor" | "cattr_accessor" | "class_attribute"
    );
    defines.then(|| Named::new(seen, seen.node, Kind::Field)).flatten()
}
