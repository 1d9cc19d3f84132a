//! What requests have in common: where they look, and how much they may ask for.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Where a request looks, and whether the index is brought into step first. In JSON its fields stand among the request's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Scope {
    /// Only in paths that match: a part of the path, or a glob as in ignore files (`src/**`, `*.rs`); case does not count.
    #[schemars(extend("x-short" = "p", "x-value-name" = "PATH", "x-complete" = "path"))]
    pub path: Vec<String>,
    /// Only in this language.
    #[schemars(extend("x-short" = "l", "x-value-name" = "LANGUAGE"))]
    pub lang: Vec<String>,
    /// Use the index as it is, without reading what changed.
    pub no_update: bool,
}

impl Scope {
    /// The paths as the index of `root` spells them.
    pub(crate) fn paths_in(&self, root: &Path) -> Vec<String> {
        self.path.iter().map(|path| below(root, path)).collect()
    }
}

/// A path or glob; an absolute one that lies in `root` as seen from there, with a `/` in front.
pub(crate) fn below(root: &Path, text: &str) -> String {
    let given = Path::new(text);
    if !given.is_absolute() {
        return text.to_owned();
    }
    let lexical = given.strip_prefix(root).map(Path::to_owned).ok();
    let Some(inside) = lexical.or_else(|| resolved(given)?.strip_prefix(root).map(Path::to_owned).ok()) else {
        return text.to_owned(); // `/src/` is a part of a path
    };
    match inside.to_string_lossy() {
        inside if inside.is_empty() => "**".to_owned(),
        inside => format!("/{inside}{}", if text.ends_with('/') { "/" } else { "" }),
    }
}

/// The path without the links in as much of it as exists: the rest may be a glob.
fn resolved(path: &Path) -> Option<PathBuf> {
    let (there, real) = path.ancestors().find_map(|there| Some((there, there.canonicalize().ok()?)))?;
    Some(real.join(path.strip_prefix(there).ok()?))
}

/// How many passages or definitions may be asked for.
pub(crate) const COUNTS: RangeInclusive<u32> = 1..=1000;
/// How many milliseconds a watch may wait for another change.
pub(crate) const DEBOUNCE_MS: RangeInclusive<u64> = 10..=60_000;
/// How many tokens a map may have.
pub(crate) const MAP_TOKENS: RangeInclusive<u32> = 1..=1_000_000;
/// How many tokens a pack may have.
pub(crate) const PACK_TOKENS: RangeInclusive<u32> = 1..=10_000_000;

/// A number that is asked for, if it is one of those that may be.
///
/// # Errors
/// [`Error::Input`] naming the field and what it may be.
pub(crate) fn within<N: PartialOrd + Display>(what: &'static str, n: N, range: &RangeInclusive<N>) -> Result<N> {
    if range.contains(&n) {
        return Ok(n);
    }
    Err(Error::Input { what, problem: format!("{n} is not from {} to {}", range.start(), range.end()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_path_is_one_of_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("repository");
        std::fs::create_dir_all(root.join("src")).unwrap();
        let show = |path: &Path| path.to_str().unwrap().to_owned();
        let mut cases = vec![
            (show(&root.join("src")), "/src"),
            (show(&root.join("src")) + "/", "/src/"),
            (show(&root.join("src/*.rs")), "/src/*.rs"),
            (show(&root), "**"),
            ("/src/".to_owned(), "/src/"),
            ("src/**".to_owned(), "src/**"),
        ];
        #[cfg(unix)]
        {
            let link = dir.path().join("link");
            std::os::unix::fs::symlink(&root, &link).unwrap();
            cases.extend([(show(&link), "**"), (show(&link.join("src/*.rs")), "/src/*.rs")]);
        }
        for (given, seen) in cases {
            assert_eq!(below(&root, &given), seen, "{given}");
        }
        let outside = show(&dir.path().join("elsewhere"));
        assert_eq!(below(&root, &outside), outside);
    }
}
