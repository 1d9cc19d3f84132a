//! Haskell. A function's equations follow each other and are one definition.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Named, Seen, Spec, named, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        with(&["header"], header),
        with(&["function"], function),
        with(&["bind"], bind),
        with(&["signature"], class_member),
        named(&["data_type", "newtype"], "name", Kind::Struct),
        named(&["type_synonym", "type_family", "data_family"], "name", Kind::Type),
        named(&["class"], "name", Kind::Trait),
        named(&["instance"], "name", Kind::Impl),
    ],
    uses: &[
        ("apply", At::Field("function")),
        ("infix", At::Field("left_operand")),
        ("infix", At::Field("right_operand")),
    ],
    names: &["name", "constructor"],
    scopes: &["import_list"],
    identifiers: &["variable"],
    tails: &[("apply", At::Field("function")), ("qualified", At::Field("id")), ("parens", At::Field("expression"))],
    comments: &["comment", "haddock"],
    leads: &["signature", "pragma"],
    clauses: true,
    ..Spec::NONE
};

fn header<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    Named::dotted(seen, seen.field("module")?, Kind::Module)
}

/// A type `a -> b` is a `function` too; an equation has a name and is no type.
fn function<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    Named::new(seen, seen.field("name")?, Kind::Function)
}

/// `main = do …`; what a `where`, `let` or `do` binds is local.
fn bind<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let home =
        matches!(seen.above_kind(1), "declarations" | "class_declarations" | "instance_declarations" | "haskell");
    Named::new(seen, seen.field("name").filter(|_| home)?, Kind::Function)
}

/// The signature is all a class says of a member.
fn class_member<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    Named::new(seen, seen.field("name").filter(|_| seen.above_kind(1) == "class_declarations")?, Kind::Method)
}
