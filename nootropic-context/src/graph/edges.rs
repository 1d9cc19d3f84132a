//! The symbol graph: files, what they define, and an edge from each file that uses a name to the definitions it may
//! mean.
//!
//! A name alone does not say which definition is meant, so a use is shared out among the candidates: those in the same
//! file first, then those nearby, and only within a family of languages that can call each other. How much a name counts
//! follows aider's repository map (`RepoMap.get_ranked_tags`): specific names more, private ones less, names that many
//! files define much less, and repeated uses by the square root of their number.

use std::collections::hash_map::Entry;
use std::hash::BuildHasher;
use std::ops::{ControlFlow, Range};

use nootropic_core::{Error, KeyRange, ReadTxn, Result, Snapshot, Symbol, SymbolKind};
use rayon::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::index::{OUTLINES, Outline, PathClass};
use crate::lexical::parts;

/// Names with more definitions than this connect nothing: they are the `new` and `get` of a repository.
const MAX_DEFINERS: usize = 48;

/// A definition one folder deeper is so much less likely to be meant: what others are to use lies near the top.
const DEEPER: f32 = 0.7;

/// A file of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct FileNode {
    /// Its number in the index.
    pub id: u32,
    /// `/`-separated; lossy if the real name is not UTF-8.
    pub path: String,
    /// Whether `path` is lossy.
    pub path_is_lossy: bool,
    /// Lower-case name of its language.
    pub language: Option<&'static str>,
    /// What its path says.
    pub class: PathClass,
    /// What it defines, in order.
    pub symbols: Vec<Symbol>,
}

/// A name a file defines, once or several times.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) file: u32,
    /// Hash of name and language family.
    pub(super) name: u64,
    /// Its symbols, in [`SymbolGraph::members`].
    pub(super) members: Range<u32>,
}

/// A use that may mean a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) group: u32,
    pub(super) weight: f32,
}

/// Files, definitions and uses of one snapshot. Load it once and ask it often.
#[derive(Debug)]
pub struct SymbolGraph {
    snapshot: Snapshot,
    files: Vec<FileNode>,
    pub(super) groups: Vec<Group>,
    /// Places in `files[group.file].symbols`.
    pub(super) members: Vec<u32>,
    /// Edges of file `i` are `starts[i]..starts[i + 1]`.
    pub(super) starts: Vec<u32>,
    pub(super) edges: Vec<Edge>,
}

/// A decoded outline whose uses are counted.
struct Loaded {
    node: FileNode,
    family: u64,
    uses: Vec<(u64, u32)>,
}

impl SymbolGraph {
    /// Reads every outline and links uses with definitions.
    ///
    /// # Errors
    /// As [`ReadTxn::scan`]; `Corrupt` if an outline does not decode.
    pub fn load(txn: &dyn ReadTxn) -> Result<Self> {
        let mut records: Vec<(u32, &[u8])> = Vec::new();
        txn.scan(OUTLINES, &KeyRange::all(), &mut |key, value| {
            let id = key.try_into().map(u32::from_be_bytes).map_err(|_| Error::corrupt(OUTLINES, key, "bad key"))?;
            records.push((id, value));
            Ok(ControlFlow::Continue(()))
        })?;
        let mut loaded = records.into_par_iter().map(|(id, bytes)| load_file(id, bytes)).collect::<Result<Vec<_>>>()?;
        // File numbers depend on the order of indexing; paths do not.
        loaded.par_sort_unstable_by(|a, b| a.node.path.cmp(&b.node.path).then(a.node.id.cmp(&b.node.id)));
        Ok(Self::link(txn.snapshot(), loaded))
    }

    fn link(snapshot: Snapshot, loaded: Vec<Loaded>) -> Self {
        let (groups, members) = group(&loaded);
        let mut names: FxHashMap<u64, NameUse> = FxHashMap::default();
        for (i, found) in groups.iter().enumerate() {
            let file = &loaded[found.file as usize].node;
            let at = &members[found.members.start as usize..found.members.end as usize];
            let worth =
                at.iter().filter_map(|m| file.symbols.get(*m as usize)).map(|s| kind_worth(s.kind)).fold(0.0, f32::max);
            let name = at.first().and_then(|m| file.symbols.get(*m as usize)).map_or("", |s| s.name.as_str());
            match names.entry(found.name) {
                Entry::Vacant(slot) => {
                    slot.insert(NameUse { worth, specific: specificity(name), groups: vec![i as u32] });
                }
                Entry::Occupied(mut held) => {
                    let held = held.get_mut();
                    held.worth = held.worth.max(worth);
                    held.groups.push(i as u32);
                }
            }
        }
        let linked: Vec<Vec<Edge>> = loaded
            .par_iter()
            .enumerate()
            .map(|(at, file)| edges_of(at as u32, file, &names, &groups, &loaded))
            .collect();
        let mut starts = Vec::with_capacity(loaded.len() + 1);
        let mut edges = Vec::with_capacity(linked.iter().map(Vec::len).sum());
        for of_file in linked {
            starts.push(edges.len() as u32);
            edges.extend(of_file);
        }
        starts.push(edges.len() as u32);
        Self { snapshot, files: loaded.into_iter().map(|l| l.node).collect(), groups, members, starts, edges }
    }

    /// The state of the index it was read from.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot
    }

    /// Every indexed file, by path.
    pub fn files(&self) -> &[FileNode] {
        &self.files
    }

    /// How many edges there are.
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    pub(super) fn edges_from(&self, file: usize) -> &[Edge] {
        let range = self.starts.get(file).zip(self.starts.get(file + 1));
        range.and_then(|(from, to)| self.edges.get(*from as usize..*to as usize)).unwrap_or_default()
    }

    pub(super) fn members_of(&self, group: &Group) -> &[u32] {
        self.members.get(group.members.start as usize..group.members.end as usize).unwrap_or_default()
    }
}

fn load_file(id: u32, bytes: &[u8]) -> Result<Loaded> {
    let mut hashes = Vec::new();
    let outline = Outline::decode_parts(bytes, |name, _| hashes.push(hash(name)))
        .map_err(|e| Error::corrupt(OUTLINES, &id.to_be_bytes(), e.0))?;
    let Outline { path, path_is_lossy, language, symbols, .. } = outline;
    let language = language.map(|l| l.name());
    let family = hash(family(language));
    let class = PathClass::of(&path);
    hashes.sort_unstable();
    let uses = hashes.chunk_by(|a, b| a == b).map(|run| (run[0] ^ family, run.len() as u32)).collect();
    Ok(Loaded { uses, family, node: FileNode { id, path, path_is_lossy, language, class, symbols } })
}

fn hash(text: &str) -> u64 {
    FxBuildHasher.hash_one(text)
}

/// Names are told apart by 64-bit hashes: should two ever meet, a rank is a little off.
pub(super) fn name_hash(name: &str, family: u64) -> u64 {
    hash(name) ^ family
}

/// Languages that use each other's definitions by name.
pub(super) fn family(language: Option<&str>) -> &str {
    match language.unwrap_or_default() {
        "c" | "cpp" | "c++" => "c",
        "javascript" | "typescript" | "tsx" | "jsx" => "javascript",
        "java" | "kotlin" | "scala" => "java",
        other => other,
    }
}

/// Whether other files can mean a definition of this kind by its name.
pub(super) fn is_linked(kind: SymbolKind) -> bool {
    !matches!(kind, SymbolKind::Impl | SymbolKind::Heading | SymbolKind::Key)
}

/// How sure a use of a name is to mean a definition of this kind.
fn kind_worth(kind: SymbolKind) -> f32 {
    use SymbolKind as K;
    match kind {
        K::Class | K::Struct | K::Enum | K::Interface | K::Trait | K::Type | K::Function => 1.0,
        K::Constant | K::Macro => 0.7,
        K::Method | K::Module => 0.5,
        K::Variable => 0.3,
        _ => 0.1,
    }
}

/// How much a name says by itself.
fn specificity(name: &str) -> f32 {
    let mut n = 0;
    parts(name, |_| n += 1);
    let written = match n {
        _ if name.chars().count() <= 2 => 0.1,
        2.. if name.len() >= 8 => 8.0,
        2.. => 4.0,
        _ if name.starts_with(char::is_uppercase) => 5.0,
        _ => 1.0,
    };
    let known = if EVERYWHERE.binary_search(&name).is_ok() { 0.15 } else { 1.0 };
    known * if name.starts_with('_') { written * 0.1 } else { written }
}

/// Names that standard libraries and compilers define as well, so that a use seldom means a definition here. Sorted.
const EVERYWHERE: &[&str] = &[
    "Arc",
    "AtomicBool",
    "AtomicU64",
    "AtomicUsize",
    "Bool",
    "Box",
    "Buffer",
    "Cell",
    "Clone",
    "Close",
    "Context",
    "Copy",
    "Debug",
    "Default",
    "Display",
    "Drop",
    "Duration",
    "Err",
    "Error",
    "Exception",
    "Fn",
    "From",
    "Future",
    "Instant",
    "Int",
    "Integer",
    "Into",
    "Iterator",
    "Key",
    "List",
    "Map",
    "None",
    "Number",
    "Object",
    "Ok",
    "Option",
    "Ordering",
    "Path",
    "PathBuf",
    "Pending",
    "PhantomData",
    "Pin",
    "Poll",
    "Rc",
    "Read",
    "Reader",
    "Ready",
    "Result",
    "Self",
    "Send",
    "Set",
    "SocketAddr",
    "Some",
    "String",
    "Sync",
    "Type",
    "UnsafeCell",
    "Value",
    "Vec",
    "Waker",
    "Write",
    "WriteString",
    "Writer",
    "allow",
    "apply",
    "assert",
    "call",
    "cfg",
    "close",
    "derive",
    "doc",
    "err",
    "error",
    "feature",
    "format",
    "get",
    "init",
    "key",
    "len",
    "length",
    "list",
    "log",
    "map",
    "name",
    "new",
    "next",
    "object",
    "open",
    "parse",
    "path",
    "print",
    "push",
    "read",
    "require",
    "run",
    "send",
    "set",
    "start",
    "string",
    "test",
    "toString",
    "to_string",
    "type",
    "value",
    "write",
];

struct NameUse {
    worth: f32,
    specific: f32,
    groups: Vec<u32>,
}

/// Groups the linked definitions of each file by name, in order of files and of first appearance.
fn group(loaded: &[Loaded]) -> (Vec<Group>, Vec<u32>) {
    let (mut groups, mut members) = (Vec::new(), Vec::new());
    let mut named: Vec<(u64, u32)> = Vec::new();
    for (file, found) in loaded.iter().enumerate() {
        named.clear();
        let linked = found.node.symbols.iter().enumerate().filter(|(_, symbol)| is_linked(symbol.kind));
        named.extend(linked.map(|(i, symbol)| (name_hash(&symbol.name, found.family), i as u32)));
        named.sort_unstable();
        for run in named.chunk_by(|a, b| a.0 == b.0) {
            let start = members.len() as u32;
            members.extend(run.iter().map(|(_, i)| *i));
            groups.push(Group { file: file as u32, name: run[0].0, members: start..members.len() as u32 });
        }
    }
    (groups, members)
}

fn edges_of(at: u32, file: &Loaded, names: &FxHashMap<u64, NameUse>, groups: &[Group], loaded: &[Loaded]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for &(name, count) in &file.uses {
        let Some(of) = names.get(&name).filter(|of| of.groups.len() <= MAX_DEFINERS) else { continue };
        let many = (5.0 / of.groups.len() as f32).min(1.0);
        let weight = of.specific * of.worth * many * (count as f32).sqrt();
        let first = edges.len();
        let mut total = 0.0;
        for &group in &of.groups {
            let Some(target) = groups.get(group as usize) else { continue };
            let near = if target.file == at { 32.0 } else { nearness(file, &loaded[target.file as usize]) };
            total += near;
            edges.push(Edge { group, weight: near });
        }
        for edge in &mut edges[first..] {
            edge.weight *= weight / total.max(f32::MIN_POSITIVE);
        }
    }
    edges
}

/// How likely a use in one file means a definition in the other, by what their paths share.
fn nearness(from: &Loaded, to: &Loaded) -> f32 {
    let shared = from.node.path.split('/').zip(to.node.path.split('/')).take_while(|(a, b)| a == b).count();
    let depth = to.node.path.matches('/').count().min(16) as i32;
    let part = match (from.node.class, to.node.class) {
        (a, b) if a == b => 1.0,
        (_, PathClass::Source) => 1.0,
        // Nobody but a test means what tests define.
        (_, PathClass::Test | PathClass::Example | PathClass::Bench | PathClass::Docs) => 0.02,
        _ => 0.3,
    };
    part * (1 << shared.min(4)) as f32 * DEEPER.powi(depth)
}
