//! TOML, YAML and JSON: keys near the top.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{Named, Seen, Spec, named, with};

pub(super) const TOML: Spec = Spec {
    definitions: &[with(&["table", "table_array_element", "pair"], first_key)],
    comments: &["comment"],
    ..Spec::NONE
};

pub(super) const YAML: Spec = Spec {
    definitions: &[named(&["block_mapping_pair", "flow_pair"], "key", Kind::Key)],
    comments: &["comment"],
    ..Spec::NONE
};

pub(super) const JSON: Spec =
    Spec { definitions: &[named(&["pair"], "key", Kind::Key)], comments: &["comment"], ..Spec::NONE };

fn first_key<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    Named::new(seen, seen.node.named_child(0)?, Kind::Key)
}
