//! Which definitions a map of a given size shows.

use std::collections::BTreeSet;

use nootropic_core::{ReadTxn, Result, SymbolKind};
use rustc_hash::FxHashMap;

use super::{MapDefinition, MapFile, MapFolder, MapOptions, RepoMap};
use crate::graph::edges::{FileNode, SymbolGraph};
use crate::graph::rank::Ranks;
use crate::graph::signature::{Signature, signature, visibility};
use crate::index::read_text;
use crate::search::filter::language;
use crate::search::glob::PathFilter;

/// The most folders an overview names.
const MAX_FOLDERS: usize = 8;
/// Maps of fewer tokens have no room for an overview.
const OVERVIEW_FROM: usize = 256;
/// How much less each further definition of a file counts: the k-th keeps `1 / (1 + CROWDED · k)`.
const CROWDED: f32 = 0.12;
/// What a further definition of a name that is shown already keeps.
const AGAIN: f32 = 0.3;

/// The files a map may show, and their best definitions.
pub(super) struct Selection {
    /// Places in [`SymbolGraph::files`].
    files: Vec<u32>,
    definitions: usize,
    candidates: Vec<Candidate>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    file: u32,
    symbol: u32,
    rank: f32,
}

fn best_first(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.rank.total_cmp(&a.rank).then((a.file, a.symbol).cmp(&(b.file, b.symbol)))
}

impl Selection {
    pub(super) fn new(graph: &SymbolGraph, ranks: &Ranks, options: &MapOptions) -> Result<Self> {
        let files = allowed(graph, options)?;
        let mut candidates = Vec::new();
        for &at in &files {
            let file = &graph.files()[at as usize];
            for (i, symbol) in file.symbols.iter().enumerate() {
                let rank = ranks.symbols[at as usize][i];
                if rank > 0.0 && !matches!(symbol.kind, SymbolKind::Impl | SymbolKind::Key | SymbolKind::Heading) {
                    candidates.push(Candidate { file: at, symbol: i as u32, rank });
                }
            }
        }
        let definitions = candidates.len();
        // A definition takes some five tokens at least; its visibility, not known yet, may change the order.
        let keep = (options.tokens / 2).clamp(64, 20_000);
        if candidates.len() > keep {
            candidates.select_nth_unstable_by(keep, best_first);
            candidates.truncate(keep);
        }
        Ok(Self { files, definitions, candidates })
    }
}

fn allowed(graph: &SymbolGraph, options: &MapOptions) -> Result<Vec<u32>> {
    let paths = options.paths.iter().map(|path| PathFilter::new(path)).collect::<Result<Vec<_>>>()?;
    let languages = options.languages.iter().map(|name| Ok(language(name)?.name())).collect::<Result<Vec<_>>>()?;
    let fits = |file: &FileNode| {
        (paths.is_empty() || paths.iter().any(|path| path.fits(&file.path)))
            && (languages.is_empty() || file.language.is_some_and(|language| languages.contains(&language)))
    };
    Ok((0..graph.files().len() as u32).filter(|at| fits(&graph.files()[*at as usize])).collect())
}

/// Everything needed to draw maps of any size.
pub(super) struct Sheet<'a> {
    graph: &'a SymbolGraph,
    txn: &'a dyn ReadTxn,
    ranks: &'a Ranks,
    options: &'a MapOptions,
    selection: Selection,
    /// Place of each file in the map, best first.
    order: FxHashMap<u32, usize>,
    folders: Vec<MapFolder>,
    heads: FxHashMap<(u32, u32), Signature>,
    texts: FxHashMap<u32, String>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(
        graph: &'a SymbolGraph,
        txn: &'a dyn ReadTxn,
        ranks: &'a Ranks,
        selection: Selection,
        options: &'a MapOptions,
    ) -> Result<Self> {
        let whole = options.paths.is_empty() && options.languages.is_empty() && options.tokens >= OVERVIEW_FROM;
        let folders = if whole { folders(graph, &selection.files) } else { Vec::new() };
        let (order, heads, texts) = Default::default();
        let mut sheet = Self { graph, txn, ranks, options, selection, order, folders, heads, texts };
        sheet.weigh()?;
        Ok(sheet)
    }

    pub(super) fn len(&self) -> usize {
        self.selection.candidates.len()
    }

    /// Weighs candidates by who may use them and by how many of their file come before; then orders them and the files.
    fn weigh(&mut self) -> Result<()> {
        let mut candidates = std::mem::take(&mut self.selection.candidates);
        for candidate in &mut candidates {
            let file = &self.graph.files()[candidate.file as usize];
            let symbol = &file.symbols[candidate.symbol as usize];
            let head = self.head(candidate.file, candidate.symbol)?.text.clone();
            let text = self.texts.get(&candidate.file).map_or("", String::as_str);
            candidate.rank *= visibility(&head, symbol, file.language, text);
        }
        candidates.sort_unstable_by(best_first);
        let (mut crowd, mut sums) = (FxHashMap::<u32, u32>::default(), FxHashMap::<u32, f32>::default());
        let mut names: FxHashMap<(Option<&str>, &str), i32> = FxHashMap::default();
        for candidate in &mut candidates {
            let before = crowd.entry(candidate.file).or_default();
            candidate.rank /= 1.0 + CROWDED * *before as f32;
            *before += 1;
            let symbol = &self.graph.files()[candidate.file as usize].symbols[candidate.symbol as usize];
            let owner = symbol.container.as_deref().filter(|_| symbol.kind == SymbolKind::Method);
            let again = names.entry((owner, &symbol.name)).or_default();
            candidate.rank *= AGAIN.powi(*again);
            *again += 1;
            *sums.entry(candidate.file).or_default() += candidate.rank;
        }
        candidates.sort_unstable_by(best_first);
        let mut files: Vec<(u32, f32)> = sums.into_iter().collect();
        files.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        self.order = files.into_iter().enumerate().map(|(place, (file, _))| (file, place)).collect();
        self.selection.candidates = candidates;
        Ok(())
    }

    fn head(&mut self, file: u32, symbol: u32) -> Result<&Signature> {
        use std::collections::hash_map::Entry;
        let node = &self.graph.files()[file as usize];
        match self.heads.entry((file, symbol)) {
            Entry::Occupied(held) => Ok(held.into_mut()),
            Entry::Vacant(slot) => {
                let text = match self.texts.entry(file) {
                    Entry::Occupied(held) => held.into_mut(),
                    Entry::Vacant(slot) => slot.insert(read_text(self.txn, node.id)?),
                };
                let longest = self.options.signature_chars;
                Ok(slot.insert(signature(text, &node.symbols[symbol as usize], node.language, longest)))
            }
        }
    }

    /// A map without files.
    pub(super) fn blank(&self) -> RepoMap {
        RepoMap {
            snapshot: self.graph.snapshot().to_string(),
            budget: self.options.tokens,
            tokens: 0,
            files_total: self.selection.files.len(),
            definitions_total: self.selection.definitions,
            definitions_shown: 0,
            folders: Vec::new(),
            files: Vec::new(),
            line_numbers: self.options.line_numbers,
            unmatched: Vec::new(),
        }
    }

    /// A map of the `n` best definitions.
    pub(super) fn draw(&mut self, n: usize) -> Result<RepoMap> {
        let mut by_file: FxHashMap<u32, FxHashMap<u32, f32>> = FxHashMap::default();
        for candidate in self.selection.candidates.iter().take(n) {
            by_file.entry(candidate.file).or_default().insert(candidate.symbol, candidate.rank);
        }
        let mut chosen: Vec<_> = by_file.into_iter().collect();
        chosen.sort_unstable_by_key(|(file, _)| self.order.get(file).copied().unwrap_or(usize::MAX));
        let mut map = RepoMap { folders: self.folders.clone(), ..self.blank() };
        for (file, shown) in chosen {
            map.definitions_shown += shown.len();
            map.files.push(self.draw_file(file, &shown)?);
        }
        Ok(map)
    }

    fn draw_file(&mut self, file: u32, shown: &FxHashMap<u32, f32>) -> Result<MapFile> {
        let node = &self.graph.files()[file as usize];
        let parents = parents(node, shown);
        let mut drawn: BTreeSet<u32> = BTreeSet::new();
        for &symbol in shown.keys() {
            let mut at = Some(symbol);
            while let Some(symbol) = at.filter(|symbol| drawn.insert(*symbol)) {
                at = parents[symbol as usize];
            }
        }
        let definitions = self.draw_inside(file, None, &parents, &drawn, shown)?;
        let outermost = (0..node.symbols.len()).filter(|i| parents[*i].is_none()).count();
        Ok(MapFile {
            path: node.path.clone(),
            path_is_lossy: node.path_is_lossy,
            language: node.language.map(str::to_owned),
            rank: self.ranks.files[file as usize],
            elided: outermost.saturating_sub(definitions.len()),
            definitions,
        })
    }

    fn draw_inside(
        &mut self,
        file: u32,
        parent: Option<u32>,
        parents: &[Option<u32>],
        drawn: &BTreeSet<u32>,
        shown: &FxHashMap<u32, f32>,
    ) -> Result<Vec<MapDefinition>> {
        let node = &self.graph.files()[file as usize];
        let mut out = Vec::new();
        for &at in drawn.iter().filter(|at| parents[**at as usize] == parent) {
            let symbol = &node.symbols[at as usize];
            let members = self.draw_inside(file, Some(at), parents, drawn, shown)?;
            let inside =
                parents.iter().zip(&node.symbols).filter(|(of, inner)| **of == Some(at) && says(inner.kind)).count();
            let head = self.head(file, at)?;
            out.push(MapDefinition {
                name: symbol.name.clone(),
                kind: symbol.kind,
                start_line: head.first_line,
                end_line: symbol.span.end_line,
                signature: head.text.clone(),
                rank: shown.get(&at).copied().unwrap_or(0.0),
                elided: inside.saturating_sub(members.len()),
                members,
            });
        }
        Ok(out)
    }
}

/// Whether leaving out a definition of this kind is worth a mark.
fn says(kind: SymbolKind) -> bool {
    !matches!(kind, SymbolKind::Field | SymbolKind::Variable | SymbolKind::Constant)
}

/// Deeper definitions are drawn as if they lay in the one at this depth.
const MAX_DEPTH: usize = 8;

/// For each symbol the smallest one around it that is worth a line. Symbols come in order of their beginnings.
fn parents(node: &FileNode, shown: &FxHashMap<u32, f32>) -> Vec<Option<u32>> {
    let end = node.symbols.iter().map(|symbol| symbol.span.end_byte).max().unwrap_or(0);
    let mut open: Vec<u32> = Vec::new();
    let mut out = Vec::with_capacity(node.symbols.len());
    for (i, symbol) in node.symbols.iter().enumerate() {
        while open.last().is_some_and(|at| {
            let outer = &node.symbols[*at as usize].span;
            !outer.contains(&symbol.span) || *outer == symbol.span
        }) {
            open.pop();
        }
        out.push(open.get(open.len().min(MAX_DEPTH).wrapping_sub(1)).copied());
        // A namespace around the whole file is what the path says, but for Elixir, where it is the thing itself.
        let around = symbol.kind == SymbolKind::Module && node.language != Some("elixir");
        let all = around && 10 * (symbol.span.end_byte.saturating_sub(symbol.span.start_byte) as u64) > 7 * end as u64;
        if !all || shown.contains_key(&(i as u32)) {
            open.push(i as u32);
        }
    }
    out
}

/// Where the files are: folders, the ones that hold most files taken apart while there is room.
fn folders(graph: &SymbolGraph, files: &[u32]) -> Vec<MapFolder> {
    let paths: Vec<&str> = files.iter().map(|at| graph.files()[*at as usize].path.as_str()).collect();
    let mut shown: Vec<(String, usize)> = inside("", &paths);
    // One folder that holds nearly everything says nothing.
    let holds_most =
        |(folder, n): &(String, usize)| !folder.is_empty() && !folder.ends_with('/') && n * 10 > paths.len() * 6;
    while let Some(at) = shown.iter().position(holds_most) {
        let parts = inside(&format!("{}/", shown[at].0), &paths);
        if parts.len() < 2 || shown.len() + parts.len() > 3 * MAX_FOLDERS {
            break;
        }
        shown.remove(at);
        shown.extend(parts.into_iter().filter(|(_, n)| *n > 0));
    }
    shown.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    shown.truncate(MAX_FOLDERS);
    if shown.len() < 2 {
        return Vec::new();
    }
    shown.into_iter().map(|(path, files)| MapFolder { path: path.trim_end_matches('/').to_owned(), files }).collect()
}

/// The folders directly inside `prefix`, and `prefix` itself, with its slash, for files that lie in none of them.
fn inside(prefix: &str, paths: &[&str]) -> Vec<(String, usize)> {
    let mut counts: std::collections::BTreeMap<String, usize> = Default::default();
    for rest in paths.iter().filter_map(|path| path.strip_prefix(prefix)) {
        let folder = match rest.split_once('/') {
            Some((folder, _)) => format!("{prefix}{folder}"),
            None => prefix.to_owned(),
        };
        *counts.entry(folder).or_default() += 1;
    }
    counts.into_iter().collect()
}
