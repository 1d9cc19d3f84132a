//! Definitions by name: the same name first, then names that begin with it, then names whose parts hold it.

mod name;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use nootropic_core::{KeyRange, Result, Store, StoreExt, Symbol, SymbolKind};
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::signature::signature;
use super::uses::{Lookup, SymbolUses, term_key};
use crate::codec::Decoded;
use crate::index::{Columns, Outline, PathClass, read_text};
use crate::lexical::{POSTINGS, TermKind, fold, segments};
use crate::search::filter::language;
use crate::search::glob::PathFilter;
use crate::syntax::Language;
pub use name::NameMatch;
use name::Wanted;

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolQuery {
    /// A name, a part of one, or a path of names such as `Runtime::spawn`.
    pub name: String,
    /// The loosest way to match; [`NameMatch::Fuzzy`] is only tried when nothing else is found.
    pub loosest: NameMatch,
    /// Kinds; any may fit. None for all but implementation blocks.
    pub kinds: Vec<SymbolKind>,
    /// Globs or parts of paths; any may fit. None for all files.
    pub paths: Vec<String>,
    /// Languages by name; any may fit. None for all.
    pub languages: Vec<String>,
    /// The most definitions to return.
    pub limit: usize,
    /// Say where each name is used.
    pub references: bool,
    /// The most files to list for each name that is used.
    pub reference_files: usize,
}

impl Default for SymbolQuery {
    fn default() -> Self {
        Self {
            name: String::new(),
            loosest: NameMatch::Fuzzy,
            kinds: Vec::new(),
            paths: Vec::new(),
            languages: Vec::new(),
            limit: 20,
            references: false,
            reference_files: 20,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SymbolAnswer {
    /// The state of the index that was searched.
    pub snapshot: String,
    /// Best first.
    pub symbols: Vec<SymbolHit>,
}

/// A definition that answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SymbolHit {
    /// The bare name.
    pub name: String,
    /// What it stands for.
    pub kind: SymbolKind,
    /// The enclosing definitions, outermost first, joined by `.`.
    pub container: Option<String>,
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
    /// Its head on one line, without its body.
    pub signature: String,
    /// How it was found.
    pub matched: NameMatch,
    /// 0 to 1; higher is better.
    pub score: f32,
    /// Where the name is used, if asked for.
    pub references: Option<SymbolUses>,
}

/// Candidates of one way to match whose outlines are read.
const MAX_READ: usize = 400;
const LONGEST_SIGNATURE: usize = 160;

/// Finds definitions by name.
///
/// # Errors
/// `InvalidInput` for a glob or a language that does not exist; else as the store's. Nothing found is an empty answer.
pub fn symbols(store: &dyn Store, query: &SymbolQuery) -> Result<SymbolAnswer> {
    store.read_with(|txn| {
        let (columns, segments) = (Columns::load(txn)?, segments(txn)?);
        let lookup = Lookup { txn, columns: &columns, segments: &segments };
        let mut finder = Finder::new(lookup, query)?;
        finder.find()?;
        Ok(SymbolAnswer { snapshot: txn.snapshot().to_string(), symbols: finder.finish()? })
    })
}

/// A definition on its way to an answer.
struct Found {
    file: u32,
    symbol: Symbol,
    path: String,
    path_is_lossy: bool,
    language: Option<Language>,
    matched: NameMatch,
    score: f32,
    /// Whether it lies in what was named before it.
    inside: bool,
}

/// What a definition must be like.
struct Sieve<'q> {
    query: &'q SymbolQuery,
    wanted: Wanted,
    paths: Vec<PathFilter>,
    languages: Vec<Language>,
}

struct Finder<'q, 't> {
    lookup: Lookup<'t>,
    sieve: Sieve<'q>,
    found: Vec<Found>,
}

impl<'q, 't> Finder<'q, 't> {
    fn new(lookup: Lookup<'t>, query: &'q SymbolQuery) -> Result<Self> {
        let paths = query.paths.iter().map(|path| PathFilter::new(path)).collect::<Result<_>>()?;
        let languages = query.languages.iter().map(|name| language(name)).collect::<Result<_>>()?;
        let wanted = Wanted::parse(&query.name);
        Ok(Self { lookup, sieve: Sieve { query, wanted, paths, languages }, found: Vec::new() })
    }

    /// Looser ways are tried while there is room for more.
    fn find(&mut self) -> Result<()> {
        if self.sieve.wanted.name.is_empty() || self.sieve.query.limit == 0 {
            return Ok(());
        }
        let loosest = self.sieve.query.loosest;
        let mut term = Vec::new();
        if !fold(&self.sieve.wanted.name, &mut term) {
            // Too short or too long for the index of names.
            return self.scan_all(loosest);
        }
        for way in [NameMatch::Exact, NameMatch::Prefix, NameMatch::Part] {
            if way <= loosest && self.found.len() < self.sieve.query.limit {
                let files = self.files_with(way, &term)?;
                self.take(files, way)?;
            }
        }
        if loosest == NameMatch::Fuzzy && self.found.is_empty() {
            self.scan_all(NameMatch::Fuzzy)?;
        }
        Ok(())
    }

    /// Files that define a name of this way, the most promising first.
    fn files_with(&self, way: NameMatch, term: &[u8]) -> Result<Vec<u32>> {
        let mut files: FxHashMap<u32, (usize, u8)> = FxHashMap::default();
        let mut add = |name: &[u8], first: u32, list: &[u8]| {
            self.lookup.files_in(first, list, |file, class| {
                let worth = (name.len(), class_rank(class));
                files.entry(file).and_modify(|held| *held = (*held).min(worth)).or_insert(worth);
            })
        };
        if way == NameMatch::Exact {
            self.lookup.lists(TermKind::Definition, term, |first, list| add(term, first, list))?;
        } else {
            let prefix = if way == NameMatch::Prefix { term } else { &[] };
            for segment in self.lookup.segments {
                let range = KeyRange::prefix(&term_key(segment.id, TermKind::Definition, prefix));
                self.lookup.txn.scan(POSTINGS, &range, &mut |key, list| {
                    let name = key.get(5..).unwrap_or_default();
                    if way == NameMatch::Prefix || self.sieve.wanted.may_be_part(name) {
                        add(name, segment.first, list)?;
                    }
                    Ok(ControlFlow::Continue(()))
                })?;
            }
        }
        let mut files: Vec<(u32, (usize, u8))> = files.into_iter().collect();
        files.sort_unstable_by_key(|(file, (length, class))| (*class > 1, *length, *class, *file));
        Ok(files.into_iter().map(|(file, _)| file).collect())
    }

    /// Takes the definitions of these files that answer in this way.
    fn take(&mut self, files: Vec<u32>, way: NameMatch) -> Result<()> {
        let files: BTreeSet<u32> = files.into_iter().take(MAX_READ.max(self.sieve.query.limit * 4)).collect();
        let sieve = &self.sieve;
        let found = self.lookup.each_outline(Some(files), |file, bytes| sieve.pass(file, bytes))?;
        self.found.extend(found.into_iter().flatten().filter(|f| f.matched == way));
        Ok(())
    }

    fn scan_all(&mut self, loosest: NameMatch) -> Result<()> {
        let sieve = &self.sieve;
        let found = self.lookup.each_outline(None, |file, bytes| sieve.pass(file, bytes))?;
        self.found = found.into_iter().flatten().filter(|f| f.matched <= loosest).collect();
        Ok(())
    }

    fn finish(self) -> Result<Vec<SymbolHit>> {
        let Self { lookup, sieve: Sieve { query, .. }, mut found } = self;
        if found.iter().any(|f| f.inside) {
            found.retain(|f| f.inside);
        }
        found.sort_by(|a, b| {
            let place = |f: &Found| (f.symbol.span.start_line, f.symbol.span.start_byte);
            b.score.total_cmp(&a.score).then_with(|| a.path.cmp(&b.path)).then_with(|| place(a).cmp(&place(b)))
        });
        found.truncate(query.limit);
        let mut texts: FxHashMap<u32, String> = FxHashMap::default();
        let mut uses: FxHashMap<(String, Option<&str>), SymbolUses> = FxHashMap::default();
        let mut hits = Vec::with_capacity(found.len());
        for f in found {
            let language = f.language.map(Language::name);
            let text = match texts.entry(f.file) {
                std::collections::hash_map::Entry::Occupied(held) => held.into_mut(),
                std::collections::hash_map::Entry::Vacant(slot) => slot.insert(read_text(lookup.txn, f.file)?),
            };
            let head = signature(text, &f.symbol, language, LONGEST_SIGNATURE);
            let references = match query.references {
                false => None,
                true => Some(match uses.entry((f.symbol.name.clone(), language)) {
                    std::collections::hash_map::Entry::Occupied(held) => held.get().clone(),
                    std::collections::hash_map::Entry::Vacant(slot) => {
                        slot.insert(lookup.uses(&f.symbol.name, language, query.reference_files)?).clone()
                    }
                }),
            };
            hits.push(SymbolHit {
                name: f.symbol.name,
                kind: f.symbol.kind,
                container: f.symbol.container,
                path: f.path,
                path_is_lossy: f.path_is_lossy,
                language: language.map(str::to_owned),
                start_line: head.first_line,
                end_line: f.symbol.span.end_line,
                signature: head.text,
                matched: f.matched,
                score: f.score,
                references,
            });
        }
        Ok(hits)
    }
}

impl Sieve<'_> {
    /// The definitions of a file that answer.
    fn pass(&self, file: u32, bytes: &[u8]) -> Decoded<Vec<Found>> {
        let outline = Outline::decode_parts(bytes, |_, _| {})?;
        let fits = (self.paths.is_empty() || self.paths.iter().any(|path| path.fits(&outline.path)))
            && (self.languages.is_empty()
                || outline.language.is_some_and(|language| self.languages.contains(&language)));
        if !fits {
            return Ok(Vec::new());
        }
        let class = PathClass::of(&outline.path);
        let Outline { path, path_is_lossy, language, symbols, .. } = outline;
        let mut found = Vec::new();
        for symbol in symbols {
            let fits = match self.query.kinds.as_slice() {
                // A block that implements is not what defines the name.
                [] => symbol.kind != SymbolKind::Impl,
                kinds => kinds.contains(&symbol.kind),
            };
            if !fits {
                continue;
            }
            let Some((matched, closeness)) = self.wanted.matches(&symbol.name) else { continue };
            let within = 0.5 * closeness + 0.3 * kind_prior(symbol.kind) + 0.2 * class_prior(class);
            let inside = self.wanted.container.as_deref().is_some_and(|wanted| lies_in(wanted, &symbol, &path));
            let score = (f32::from(3 - matched as u8) + within) / 4.0;
            found.push(Found { file, symbol, path: path.clone(), path_is_lossy, language, matched, score, inside });
        }
        Ok(found)
    }
}

/// Whether a definition lies in what is called `wanted`: a definition, else a file or folder.
fn lies_in(wanted: &str, symbol: &Symbol, path: &str) -> bool {
    let same = |name: &str| name.eq_ignore_ascii_case(wanted);
    symbol.container.as_deref().is_some_and(|c| c.split('.').any(same))
        || path.split('/').any(|piece| same(piece.split('.').next().unwrap_or(piece)))
}

fn kind_prior(kind: SymbolKind) -> f32 {
    use SymbolKind as K;
    match kind {
        K::Class | K::Struct | K::Enum | K::Interface | K::Trait | K::Type => 1.0,
        K::Function | K::Macro => 0.9,
        K::Method | K::Module => 0.7,
        K::Constant => 0.6,
        K::Impl => 0.4,
        K::Variable | K::Field => 0.3,
        _ => 0.1,
    }
}

fn class_prior(class: PathClass) -> f32 {
    match class {
        PathClass::Source => 1.0,
        PathClass::Declaration | PathClass::Legacy => 0.6,
        PathClass::Example | PathClass::Bench => 0.4,
        PathClass::Test => 0.3,
        _ => 0.2,
    }
}

fn class_rank(class: PathClass) -> u8 {
    ((1.0 - class_prior(class)) * 10.0) as u8
}

#[cfg(test)]
#[cfg(feature = "languages")]
mod tests;
