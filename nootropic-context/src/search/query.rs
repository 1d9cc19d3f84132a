//! What a question asks for: filters, words, and whether it names something or describes it.

use std::convert::Infallible;

use rustc_hash::FxHashSet;

use super::name::NamePath;
use super::ranking::{COMPOUND_NAME, JOINED, ONLY_NAME, WORD_AS_NAME};
use crate::lexical::words::TermKind;
use crate::lexical::{fold, identifiers, is_stopword, normalize, parts};

/// Whether a question names a thing or describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryClass {
    /// A name: `JoinSet`, `gin.Context`, `fmt::arg`.
    Symbol,
    /// Words around a name: “where is JoinSet polled”.
    Mixed,
    /// A description.
    Natural,
}

/// Only passages that fit are found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// `path:` globs or substrings; any may fit.
    pub paths: Vec<String>,
    /// `-path:`; none may fit.
    pub not_paths: Vec<String>,
    /// `lang:`; any may fit.
    pub languages: Vec<String>,
    /// `-lang:`; none may fit.
    pub not_languages: Vec<String>,
    /// `symbol:`, a name or one in what it lies in (`Store.open`); the passage defines or continues any of them.
    pub symbols: Vec<String>,
    /// `-symbol:`; the passage defines and continues none of them.
    pub not_symbols: Vec<String>,
}

impl Filters {
    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn list(&mut self, kind: FilterKind, leave_out: bool) -> &mut Vec<String> {
        match (kind, leave_out) {
            (FilterKind::Path, false) => &mut self.paths,
            (FilterKind::Path, true) => &mut self.not_paths,
            (FilterKind::Language, false) => &mut self.languages,
            (FilterKind::Language, true) => &mut self.not_languages,
            (FilterKind::Symbol, false) => &mut self.symbols,
            (FilterKind::Symbol, true) => &mut self.not_symbols,
        }
    }
}

/// A term to look up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueryTerm {
    /// Kind and text, as in the index.
    pub(crate) term: Vec<u8>,
    pub(crate) kind: TermKind,
    /// How much it counts beside the others.
    pub(crate) weight: f32,
    /// Which word of the question it stands for; words are what coverage counts.
    pub(crate) word: usize,
}

/// A parsed question.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// As given.
    pub text: String,
    /// Without the filters: as given where there are none, else with one space between words.
    pub words: String,
    /// What it asks for.
    pub class: QueryClass,
    /// What must fit.
    pub filters: Filters,
    /// What `symbol:` names.
    pub(crate) names: Vec<NamePath>,
    pub(crate) terms: Vec<QueryTerm>,
    pub(crate) word_count: usize,
    /// Mentions tests, examples, …: then those are not held back.
    pub(crate) wants: Vec<crate::index::PathClass>,
}

/// The most words of a question that are looked up: as many as a set of bits for each file can hold.
pub(crate) const MAX_WORDS: usize = 32;

impl Query {
    /// Parses a question. Anything is a question; filters that are not understood are words.
    ///
    /// Of more than 32 different words, the longest are looked up; a search, which knows the index, takes those that are
    /// rarest in it.
    pub fn parse(text: &str) -> Self {
        let by_length = |term: &[u8]| Ok::<_, Infallible>(term.len() as f32);
        match Self::parse_by(text, by_length) {
            Ok(query) => query,
            Err(never) => match never {},
        }
    }

    /// As [`parse`](Self::parse), with what says how rare a term is, 0 for one that is nowhere.
    ///
    /// # Errors
    /// Whatever `rarity` returns; it is asked only if there are too many words.
    pub(crate) fn parse_by<E>(text: &str, rarity: impl FnMut(&[u8]) -> Result<f32, E>) -> Result<Self, E> {
        let (words, filters) = split_filters(text);
        let class = classify(&words);
        let mut builder = Terms::default();
        builder.gather(&most_telling(content(&words), rarity)?, class);
        // `symbol:` lets passages through; where the name is what they are about, they come first.
        let names: Vec<NamePath> = filters.symbols.iter().map(|name| NamePath::parse(name)).collect();
        names.iter().flat_map(NamePath::names).for_each(|name| builder.definition(name));
        let wants = wanted_classes(&words);
        Ok(Self {
            text: text.to_owned(),
            words,
            class,
            filters,
            names,
            word_count: builder.word_count,
            terms: builder.terms,
            wants,
        })
    }
}

fn split_filters(text: &str) -> (String, Filters) {
    let mut filters = Filters::default();
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        match filter(word) {
            Some((kind, leave_out, value)) => filters.list(kind, leave_out).push(value.to_owned()),
            None => words.push(word),
        }
    }
    let words = if filters.is_empty() { text.trim().to_owned() } else { words.join(" ") };
    (words, filters)
}

/// What a filter looks at.
#[derive(Clone, Copy)]
enum FilterKind {
    Path,
    Language,
    Symbol,
}

/// A word as a filter: what it looks at, whether it leaves out what fits, and what that is.
fn filter(word: &str) -> Option<(FilterKind, bool, &str)> {
    let (name, value) = word.split_once(':')?;
    let (leave_out, name) = name.strip_prefix('-').map_or((false, name), |name| (true, name));
    let kind = match name {
        "path" => FilterKind::Path,
        "lang" => FilterKind::Language,
        "symbol" => FilterKind::Symbol,
        _ => return None,
    };
    let bare = value.trim_matches('"');
    (!bare.is_empty() && !value.starts_with(':')).then_some((kind, leave_out, bare))
}

/// Whether a word of a question is a filter, e.g. `-path:tests`.
pub fn is_filter(word: &str) -> bool {
    filter(word).is_some()
}

/// Whether a word is written as only code writes it.
fn looks_like_code(word: &str) -> bool {
    let mut n = 0;
    parts(word, |_| n += 1);
    let inner_upper = word.chars().skip(1).any(char::is_uppercase) && word.chars().any(char::is_lowercase);
    n > 1 && (word.contains('_') || inner_upper)
}

fn classify(words: &str) -> QueryClass {
    let spaced: Vec<&str> = words.split_whitespace().collect();
    let one_name = |word: &str| {
        let plain = word.trim_end_matches(['(', ')', '!', '?', ';']);
        !plain.is_empty() && plain.chars().all(|c| c.is_alphanumeric() || "_.:#/$@*&<>-~".contains(c))
    };
    match spaced.as_slice() {
        [word] if one_name(word) => QueryClass::Symbol,
        _ => {
            let mut code = false;
            identifiers(words, |word| code |= looks_like_code(word.text));
            if code { QueryClass::Mixed } else { QueryClass::Natural }
        }
    }
}

fn wanted_classes(words: &str) -> Vec<crate::index::PathClass> {
    use crate::index::PathClass as P;
    let lower = words.to_lowercase();
    let has = |names: &[&str]| lower.split(|c: char| !c.is_alphanumeric()).any(|w| names.contains(&w));
    let mut out = Vec::new();
    for (class, names) in [
        (P::Test, &["test", "tests", "testing", "tested", "mock", "mocks", "fixture", "fixtures", "spec"] as &[&str]),
        (P::Example, &["example", "examples", "demo", "sample", "tutorial"]),
        (P::Docs, &["docs", "documentation", "readme", "changelog", "guide"]),
        (P::Bench, &["benchmark", "benchmarks", "bench"]),
        (P::Legacy, &["legacy", "compat", "compatibility", "deprecated", "backward", "backwards", "old"]),
        (P::Vendored, &["vendor", "vendored"]),
        (P::Config, &["config", "configuration", "ci", "workflow", "manifest", "package", "dependencies", "lint"]),
        (P::Locale, &["locale", "locales", "translation", "translations", "i18n", "language", "localization"]),
        (P::Declaration, &["typings", "declaration", "declarations"]),
    ] {
        if has(names) {
            out.push(class);
        }
    }
    out
}

/// The words of a question without those that say nothing; all of them if that is all there is.
fn content(words: &str) -> Vec<&str> {
    let mut names = Vec::new();
    identifiers(words, |word| names.push(word.text));
    let content: Vec<&str> = names.iter().copied().filter(|w| !is_stopword(&w.to_lowercase())).collect();
    // A question of stop words only is still a question.
    if content.is_empty() { names } else { content }
}

/// Where there are more than [`MAX_WORDS`], each word once, and of those that are still too many the rarest, as they stand.
fn most_telling<E>(content: Vec<&str>, mut rarity: impl FnMut(&[u8]) -> Result<f32, E>) -> Result<Vec<&str>, E> {
    if content.len() <= MAX_WORDS {
        return Ok(content);
    }
    let mut seen = FxHashSet::default();
    let mut ranked = Vec::new();
    for (at, word) in content.into_iter().enumerate() {
        let terms = word_terms(word);
        // `joinSet` and `JoinSet` are looked up alike, `joinset` is not.
        if seen.insert((word.to_lowercase(), terms.len())) {
            let mut rarest = 0.0_f32;
            for part in &terms {
                rarest = rarest.max(rarity(&term(TermKind::Word, part))?);
            }
            ranked.push((rarest, at, word));
        }
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked.truncate(MAX_WORDS);
    ranked.sort_by_key(|(_, at, _)| *at);
    Ok(ranked.into_iter().map(|(.., word)| word).collect())
}

/// The parts of a word as they are looked up, without their kind.
fn word_terms(word: &str) -> Vec<Vec<u8>> {
    let (mut buffer, mut found) = (Vec::new(), Vec::new());
    parts(word, |part| {
        if normalize(part, &mut buffer) && (part.len() > 1 || word.len() == 1) {
            found.push(buffer.clone());
        }
    });
    found
}

/// A term with its kind in front, as in the index.
pub(super) fn term(kind: TermKind, text: &[u8]) -> Vec<u8> {
    let mut term = Vec::with_capacity(text.len() + 1);
    term.push(kind as u8);
    term.extend_from_slice(text);
    term
}

#[derive(Default)]
struct Terms {
    terms: Vec<QueryTerm>,
    word_count: usize,
}

impl Terms {
    fn gather(&mut self, content: &[&str], class: QueryClass) {
        for name in content {
            self.identifier(name, class);
        }
        for n in [2, 3] {
            for group in content.windows(n) {
                self.compound(&group.concat(), n);
            }
        }
    }

    fn identifier(&mut self, name: &str, class: QueryClass) {
        let mut buffer = Vec::new();
        let found = word_terms(name);
        let first = self.word_count;
        for part in &found {
            if self.terms.iter().any(|t| t.kind == TermKind::Word && t.term[1..] == part[..]) {
                continue;
            }
            self.push(TermKind::Word, part, 1.0, self.word_count);
            self.word_count += 1;
        }
        if fold(name, &mut buffer) {
            if found.len() > 1 {
                self.push(TermKind::Identifier, &buffer, 1.0, first);
            }
            // Who types a bare name wants to see what it stands for.
            let weight = match class {
                QueryClass::Symbol => ONLY_NAME,
                _ if found.len() > 1 => COMPOUND_NAME,
                _ => WORD_AS_NAME,
            };
            self.push(TermKind::Definition, &buffer, weight, first);
        }
    }

    fn definition(&mut self, name: &[u8]) {
        self.push(TermKind::Definition, name, ONLY_NAME, self.word_count.saturating_sub(1));
    }

    /// “join set” may be how someone says `JoinSet`.
    fn compound(&mut self, joined: &str, n: usize) {
        let mut buffer = Vec::new();
        if fold(joined, &mut buffer) {
            let word = self.word_count.saturating_sub(1);
            self.push(TermKind::Identifier, &buffer, JOINED, word);
            self.push(TermKind::Definition, &buffer, n as f32 * JOINED, word);
        }
    }

    fn push(&mut self, kind: TermKind, text: &[u8], weight: f32, word: usize) {
        let term = term(kind, text);
        if self.terms.iter().all(|t| t.term != term) {
            self.terms.push(QueryTerm { term, kind, weight, word: word.min(31) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_taken_out_and_the_rest_is_the_question() {
        let query = Query::parse("path:src/store lang:rust commit symbol:Env -path:tests foo::bar");
        assert_eq!(query.words, "commit foo::bar");
        assert_eq!(query.filters.paths, ["src/store"]);
        assert_eq!(query.filters.not_paths, ["tests"]);
        assert_eq!(query.filters.languages, ["rust"]);
        assert_eq!(query.filters.symbols, ["Env"]);
    }

    #[test]
    fn a_leading_minus_leaves_out_and_what_is_no_filter_is_a_word() {
        let query = Query::parse("-lang:ts -lang:go -symbol:main -path:docs x -other:y -path: lang::x -symbol:\"\"");
        assert_eq!(query.filters.not_languages, ["ts", "go"]);
        assert_eq!(query.filters.not_symbols, ["main"]);
        assert_eq!(query.filters.not_paths, ["docs"]);
        assert_eq!(query.words, "x -other:y -path: lang::x -symbol:\"\"");
        let pasted = "panic at file:src/main.rs language:en sym:main";
        assert_eq!((Query::parse(pasted).filters, Query::parse(pasted).words), (Filters::default(), pasted.into()));
        assert!(is_filter("-lang:ts") && !is_filter("-l") && !is_filter("-lang"));
    }

    #[test]
    fn a_name_a_description_and_both_are_told_apart() {
        for (text, class) in [
            ("JoinSet", QueryClass::Symbol),
            ("gin.Context", QueryClass::Symbol),
            ("fmt::arg", QueryClass::Symbol),
            ("where is JoinSet polled?", QueryClass::Mixed),
            ("panic recovery middleware", QueryClass::Natural),
            ("How are retries spaced?", QueryClass::Natural),
        ] {
            assert_eq!(Query::parse(text).class, class, "{text}");
        }
    }

    #[test]
    fn of_too_many_words_the_rarest_are_taken_in_their_order() {
        let word = |i: u8| format!("w{}{}q", char::from(b'a' + i / 8), char::from(b'a' + i % 8));
        let text: Vec<String> = (0..20).chain(0..20).chain(20..40).map(word).collect();
        let terms = |query: Query| -> Vec<String> {
            let words = query.terms.iter().filter(|term| term.kind == TermKind::Word);
            words.map(|term| String::from_utf8(term.term[1..].to_vec()).unwrap()).collect()
        };
        let rarity = |term: &[u8]| -> Result<f32, Infallible> {
            let common = (3..11).any(|i| term.ends_with(word(i).as_bytes()));
            Ok(if common { 0.5 } else { 1.0 })
        };
        let Ok(chosen) = Query::parse_by(&text.join(" "), rarity);
        let wanted: Vec<String> = (0..3).chain(11..40).map(word).collect();
        assert_eq!((chosen.word_count, terms(chosen)), (MAX_WORDS, wanted));
        let repeated = format!("{} zebra", "lock ".repeat(MAX_WORDS));
        assert_eq!(terms(Query::parse(&repeated)), ["lock", "zebra"]);
    }

    #[test]
    fn stop_words_are_looked_up_only_if_there_is_nothing_else() {
        assert_eq!(Query::parse("where is the lock").word_count, 1);
        assert!(Query::parse("where is it").word_count > 0);
        assert!(Query::parse("").terms.is_empty());
    }
}
