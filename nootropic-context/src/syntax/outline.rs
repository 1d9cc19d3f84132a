//! What a text's structure says about where to cut it.
//!
//! Every line gets a cost of cutting just before it: what a multi-line node holds together adds to the cost of the lines
//! inside, what begins a definition lowers it. [`super::pieces`] then finds the cheapest cuts. Costs have no unit; the
//! constants below only mean something beside each other.

use nootropic_core::SymbolKind;

use super::lines::Lines;

/// Inside a type, module or section: its members stand on their own.
const IN_CONTAINER: i32 = 3;
/// Inside a function.
const IN_FUNCTION: i32 = 30;
/// Inside another definition, e.g. a table of constants.
const IN_VALUE: i32 = 12;
/// Inside a node of a function's body.
const IN_STATEMENT: i32 = 8;
/// Inside a comment or a string.
const IN_TOKEN: i32 = 40;
/// Between a node's first line and its second, or before its last.
const EDGE: i32 = 12;
/// Between a comment or an attribute and what it belongs to.
const AFTER_LEAD: i32 = 60;
/// Before a line that closes what stands above.
const CLOSER: i32 = 25;
/// Nothing costs more.
const MOST: i32 = 600;

/// Most rows of comments and attributes that belong to a definition.
const MAX_LEAD: usize = 200;

/// Collects, in one walk over a tree, what [`Outline::costs`] needs.
#[derive(Debug)]
pub(super) struct Outline {
    /// Change of the cost from the row above.
    steps: Vec<i32>,
    /// Cost of one row alone.
    edges: Vec<i32>,
    /// Rows of comments and attributes.
    leads: Vec<bool>,
    parsed: bool,
}

/// What a node holds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Container,
    Statement,
    Token,
}

impl Outline {
    /// For a text of so many lines; `parsed` if nodes will be told, else indentation and blank lines must do.
    pub(super) fn new(lines: usize, parsed: bool) -> Self {
        Self { steps: vec![0; lines + 2], edges: vec![0; lines + 2], leads: vec![false; lines + 1], parsed }
    }

    /// A node that stands on rows `first..=last`.
    pub(super) fn hold(&mut self, first: usize, last: usize, what: Hold) {
        let weight = match what {
            Hold::Container => IN_CONTAINER,
            Hold::Statement => IN_STATEMENT,
            Hold::Token => IN_TOKEN,
        };
        self.step(first, last, weight);
    }

    /// A definition on rows `first..=last`, told before the nodes inside it.
    pub(super) fn define(&mut self, first: usize, last: usize, kind: SymbolKind) {
        let weight = match kind {
            SymbolKind::Function | SymbolKind::Method | SymbolKind::Macro => IN_FUNCTION,
            kind if is_container(kind) => IN_CONTAINER,
            _ => IN_VALUE,
        };
        self.step(first, last, weight);
        let size = last.saturating_sub(first).min(6) as i32;
        let gain = if kind == SymbolKind::Heading { 80 } else { 20 + 10 * size };
        // Comments and attributes above come before it in the text, so they were told already.
        let row = self.lead_of(first);
        if let Some(edge) = self.edges.get_mut(row) {
            *edge = (*edge - gain).max(-100);
        }
    }

    /// The first row of the comments and attributes right above a row, the row itself if there are none. Only so many
    /// are looked at that a thousand definitions under an endless comment cost no more than a few.
    pub(super) fn lead_of(&self, row: usize) -> usize {
        let above = self.leads.get(..row).unwrap_or_default();
        row - above.iter().rev().take(MAX_LEAD).take_while(|lead| **lead).count()
    }

    /// A comment or attribute that fills rows `first..=last`.
    pub(super) fn lead(&mut self, first: usize, last: usize) {
        for row in first..=last {
            if let Some(lead) = self.leads.get_mut(row) {
                *lead = true;
            }
        }
    }

    fn step(&mut self, first: usize, last: usize, weight: i32) {
        if last <= first || last + 1 >= self.steps.len() {
            return;
        }
        self.steps[first + 1] += weight;
        self.steps[last + 1] -= weight;
        self.edges[first + 1] = (self.edges[first + 1] + EDGE).min(MOST);
        self.edges[last] = (self.edges[last] + EDGE).min(MOST);
    }

    /// The cost of cutting before each row of [`Lines::filled`].
    pub(super) fn costs(&self, lines: &Lines<'_>) -> Vec<i32> {
        let mut costs = Vec::with_capacity(lines.filled().len());
        let (mut held, mut row, mut above) = (0i32, 0usize, None);
        for &filled in lines.filled() {
            while row <= filled as usize {
                held = held.saturating_add(self.steps.get(row).copied().unwrap_or(0));
                row += 1;
            }
            let gap = above.is_none_or(|above: u32| above + 1 < filled);
            let mut cost = held.min(MOST / 2) + self.edges.get(filled as usize).copied().unwrap_or(0);
            cost += (lines.indent(filled).min(64) as i32) * if self.parsed { 1 } else { 3 };
            if gap {
                cost -= if self.parsed { 15 } else { 75 };
            } else if above.is_some_and(|above| self.leads.get(above as usize).copied().unwrap_or(false)) {
                cost += AFTER_LEAD;
            }
            if closes(lines.line(filled)) {
                cost += CLOSER;
            }
            costs.push(cost.min(MOST));
            above = Some(filled);
        }
        costs
    }
}

/// Whether what is inside such a definition stands on its own.
pub(super) fn is_container(kind: SymbolKind) -> bool {
    matches!(
        kind,
        SymbolKind::Class
            | SymbolKind::Struct
            | SymbolKind::Enum
            | SymbolKind::Interface
            | SymbolKind::Trait
            | SymbolKind::Module
            | SymbolKind::Impl
            | SymbolKind::Heading
            | SymbolKind::Key
    )
}

/// Whether a line only ends or goes on with what stands above it.
fn closes(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(['}', ')', ']'])
        || ["end", "else", "elif", "except", "catch", "finally", "rescue", "ensure", "fi", "done", "esac"].iter().any(
            |word| {
                line.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            },
        )
}
