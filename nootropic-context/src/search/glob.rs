//! What `path:` and `--path` let through.

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use nootropic_core::{Error, Result};

/// A pattern as in ignore files where there is a wildcard, else a part of the path. Case does not count.
///
/// As in ignore files, what matches a folder matches all that is in it, a pattern with a slash before its end begins at the
/// root, and one that ends with a slash matches folders alone.
pub(crate) enum PathFilter {
    Glob(Box<Gitignore>),
    Part(String),
}

impl PathFilter {
    /// # Errors
    /// `InvalidInput` for a pattern that does not end (`[a`), and for one that begins with `!`.
    pub(crate) fn new(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix('!') {
            let problem =
                format!("`{text}` leaves nothing out; in a question, `-path:{rest}` does (`?` stands for a real `!`)");
            return Err(Error::invalid("path", problem));
        }
        let text = text.trim_start_matches("./");
        if !text.contains(['*', '?', '[', '{']) {
            let part = if text == "." { "" } else { text };
            return Ok(Self::Part(part.to_lowercase()));
        }
        let bad = |e: ignore::Error| Error::invalid("path", e.to_string());
        let mut builder = GitignoreBuilder::new("");
        builder.allow_unclosed_class(false).case_insensitive(true).map_err(bad)?;
        // What would be a comment in an ignore file is a name here.
        let line = if text.starts_with('#') { format!("\\{text}") } else { text.to_owned() };
        builder.add_line(None, &line).map_err(bad)?;
        Ok(Self::Glob(Box::new(builder.build().map_err(bad)?)))
    }

    /// Whether it lets the file of this path through, relative to the root.
    pub(crate) fn fits(&self, path: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.matched_path_or_any_parents(path, false).is_ignore(),
            // The root counts as the slash before the first name.
            Self::Part(part) => format!("/{}", path.to_lowercase()).contains(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use nootropic_core::ErrorKind;

    use super::PathFilter;

    const FILES: &[&str] = &["README.md", "src/lib.rs", "src/deep/er/tree.rs", "lib/src/a.rs", "#odd/b.py"];

    fn found(filter: &str) -> Vec<&'static str> {
        let filter = PathFilter::new(filter).unwrap();
        FILES.iter().copied().filter(|path| filter.fits(path)).collect()
    }

    #[test]
    fn a_part_of_a_path_is_found_wherever_it_stands() {
        for (filter, files) in [
            ("SRC", &["src/lib.rs", "src/deep/er/tree.rs", "lib/src/a.rs"][..]),
            ("./src/", &["src/lib.rs", "src/deep/er/tree.rs", "lib/src/a.rs"]),
            ("/src/", &["src/lib.rs", "src/deep/er/tree.rs", "lib/src/a.rs"]),
            ("/lib", &["src/lib.rs", "lib/src/a.rs"]),
            ("readme", &["README.md"]),
            (".", FILES),
            ("./", FILES),
            ("nowhere", &[]),
        ] {
            assert_eq!(found(filter), files, "{filter}");
        }
    }

    #[test]
    fn a_glob_matches_as_in_an_ignore_file() {
        for (filter, files) in [
            ("SRC/**", &["src/lib.rs", "src/deep/er/tree.rs"][..]),
            ("src/*", &["src/lib.rs", "src/deep/er/tree.rs"]),
            ("/src/*.rs", &["src/lib.rs"]),
            ("./src/*.rs", &["src/lib.rs"]),
            ("sr?/", &["src/lib.rs", "src/deep/er/tree.rs", "lib/src/a.rs"]),
            ("*.RS", &["src/lib.rs", "src/deep/er/tree.rs", "lib/src/a.rs"]),
            ("tree.*/", &[]),
            ("**/er/*.{rs,py}", &["src/deep/er/tree.rs"]),
            ("[r]eadme*", &["README.md"]),
            ("#o*", &["#odd/b.py"]),
            ("**", FILES),
        ] {
            assert_eq!(found(filter), files, "{filter}");
        }
    }

    #[test]
    fn what_cannot_be_a_pattern_is_refused() {
        for (filter, says) in [("!*.rs", "`-path:*.rs`"), ("!src", "`-path:src`"), ("[a", "[a")] {
            let error = PathFilter::new(filter).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{filter}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
