//! What may happen: rules that allow, deny or ask.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Effect, EffectKind, Error, HostRule, Result};

/// What to do about an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may happen.
    Allow,
    /// It may not.
    Deny,
    /// A person decides.
    Ask,
}

/// A verdict and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// What to do.
    pub verdict: Verdict,
    /// Which rule says so, as a person reads it.
    pub reason: String,
}

impl Decision {
    /// The decision where nobody can be asked: asking becomes denying.
    pub fn unattended(self) -> Self {
        match self.verdict {
            Verdict::Ask => {
                Self { verdict: Verdict::Deny, reason: format!("{}, and nobody is there to ask", self.reason) }
            }
            Verdict::Allow | Verdict::Deny => self,
        }
    }
}

/// Which effects may happen. Denying beats asking beats allowing, whatever the order; what no rule names is denied.
///
/// ```
/// use nootropic_core::{Effect, Policy, Verdict};
///
/// let policy: Policy = serde_json::from_str(
///     r#"{"allow": ["read:**", "run:cargo test **"], "ask": ["write:**"], "deny": ["read:**/.env"]}"#,
/// )?;
/// let read = |path: &str| policy.decide(&Effect::Read { path: path.into() }).verdict;
/// assert_eq!(read("src/lib.rs"), Verdict::Allow);
/// assert_eq!(read("config/.env"), Verdict::Deny);
/// assert_eq!(read("../elsewhere"), Verdict::Deny);
/// assert_eq!(policy.decide(&Effect::Write { path: "src/lib.rs".into() }).verdict, Verdict::Ask);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What may never happen.
    pub deny: Vec<Pattern>,
    /// What a person decides on, each time.
    pub ask: Vec<Pattern>,
    /// What may happen.
    pub allow: Vec<Pattern>,
}

impl Policy {
    /// What to do about `effect`, and why.
    pub fn decide(&self, effect: &Effect) -> Decision {
        let careful = |patterns: &[Pattern]| patterns.iter().find(|p| p.matches(effect, Mode::Careful)).cloned();
        let decision = |verdict, reason| Decision { verdict, reason };
        if let Some(rule) = careful(&self.deny) {
            return decision(Verdict::Deny, format!("denied by rule `{rule}`"));
        }
        if let Some(rule) = careful(&self.ask) {
            return decision(Verdict::Ask, format!("to be asked by rule `{rule}`"));
        }
        match self.allow.iter().find(|p| p.matches(effect, Mode::Exact)) {
            Some(rule) => decision(Verdict::Allow, format!("allowed by rule `{rule}`")),
            None => decision(Verdict::Deny, format!("no rule allows this `{}`", effect.kind())),
        }
    }

    /// Adds the rules of another layer. More rules to deny or ask make it stricter, more to allow wider.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.deny.extend(other.deny);
        self.ask.extend(other.ask);
        self.allow.extend(other.allow);
        self
    }
}

/// Names a set of effects, as text.
///
/// | pattern | effects |
/// |---|---|
/// | `*` | all |
/// | `write` | all of that kind: `read`, `write`, `run`, `connect`, `env`, `generate` |
/// | `read:src/**`, `write:*.md` | paths; `*` and `?` stay within a component, `**` is any number of components |
/// | `run:cargo test **` | a program and its arguments, word by word; a last `**` is any further arguments |
/// | `connect:https://*.example.com` | hosts, as [`HostRule`] reads them |
/// | `env:CARGO_*`, `generate:qwen*` | names |
///
/// Rules that allow are matched to the letter: `**` stays inside the workspace, case counts, a program is named as it is
/// started. Rules that deny or ask are matched generously: case does not count, `**/.env` also means outside the workspace, and
/// `run:rm` also means `/bin/rm`. Still, no list of programs to deny is complete: what to allow is the boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Matcher {
    Everything,
    Kind(EffectKind),
    Path(EffectKind, String),
    Run(Vec<String>),
    Connect(HostRule),
    Name(EffectKind, String),
}

/// How a pattern is read: to the letter, or erring on the side of matching.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Exact,
    Careful,
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |problem: &str| Error::invalid(format!("policy rule {text:?}"), problem);
        if text == "*" {
            return Ok(Self { text: text.to_owned(), matcher: Matcher::Everything });
        }
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        let kind = EffectKind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or_else(|| {
            bad("a rule begins with `read`, `write`, `run`, `connect`, `env` or `generate`, or is `*`")
        })?;
        let matcher = match (kind, rest) {
            (_, None) => Matcher::Kind(kind),
            (_, Some("")) => return Err(bad("nothing follows the colon")),
            (EffectKind::Read | EffectKind::Write, Some(glob)) => Matcher::Path(kind, glob.to_owned()),
            (EffectKind::Env | EffectKind::Generate, Some(glob)) => Matcher::Name(kind, glob.to_owned()),
            (EffectKind::Connect, Some(rule)) => Matcher::Connect(rule.parse()?),
            (EffectKind::Run, Some(words)) => {
                let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
                if words.is_empty() {
                    return Err(bad("nothing follows the colon"));
                }
                Matcher::Run(words)
            }
        };
        Ok(Self { text: text.to_owned(), matcher })
    }
}

impl Pattern {
    fn matches(&self, effect: &Effect, mode: Mode) -> bool {
        match (&self.matcher, effect) {
            (Matcher::Everything, _) => true,
            (Matcher::Kind(kind), _) => effect.kind() == *kind,
            (Matcher::Path(kind, glob), Effect::Read { path } | Effect::Write { path }) => {
                effect.kind() == *kind && path_matches(glob, path, mode)
            }
            (Matcher::Run(words), Effect::Run { program, args }) => run_matches(words, program, args, mode),
            (Matcher::Connect(rule), Effect::Connect { endpoint }) => {
                if mode == Mode::Careful {
                    rule.names(endpoint)
                } else {
                    rule.allows(endpoint)
                }
            }
            (Matcher::Name(kind, glob), Effect::Env { name } | Effect::Generate { model: name }) => {
                effect.kind() == *kind && glob_matches(glob, name, mode)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

fn run_matches(words: &[String], program: &str, args: &[String], mode: Mode) -> bool {
    let Some((name, rest)) = words.split_first() else { return false };
    let bare = program.rsplit(['/', '\\']).next().unwrap_or(program);
    let bare = bare
        .get(..bare.len().saturating_sub(4))
        .filter(|_| bare.to_ascii_lowercase().ends_with(".exe"))
        .unwrap_or(bare);
    if !(glob_matches(name, program, mode) || mode == Mode::Careful && glob_matches(name, bare, mode)) {
        return false;
    }
    let (rest, open) = match rest.split_last() {
        Some((last, rest)) if last == "**" => (rest, true),
        _ => (rest, mode == Mode::Careful && rest.is_empty()), // `deny run:rm` means with any arguments
    };
    let enough = if open { args.len() >= rest.len() } else { args.len() == rest.len() };
    enough && rest.iter().zip(args).all(|(word, arg)| glob_matches(word, arg, mode))
}

fn path_matches(glob: &str, path: &str, mode: Mode) -> bool {
    if path.contains('\0') {
        return mode == Mode::Careful;
    }
    let (pattern_absolute, pattern) = components(glob);
    let (path_absolute, path) = components(path);
    let anywhere = mode == Mode::Careful && pattern.first() == Some(&"**");
    (anywhere || pattern_absolute == path_absolute) && components_match(&pattern, &path, mode)
}

/// Whether a path is absolute, and its components with `.` and inner `..` resolved.
fn components(path: &str) -> (bool, Vec<&str>) {
    let is_separator = |c: char| c == '/' || cfg!(windows) && c == '\\';
    let absolute = path.starts_with(is_separator) || path.as_bytes().get(1) == Some(&b':');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(is_separator) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if absolute => {} // the root is its own parent
            part => parts.push(part),
        }
    }
    (absolute, parts)
}

fn components_match(pattern: &[&str], path: &[&str], mode: Mode) -> bool {
    // Row by row over the pattern: `reached[i]` says whether the pattern so far matches the first `i` components.
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; path.len() + 1];
        for i in 0..=path.len() {
            let before = i.checked_sub(1).map(|last| (last, path[last]));
            next[i] = match before {
                _ if *part == "**" && reached[i] => true,
                Some((last, component)) if *part == "**" => {
                    next[last] && (component != ".." || mode == Mode::Careful) // `**` does not climb out
                }
                Some((last, component)) => reached[last] && component_matches(part, component, mode),
                None => false,
            };
        }
        reached = next;
    }
    reached[path.len()]
}

fn component_matches(pattern: &str, component: &str, mode: Mode) -> bool {
    if component == ".." && mode == Mode::Exact { pattern == ".." } else { glob_matches(pattern, component, mode) }
}

/// Whether `*` (any characters) and `?` (any one) can make `pattern` into `text`.
fn glob_matches(pattern: &str, text: &str, mode: Mode) -> bool {
    let fold = |s: &str| -> Vec<char> {
        if mode == Mode::Careful { s.to_lowercase().chars().collect() } else { s.chars().collect() }
    };
    let (pattern, text) = (fold(pattern), fold(text));
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None; // the last `*`, and how far it reaches
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((star, reach)) => {
                    retry = Some((star, reach + 1));
                    (p, t) = (star + 1, reach + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests;
