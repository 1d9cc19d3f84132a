//! Options made ready: what is wanted below one root.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::path::{from_path, join, to_path};
use super::rules::{Marks, Rules, Verdict};
use super::{WalkOptions, names};
use crate::{Error, Result};

/// What is wanted below one root.
#[derive(Debug)]
pub(super) struct Filter {
    /// The root, absolute and free of links.
    pub(super) root: PathBuf,
    pub(super) options: WalkOptions,
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
    /// The root's path from the top of the repository it lies in; empty if it is the top or in none.
    prefix: Vec<u8>,
    /// What counts in the root before its own ignore files.
    above: Arc<Rules>,
}

impl Filter {
    pub(super) fn new(root: &Path, options: &WalkOptions) -> Result<Self> {
        let root =
            std::fs::canonicalize(root).map_err(|source| Error::Io { op: "walk", path: root.to_owned(), source })?;
        let (mut prefix, mut above) = (Vec::new(), Arc::new(Rules::default()));
        if !options.ignored {
            above = Rules::global();
            if let Some(top) = root.ancestors().find(|folder| folder.join(".git").exists()) {
                prefix = root.strip_prefix(top).map(from_path).unwrap_or_default();
                above = enter_down_to(above, top, &prefix);
            }
        }
        Ok(Self {
            include: globs("include", &options.include)?,
            exclude: globs("exclude", &options.exclude)?,
            options: options.clone(),
            root,
            prefix,
            above,
        })
    }

    /// The rules of the root itself.
    pub(super) fn root_rules(&self, marks: Marks) -> Arc<Rules> {
        self.rules(&self.above, b"", marks)
    }

    /// The rules of `folder`, a path from the root, whose parent's are `parent`.
    pub(super) fn rules(&self, parent: &Arc<Rules>, folder: &[u8], marks: Marks) -> Arc<Rules> {
        if self.options.ignored {
            return Arc::clone(parent);
        }
        let len = match (self.prefix.len(), folder.len()) {
            (0, len) | (len, 0) => len,
            (prefix, len) => prefix + 1 + len,
        };
        parent.enter(&self.at(folder), len, marks)
    }

    /// Where a path from the root is on disk.
    pub(super) fn at(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(to_path(path)) }
    }

    /// Whether an entry is wanted, by its path alone; `rules` are those of the folder it lies in.
    pub(super) fn wants(&self, rules: &Rules, path: &[u8], is_folder: bool) -> bool {
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
        if is_folder && names::is_private(name) {
            return false;
        }
        let verdict = match self.prefix.is_empty() {
            true => rules.judge(path, is_folder),
            false => rules.judge(&join(&self.prefix, path), is_folder),
        };
        let shown = self.options.hidden || verdict == Verdict::Wanted || !names::is_hidden(name);
        if verdict == Verdict::Ignored || !shown {
            return false;
        }
        let path = to_path(path);
        if self.exclude.as_ref().is_some_and(|globs| globs.matched(&path, is_folder).is_ignore()) {
            return false;
        }
        let included = |globs: &Gitignore| globs.matched_path_or_any_parents(&path, false).is_ignore();
        is_folder || self.include.as_ref().is_none_or(included)
    }
}

/// Adds the ignore files from `top` down to the parent of the root, which lies `prefix` below it.
fn enter_down_to(mut rules: Arc<Rules>, top: &Path, prefix: &[u8]) -> Arc<Rules> {
    let ends = prefix.iter().enumerate().filter(|&(_, &b)| b == b'/').map(|(at, _)| at);
    let start = (!prefix.is_empty()).then_some(0);
    for end in start.into_iter().chain(ends) {
        let folder = &prefix[..end];
        rules = rules.enter(&top.join(to_path(folder)), end, Marks::UNKNOWN);
    }
    rules
}

fn globs(what: &str, globs: &[String]) -> Result<Option<Gitignore>> {
    if globs.is_empty() {
        return Ok(None);
    }
    let mut builder = GitignoreBuilder::new("");
    builder.allow_unclosed_class(false);
    let invalid = |error: ignore::Error| nootropic_core::Error::invalid(format!("{what} glob"), error.to_string());
    for glob in globs {
        builder.add_line(None, glob).map_err(invalid)?;
    }
    Ok(Some(builder.build().map_err(invalid)?))
}
