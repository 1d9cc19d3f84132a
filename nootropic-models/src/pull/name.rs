//! What to fetch, as people write it.

use std::str::FromStr;

use super::PullError;
use crate::error::printable;

/// Longest name of an owner or a model; hubs allow 96.
const LONGEST: usize = 96;

/// A model on a hub, and which of its files.
///
/// As text: `OWNER/NAME`, `OWNER/NAME:TAG` with how it is quantized (`Q8_0`), or `OWNER/NAME:FILE`. The page of a model on
/// `huggingface.co` or `hf.co` may stand for `OWNER/NAME`.
///
/// ```
/// use nootropic_models::HubModel;
///
/// let model: HubModel = "https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q8_0".parse()?;
/// assert_eq!((model.owner(), model.name()), ("Qwen", "Qwen2.5-0.5B-Instruct-GGUF"));
/// assert_eq!(model.choice(), Some("Q8_0"));
/// assert!("Qwen/../../etc".parse::<HubModel>().is_err());
/// # Ok::<(), nootropic_models::PullError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    owner: String,
    name: String,
    choice: Option<String>,
}

impl HubModel {
    /// Who published it.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which of its files: a quantization or a file's path.
    pub fn choice(&self) -> Option<&str> {
        self.choice.as_deref()
    }

    /// `OWNER/NAME`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

impl FromStr for HubModel {
    type Err = PullError;

    fn from_str(text: &str) -> Result<Self, PullError> {
        let bad = |problem: &str| PullError::Name { name: printable(text), problem: problem.to_owned() };
        let bare = text.strip_prefix("https://").unwrap_or(text);
        let bare = ["huggingface.co/", "hf.co/"].iter().find_map(|host| bare.strip_prefix(host)).unwrap_or(bare);
        let (repository, choice) = match bare.split_once(':') {
            Some((_, "")) => return Err(bad("nothing stands behind the colon")),
            Some((repository, choice)) => (repository, Some(choice.to_owned())),
            None => (bare, None),
        };
        let (owner, name) = repository
            .trim_end_matches('/')
            .split_once('/')
            .ok_or_else(|| bad("a model is named with its owner, as `OWNER/NAME`"))?;
        for part in [owner, name] {
            let letters = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            let plain = !part.starts_with(['-', '.']) && !part.ends_with(['-', '.']) && !part.contains("..");
            if !letters || !plain || part.is_empty() || part.len() > LONGEST {
                return Err(bad(
                    "owner and name have letters, digits, `-`, `_` and `.`, and begin and end with one of the first three",
                ));
            }
            safe_part(part).map_err(|problem| bad(&problem))?;
        }
        Ok(Self { owner: owner.to_owned(), name: name.to_owned(), choice })
    }
}

/// Checks a file's path in a repository before it becomes one on this machine: relative, without `..`, and with no part that
/// some system reads as something else.
pub(super) fn safe_path(path: &str) -> Result<(), String> {
    /// How many folders deep files lie; the library looks as deep.
    const DEPTH: usize = 3;
    let parts: Vec<&str> = path.split('/').collect();
    if parts.len() > DEPTH {
        return Err(format!("it lies more than {} folders deep", DEPTH - 1));
    }
    parts.into_iter().try_for_each(safe_part)
}

fn safe_part(part: &str) -> Result<(), String> {
    /// Longest name that every file system takes, less what we append.
    const LONGEST: usize = 230;
    // Names of devices on Windows, whatever their ending.
    const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
    let stem = part.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |prefix: &str| stem.strip_prefix(prefix).is_some_and(|n| n.len() == 1 && n != "0");
    if part.is_empty() || part == "." || part == ".." {
        Err("a part of its path is empty, `.` or `..`".into())
    } else if part.chars().any(|c| c.is_control() || "\\:*?\"<>|".contains(c)) {
        Err("a part of its path has a character that is not allowed in names of files everywhere".into())
    } else if part.ends_with(['.', ' ']) || part.starts_with(' ') {
        Err("a part of its path ends in a dot, or begins or ends with a space".into())
    } else if part.len() > LONGEST {
        Err(format!("a part of its path has more than {LONGEST} bytes"))
    } else if DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt") {
        Err("a part of its path is the name of a device".into())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_as_on_its_page() {
        for (text, repository, choice) in [
            ("Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B", None),
            ("hf.co/a_b/c:Q4_K_M", "a_b/c", Some("Q4_K_M")),
            ("https://huggingface.co/a/b/", "a/b", None),
            ("a/b:sub/model-00001-of-00002.gguf", "a/b", Some("sub/model-00001-of-00002.gguf")),
        ] {
            let model: HubModel = text.parse().unwrap();
            assert_eq!((model.repository().as_str(), model.choice()), (repository, choice), "{text}");
        }
    }

    #[test]
    fn a_name_that_could_lead_elsewhere_is_refused() {
        for text in [
            "",
            "gpt2",
            "a/",
            "/b",
            "a/b/c",
            "a/..",
            "../b",
            "a/.b",
            "a/b..c",
            "a/b:",
            "a\\b/c",
            "a/b%2f",
            "a/ü",
            "a/b c",
            "https://evil.example/a/b",
            "a/nul",
            "a?x/b",
            "con.x/b",
        ] {
            assert!(matches!(text.parse::<HubModel>(), Err(PullError::Name { .. })), "{text}");
        }
        assert!(format!("a/{}", "b".repeat(97)).parse::<HubModel>().is_err());
    }

    #[test]
    fn a_path_that_could_lead_elsewhere_is_refused() {
        for path in ["model.gguf", "Q8_0/model-00001-of-00002.gguf", ".gitattributes", "a/b/c.json", "común.gguf"] {
            assert_eq!(safe_path(path), Ok(()), "{path}");
        }
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../x",
            "a/./x",
            "a//x",
            "a/",
            "C:/x",
            "a\\..\\x",
            "x\0",
            "x\n",
            "a/NUL.gguf",
            "com1",
            "x.",
            "x ",
            " x",
            "a/b/c/d",
            "x:stream",
            "\u{1b}[2J",
        ] {
            assert!(safe_path(path).is_err(), "{path:?}");
        }
        assert!(safe_path(&"x".repeat(231)).is_err());
    }
}
