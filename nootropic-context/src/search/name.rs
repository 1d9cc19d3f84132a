//! What `symbol:` names: a definition, and perhaps what it lies in.

use nootropic_core::Symbol;

use crate::lexical::fold_name;

/// A name as typed, such as `open`, `Store.open` or `Store::open`. Case and underscores do not count.
///
/// Names may hold the signs that divide them (`tool.black` is a key, `Foo.Bar` a module), so that each ending is read as
/// the name, and what stands before it as what it lies in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamePath {
    readings: Vec<Reading>,
}

#[derive(Debug, Clone, PartialEq)]
struct Reading {
    /// As the index has it.
    name: Vec<u8>,
    /// Folded, outermost first.
    around: Vec<Vec<u8>>,
}

/// How well a definition answers a [`NamePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NameFit {
    /// The definitions around it are named, or nothing around it is.
    Definitions,
    /// Some of what is named around it are no definitions, but the file and folders it lies in.
    Path,
}

/// Deeper names are not taken apart further.
const MAX_PIECES: usize = 16;

impl NamePath {
    /// Reads `Store.open`, `Store::open`, `Store#open`, `Store->open` and `open()` alike.
    pub(crate) fn parse(typed: &str) -> Self {
        let bare = typed.strip_suffix("()").unwrap_or(typed);
        let begins = pieces(bare).map(|piece| piece.as_ptr() as usize - bare.as_ptr() as usize);
        let mut begins: Vec<usize> = begins.collect();
        begins.drain(..begins.len().saturating_sub(MAX_PIECES));
        let reading =
            |at: usize| Reading { name: folded(&bare[at..]), around: pieces(&bare[..at]).map(folded).collect() };
        let mut readings: Vec<Reading> = begins.into_iter().rev().map(reading).collect();
        if readings.is_empty() {
            readings.push(reading(0)); // `::` itself, or `->`
        }
        Self { readings }
    }

    /// The names that the definition may have, as the index has them.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.readings.iter().map(|reading| reading.name.as_slice())
    }

    /// Whether a definition of this name may be meant.
    pub(crate) fn ends_in(&self, name: &str) -> bool {
        let name = folded(name);
        self.readings.iter().any(|reading| reading.name == name)
    }

    /// How a definition in the file of this path answers, if it does.
    pub(crate) fn fit(&self, symbol: &Symbol, path: &str) -> Option<NameFit> {
        let name = folded(&symbol.name);
        let container = || symbol.container.as_deref().map_or_else(Vec::new, |c| pieces(c).map(folded).collect());
        let readings = self.readings.iter().filter(|reading| reading.name == name);
        readings.filter_map(|reading| lies_in(&reading.around, &container(), path)).min()
    }
}

/// Whether what lies in the definitions `container` of a file lies in what is called `around`.
fn lies_in(around: &[Vec<u8>], container: &[Vec<u8>], path: &str) -> Option<NameFit> {
    let same = around.iter().rev().zip(container.iter().rev()).take_while(|(a, b)| a == b).count();
    if same == around.len() {
        return Some(NameFit::Definitions);
    }
    // `retry::next_delay`: the file is the module. Folders between may be left out.
    let stem =
        path.rsplit_once('.').map_or(path, |(stem, extension)| if extension.contains('/') { path } else { stem });
    let mut places = stem.split('/').map(folded);
    let outer = &around[..around.len() - same];
    (same == container.len() && outer.iter().all(|name| places.any(|place| place == *name))).then_some(NameFit::Path)
}

fn folded(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    fold_name(name, &mut out);
    out
}

/// The names between `.`, `:`, `#` and `->`.
fn pieces(name: &str) -> impl Iterator<Item = &str> {
    name.split("->").flat_map(|part| part.split(['.', ':', '#'])).filter(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests {
    use nootropic_core::{Span, SymbolKind};

    use super::*;

    fn fit(typed: &str, name: &str, container: &str, path: &str) -> Option<NameFit> {
        let span = Span { start_line: 1, end_line: 1, start_byte: 0, end_byte: 1 };
        let container = (!container.is_empty()).then(|| container.to_owned());
        NamePath::parse(typed).fit(&Symbol { name: name.to_owned(), kind: SymbolKind::Method, span, container }, path)
    }

    #[test]
    fn a_name_is_looked_for_in_what_stands_before_it() {
        use NameFit as F;
        for (typed, name, container, path, found) in [
            ("open", "open", "Store", "src/a.rs", Some(F::Definitions)),
            ("Store.open", "open", "Store", "src/a.rs", Some(F::Definitions)),
            ("Store::open", "open", "Store", "src/a.rs", Some(F::Definitions)),
            ("Store#open", "open", "Store", "src/a.rs", Some(F::Definitions)),
            ("Store->open()", "open", "Store", "src/a.rs", Some(F::Definitions)),
            ("store.Open", "open", "outer.Store", "src/a.rs", Some(F::Definitions)),
            ("outer::Store::open", "open", "outer.Store", "src/a.rs", Some(F::Definitions)),
            ("Store.open", "open", "File", "src/a.rs", None),
            ("Store.open", "open", "Store.inner", "src/a.rs", None),
            ("Store.open", "open", "", "src/a.rs", None),
            ("Store.open", "reopen", "Store", "src/a.rs", None),
            ("retry::next_delay", "next_delay", "", "src/retry.rs", Some(F::Path)),
            ("net::retry::Policy::wait", "wait", "Policy", "lib/net/src/retry.rs", Some(F::Path)),
            ("retry::net::wait", "wait", "", "net/retry.rs", None),
            ("tool.black", "tool.black", "", "pyproject.toml", Some(F::Definitions)),
            ("black", "tool.black", "", "pyproject.toml", None),
            ("Foo.Bar.run", "run", "Foo.Bar", "lib/x.ex", Some(F::Definitions)),
            ("f", "f", "", "a.c", Some(F::Definitions)),
            ("_", "_", "", "a.c", Some(F::Definitions)),
            ("_", "__", "", "a.c", None),
            ("::", "::", "", "a.c", Some(F::Definitions)),
        ] {
            assert_eq!(fit(typed, name, container, path), found, "{typed} {container} {name} {path}");
        }
    }

    #[test]
    fn a_name_of_any_length_and_depth_is_read() {
        let (long, deep) = ("x".repeat(1000), "a::".repeat(1000) + "b");
        assert_eq!(fit(&long, &long, "", "a.rs"), Some(NameFit::Definitions));
        assert_eq!(fit(&long, &long[1..], "", "a.rs"), None);
        assert_eq!(NamePath::parse(&deep).names().count(), MAX_PIECES);
        assert_eq!(NamePath::parse("a.b.").names().count(), 2);
    }
}
