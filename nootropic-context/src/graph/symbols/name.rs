//! How well a name answers what was typed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lexical::{fold, parts};

/// How a name was found, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameMatch {
    /// The same name; case and underscores may differ.
    Exact,
    /// It begins with what was typed.
    Prefix,
    /// Its parts hold what was typed, in order: `joinhandle`, `JoHa` and `handle` all find `JoinHandle`.
    Part,
    /// Its letters hold what was typed, in order, each run at the beginning of a part: `jh` finds `JoinHandle`.
    Fuzzy,
}

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The bare name.
    pub(super) name: String,
    /// What it should lie in, e.g. `Runtime` of `Runtime::spawn`.
    pub(super) container: Option<String>,
    /// Without case and underscores.
    pub(super) folded: String,
    /// Lower-case parts.
    parts: Vec<String>,
}

impl Wanted {
    pub(super) fn parse(typed: &str) -> Self {
        let typed = typed.trim();
        let bare = typed.trim_end_matches(['(', ')', '!', ';', ',']);
        let bare = if bare.is_empty() { typed } else { bare };
        let mut pieces = bare.split([':', '.', '#', '/']).filter(|piece| !piece.is_empty()).rev();
        // A heading or a key is text, not a path of names.
        let spaced = bare.contains(char::is_whitespace);
        let (name, container) = if spaced { (bare, None) } else { (pieces.next().unwrap_or(bare), pieces.next()) };
        let mut lower = Vec::new();
        parts(name, |part| lower.push(part.to_lowercase()));
        Self { name: name.to_owned(), container: container.map(str::to_owned), folded: folded(name), parts: lower }
    }

    /// How `name` answers, and how well among names that answer so: 0 to 1.
    pub(super) fn matches(&self, name: &str) -> Option<(NameMatch, f32)> {
        if self.name.is_empty() {
            return None;
        }
        let whole = folded(name);
        if whole == self.folded {
            let case = if name == self.name {
                1.0
            } else if name.to_lowercase() == self.name.to_lowercase() {
                0.6
            } else {
                0.3
            };
            return Some((NameMatch::Exact, case));
        }
        let share = self.folded.chars().count() as f32 / whole.chars().count().max(1) as f32;
        if !self.folded.is_empty() && whole.starts_with(&self.folded) {
            let case = if name.starts_with(&self.name) { 1.0 } else { 0.5 };
            return Some((NameMatch::Prefix, 0.7 * share + 0.3 * case));
        }
        let mut held = Vec::new();
        parts(name, |part| held.push(part.to_lowercase()));
        if self.in_parts(&held) || self.begins_a_part(&held) {
            return Some((NameMatch::Part, share));
        }
        if !self.folded.is_empty() && (whole.contains(&self.folded) || humps(self.folded.as_bytes(), &held)) {
            return Some((NameMatch::Fuzzy, share));
        }
        None
    }

    /// Whether each part typed begins a part of the name, in order.
    fn in_parts(&self, held: &[String]) -> bool {
        let mut rest = held.iter();
        self.parts.len() > 1 && self.parts.iter().all(|part| rest.any(|name| name.starts_with(part.as_str())))
    }

    /// Whether the name holds what was typed from the beginning of a part.
    fn begins_a_part(&self, held: &[String]) -> bool {
        if self.folded.is_empty() || self.folded.len() > LONGEST {
            return false;
        }
        let whole = held.concat();
        let mut starts = held.iter().scan(0, |end, part| {
            *end += part.len();
            Some(*end)
        });
        starts.any(|start| whole[start..].starts_with(&self.folded))
    }

    /// Whether a folded name may answer as [`NameMatch::Part`] or better: nothing that does is refused.
    pub(super) fn may_be_part(&self, term: &[u8]) -> bool {
        let Ok(term) = std::str::from_utf8(term) else { return false };
        if !self.folded.is_empty() && term.contains(&self.folded) {
            return true;
        }
        let mut rest = term;
        self.parts.len() > 1
            && self.parts.iter().all(|part| match rest.find(part.as_str()) {
                Some(at) => {
                    rest = &rest[at + part.len()..];
                    true
                }
                None => false,
            })
    }
}

/// Without case and underscores; of any length.
fn folded(name: &str) -> String {
    let mut out = Vec::new();
    if fold(name, &mut out) || !out.is_empty() {
        return String::from_utf8(out).unwrap_or_default();
    }
    name.to_lowercase().replace('_', "")
}

/// Nobody abbreviates more than so many bytes, nor a name that is longer: it is not looked at letter by letter.
const LONGEST: usize = 256;

/// Whether `typed` falls into runs that each begin a part, in order. Costs the product of both lengths at most.
fn humps(typed: &[u8], held: &[String]) -> bool {
    if typed.len() > LONGEST || held.iter().map(String::len).sum::<usize>() > LONGEST {
        return false;
    }
    // Which beginnings of `typed`, by length, the parts so far can spell.
    let mut spelled = vec![false; typed.len() + 1];
    spelled[0] = true;
    for part in held {
        // From the longest down: what this part adds is longer, and is not built on by the same part again.
        for start in (0..typed.len()).rev() {
            if spelled[start] {
                let same = typed[start..].iter().zip(part.as_bytes()).take_while(|(a, b)| a == b).count();
                spelled[start..=start + same].fill(true);
            }
        }
    }
    spelled.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::{NameMatch, Wanted};

    fn how(typed: &str, name: &str) -> Option<NameMatch> {
        Wanted::parse(typed).matches(name).map(|(how, _)| how)
    }

    #[test]
    fn names_are_found_the_ways_people_type_them() {
        use NameMatch as M;
        for (typed, name, found) in [
            ("JoinSet", "JoinSet", Some(M::Exact)),
            ("join_set", "JoinSet", Some(M::Exact)),
            ("task::JoinSet", "JoinSet", Some(M::Exact)),
            ("spawn()", "spawn", Some(M::Exact)),
            ("z", "z", Some(M::Exact)),
            ("$", "$", Some(M::Exact)),
            ("join", "JoinSet", Some(M::Prefix)),
            ("set", "JoinSet", Some(M::Part)),
            ("JoSe", "JoinSet", Some(M::Part)),
            ("queueNext", "injection_queue_depth_next", Some(M::Part)),
            ("oinse", "JoinSet", Some(M::Fuzzy)),
            ("jset", "JoinSet", Some(M::Fuzzy)),
            ("js", "JoinSet", Some(M::Fuzzy)),
            ("über", "ÜberMaß", Some(M::Prefix)),
            ("sj", "JoinSet", None),
            ("", "JoinSet", None),
            ("setjoin", "JoinSet", None),
        ] {
            assert_eq!(how(typed, name), found, "{typed} {name}");
        }
    }

    #[test]
    fn a_name_of_many_equal_parts_is_answered_at_once() {
        let name = ["ab"; 40].join("_");
        for (typed, found) in [
            (format!("{}z", "ab".repeat(40)), None),
            (format!("{}z", "a".repeat(39)), None),
            ("a".repeat(40), Some(NameMatch::Fuzzy)),
            ("aba".repeat(20), Some(NameMatch::Fuzzy)),
            ("aba".repeat(21), None),
        ] {
            assert_eq!(how(&typed, &name), found, "{typed}");
        }
        let endless = ["a"; 100_000].join("_");
        for length in [200, 50_000, 99_999] {
            assert_eq!(how(&format!("{}z", "a".repeat(length)), &endless), None);
        }
    }

    #[test]
    fn the_scan_of_folded_names_refuses_nothing_that_answers() {
        for typed in ["set", "JoSe", "queueNext", "join_h"] {
            let wanted = Wanted::parse(typed);
            for name in ["JoinSet", "injection_queue_depth_next", "JoinHandle", "reset"] {
                let part = wanted.matches(name).is_some_and(|(how, _)| how <= NameMatch::Part);
                let folded = super::folded(name);
                assert!(!part || wanted.may_be_part(folded.as_bytes()), "{typed} {name}");
            }
        }
    }
}
