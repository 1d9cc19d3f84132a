//! Shell scripts.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{At, Named, Seen, Spec, named, with};

pub(super) const SPEC: Spec = Spec {
    definitions: &[named(&["function_definition"], "name", Kind::Function), with(&["variable_assignment"], variable)],
    uses: &[("command", At::Field("name"))],
    tails: &[("command_name", At::First), ("subscript", At::Field("name"))],
    comments: &["comment"],
    keywords: &[
        "cd", "declare", "echo", "eval", "exec", "exit", "export", "false", "local", "printf", "pwd", "read", "return",
        "set", "shift", "source", "test", "trap", "true", "unset",
    ],
    ..Spec::NONE
};

fn variable<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let declared = seen.ancestor(1).filter(|parent| parent.kind() == "declaration_command");
    let readonly = declared.is_some_and(|parent| seen.text_of(parent).starts_with("readonly"));
    // Before a command it only sets the command's environment.
    let alone = declared.is_some() || seen.above_kind(1) == "program";
    let name = seen.field("name").filter(|_| alone)?;
    Named::new(seen, name, if readonly { Kind::Constant } else { Kind::Variable })
}
