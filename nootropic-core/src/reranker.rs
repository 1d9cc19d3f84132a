//! Rerankers: how well a passage answers a query.

use std::fmt;
use std::future::Future;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Capability, CapabilityKind, Result};

/// Which reranker it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RerankerInfo {
    /// Identity: two rerankers with the same identity give the same scores.
    pub id: String,
    /// Longest query and passage together, in the reranker's own tokens; what lies beyond is not seen.
    pub max_tokens: usize,
}

/// What a reranker is given, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RerankRequest {
    /// The query.
    pub query: String,
    /// The passages.
    pub passages: Vec<String>,
}

/// Scores passages against a query, looking at both at once.
///
/// # Contract
/// - One finite score a passage, in order; a passage that answers better scores higher. Scores of different queries, or of
///   different rerankers, are not comparable.
/// - The score of a passage does not depend on the others (to 1e-4), nor on their order.
/// - No passages give no scores; an empty query or passage gives a score or an error, never a panic.
/// - Concurrent calls do not see each other.
///
/// `testing::reranker_suite` checks all of it (feature `testing`).
#[async_trait]
pub trait Reranker: fmt::Debug + Send + Sync {
    /// What it is.
    fn info(&self) -> &RerankerInfo;

    /// Scores each passage.
    ///
    /// # Errors
    /// Whatever stops the reranker; a batch fails as a whole.
    async fn score(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>>;

    /// How it describes itself.
    fn describe(&self) -> Capability {
        let id = &self.info().id;
        let summary = format!("Scores passages against a query with {}", id.trim_end_matches('.'));
        let name = Capability::name_for(CapabilityKind::Reranker, id);
        Capability::new::<RerankRequest, Vec<f32>>(CapabilityKind::Reranker, name, summary)
    }
}

/// Conveniences; nobody implements these.
pub trait RerankerExt: Reranker {
    /// The places of `passages` with their scores, best first; equal scores keep their order.
    ///
    /// # Errors
    /// As [`Reranker::score`].
    fn rank(&self, query: &str, passages: &[&str]) -> impl Future<Output = Result<Vec<(usize, f32)>>> + Send {
        async move {
            let mut ranked: Vec<_> = self.score(query, passages).await?.into_iter().enumerate().collect();
            ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
            Ok(ranked)
        }
    }
}
impl<R: Reranker + ?Sized> RerankerExt for R {}

const _: fn(&dyn Reranker) = |_| {}; // retrieval holds `Arc<dyn Reranker>`
