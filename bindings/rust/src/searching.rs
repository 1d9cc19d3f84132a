//! Asking the index.

use std::path::Path;

use nootropic_context::search::{Answer, Hit, SearchOptions, is_filter};
use nootropic_core::ErrorKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chosen::Choice;
use crate::nootropic::is_refusal;
use crate::scope::{COUNTS, below, within};
use crate::{Call, Config, Error, Nootropic, Result, Scope};

/// A question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// What to look for: a question, words or a name. `path:`, `lang:` and `symbol:` narrow it down, a leading `-` leaves
    /// out. Without a question, what the filters let through is shown.
    #[serde(default)]
    #[schemars(extend("x-positional" = 1, "x-value-name" = "QUERY", "x-rest" = true))]
    pub query: String,
    /// The most passages to show; the setting `search.limit` (default 10) if not given.
    #[serde(default)]
    #[schemars(range(min = *COUNTS.start(), max = *COUNTS.end()), extend("x-short" = "k", "x-value-name" = "N"))]
    pub limit: Option<u32>,
    /// Where to look.
    #[serde(flatten)]
    pub scope: Scope,
    /// Only in definitions of this name, such as `open` or, of the one in `Store`, `Store.open`.
    #[serde(default)]
    #[schemars(extend("x-value-name" = "NAME"))]
    pub symbol: Vec<String>,
    /// Say what each signal added to the score.
    #[serde(default)]
    pub explain: bool,
}

/// What a question found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchAnswer {
    /// The state of the index that was asked.
    pub snapshot: String,
    /// The question.
    pub query: String,
    /// How long the search took, in milliseconds, without the reading of changed files.
    pub took_ms: f64,
    /// Best first.
    pub hits: Vec<SearchHit>,
}

/// A passage that answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchHit {
    /// Relative to the repository, `/`-separated.
    pub path: String,
    /// First line, 1-based.
    pub start_line: u32,
    /// Last line, 1-based and inclusive.
    pub end_line: u32,
    /// Higher is better; comparable within one answer.
    pub score: f64,
    /// The definition it begins with or lies in.
    pub symbol: Option<String>,
    /// What kind of definition that is.
    pub kind: Option<String>,
    /// Lower-case name of the language.
    pub language: Option<String>,
    /// The passage.
    pub snippet: String,
    /// Set if the file's name is not UTF-8 and `path` only resembles it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub path_is_lossy: bool,
    /// What made the score, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<SignalShare>,
}

/// One signal's share of a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignalShare {
    /// Which, e.g. `word commit`.
    pub name: String,
    /// What it added, or the factor it multiplied by.
    pub value: f64,
    /// Whether `value` is a factor.
    pub factor: bool,
}

impl Search {
    /// A question with nothing else said.
    pub fn of(query: impl Into<String>) -> Self {
        Self { query: query.into(), ..Self::default() }
    }

    /// The question with its filters written out, as one to the index of `root`.
    pub(crate) fn question(&self, root: &Path) -> Result<String> {
        let paths = self.scope.paths_in(root);
        let filters = [("path", &paths), ("lang", &self.scope.lang), ("symbol", &self.symbol)];
        if self.query.trim().is_empty() && filters.iter().all(|(_, values)| values.is_empty()) {
            return Err(Error::Input { what: "query", problem: "there is nothing to look for".into() });
        }
        let mut question = with_paths_in(root, &self.query);
        for (name, values) in filters {
            for value in values {
                let filter = format!("{name}:{value}");
                if !is_filter(&filter) || filter.contains(char::is_whitespace) {
                    let problem = format!("`{value}` cannot be a filter; write `?` for a space");
                    return Err(Error::Input { what: name, problem });
                }
                question.push(' ');
                question.push_str(&filter);
            }
        }
        Ok(question)
    }

    /// How to look for it.
    pub(crate) fn options(&self, config: &Config) -> Result<SearchOptions> {
        let limit = within("limit", self.limit.unwrap_or(config.search.limit), &COUNTS)?;
        Ok(SearchOptions { limit: limit as usize, explain: self.explain, ..SearchOptions::default() })
    }
}

/// A question whose `path:` filters are as the index of `root` spells paths.
fn with_paths_in(root: &Path, question: &str) -> String {
    let mut out = String::with_capacity(question.len());
    for piece in question.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let filter = ["path:", "-path:"].into_iter().find(|filter| is_filter(word) && word.starts_with(filter));
        match filter {
            Some(filter) => {
                out.push_str(filter);
                out.push_str(&below(root, word[filter.len()..].trim_matches('"')));
                out.push_str(&piece[word.len()..]);
            }
            None => out.push_str(piece),
        }
    }
    out
}

impl SearchAnswer {
    pub(crate) fn new(input: &Search, answer: Answer) -> Self {
        Self {
            snapshot: answer.snapshot.to_string(),
            query: input.query.clone(),
            took_ms: (answer.took_ms * 1e3).round() / 1e3,
            hits: answer.hits.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Hit> for SearchHit {
    fn from(hit: Hit) -> Self {
        let share = |signal: nootropic_context::search::Signal| SignalShare {
            name: signal.name,
            value: rounded(signal.value),
            factor: signal.factor,
        };
        Self {
            path: hit.chunk.path,
            start_line: hit.chunk.span.start_line,
            end_line: hit.chunk.span.end_line,
            score: rounded(hit.score),
            symbol: hit.chunk.symbol,
            kind: hit.chunk.kind.map(|kind| kind.as_str().to_owned()),
            language: hit.chunk.language,
            snippet: hit.chunk.text,
            path_is_lossy: hit.path_is_lossy,
            signals: hit.signals.into_iter().map(share).collect(),
        }
    }
}

/// Four significant digits: more would say nothing, and take room; fewer would make nothing of what is small.
fn rounded(value: f32) -> f64 {
    format!("{value:.3e}").parse().unwrap_or_default()
}

impl Nootropic {
    /// Ranked passages for a question. Reads what changed first, if [`search.update`](crate::config::SearchSettings::update)
    /// and the question say so; where that is refused (a folder that cannot be written, say), or another process is at it,
    /// it warns and answers from the index as it is. Where there is none yet, it waits for that process. What is near in meaning counts
    /// too, by the embedder of the index ([`Index::embedder`](crate::Index)).
    ///
    /// # Errors
    /// [`Error::NoIndex`] if there is none and none is to be made; [`Error::Input`]; as [`index`](Self::index).
    pub fn search(&self, input: &Search, call: &Call) -> Result<SearchAnswer> {
        let (question, options) = (input.question(self.root())?, input.options(self.config())?);
        self.refresh(&input.scope, call)?;
        let answer = self.search_hybrid(&question, &options, call)?;
        Ok(SearchAnswer::new(input, answer))
    }

    /// Brings the index into step before it is asked, if that is wanted and possible.
    pub(crate) fn refresh(&self, scope: &Scope, call: &Call) -> Result<()> {
        if scope.no_update || !self.config().search.update {
            return Ok(());
        }
        // One that cannot be read is said to be so by the search itself.
        let choice = self.choice().unwrap_or(Choice::Words);
        // Where nothing changed, nothing is written: a store that cannot be written is no obstacle then.
        let updated = self.opened(true).and_then(|opened| {
            let turn = match self.turn_soon(call)? {
                None if !call.cancel.is_cancelled() && self.indexed().is_ok() => {
                    let message =
                        "another process is bringing the index up to date; the answer is from what is there so far";
                    call.warn("index", ErrorKind::Busy, message.into(), None);
                    return Ok(());
                }
                None => self.turn(call)?,
                Some(turn) => turn,
            };
            self.update(&*opened.store, false, &choice, call)?;
            drop(turn);
            self.embed_some(call)
        });
        match updated {
            Err(error) if is_refusal(error.kind()) && self.indexed().is_ok() => {
                let message = format!("the index was not brought up to date: {}", crate::chain(&error));
                call.warn("index", error.kind(), message, error.hint());
                Ok(())
            }
            updated => updated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn what_is_small_is_rounded_and_not_lost() {
        for (value, shown) in [
            (0.0, "0.0"),
            (12.345_678, "12.35"),
            (1.0, "1.0"),
            (0.05_f32.powi(4), "6.25e-6"),
            (0.05_f32.powi(9) * 7.654_32, "1.495e-11"),
            (-0.000_123_456, "-0.0001235"),
        ] {
            assert_eq!(serde_json::to_string(&rounded(value)).unwrap(), shown);
        }
    }
}
