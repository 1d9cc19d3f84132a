//! How does a program search semantically, with an embedder of its own?
//!
//! `cargo run --example semantic_search -- . "where is the lock taken?"`

use std::path::Path;
use std::sync::Arc;

use nootropic::core::reference::HashingEmbedder;
use nootropic::{Call, Embedder, Index, Nootropic, Result, Search, SearchHit, SemanticSearch};

/// Indexes the repository in `dir`, embeds what has no vector yet, and answers by words and by meaning.
async fn find(dir: &Path, question: &str, embedder: Arc<dyn Embedder>) -> Result<Vec<SearchHit>> {
    let (repository, call) = (Nootropic::open(dir)?, Call::default());
    repository.index(&Index::default(), &call)?;
    let semantic = SemanticSearch::open(&repository, embedder)?;
    semantic.embed(&call).await?;
    Ok(semantic.search(&Search::of(question), &call).await?.hits)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| ".".into());
    let question = arguments.next().unwrap_or_else(|| "where does it begin?".into());
    // This one only hashes words: put your model's embedder here.
    let embedder = Arc::new(HashingEmbedder::new(256)?);
    for hit in futures_executor::block_on(find(dir.as_ref(), &question, embedder))? {
        println!("{}:{} {}", hit.path, hit.start_line, hit.symbol.unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_passage() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lock.rs"), "/// Takes the lock.\nfn acquire() {}\n").unwrap();
        std::fs::write(dir.path().join("other.rs"), "fn unrelated() {}\n").unwrap();
        let embedder = Arc::new(HashingEmbedder::new(64).unwrap());
        let hits = futures_executor::block_on(find(dir.path(), "who takes the lock?", embedder)).unwrap();
        assert_eq!(hits[0].path, "lock.rs");
    }
}
