//! A reranker without weights.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::words::words;
use crate::{Reranker, RerankerInfo, Result};

/// A [`Reranker`] that scores by the share of the query's words that a passage has, shorter passages first among equals.
#[derive(Debug, Clone)]
pub struct OverlapReranker {
    info: RerankerInfo,
}

impl Default for OverlapReranker {
    fn default() -> Self {
        Self { info: RerankerInfo { id: "overlap-v1".into(), max_tokens: usize::MAX } }
    }
}

impl OverlapReranker {
    /// A reranker.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Reranker for OverlapReranker {
    fn info(&self) -> &RerankerInfo {
        &self.info
    }

    async fn score(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>> {
        let wanted: BTreeSet<_> = words(query).into_iter().collect();
        let score = |passage: &&str| {
            let found: Vec<_> = words(passage);
            let distinct: BTreeSet<_> = found.iter().collect();
            let shared = wanted.iter().filter(|word| distinct.contains(word)).count();
            let share = shared as f32 / wanted.len().max(1) as f32;
            share + 0.01 / (2 + found.len()) as f32
        };
        Ok(passages.iter().map(score).collect())
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;
    use crate::RerankerExt;

    #[test]
    fn more_words_of_the_query_win_and_then_brevity() {
        let passages = ["open the store, or do not", "close", "openStore", "store"];
        let ranked = block_on(OverlapReranker::new().rank("open store", &passages)).unwrap();
        assert_eq!(ranked.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [2, 0, 3, 1]);
    }
}
