//! Passages into a token budget, each with a citation.
//!
//! Passages are taken in the order given, best first. One is widened to its whole definition where that is cheap, joined
//! with what was taken next to it, and shown below the heads of the definitions it lies in. What does not fit is tried
//! as it was found, and else left out and said so. The text is that of the snapshot, so the lines cited are the lines
//! shown.

mod layout;
mod render;
mod source;

use std::collections::BTreeSet;

use nootropic_core::{ChunkId, ReadTxn, Result, Store, StoreExt, SymbolKind};
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tokens::{EstimatedTokens, TokenCounter};
use layout::{BlockKey, Layout};
use source::{Place, Sources};

/// In which order blocks stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PackOrder {
    /// Best first.
    #[default]
    Rank,
    /// Blocks of a file together and by line; files by their best block.
    File,
}

/// How to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackOptions {
    /// The most tokens the text may have.
    pub tokens: usize,
    /// In which order blocks stand.
    pub order: PackOrder,
    /// A passage is widened to the whole of a definition it cuts if that has at most so many lines; 0 never widens.
    pub whole_lines: u32,
    /// Show the heads of the definitions a passage lies in.
    pub headers: bool,
    /// Passages with at most so many lines between them are joined.
    pub gap: u32,
    /// Show line numbers before each line.
    pub line_numbers: bool,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self { tokens: 8192, order: PackOrder::Rank, whole_lines: 60, headers: true, gap: 3, line_numbers: false }
    }
}

/// Packed passages; [`Pack::text`] is what they look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pack {
    /// The state of the index the text is from.
    pub snapshot: String,
    /// The most tokens it was allowed.
    pub budget: usize,
    /// The tokens of its text.
    pub tokens: usize,
    /// What was taken, in the order asked for.
    pub blocks: Vec<PackBlock>,
    /// What was not, in the order given.
    pub left_out: Vec<LeftOut>,
    /// Whether the text says how many passages were left out; it does if there is room.
    pub says_left_out: bool,
    /// Whether the text shows line numbers.
    pub line_numbers: bool,
}

/// Lines of a file that were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackBlock {
    /// The number it is cited by, from 1.
    pub citation: u32,
    /// Relative to the repository, `/`-separated.
    pub path: String,
    /// Set if the file's name is not UTF-8 and `path` only resembles it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub path_is_lossy: bool,
    /// Its language, if it is known.
    pub language: Option<String>,
    /// First line, 1-based.
    pub start_line: u32,
    /// Last line, 1-based and inclusive.
    pub end_line: u32,
    /// The definition of its best passage, with those around it, joined by `.`.
    pub symbol: Option<String>,
    /// What kind of definition that is.
    pub kind: Option<SymbolKind>,
    /// The passages in it, best first.
    pub chunks: Vec<ChunkId>,
    /// Heads of the definitions around it that begin before it, outermost first.
    pub headers: Vec<HeaderLine>,
    /// The lines, as they were indexed.
    pub text: String,
    /// Whether a passage was cut to fit.
    pub cut: bool,
}

/// A line shown above a block, to say where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderLine {
    /// 1-based.
    pub line: u32,
    /// As it was indexed.
    pub text: String,
}

/// A passage that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// The passage.
    pub chunk: ChunkId,
    /// Its file; none if the passage is gone.
    pub path: Option<String>,
    /// First line, 1-based; 0 if it is gone.
    pub start_line: u32,
    /// Last line, 1-based and inclusive; 0 if it is gone.
    pub end_line: u32,
    /// Why.
    pub reason: LeftOutReason,
}

/// Why a passage was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// It does not fit.
    Budget,
    /// The same text was taken from another place.
    Duplicate,
    /// The index no longer has it.
    Gone,
}

/// Packs the passages `chunks`, best first, counting tokens with [`EstimatedTokens`].
///
/// # Errors
/// As the store's. Nothing that fits is an empty pack.
pub fn pack(store: &dyn Store, chunks: &[ChunkId], options: &PackOptions) -> Result<Pack> {
    store.read_with(|txn| pack_with(txn, chunks, options, &EstimatedTokens))
}

/// [`pack`] of what `txn` shows, by any count of tokens.
///
/// # Errors
/// As [`pack`].
pub fn pack_with(
    txn: &dyn ReadTxn,
    chunks: &[ChunkId],
    options: &PackOptions,
    counter: &dyn TokenCounter,
) -> Result<Pack> {
    let sources = Sources::load(txn, chunks)?;
    let layout = Layout::new(&sources, options);
    let mut packer = Packer { layout, counter, options, used: 0, costs: FxHashMap::default(), left_out: Vec::new() };
    let mut seen = BTreeSet::new();
    for chunk in chunks {
        if seen.insert(*chunk) {
            packer.add(*chunk);
        }
    }
    Ok(packer.finish(txn))
}

struct Packer<'a> {
    layout: Layout<'a>,
    counter: &'a dyn TokenCounter,
    options: &'a PackOptions,
    /// Tokens of everything taken, at least about.
    used: usize,
    /// Tokens of blocks that were looked at.
    costs: FxHashMap<BlockKey, usize>,
    left_out: Vec<LeftOut>,
}

/// A whole definition is cheap if it adds no more than this share of the budget: the reciprocal.
const CHEAP: usize = 4;
/// How far the sum of blocks may be from the count of the whole, for each block: numbers of citations, line breaks.
const SLACK: usize = 3;

impl Packer<'_> {
    fn add(&mut self, chunk: ChunkId) {
        let Some(place) = self.layout.sources.place(chunk) else {
            self.left_out.push(LeftOut { chunk, path: None, start_line: 0, end_line: 0, reason: LeftOutReason::Gone });
            return;
        };
        if self.layout.holds_same_text(&place) {
            self.leave(&place, LeftOutReason::Duplicate);
            return;
        }
        // Less and less of it is tried.
        let whole = self.layout.whole(&place);
        let fits = whole != place.lines && self.try_lines(&place, whole, self.options.tokens / CHEAP)
            || self.try_lines(&place, place.lines, usize::MAX)
            || self.layout.is_empty() && self.cut(&place);
        if !fits {
            self.leave(&place, LeftOutReason::Budget);
        }
    }

    fn leave(&mut self, place: &Place, reason: LeftOutReason) {
        let path = self.layout.sources.file(place.file).map(|file| file.path.clone());
        let (start_line, end_line) = place.lines;
        self.left_out.push(LeftOut { chunk: place.chunk, path, start_line, end_line, reason });
    }

    /// Takes these lines if they fit and add at most so many tokens.
    fn try_lines(&mut self, place: &Place, lines: (u32, u32), most: usize) -> bool {
        let (before, used) = (self.layout.file(place.file), self.used);
        self.layout.take(place, lines, false);
        if self.fits() && self.used.saturating_sub(used) <= most {
            return true;
        }
        self.layout.restore(place.file, before);
        self.used = used;
        false
    }

    /// The first lines of the best passage, as many as fit: better than nothing.
    fn cut(&mut self, place: &Place) -> bool {
        let (first, last) = place.lines;
        let (mut low, mut high, mut best) = (first, last, None);
        while low < high {
            let middle = low + (high - low) / 2;
            let before = self.layout.file(place.file);
            self.layout.take(place, (first, middle), true);
            let fits = self.fits();
            self.layout.restore(place.file, before);
            if fits {
                best = Some(middle);
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(end) = best else { return false };
        self.layout.take(place, (first, end), true);
        self.fits()
    }

    /// Whether everything taken fits. Near the budget the whole text is counted, far from it the sum of its blocks says
    /// enough.
    fn fits(&mut self) -> bool {
        let (mut sum, mut n) = (0usize, 0);
        for (key, block) in self.layout.parts() {
            let count = || self.counter.count(&render::text(&[block()], 0, self.options.line_numbers));
            sum = sum.saturating_add(*self.costs.entry(key).or_insert_with(count));
            n += 1;
        }
        self.used = sum;
        let slack = n * SLACK;
        if sum.saturating_add(slack) <= self.options.tokens {
            return true;
        }
        sum <= self.options.tokens.saturating_add(slack) && self.whole_count() <= self.options.tokens
    }

    fn whole_count(&self) -> usize {
        self.counter.count(&render::text(&self.layout.blocks(), 0, self.options.line_numbers))
    }

    fn finish(mut self, txn: &dyn ReadTxn) -> Pack {
        // A counter for which the whole is more than its parts must not break the budget either.
        while !self.layout.is_empty() && self.whole_count() > self.options.tokens {
            for chunk in self.layout.drop_worst() {
                if let Some(place) = self.layout.sources.place(chunk) {
                    self.leave(&place, LeftOutReason::Budget);
                }
            }
        }
        let left_out = std::mem::take(&mut self.left_out);
        let mut pack = Pack {
            snapshot: txn.snapshot().to_string(),
            budget: self.options.tokens,
            tokens: 0,
            blocks: self.layout.blocks(),
            says_left_out: left_out.iter().any(|left| left.reason == LeftOutReason::Budget),
            left_out,
            line_numbers: self.options.line_numbers,
        };
        if pack.says_left_out && self.counter.count(&pack.text()) > self.options.tokens {
            pack.says_left_out = false;
        }
        pack.tokens = self.counter.count(&pack.text());
        pack
    }
}

#[cfg(test)]
#[cfg(feature = "languages")]
mod tests;
