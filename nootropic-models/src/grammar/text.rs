//! Free text in which nothing begins as a call or as thinking does, except in blocks of code, where marks are shown.

use super::answer::{Rules, quoted};
use super::calls::Called;
use crate::tokens::{FENCE, THINKING, ToolDialect};

/// Adds the rule `free`: a text, or calls, perhaps after a text. Without calls, no mark of one may stand anywhere.
///
/// A text is cut at the fences of blocks of code, each the first that comes: `OUTSIDE` ends outside of a block, `INSIDE` in one.
/// `TO_CALL` ends with the mark that begins a call. This is how [`ToolParser`](crate::ToolParser) finds marks.
pub(super) fn rules(rules: &mut Rules<'_>, dialect: ToolDialect, called: Option<&Called>) {
    let fence = quoted(FENCE);
    let gemma = dialect == ToolDialect::Gemma;
    let openings = dialect.openings().iter().map(|mark| quoted(mark));
    let openings = openings.collect::<Vec<_>>().join(" | ");
    let thinking = THINKING.map(|(begin, _)| quoted(begin)).join(" | ");
    rules.add(&format!("OPENING: {openings}"));
    // Gemma's marks begin with a fence themselves.
    let marks = if gemma { thinking } else { format!("{thinking} | {openings}") };
    rules.add(&format!("MARK: {marks}"));
    rules.add("UNMARKED: ANY & ~(ANY MARK ANY)");
    rules.add(&format!("UNFENCED: ANY & ~(ANY {fence} ANY)"));
    rules.add(&format!("TO_FENCE: (ANY {fence}) & ~(ANY {fence} SOME)"));
    let mut inside = "ANY".to_owned();
    if gemma {
        inside.push_str(" & ~(/`*(tool_code|json)/ ANY)");
    }
    if called.is_none() && !gemma {
        inside.push_str(" & ~(ANY OPENING ANY)");
    }
    rules.add(&format!("IN_CODE: {inside}"));
    rules.add("BLOCKS: ((TO_FENCE & UNMARKED) (TO_FENCE & IN_CODE))*");
    // What begins like the object of a call is one.
    let at_start = if called.is_some_and(|called| called.bare) { "& ~(/\\s*\\{/ ANY)" } else { "" };
    rules.add(&format!("OUTSIDE: ANY & (BLOCKS (UNMARKED & UNFENCED)) {at_start}"));
    rules.add(&format!("INSIDE: ANY & (BLOCKS (TO_FENCE & UNMARKED) (UNFENCED & IN_CODE)) {at_start}"));
    let mut alternatives = vec!["(OUTSIDE | INSIDE)?".to_owned()];
    if let Some(called) = called {
        let to_call = match gemma {
            true => format!("((UNMARKED & UNFENCED) & ~(ANY \"`\")) {}", quoted(called.opening)),
            false => format!("(ANY OPENING) & ~(ANY OPENING SOME) & ~(ANY ({fence} | {}) ANY)", thinking_only()),
        };
        rules.add(&format!("TO_OPENING: {to_call}"));
        rules.add(&format!("TO_CALL: ANY & (BLOCKS TO_OPENING) {at_start}"));
        alternatives.push("TO_CALL first_call".into());
        alternatives.extend(rules.control(called.opening).map(|token| format!("OUTSIDE? {token} first_call")));
        alternatives.extend(called.bare.then(|| "bare_calls".to_owned()));
    }
    rules.add(&format!("free: {}", alternatives.join(" | ")));
}

fn thinking_only() -> String {
    THINKING.map(|(begin, _)| quoted(begin)).join(" | ")
}
