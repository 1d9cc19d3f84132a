//! Maps, packs and symbols: the repository seen from above.

use std::path::Path;

use nootropic_context::graph::{self, NameMatch, PackOrder, RepoMap, SymbolAnswer};
use nootropic_core::{ErrorKind, SymbolKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scope::{COUNTS, MAP_TOKENS, PACK_TOKENS, below, within};
use crate::searching::Search;
use crate::{Call, Nootropic, Result, Scope};

/// Asks for a map.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Map {
    /// Files, folders, names and words to look from.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "FOCUS", "x-complete" = "path"))]
    pub focus: Vec<String>,
    /// The most tokens the map may have; 2048 if not given.
    #[schemars(range(min = *MAP_TOKENS.start(), max = *MAP_TOKENS.end()), extend("x-short" = "t", "x-value-name" = "N"))]
    pub tokens: Option<u32>,
    /// Where to look.
    #[serde(flatten)]
    pub scope: Scope,
}

/// A map, as text and in its parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapAnswer {
    /// What it looks like; within the budget.
    pub text: String,
    /// What is in it.
    #[serde(flatten)]
    pub map: RepoMap,
}

/// Asks for passages to be packed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// What to look for, as for `search`.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "QUERY", "x-rest" = true))]
    pub query: String,
    /// The most tokens the text may have; 8192 if not given.
    #[serde(default)]
    #[schemars(range(min = *PACK_TOKENS.start(), max = *PACK_TOKENS.end()), extend("x-short" = "t", "x-value-name" = "N"))]
    pub tokens: Option<u32>,
    /// The most passages to take from.
    #[serde(default = "fifty")]
    #[schemars(range(min = *COUNTS.start(), max = *COUNTS.end()), extend("x-short" = "k", "x-value-name" = "N"))]
    pub limit: u32,
    /// In which order blocks stand.
    #[serde(default)]
    pub order: PackOrder,
    /// Show line numbers before each line.
    #[serde(default)]
    #[schemars(extend("x-short" = "n"))]
    pub line_numbers: bool,
    /// Where to look.
    #[serde(flatten)]
    pub scope: Scope,
}

fn fifty() -> u32 {
    50
}

/// Packed passages, as text and in their parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PackAnswer {
    /// The question.
    pub query: String,
    /// What to put before a model; within the budget.
    pub text: String,
    /// What is in it, and what was left out.
    #[serde(flatten)]
    pub pack: graph::Pack,
}

/// Asks for definitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Symbols {
    /// A name, a part of one, or a path of names such as `Runtime::spawn`.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "NAME", "x-rest" = true))]
    pub name: String,
    /// Only names that are the same; case and underscores may differ.
    #[serde(default)]
    #[schemars(extend("x-short" = "e"))]
    pub exact: bool,
    /// Say where each is used.
    #[serde(default)]
    #[schemars(extend("x-short" = "r"))]
    pub references: bool,
    /// The most definitions to show.
    #[serde(default = "twenty")]
    #[schemars(range(min = *COUNTS.start(), max = *COUNTS.end()), extend("x-short" = "k", "x-value-name" = "N"))]
    pub limit: u32,
    /// Only this kind.
    #[serde(default)]
    pub kind: Vec<SymbolKind>,
    /// Where to look.
    #[serde(flatten)]
    pub scope: Scope,
}

fn twenty() -> u32 {
    20
}

impl Pack {
    /// Passages for a question, with nothing else said.
    pub fn of(query: impl Into<String>) -> Self {
        Self { query: query.into(), limit: fifty(), ..Self::default() }
    }
}

impl Symbols {
    /// Definitions of a name, with nothing else said.
    pub fn of(name: impl Into<String>) -> Self {
        Self { name: name.into(), limit: twenty(), ..Self::default() }
    }
}

impl Nootropic {
    /// What matters most in the repository, in a budget of tokens. Reads what changed first, as [`search`](Self::search).
    ///
    /// # Errors
    /// As [`search`](Self::search), and of kind `InvalidInput` for a glob or a language that is none. A focus that nothing
    /// matches is no error: it is in [`RepoMap::unmatched`], and warned of.
    pub fn map(&self, input: &Map, call: &Call) -> Result<MapAnswer> {
        let mut options = graph::MapOptions {
            focus: input.focus.iter().map(|focus| self.focus(focus)).collect(),
            paths: input.scope.paths_in(self.root()),
            languages: input.scope.lang.clone(),
            ..graph::MapOptions::default()
        };
        if let Some(tokens) = input.tokens {
            options.tokens = within("tokens", tokens, &MAP_TOKENS)? as usize;
        }
        self.refresh(&input.scope, call)?;
        let map = graph::repo_map(&call.cancellable(&*self.indexed()?.0.store), &options)?;
        for focus in &map.unmatched {
            let message = format!("no file, folder or name matches the focus `{focus}`");
            let hint = "the map is drawn without it; `nootropic symbols` finds names that are spelled nearly so";
            call.warn("map", ErrorKind::NotFound, message, Some(hint.into()));
        }
        Ok(MapAnswer { text: map.text(), map })
    }

    /// A focus as the index spells it: an absolute path in the repository as seen from its root.
    fn focus(&self, typed: &str) -> String {
        match below(self.root(), typed) {
            root if root == "**" && typed != "**" => ".".to_owned(),
            inside if Path::new(typed).is_absolute() => inside.trim_start_matches('/').to_owned(),
            as_typed => as_typed,
        }
    }

    /// The passages that answer a question, in a budget of tokens, with citations. Reads what changed first, as
    /// [`search`](Self::search).
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn pack(&self, input: &Pack, call: &Call) -> Result<PackAnswer> {
        let search = Search { limit: Some(input.limit), scope: input.scope.clone(), ..Search::of(&input.query) };
        let (question, how) = (search.question(self.root())?, search.options(self.config())?);
        let mut options = graph::PackOptions {
            order: input.order,
            line_numbers: input.line_numbers,
            ..graph::PackOptions::default()
        };
        if let Some(tokens) = input.tokens {
            options.tokens = within("tokens", tokens, &PACK_TOKENS)? as usize;
        }
        self.refresh(&input.scope, call)?;
        let opened = self.indexed()?.0;
        let found = self.search_hybrid(&question, &how, call)?;
        let chunks: Vec<_> = found.hits.iter().map(|hit| hit.chunk.id).collect();
        let pack = graph::pack(&call.cancellable(&*opened.store), &chunks, &options)?;
        Ok(PackAnswer { query: input.query.clone(), text: pack.text(), pack })
    }

    /// Definitions by name. Reads what changed first, as [`search`](Self::search).
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn symbols(&self, input: &Symbols, call: &Call) -> Result<SymbolAnswer> {
        if input.name.trim().is_empty() {
            return Err(crate::Error::Input { what: "name", problem: "there is nothing to look for".into() });
        }
        let query = graph::SymbolQuery {
            name: input.name.clone(),
            loosest: if input.exact { NameMatch::Exact } else { NameMatch::Fuzzy },
            kinds: input.kind.clone(),
            paths: input.scope.paths_in(self.root()),
            languages: input.scope.lang.clone(),
            limit: within("limit", input.limit, &COUNTS)? as usize,
            references: input.references,
            ..graph::SymbolQuery::default()
        };
        self.refresh(&input.scope, call)?;
        Ok(graph::symbols(&call.cancellable(&*self.indexed()?.0.store), &query)?)
    }
}
