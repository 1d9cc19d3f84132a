//! A map of a repository within a token budget: its most important files, each with its most important definitions.
//!
//! Definitions are taken in order of rank, as many as fit; their number is found by bisection over the whole text, so
//! that any tokenizer's count holds exactly. After aider's repository map.

mod render;
mod select;

use nootropic_core::{ReadTxn, Result, Store, StoreExt, SymbolKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::edges::SymbolGraph;
use super::rank::Focus;
use super::tokens::{EstimatedTokens, TokenCounter};
use select::{Selection, Sheet};

/// How to draw a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapOptions {
    /// The most tokens its text may have.
    pub tokens: usize,
    /// Files, folders, names and words that matter most; what is a path in the index is taken as one, and `.` for everything.
    pub focus: Vec<String>,
    /// Globs or parts of paths; any may fit. None for all files.
    pub paths: Vec<String>,
    /// Languages by name; any may fit. None for all.
    pub languages: Vec<String>,
    /// Show the line each definition begins on.
    pub line_numbers: bool,
    /// The longest signature shown, in characters.
    pub signature_chars: usize,
}

impl Default for MapOptions {
    fn default() -> Self {
        Self {
            tokens: 2048,
            focus: Vec::new(),
            paths: Vec::new(),
            languages: Vec::new(),
            line_numbers: true,
            signature_chars: 120,
        }
    }
}

/// A map; [`RepoMap::text`] is what it looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RepoMap {
    /// The state of the index it shows.
    pub snapshot: String,
    /// The most tokens it was allowed.
    pub budget: usize,
    /// The tokens of its text.
    pub tokens: usize,
    /// Files that could have been shown.
    pub files_total: usize,
    /// Definitions that could have been shown.
    pub definitions_total: usize,
    /// Definitions that are shown, without those that only enclose others.
    pub definitions_shown: usize,
    /// Where the files are, largest folder first; empty if the map is of a part or there is no room.
    pub folders: Vec<MapFolder>,
    /// Most important first.
    pub files: Vec<MapFile>,
    /// Whether the text shows line numbers.
    pub line_numbers: bool,
    /// What of the focus names nothing that is indexed, and so changed nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmatched: Vec<String>,
}

/// A folder and how much is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MapFolder {
    /// `/`-separated; empty for files that lie in none.
    pub path: String,
    /// Files in it at any depth, but for those in a folder that is listed beside it.
    pub files: usize,
}

/// A file of the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapFile {
    /// Relative to the repository, `/`-separated.
    pub path: String,
    /// Set if the file's name is not UTF-8 and `path` only resembles it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub path_is_lossy: bool,
    /// Its language, if it is known.
    pub language: Option<String>,
    /// Its share of all attention; those of all files sum to 1.
    pub rank: f32,
    /// What is shown of it, in order.
    pub definitions: Vec<MapDefinition>,
    /// Outermost definitions that are not shown.
    pub elided: usize,
}

/// A definition of the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapDefinition {
    /// The bare name.
    pub name: String,
    /// What it stands for.
    pub kind: SymbolKind,
    /// First line, 1-based.
    pub start_line: u32,
    /// Last line, 1-based and inclusive.
    pub end_line: u32,
    /// Its head on one line, without its body.
    pub signature: String,
    /// What made it be chosen; 0 if it only encloses others.
    pub rank: f32,
    /// What is shown of its inside, in order.
    pub members: Vec<MapDefinition>,
    /// Definitions directly inside that are not shown.
    pub elided: usize,
}

/// Draws a map of the repository indexed in `store`, counting tokens with [`EstimatedTokens`].
///
/// # Errors
/// `InvalidInput` for a glob or a language that does not exist; else as the store's. An empty index gives an empty map.
pub fn repo_map(store: &dyn Store, options: &MapOptions) -> Result<RepoMap> {
    store.read_with(|txn| SymbolGraph::load(txn)?.map(txn, options, &EstimatedTokens))
}

impl SymbolGraph {
    /// Draws a map; `txn` must show the snapshot the graph was loaded from.
    ///
    /// # Errors
    /// As [`repo_map`]; `InvalidInput` if `txn` shows another snapshot.
    pub fn map(&self, txn: &dyn ReadTxn, options: &MapOptions, counter: &dyn TokenCounter) -> Result<RepoMap> {
        if txn.snapshot() != self.snapshot() {
            let problem = format!("of snapshot {}, the view shows {}", self.snapshot(), txn.snapshot());
            return Err(nootropic_core::Error::invalid("graph", problem));
        }
        let wanted = options.focus.iter().map(String::as_str).filter(|typed| !matches!(typed.trim(), "" | "." | "./"));
        let focus = Focus::of(self, wanted.clone());
        let ranks = self.rank(&focus);
        let selection = Selection::new(self, &ranks, options)?;
        let mut sheet = Sheet::new(self, txn, &ranks, selection, options)?;
        let best = bisect(sheet.len(), |n| {
            let map = sheet.draw(n)?;
            Ok((counter.count(&map.text()) <= options.tokens).then_some(map))
        })?;
        let mut map = match best {
            Some(map) => map,
            None => sheet.blank(),
        };
        map.unmatched = wanted.filter(|typed| !self.knows(typed)).map(str::to_owned).collect();
        map.tokens = counter.count(&map.text());
        Ok(map)
    }
}

/// What `fits` gives for the largest `n` up to `most` that fits, on the way of a bisection; more need not cost more, so
/// nothing is returned that was not seen to fit.
fn bisect<T>(most: usize, mut fits: impl FnMut(usize) -> Result<Option<T>>) -> Result<Option<T>> {
    let (mut low, mut high, mut best) = (0, most + 1, None);
    while low < high {
        let middle = low + (high - low) / 2;
        match fits(middle)? {
            Some(found) => {
                best = Some(found);
                low = middle + 1;
            }
            None => high = middle,
        }
    }
    Ok(best)
}

#[cfg(test)]
#[cfg(feature = "languages")]
mod tests;
