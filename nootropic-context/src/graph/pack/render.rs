//! What a pack looks like.

use std::fmt::Write;

use super::{LeftOutReason, Pack, PackBlock};
use crate::graph::one_line;

impl Pack {
    /// The blocks as text, each below its citation: `[1] path:first-last (symbol)`.
    pub fn text(&self) -> String {
        let left = if self.says_left_out {
            self.left_out.iter().filter(|left| left.reason == LeftOutReason::Budget).count()
        } else {
            0
        };
        text(&self.blocks, left, self.line_numbers)
    }
}

impl PackBlock {
    /// How the block is cited: `[1] path:first-last (symbol)`.
    pub fn cited(&self) -> String {
        let lines = if self.start_line == self.end_line {
            self.start_line.to_string()
        } else {
            format!("{}-{}", self.start_line, self.end_line)
        };
        let symbol = self.symbol.as_ref().map(|symbol| format!(" ({})", one_line(symbol))).unwrap_or_default();
        format!("[{}] {}:{lines}{symbol}", self.citation, one_line(&self.path))
    }
}

/// Blocks, and how many passages there was no room for.
pub(super) fn text(blocks: &[PackBlock], left: usize, line_numbers: bool) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}", block.cited());
        let mut above: Option<u32> = None;
        for header in &block.headers {
            gap(above, header.line, line_numbers, &mut out);
            line(header.line, &header.text, line_numbers, &mut out);
            above = Some(header.line);
        }
        gap(above, block.start_line, line_numbers, &mut out);
        for (i, text) in block.text.lines().enumerate() {
            line(block.start_line + i as u32, text, line_numbers, &mut out);
        }
        if block.cut {
            gap(Some(0), u32::MAX, line_numbers, &mut out);
        }
    }
    if left > 0 {
        let _ = writeln!(out, "{}({left} more did not fit)", if blocks.is_empty() { "" } else { "\n" });
    }
    out
}

fn gap(above: Option<u32>, next: u32, line_numbers: bool, out: &mut String) {
    if above.is_some_and(|above| above + 1 < next) {
        out.push_str(if line_numbers { "      ⋮\n" } else { "⋮\n" });
    }
}

fn line(number: u32, text: &str, line_numbers: bool, out: &mut String) {
    let _ = if line_numbers { writeln!(out, "{number:>5} {text}") } else { writeln!(out, "{text}") };
}
