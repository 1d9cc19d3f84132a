//! Who matters: PageRank over the symbol graph, drawn towards files and words of interest.

use nootropic_core::{Symbol, SymbolKind};
use rustc_hash::FxHashMap;

use super::edges::{FileNode, SymbolGraph};
use crate::index::PathClass;
use crate::lexical::{fold, identifiers, is_stopword, parts};

/// How likely a reader is to follow a use instead of starting anew (Page et al., 1999). Lower than the usual 0.85: a
/// reader who follows uses for long ends at what everything stands on, locks and lists, not at what a repository is for.
const DAMPING: f64 = 0.4;
const MAX_ROUNDS: usize = 60;
/// Rounds end when ranks, which sum to 1, change by less than this in all.
const PRECISE: f64 = 1e-5;
/// Share of a file's rank that goes to its own definitions, whoever uses them.
const OWN: f64 = 0.05;
/// The same for a definition that was mentioned.
const MENTIONED_OWN: f64 = 0.5;
/// How much more a name counts that was mentioned.
const MENTIONED: f32 = 10.0;
/// Share of a member's rank that its type earns as well.
const PASSED_UP: f32 = 0.3;

/// What a map is to be drawn towards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Focus {
    /// Files or folders, `/`-separated; a unique ending of a path is enough.
    pub paths: Vec<String>,
    /// Names and words.
    pub words: Vec<String>,
}

impl Focus {
    /// Sorts what a user typed into paths and words: what is a file or a folder of the graph is a path.
    pub fn of<'a>(graph: &SymbolGraph, typed: impl IntoIterator<Item = &'a str>) -> Self {
        let mut focus = Self::default();
        for item in typed {
            let path = item.trim().trim_start_matches("./").trim_end_matches('/');
            if !path.is_empty() && graph.files().iter().any(|file| is_path_of(path, &file.path)) {
                focus.paths.push(path.to_owned());
            } else {
                identifiers(item, |word| {
                    if !is_stopword(&word.text.to_lowercase()) {
                        focus.words.push(word.text.to_owned());
                    }
                });
            }
        }
        focus
    }

    /// Whether nothing is of more interest than anything else.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.words.is_empty()
    }
}

/// Whether `path` names this file, a folder around it, or the end of its path.
fn is_path_of(path: &str, file: &str) -> bool {
    let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    file.strip_prefix(path).is_some_and(below)
        || path.contains(['.', '/']) && file.strip_suffix(path).is_some_and(|rest| rest.ends_with('/'))
}

/// Ranks of files and definitions; higher matters more. File ranks sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    /// One for each of [`SymbolGraph::files`].
    pub files: Vec<f32>,
    /// For each file, one for each of its symbols.
    pub symbols: Vec<Vec<f32>>,
}

/// How much of a reader's attention starts at a file.
fn start_weight(class: PathClass) -> f64 {
    match class {
        PathClass::Source => 1.0,
        // Examples and tests show what is meant to be used.
        PathClass::Example => 3.0,
        PathClass::Test => 1.0,
        PathClass::Bench => 0.5,
        PathClass::Declaration | PathClass::Legacy => 0.3,
        PathClass::Docs | PathClass::Config | PathClass::Vendored | PathClass::Locale => 0.02,
    }
}

/// Words of interest, in the forms they are looked up in.
struct Interest {
    folded: Vec<Vec<u8>>,
    parts: Vec<String>,
}

impl Interest {
    fn of(focus: &Focus) -> Self {
        let (mut folded, mut words) = (Vec::new(), Vec::new());
        for word in &focus.words {
            let mut buffer = Vec::new();
            if fold(word, &mut buffer) {
                folded.push(buffer);
            }
            parts(word, |part| {
                if part.len() > 2 {
                    words.push(part.to_lowercase());
                }
            });
        }
        Self { folded, parts: words }
    }

    fn is_empty(&self) -> bool {
        self.folded.is_empty() && self.parts.is_empty()
    }

    /// Whether a name was mentioned.
    fn names(&self, name: &str) -> bool {
        let mut buffer = Vec::new();
        fold(name, &mut buffer) && self.folded.contains(&buffer)
    }

    /// Whether one of the definitions around something was mentioned.
    fn names_one_of(&self, container: &str) -> bool {
        container.split('.').any(|name| self.names(name))
    }

    /// [`MENTIONED`] for a name that was mentioned, a little more than 1 for each part of one.
    fn in_name(&self, name: &str) -> f32 {
        if self.names(name) {
            return MENTIONED;
        }
        let mut n = 0;
        parts(name, |part| n += u32::from(self.parts.iter().any(|word| word.eq_ignore_ascii_case(part))));
        1.0 + n as f32
    }

    fn in_path(&self, path: &str) -> u32 {
        let mut n = 0;
        identifiers(path, |word| {
            parts(word.text, |part| n += u32::from(self.parts.iter().any(|word| word.eq_ignore_ascii_case(part))));
        });
        n
    }
}

impl SymbolGraph {
    /// Whether what was typed as a focus names or touches anything: a file, a folder, or a name that holds one of its words.
    pub(super) fn knows(&self, typed: &str) -> bool {
        let focus = Focus::of(self, [typed]);
        // A path that is none names its last part: that there is a `src` says nothing of `src/misspelt.rs`.
        let last = typed.trim_end_matches('/').rsplit_once('/').map(|(_, last)| last);
        let last = last.map_or(typed, |last| last.rsplit_once('.').map_or(last, |(stem, _)| stem));
        let interest = Interest::of(&Focus::of(self, [last]));
        let around = |symbol: &Symbol| symbol.container.as_deref().is_some_and(|c| interest.names_one_of(c));
        !focus.paths.is_empty()
            || self.files().iter().any(|file| interest.in_path(&file.path) > 0)
            || !self.mentioned(&interest).is_empty()
            || self.files().iter().any(|file| file.symbols.iter().any(around))
    }

    /// Ranks every file and definition, seen from `focus`.
    pub fn rank(&self, focus: &Focus) -> Ranks {
        let interest = Interest::of(focus);
        let named: FxHashMap<u64, f32> =
            if interest.is_empty() { FxHashMap::default() } else { self.mentioned(&interest) };
        let focused: Vec<bool> =
            self.files().iter().map(|file| focus.paths.iter().any(|path| is_path_of(path, &file.path))).collect();
        let starts = self.starts_of(&interest, &named, &focused);
        let web = Web::of(self, &named, &focused);
        let ranks = web.walk(&starts);
        self.share_out(&ranks, &named, &focused, &interest)
    }

    /// How much more names count for what was mentioned; names not listed count once.
    fn mentioned(&self, interest: &Interest) -> FxHashMap<u64, f32> {
        let mut named = FxHashMap::default();
        for group in &self.groups {
            let Some(symbol) = self.first_of(group) else { continue };
            let weight = interest.in_name(&symbol.name);
            if weight > 1.0 {
                named.insert(group.name, weight);
            }
        }
        named
    }

    fn first_of(&self, group: &super::edges::Group) -> Option<&Symbol> {
        let at = *self.members_of(group).first()?;
        self.files().get(group.file as usize)?.symbols.get(at as usize)
    }

    /// Where a reader starts; sums to 1.
    fn starts_of(&self, interest: &Interest, named: &FxHashMap<u64, f32>, focused: &[bool]) -> Vec<f64> {
        let mut starts: Vec<f64> = self.files().iter().map(|file| start_weight(file.class)).collect();
        normalize(&mut starts);
        let mut wanted = vec![0.0; starts.len()];
        for (at, focused) in focused.iter().enumerate() {
            wanted[at] += f64::from(u8::from(*focused)) * 10.0;
        }
        if !interest.is_empty() {
            for (at, file) in self.files().iter().enumerate() {
                wanted[at] += f64::from(interest.in_path(&file.path)) * part_shown(file.class);
            }
            for group in &self.groups {
                let at = group.file as usize;
                let more = named.get(&group.name).map_or(0.0, |weight| f64::from(weight - 1.0));
                wanted[at] += more * part_shown(self.files()[at].class);
            }
        }
        if normalize(&mut wanted) {
            // Something of the whole stays, so that what everything stands on is seen too.
            starts.iter_mut().zip(&wanted).for_each(|(start, wanted)| *start = 0.2 * *start + 0.8 * wanted);
        }
        starts
    }

    /// Gives each file's rank to the definitions it uses, and a little to its own.
    fn share_out(&self, ranks: &[f64], named: &FxHashMap<u64, f32>, focused: &[bool], interest: &Interest) -> Ranks {
        let mut of_groups = vec![0.0f64; self.groups.len()];
        for (file, rank) in ranks.iter().enumerate() {
            let total: f64 = self.edges_from(file).iter().map(|edge| f64::from(self.weight_of(edge, named))).sum();
            for edge in self.edges_from(file) {
                let own = self.groups[edge.group as usize].file as usize == file;
                // Uses at home say less of what others need to know.
                let weight = f64::from(self.weight_of(edge, named)) * if own { 0.2 } else { 1.0 };
                of_groups[edge.group as usize] += rank * weight / total.max(f64::MIN_POSITIVE);
            }
        }
        let mut symbols: Vec<Vec<f32>> = self.files().iter().map(|file| vec![0.0; file.symbols.len()]).collect();
        for (group, rank) in self.groups.iter().zip(&of_groups) {
            let at = group.file as usize;
            let mentioned = named.get(&group.name).copied().unwrap_or(1.0);
            let own = if mentioned >= MENTIONED { MENTIONED_OWN } else { OWN };
            let base = ranks[at] * own / (self.files()[at].symbols.len().max(1) as f64).sqrt();
            let more = mentioned * if focused[at] { 8.0 } else { 1.0 };
            let members = self.members_of(group);
            for member in members {
                symbols[at][*member as usize] = (rank / members.len() as f64 + base) as f32 * more;
            }
        }
        for ((file, ranks), &focused) in self.files().iter().zip(&mut symbols).zip(focused) {
            if !interest.is_empty() {
                let inside = |symbol: &Symbol| symbol.container.as_deref().is_some_and(|c| interest.names_one_of(c));
                ranks.iter_mut().zip(&file.symbols).filter(|(_, s)| inside(s)).for_each(|(rank, _)| *rank *= 4.0);
            }
            pass_up(file, ranks);
            ranks.iter_mut().zip(&file.symbols).for_each(|(rank, symbol)| *rank *= shown_worth(file, symbol, focused));
        }
        Ranks { files: ranks.iter().map(|rank| *rank as f32).collect(), symbols }
    }

    fn weight_of(&self, edge: &super::edges::Edge, named: &FxHashMap<u64, f32>) -> f32 {
        let name = self.groups.get(edge.group as usize).map_or(0, |group| group.name);
        edge.weight * named.get(&name).copied().unwrap_or(1.0)
    }
}

/// Gives types a share of what their members earn: who calls `Runtime::block_on` needs to know `Runtime`.
fn pass_up(file: &FileNode, ranks: &mut [f32]) {
    let mut types: FxHashMap<&str, usize> = FxHashMap::default();
    for (i, symbol) in file.symbols.iter().enumerate().rev() {
        if is_type(symbol.kind) {
            types.insert(&symbol.name, i);
        }
    }
    let mut earned = vec![0.0; ranks.len()];
    for (i, symbol) in file.symbols.iter().enumerate() {
        let around = symbol.container.as_deref().and_then(|c| c.rsplit('.').next());
        if let Some(owner) = around.and_then(|name| types.get(name)).filter(|owner| **owner != i) {
            earned[*owner] += ranks[i] * PASSED_UP;
        }
    }
    ranks.iter_mut().zip(earned).for_each(|(rank, earned)| *rank += earned);
}

fn is_type(kind: SymbolKind) -> bool {
    use SymbolKind as K;
    matches!(kind, K::Class | K::Struct | K::Enum | K::Interface | K::Trait | K::Type)
}

/// How much a reader learns from seeing a definition.
fn shown_worth(file: &FileNode, symbol: &Symbol, focused: bool) -> f32 {
    use SymbolKind as K;
    let kind = match symbol.kind {
        K::Class | K::Struct | K::Enum | K::Interface | K::Trait => 1.5,
        K::Type | K::Function => 1.0,
        K::Macro => 0.5,
        K::Method => 0.8,
        K::Constant => 0.4,
        K::Module => 0.3,
        K::Variable => 0.2,
        _ => 0.05,
    };
    // Who asks for a file gets it, whatever part it plays.
    let part = if focused { 1.0 } else { part_shown(file.class) as f32 };
    let internal = file
        .path
        .split('/')
        .chain(symbol.container.iter().flat_map(|c| c.split('.')))
        .any(|piece| INTERNAL.contains(&piece));
    let in_tests =
        symbol.container.as_deref().is_some_and(|c| c.split('.').any(|part| part == "tests" || part == "test"))
            || symbol.name.starts_with("test_")
            || symbol.name == "tests";
    // Constructors and the like: what they say is said by what they belong to.
    let same = symbol.container.as_deref().is_some_and(|c| c.rsplit('.').next() == Some(&symbol.name));
    let tool = !focused && file.path.split('/').rev().skip(1).any(|folder| TOOLS.contains(&folder));
    let less = |yes: bool, keeps: f32| if yes { keeps } else { 1.0 };
    kind * part * less(in_tests, 0.02) * less(internal, 0.3) * less(same, 0.2) * less(tool, 0.3)
}

/// Folders and modules whose name says that others are to stay out.
const INTERNAL: &[&str] =
    &["internal", "internals", "_internal", "private", "__private", "_private", "sealed", "detail", "details"];

/// Folders of what helps to build or release the rest.
const TOOLS: &[&str] = &["build", "ci", "contrib", "hack", "script", "scripts", "support", "tool", "tooling", "tools"];

/// How much of a file a map of the whole repository shows, for the part it plays.
fn part_shown(class: PathClass) -> f64 {
    match class {
        PathClass::Source => 1.0,
        PathClass::Declaration => 0.5,
        PathClass::Legacy => 0.3,
        PathClass::Example => 0.1,
        PathClass::Config | PathClass::Docs => 0.05,
        PathClass::Test | PathClass::Bench | PathClass::Vendored | PathClass::Locale => 0.02,
    }
}

/// Makes the weights sum to 1; says whether there was anything to sum.
fn normalize(weights: &mut [f64]) -> bool {
    let total: f64 = weights.iter().sum();
    if total > 0.0 {
        weights.iter_mut().for_each(|weight| *weight /= total);
    }
    total > 0.0
}

/// Edges between files alone, those of one pair summed.
struct Web {
    starts: Vec<u32>,
    edges: Vec<(u32, f64)>,
}

impl Web {
    fn of(graph: &SymbolGraph, named: &FxHashMap<u64, f32>, focused: &[bool]) -> Self {
        let n = graph.files().len();
        let (mut starts, mut edges) = (Vec::with_capacity(n + 1), Vec::new());
        let mut sums = vec![0.0f64; n];
        let mut touched: Vec<u32> = Vec::new();
        for file in 0..n {
            starts.push(edges.len() as u32);
            for edge in graph.edges_from(file) {
                let to = graph.groups[edge.group as usize].file;
                if to as usize == file {
                    continue;
                }
                if sums[to as usize] == 0.0 {
                    touched.push(to);
                }
                let more = if focused[to as usize] { 3.0 } else { 1.0 };
                sums[to as usize] += f64::from(graph.weight_of(edge, named)) * more;
            }
            touched.sort_unstable();
            let total: f64 = touched.iter().map(|to| sums[*to as usize]).sum();
            for to in touched.drain(..) {
                edges.push((to, sums[to as usize] / total.max(f64::MIN_POSITIVE)));
                sums[to as usize] = 0.0;
            }
        }
        starts.push(edges.len() as u32);
        Self { starts, edges }
    }

    fn from(&self, file: usize) -> &[(u32, f64)] {
        &self.edges[self.starts[file] as usize..self.starts[file + 1] as usize]
    }

    /// PageRank by power iteration. A file that uses nothing leads back to the start.
    fn walk(&self, starts: &[f64]) -> Vec<f64> {
        let n = starts.len();
        let mut ranks = starts.to_vec();
        let mut next = vec![0.0; n];
        for _ in 0..MAX_ROUNDS {
            next.fill(0.0);
            let mut lost = 0.0;
            for (file, rank) in ranks.iter().enumerate() {
                let out = self.from(file);
                if out.is_empty() {
                    lost += rank;
                }
                for (to, share) in out {
                    next[*to as usize] += DAMPING * rank * share;
                }
            }
            let back = 1.0 - DAMPING + DAMPING * lost;
            let mut change = 0.0;
            for at in 0..n {
                next[at] += back * starts[at];
                change += (next[at] - ranks[at]).abs();
            }
            std::mem::swap(&mut ranks, &mut next);
            if change < PRECISE {
                break;
            }
        }
        ranks
    }
}

#[cfg(test)]
#[cfg(feature = "languages")]
mod tests;
