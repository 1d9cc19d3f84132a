//! What ignore files say about the entries of a folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder, gitconfig_excludes_path};

use super::names::OWN_IGNORE;
use super::open::read_small;
use super::path::to_path;

/// An ignore file longer than this is cut off; none that a person wrote is.
const MAX_IGNORE_BYTES: u64 = 4 << 20;

/// Which ignore files a folder has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    own: bool,
    ignore: bool,
    gitignore: bool,
    git: bool,
}

impl Marks {
    /// Any of them may be there.
    pub(super) const UNKNOWN: Self = Self { own: true, ignore: true, gitignore: true, git: true };

    /// Takes note of one entry of the folder.
    pub(super) fn see(&mut self, name: &OsStr) {
        match name.as_encoded_bytes() {
            b".gitignore" => self.gitignore = true,
            b".ignore" => self.ignore = true,
            b".git" => self.git = true,
            name if name == OWN_IGNORE.as_bytes() => self.own = true,
            _ => {}
        }
    }

    /// Whether an entry of this name is one of them.
    #[cfg(feature = "watch")]
    pub(super) fn is_mark(name: &[u8]) -> bool {
        matches!(name, b".gitignore" | b".ignore" | b".git") || name == OWN_IGNORE.as_bytes()
    }

    fn any(self) -> bool {
        self.own || self.ignore || self.gitignore || self.git
    }
}

/// What was decided about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No rule names it.
    Open,
    /// The deciding rule leaves it out.
    Ignored,
    /// The deciding rule asks for it (`!name`).
    Wanted,
}

/// The ignore files of a folder and, through `parent`, of those above it. A folder without any shares its parent's.
///
/// Of several kinds of ignore file `.nootropicignore` decides first, then `.ignore`, `.gitignore`,
/// `.git/info/exclude` and the user's global excludes; within a kind the deepest folder decides; within a file the last
/// line that matches. Git's own kinds end at the folder that holds `.git`.
#[derive(Debug, Default)]
pub(super) struct Rules {
    parent: Option<Arc<Rules>>,
    /// How many bytes of a path come before the part these files match.
    skip: usize,
    own: Option<Gitignore>,
    ignore: Option<Gitignore>,
    gitignore: Option<Gitignore>,
    exclude: Option<Gitignore>,
    /// Only at the top.
    global: Option<Gitignore>,
    is_repository: bool,
}

impl Rules {
    /// The rules above all folders: the user's global excludes.
    pub(super) fn global() -> Arc<Self> {
        let global = gitconfig_excludes_path().and_then(|path| load(&path.canonicalize().ok()?)); // often a link
        Arc::new(Self { global, ..Self::default() })
    }

    /// The rules of a folder below: `at` is its place on disk, `len` the length of its path as in [`Rules::judge`].
    pub(super) fn enter(self: &Arc<Self>, at: &Path, len: usize, marks: Marks) -> Arc<Self> {
        if !marks.any() {
            return Arc::clone(self);
        }
        let read = |there: bool, name: &str| if there { load(&at.join(name)) } else { None };
        let repository = if marks.git { common_dir(&at.join(".git")) } else { None };
        let rules = Self {
            parent: Some(Arc::clone(self)),
            skip: if len == 0 { 0 } else { len + 1 },
            own: read(marks.own, OWN_IGNORE),
            ignore: read(marks.ignore, ".ignore"),
            gitignore: read(marks.gitignore, ".gitignore"),
            exclude: repository.as_ref().and_then(|dir| load(&dir.join("info/exclude"))),
            global: None,
            is_repository: repository.is_some(),
        };
        if rules.is_empty() { Arc::clone(self) } else { Arc::new(rules) }
    }

    fn is_empty(&self) -> bool {
        let files = [&self.own, &self.ignore, &self.gitignore, &self.exclude];
        !self.is_repository && files.iter().all(|file| file.is_none())
    }

    /// Decides about an entry of this folder; `path` begins at the topmost folder whose rules count.
    pub(super) fn judge(&self, path: &[u8], is_folder: bool) -> Verdict {
        let (mut own, mut ignore, mut git, mut exclude) = (Verdict::Open, Verdict::Open, Verdict::Open, Verdict::Open);
        let mut inside_repository = true;
        let mut level = Some(self);
        let mut global = Verdict::Open;
        while let Some(rules) = level {
            let ask = |before: Verdict, file: &Option<Gitignore>| match (before, file) {
                (Verdict::Open, Some(file)) => matched(file, path.get(rules.skip..).unwrap_or_default(), is_folder),
                _ => before,
            };
            own = ask(own, &rules.own);
            ignore = ask(ignore, &rules.ignore);
            if inside_repository {
                git = ask(git, &rules.gitignore);
                exclude = ask(exclude, &rules.exclude);
            }
            global = ask(global, &rules.global);
            inside_repository &= !rules.is_repository;
            level = rules.parent.as_deref();
        }
        [own, ignore, git, exclude, global]
            .into_iter()
            .find(|&verdict| verdict != Verdict::Open)
            .unwrap_or(Verdict::Open)
    }
}

fn matched(file: &Gitignore, path: &[u8], is_folder: bool) -> Verdict {
    match file.matched(to_path(path), is_folder) {
        ignore::Match::None => Verdict::Open,
        ignore::Match::Ignore(_) => Verdict::Ignored,
        ignore::Match::Whitelist(_) => Verdict::Wanted,
    }
}

/// Reads an ignore file; lines that are no valid pattern are passed over, as git does.
fn load(path: &Path) -> Option<Gitignore> {
    let bytes = read_small(path, MAX_IGNORE_BYTES).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut builder = GitignoreBuilder::new("");
    for line in text.strip_prefix('\u{feff}').unwrap_or(&text).lines() {
        let _ = builder.add_line(None, line);
    }
    builder.build().ok().filter(|file| !file.is_empty())
}

/// The folder that holds `info/exclude`: `.git` itself, or where a worktree's or submodule's `.git` file leads.
fn common_dir(git: &Path) -> Option<PathBuf> {
    if std::fs::symlink_metadata(git).ok()?.is_dir() {
        return Some(git.to_owned());
    }
    let line = |path: &Path| {
        let bytes = read_small(path, 64 << 10).ok()?;
        Some(String::from_utf8_lossy(&bytes).lines().next()?.trim_end().to_owned())
    };
    let own = git.parent()?.join(line(git)?.strip_prefix("gitdir: ")?);
    Some(match line(&own.join("commondir")) {
        Some(common) => own.join(common),
        None => own,
    })
}
