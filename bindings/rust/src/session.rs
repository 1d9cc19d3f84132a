//! Which repository a face works on, opened when it is first needed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nootropic_context::store::VerifierCommand;

use crate::{Error, Nootropic, Result};

/// What a command line or a server knows before it is asked for anything: where to look for the repository, and the
/// settings that count most.
#[derive(Debug, Default)]
pub struct Session {
    repository: Option<PathBuf>,
    settings: Vec<(String, String)>,
    verifier: Option<VerifierCommand>,
    typed: bool,
    opened: OnceLock<Nootropic>,
}

impl Session {
    /// A session on the repository in `repository`, or on the one that the current folder lies in; `settings` are as in
    /// [`Nootropic::open_layered`].
    pub fn new(repository: Option<PathBuf>, settings: Vec<(String, String)>) -> Self {
        Self { repository, settings, ..Self::default() }
    }

    /// As [`Nootropic::with_verifier`].
    #[must_use]
    pub fn with_verifier(mut self, verifier: Option<VerifierCommand>) -> Self {
        self.verifier = verifier;
        self
    }

    /// Lets a command connect to the hosts that it is there for: for faces where the user types each command, which is how they
    /// opt in. Otherwise only the setting `network.allow` does. `network.sealed` refuses either way.
    #[must_use]
    pub fn with_typed_commands(mut self) -> Self {
        self.typed = true;
        self
    }

    /// Whether the user types each command.
    pub fn is_typed(&self) -> bool {
        self.typed
    }

    /// The repository.
    ///
    /// # Errors
    /// As [`Nootropic::open`].
    pub fn repository(&self) -> Result<&Nootropic> {
        self.repository_at(None)
    }

    /// The repository, if it has been opened already.
    pub fn opened(&self) -> Option<&Nootropic> {
        self.opened.get()
    }

    /// The repository in `dir`, if one is named.
    ///
    /// # Errors
    /// As [`Nootropic::open`]; [`Error::Input`] if two are named.
    pub fn repository_at(&self, dir: Option<&Path>) -> Result<&Nootropic> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let repository = match (self.repository.as_deref(), dir) {
            (Some(named), Some(dir)) if named != dir => {
                let problem = format!("{} and {} are two repositories", named.display(), dir.display());
                return Err(Error::Input { what: "repo", problem });
            }
            (Some(dir), _) | (None, Some(dir)) => Nootropic::open_layered(dir, &self.settings)?,
            (None, None) => {
                let here = std::env::current_dir().map_err(Error::io("find", "."))?;
                Nootropic::open_from(&here, &self.settings)?
            }
        };
        let repository = match &self.verifier {
            Some(verifier) => repository.with_verifier(verifier.clone()),
            None => repository,
        };
        Ok(self.opened.get_or_init(|| repository))
    }
}
