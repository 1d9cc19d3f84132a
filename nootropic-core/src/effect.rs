//! What the outside world would notice.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Endpoint;

/// One thing that is about to happen outside of memory. Policy, budget and events see each before it does.
///
/// Paths are `/`-separated, relative to the workspace if they lie in it and absolute otherwise; whoever makes the effect has
/// followed symbolic links already, because policy only sees the text.
///
/// As JSON: `{"effect":"read","path":"src/lib.rs"}`, `{"effect":"connect","endpoint":"https://example.com:443"}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "effect", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// Reads a file or lists a folder.
    Read {
        /// Which.
        path: String,
    },
    /// Makes, changes, renames or removes a file or folder.
    Write {
        /// Which.
        path: String,
    },
    /// Starts a program.
    Run {
        /// The program, a name or a path, as it is given to the operating system.
        program: String,
        /// Its arguments; no shell sees them.
        args: Vec<String>,
    },
    /// Connects to a host.
    Connect {
        /// Which.
        endpoint: Endpoint,
    },
    /// Reads an environment variable.
    Env {
        /// Which.
        name: String,
    },
    /// Asks a model.
    Generate {
        /// The model's identity.
        model: String,
    },
}

/// What kind of effect; capabilities declare these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EffectKind {
    /// Reads files.
    Read,
    /// Makes, changes or removes files.
    Write,
    /// Starts programs.
    Run,
    /// Connects to hosts.
    Connect,
    /// Reads environment variables.
    Env,
    /// Asks models.
    Generate,
}

impl Effect {
    /// What kind it is.
    pub const fn kind(&self) -> EffectKind {
        match self {
            Self::Read { .. } => EffectKind::Read,
            Self::Write { .. } => EffectKind::Write,
            Self::Run { .. } => EffectKind::Run,
            Self::Connect { .. } => EffectKind::Connect,
            Self::Env { .. } => EffectKind::Env,
            Self::Generate { .. } => EffectKind::Generate,
        }
    }
}

impl EffectKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Read, Self::Write, Self::Run, Self::Connect, Self::Env, Self::Generate];

    /// The stable name, as in JSON and in policy rules: `read`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Run => "run",
            Self::Connect => "connect",
            Self::Env => "env",
            Self::Generate => "generate",
        }
    }
}

impl fmt::Display for EffectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As a person reads it, `run cargo test --all`. Control characters are escaped: an approval shows what will happen.
impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind())?;
        match self {
            Self::Read { path } | Self::Write { path } => plain(path, f),
            Self::Env { name } => plain(name, f),
            Self::Generate { model } => plain(model, f),
            Self::Connect { endpoint } => write!(f, "{endpoint}"),
            Self::Run { program, args } => {
                plain(program, f)?;
                args.iter().try_for_each(|arg| {
                    f.write_str(" ")?;
                    plain(arg, f)
                })
            }
        }
    }
}

/// Quotes what could be taken for something else.
fn plain(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let harmless = |c: char| c.is_alphanumeric() || "/._-+=:@%,~".contains(c);
    if !text.is_empty() && text.chars().all(harmless) { f.write_str(text) } else { write!(f, "{text:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_cannot_hide_anything() {
        let effect =
            Effect::Run { program: "sh".into(), args: vec!["-c".into(), "ls\u{8}\u{202e}; rm x".into(), "".into()] };
        assert_eq!(effect.to_string(), r#"run sh -c "ls\u{8}\u{202e}; rm x" """#);
    }
}
