//! One repository, opened.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nootropic_context::TABLES;
use nootropic_context::index::IndexMeta;
use nootropic_context::search::Engine;
use nootropic_context::store::{LmdbStore, StoreOptions, VerifierCommand};
use nootropic_core::{ErrorKind, Store, StoreExt};
use nootropic_models::LocalReranker;

use crate::config::{Config, Layers};
use crate::discover::{self, FoundBy};
use crate::embedders::Near;
use crate::layout::Layout;
use crate::{Error, Result};

/// A repository that can be indexed and asked. Nothing is read or written before it is needed.
///
/// ```
/// use nootropic::{Call, Index, Nootropic, Search};
///
/// let dir = tempfile::tempdir()?;
/// std::fs::write(dir.path().join("lock.rs"), "/// Waits for the lock.\nfn acquire() {}\n")?;
/// let repository = Nootropic::open(dir.path())?;
/// repository.index(&Index::default(), &Call::default())?;
/// let answer = repository.search(&Search::of("who waits for the lock?"), &Call::default())?;
/// assert_eq!(answer.hits[0].path, "lock.rs");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Nootropic {
    root: PathBuf,
    found_by: FoundBy,
    layers: Layers,
    layout: Layout,
    verifier: Option<VerifierCommand>,
    opened: Mutex<Option<Opened>>,
    /// Of the setting `search.reranker`, once it was needed.
    pub(crate) reranker: Mutex<Option<Arc<LocalReranker>>>,
}

/// What is open of a store.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) store: Arc<LmdbStore>,
    pub(crate) engine: Arc<Engine>,
    /// The vectors by the encoder of the index, once they were needed.
    pub(crate) near: Arc<Mutex<Option<Near>>>,
}

impl Nootropic {
    /// The repository in `dir`, configured by its file, the user's file and the environment.
    ///
    /// # Errors
    /// [`Error::NotAFolder`], [`Error::Setting`] for a mistake in the configuration, [`Error::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_layered(dir.as_ref(), &[])
    }

    /// The repository in `dir`, with settings that count more than any file or variable, as text:
    /// `("index.exclude", "*.gen.rs")`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_layered(dir: &Path, settings: &[(String, String)]) -> Result<Self> {
        let root = discover::folder(dir)?;
        let layers = Layers::load(&root, settings)?;
        Self::with_layers(root, FoundBy::Given, layers)
    }

    /// The repository in `dir` with exactly this configuration: no file and no variable is read.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(dir: impl AsRef<Path>, config: Config) -> Result<Self> {
        Self::with_layers(discover::folder(dir.as_ref())?, FoundBy::Given, Layers::of(config))
    }

    /// The repository that `from` lies in, as [`discover`](crate::discover()) finds it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_from(from: &Path, settings: &[(String, String)]) -> Result<Self> {
        let (root, found_by) = discover::discover(from)?;
        let layers = Layers::load(&root, settings)?;
        Self::with_layers(root, found_by, layers)
    }

    fn with_layers(root: PathBuf, found_by: FoundBy, layers: Layers) -> Result<Self> {
        let layout = Layout::of(&root, layers.config())?;
        Ok(Self {
            root,
            found_by,
            layers,
            layout,
            verifier: None,
            opened: Mutex::default(),
            reranker: Mutex::default(),
        })
    }

    /// Lets a process of its own check the store after an unclean shutdown, in addition to the check that is always made:
    /// see [`VerifierCommand`].
    #[must_use]
    pub fn with_verifier(mut self, verifier: VerifierCommand) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// The repository's folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Why that folder was taken.
    pub fn found_by(&self) -> FoundBy {
        self.found_by
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        self.layers.config()
    }

    /// Its configuration, with where each value came from.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Where it keeps its things.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The store, made if there is none: for those who keep their own tables beside the index's, or read it directly.
    ///
    /// # Errors
    /// As the store's; [`Error::LinkedFolder`].
    pub fn store(&self) -> Result<Arc<dyn Store>> {
        Ok(self.opened(true)?.store)
    }

    /// The search engine over the index as it is.
    ///
    /// # Errors
    /// [`Error::NoIndex`] before the first one, else as [`store`](Self::store).
    pub fn engine(&self) -> Result<Arc<Engine>> {
        Ok(self.indexed()?.0.engine)
    }

    /// What is open, opening it first; `create` makes a store where there is none.
    pub(crate) fn opened(&self, create: bool) -> Result<Opened> {
        let mut held = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*held {
            return Ok(opened.clone());
        }
        self.layout.check()?;
        let dir = self.layout.store();
        if !dir.is_dir() && !create {
            return Err(Error::NoIndex { root: self.root.clone() });
        }
        if create {
            self.make_data()?;
        }
        let store = LmdbStore::open(&dir, &self.store_options(create)).map_err(|error| match error {
            nootropic_context::Error::StoreMissing { .. } => Error::NoIndex { root: self.root.clone() },
            error => error.into(),
        })?;
        let store = Arc::new(store);
        let engine = Arc::new(Engine::new(Arc::clone(&store) as Arc<dyn Store>));
        Ok(held.insert(Opened { store, engine, near: Arc::default() }).clone())
    }

    /// A store that exists may lie where nothing can be made.
    pub(crate) fn make_data(&self) -> Result<()> {
        match self.layout.make_data() {
            Err(error) if self.layout.store().is_dir() && is_refusal(error.kind()) => Ok(()),
            made => made,
        }
    }

    /// What is open, if there is an index in it, and its counters.
    pub(crate) fn indexed(&self) -> Result<(Opened, IndexMeta)> {
        let opened = self.opened(false)?;
        match opened.store.read_with(|txn| IndexMeta::read(txn))? {
            Some(meta) => Ok((opened, meta)),
            None => Err(Error::NoIndex { root: self.root.clone() }),
        }
    }

    /// Lets go of the store, so that it can be replaced. Whoever holds its engine keeps it open.
    pub(crate) fn close(&self) {
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn store_options(&self, create: bool) -> StoreOptions {
        let settings = &self.config().store;
        StoreOptions {
            tables: TABLES.to_vec(),
            map_size: usize::try_from(settings.map_bytes).unwrap_or(usize::MAX),
            create,
            allow_network_fs: settings.network_filesystem,
            min_free_bytes: settings.min_free_bytes,
            verifier: self.verifier.clone(),
            ..StoreOptions::default()
        }
    }
}

/// Whether the place refuses to be written, rather than something being wrong.
pub(crate) fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::PermissionDenied | ErrorKind::ReadOnly | ErrorKind::StorageFull | ErrorKind::Busy)
}

#[cfg(test)]
mod tests {
    use nootropic_context::index::META;

    use super::*;
    use crate::{Call, Index, Scope, Search};

    /// Makes the index look as if another version had written it.
    fn pretend(repository: &Nootropic, version: u8) {
        let store = repository.opened(true).unwrap().store;
        let key = b"meta";
        let mut meta = store.read_with(|txn| Ok(txn.get(META, key)?.unwrap().to_vec())).unwrap();
        meta[0] = version;
        store.write(&mut |txn| txn.put(META, key, &meta)).unwrap();
    }

    #[test]
    fn an_index_of_another_make_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lock.rs"), "fn acquire() {}\n").unwrap();
        let repository = Nootropic::open_with(dir.path(), Config::default()).unwrap();
        let (index, call) = (Index::default(), Call::default());
        repository.index(&index, &call).unwrap();
        pretend(&repository, 0);
        let as_is = Search { scope: Scope { no_update: true, ..Scope::default() }, ..Search::of("acquire") };
        assert_eq!(repository.search(&as_is, &call).unwrap_err().kind(), ErrorKind::UnsupportedVersion);
        assert_eq!(repository.index(&index, &call).unwrap().indexed, 1);
        assert_eq!(repository.search(&as_is, &call).unwrap().hits.len(), 1);
    }

    #[test]
    fn a_program_and_its_clone_of_the_repository_share_one_store() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lock.rs"), "fn acquire() {}\n").unwrap();
        let (one, two) = (Nootropic::open(dir.path()).unwrap(), Nootropic::open(dir.path()).unwrap());
        one.index(&Index::default(), &Call::default()).unwrap();
        assert_eq!(two.search(&Search::of("acquire"), &Call::default()).unwrap().hits.len(), 1);
    }
}
