//! Which lines of which files were taken.

use std::hash::BuildHasher;

use nootropic_core::{ChunkId, SymbolKind};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::source::{Place, SourceFile, Sources};
use super::{HeaderLine, PackBlock, PackOptions, PackOrder};
use crate::graph::signature::signature;

/// Passages shorter than this may repeat by chance: closing lines, imports.
const SHORTEST_DUPLICATE: usize = 48;
/// Lines of comments and attributes that are taken with a definition.
const LEAD: u32 = 12;
/// The most heads shown above a block.
const MAX_HEADERS: usize = 4;

/// Lines of a file, taken for one or more passages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    first: u32,
    last: u32,
    /// Best first.
    chunks: Vec<ChunkId>,
    rank: u32,
    symbol: Option<u32>,
    cut: bool,
}

/// What the text of a block depends on, but for its number.
pub(super) type BlockKey = (u32, u32, u32, Option<u32>, bool);

/// What was taken so far.
pub(super) struct Layout<'a> {
    pub(super) sources: &'a Sources,
    options: &'a PackOptions,
    /// By line, apart by more than the gap.
    files: FxHashMap<u32, Vec<Stretch>>,
    texts: FxHashSet<u64>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(sources: &'a Sources, options: &'a PackOptions) -> Self {
        Self { sources, options, files: FxHashMap::default(), texts: FxHashSet::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.values().all(Vec::is_empty)
    }

    /// What was taken of a file, to [`restore`](Self::restore) later.
    pub(super) fn file(&self, file: u32) -> Vec<Stretch> {
        self.files.get(&file).cloned().unwrap_or_default()
    }

    pub(super) fn restore(&mut self, file: u32, stretches: Vec<Stretch>) {
        self.files.insert(file, stretches);
    }

    /// Whether the text of a passage was taken from another place already; remembers it if not.
    pub(super) fn holds_same_text(&mut self, place: &Place) -> bool {
        let text: String = self.sources.text(place).split_whitespace().collect();
        text.len() >= SHORTEST_DUPLICATE && !self.texts.insert(FxBuildHasher.hash_one(&text))
    }

    /// The lines of a passage, widened to the whole of the definitions it cuts where they are short.
    pub(super) fn whole(&self, place: &Place) -> (u32, u32) {
        let Some(file) = self.sources.file(place.file) else { return place.lines };
        let (mut first, mut last) = place.lines;
        let most = (last + 1).saturating_sub(first).saturating_add(self.options.whole_lines);
        let mut cut: Vec<(u32, u32)> = file
            .symbols
            .iter()
            .filter(|s| {
                s.kind != SymbolKind::Key && s.kind != SymbolKind::Heading && s.span.lines() <= self.options.whole_lines
            })
            .map(|s| (s.span.start_line, s.span.end_line.min(file.line_count())))
            .filter(|(from, to)| *from <= last && first <= *to && (*from < first || last < *to))
            .collect();
        cut.extend(described(file, last));
        cut.sort_by_key(|(from, to)| (to.saturating_sub(*from), *from));
        for (from, to) in cut {
            // What stands above a definition and belongs to it is in the passage it begins in.
            let lead = file.passages.iter().find(|p| p.span.start_line <= from && from <= p.span.end_line);
            let begins =
                lead.filter(|p| from < first && from - p.span.start_line <= LEAD).map_or(from, |p| p.span.start_line);
            let (from, to) = (first.min(begins), last.max(to));
            if to.saturating_add(1).saturating_sub(from) <= most {
                (first, last) = (from, to);
            }
        }
        (first, last)
    }

    /// Takes lines for a passage and joins them with what stands next to them.
    pub(super) fn take(&mut self, place: &Place, (first, last): (u32, u32), cut: bool) {
        let gap = self.options.gap;
        let stretches = self.files.entry(place.file).or_default();
        let new = Stretch { first, last, chunks: vec![place.chunk], rank: place.rank, symbol: place.symbol, cut };
        let at = stretches.partition_point(|s| s.first < first);
        stretches.insert(at, new);
        let mut joined: Vec<Stretch> = Vec::with_capacity(stretches.len());
        for next in stretches.drain(..) {
            match joined.last_mut() {
                Some(held) if next.first <= held.last.saturating_add(gap + 1) => held.join(next),
                _ => joined.push(next),
            }
        }
        *stretches = joined;
    }

    /// Every block, in no order and not numbered.
    pub(super) fn parts(&self) -> impl Iterator<Item = (BlockKey, impl Fn() -> PackBlock)> {
        let all = self.files.iter().flat_map(|(file, stretches)| stretches.iter().map(move |stretch| (*file, stretch)));
        all.filter_map(move |(file, stretch)| {
            let source = self.sources.file(file)?;
            let key = (file, stretch.first, stretch.last, stretch.symbol, stretch.cut);
            Some((key, move || self.block(1, source, stretch)))
        })
    }

    /// Drops the block whose best passage ranks last; returns its passages.
    pub(super) fn drop_worst(&mut self) -> Vec<ChunkId> {
        let worst = self.files.values().flatten().map(|stretch| stretch.rank).max();
        for stretches in self.files.values_mut() {
            if let Some(at) = stretches.iter().position(|stretch| Some(stretch.rank) == worst) {
                return stretches.remove(at).chunks;
            }
        }
        Vec::new()
    }

    /// Everything taken, in the order asked for and numbered.
    pub(super) fn blocks(&self) -> Vec<PackBlock> {
        let mut all: Vec<(u32, u32, &Stretch)> = Vec::new();
        for (file, stretches) in &self.files {
            let best = stretches.iter().map(|s| s.rank).min().unwrap_or(u32::MAX);
            all.extend(stretches.iter().map(|s| (*file, best, s)));
        }
        match self.options.order {
            PackOrder::Rank => all.sort_unstable_by_key(|(_, _, s)| s.rank),
            PackOrder::File => all.sort_unstable_by_key(|(_, best, s)| (*best, s.first)),
        }
        let block = |(i, (file, _, stretch)): (usize, &(u32, u32, &Stretch))| {
            self.sources.file(*file).map(|source| self.block(i as u32 + 1, source, stretch))
        };
        all.iter().enumerate().filter_map(block).collect()
    }

    fn block(&self, citation: u32, file: &SourceFile, stretch: &Stretch) -> PackBlock {
        let mut last = stretch.last;
        while last > stretch.first && file.is_blank(last) {
            last -= 1;
        }
        let mut first = stretch.first;
        while first < last && file.is_blank(first) {
            first += 1;
        }
        let symbol = stretch.symbol.and_then(|at| file.symbols.get(at as usize));
        PackBlock {
            citation,
            path: file.path.clone(),
            path_is_lossy: file.path_is_lossy,
            language: file.language.map(str::to_owned),
            start_line: first,
            end_line: last,
            symbol: symbol.map(|s| match &s.container {
                Some(container) => format!("{container}.{}", s.name),
                None => s.name.clone(),
            }),
            kind: symbol.map(|s| s.kind),
            chunks: stretch.chunks.clone(),
            headers: if self.options.headers { headers(file, first, last) } else { Vec::new() },
            text: file.lines(first, last).to_owned(),
            cut: stretch.cut,
        }
    }
}

impl Stretch {
    fn join(&mut self, other: Self) {
        self.last = self.last.max(other.last);
        self.first = self.first.min(other.first);
        self.cut |= other.cut;
        if other.rank < self.rank {
            self.rank = other.rank;
            self.symbol = other.symbol;
            self.chunks.splice(0..0, other.chunks);
        } else {
            self.chunks.extend(other.chunks);
        }
    }
}

/// The definition that the comment at line `last` is about, if more of the comment follows.
fn described(file: &SourceFile, last: u32) -> Option<(u32, u32)> {
    let next = file
        .symbols
        .iter()
        .map(|s| &s.span)
        .filter(|span| span.start_line > last)
        .min_by_key(|span| span.start_line)?;
    let is_lead = |line: u32| {
        let text = file.lines(line, line).trim_start();
        ["//", "/*", "*", "#", "@", "--", "%"].iter().any(|mark| text.starts_with(mark))
    };
    let near = next.start_line - last <= 40;
    (near && (last..next.start_line).all(is_lead)).then_some((next.start_line, next.end_line.min(file.line_count())))
}

/// The heads of definitions that begin before line `first` and hold it, outermost first.
fn headers(file: &SourceFile, first: u32, last: u32) -> Vec<HeaderLine> {
    let around = file.symbols.iter().filter(|s| {
        s.span.start_line < first
            && first <= s.span.end_line
            && s.kind != SymbolKind::Key
            && s.span.end_line >= last.min(s.span.end_line)
    });
    let mut out: Vec<HeaderLine> = Vec::new();
    for symbol in around {
        let head = signature(&file.text, symbol, file.language, usize::MAX);
        let line = head.first_line.min(head.last_line);
        if line < first && out.last().is_none_or(|held| held.line < line) {
            out.push(HeaderLine { line, text: file.lines(line, line).trim_end().to_owned() });
        }
    }
    // The innermost say most.
    out.split_off(out.len().saturating_sub(MAX_HEADERS))
}
