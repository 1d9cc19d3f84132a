//! Markdown, by headings. Only the block grammar is used: what stands inside a paragraph is text.

use nootropic_core::SymbolKind as Kind;

use crate::syntax::spec::{Named, Seen, Spec, with};

pub(super) const SPEC: Spec = Spec { definitions: &[with(&["atx_heading", "setext_heading"], heading)], ..Spec::NONE };

fn heading<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let content = seen.field("heading_content")?;
    let mut cursor = seen.node.walk();
    let marker = seen.node.named_children(&mut cursor).find_map(|child| match child.kind() {
        "atx_h1_marker" | "setext_h1_underline" => Some(1),
        "atx_h2_marker" | "setext_h2_underline" => Some(2),
        "atx_h3_marker" => Some(3),
        "atx_h4_marker" => Some(4),
        "atx_h5_marker" => Some(5),
        "atx_h6_marker" => Some(6),
        _ => None,
    });
    let name = seen.text_of(content).trim().trim_end_matches('#').trim_end();
    let name = name.lines().next().filter(|name| !name.is_empty() && name.len() <= 200)?;
    Some(Named { name, at: content.start_byte(), kind: Kind::Heading, owner: None, level: marker? })
}
