//! Semantic search, where the host program brings an embedder.

use std::sync::Arc;

use nootropic_context::search::Semantic;
use nootropic_core::Embedder;

use crate::embedders::embed_missing;
use crate::{Call, Nootropic, Result, Search, SearchAnswer};

/// The vectors of one repository by one embedder.
///
/// ```
/// use std::sync::Arc;
/// use nootropic::core::reference::HashingEmbedder;
/// use nootropic::{Call, Index, Nootropic, Search, SemanticSearch};
///
/// # futures_executor::block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # std::fs::write(dir.path().join("lock.rs"), "/// Waits for the lock.\nfn acquire() {}\n")?;
/// # let dir = dir.path();
/// let repository = Nootropic::open(dir)?;
/// let call = Call::default();
/// repository.index(&Index::default(), &call)?;
/// let semantic = SemanticSearch::open(&repository, Arc::new(HashingEmbedder::new(64)?))?;
/// semantic.embed(&call).await?;
/// let answer = semantic.search(&Search::of("who waits for the lock?"), &call).await?;
/// assert_eq!(answer.hits[0].path, "lock.rs");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct SemanticSearch<'n> {
    repository: &'n Nootropic,
    semantic: Semantic,
}

impl<'n> SemanticSearch<'n> {
    /// The vectors of `repository` by `embedder`; those of another embedder stand apart and are kept. Only an embedder that made
    /// none here before needs a repository that can be written.
    ///
    /// # Errors
    /// [`NoIndex`](crate::Error::NoIndex); as the store's; of kind `InvalidInput` if an embedder of this identity made vectors
    /// of other dimensions before.
    pub fn open(repository: &'n Nootropic, embedder: Arc<dyn Embedder>) -> Result<Self> {
        let semantic = repository.semantic(&repository.indexed()?.0, embedder)?;
        Ok(Self { repository, semantic })
    }

    /// Embeds the passages that have no vector yet; says how many. Reports progress in passages, as task `embed`.
    ///
    /// # Errors
    /// Whatever the embedder or the store returns; `cancelled` when the call is: what was committed by then stays.
    pub async fn embed(&self, call: &Call) -> Result<u64> {
        embed_missing(&self.semantic, call).await
    }

    /// As [`Nootropic::search`], with the nearest passages by meaning counted in. Passages that have no vector yet are found
    /// by their words.
    ///
    /// # Errors
    /// As [`Nootropic::search`], and whatever the embedder returns.
    pub async fn search(&self, input: &Search, call: &Call) -> Result<SearchAnswer> {
        let (question, options) = (input.question(self.repository.root())?, input.options(self.repository.config())?);
        self.repository.refresh(&input.scope, call)?;
        let engine = self.repository.engine()?;
        let answer = self.semantic.search(&engine, &question, &options).await?;
        Ok(SearchAnswer::new(input, answer))
    }
}
