//! The top of an answer, read once more by a model that sees question and passage together.

use std::time::{Duration, Instant};

use nootropic_core::{Chunk, Error, Reranker, Result};

use super::engine::Hit;
use super::explain::Signal;
use super::query::Query;
use crate::index::Cancel;

/// How much of an answer to rerank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RerankOptions {
    /// The most passages to read, from the first.
    pub top: usize,
    /// How long it may take: passages that there is no time for stay below those that were read.
    pub budget: Duration,
}

impl Default for RerankOptions {
    fn default() -> Self {
        Self { top: 50, budget: Duration::from_millis(500) }
    }
}

/// Passages that are read together, and the first few, which show how long one takes.
const BATCH: usize = 8;
const FIRST: usize = 2;
/// How little the first ranks differ, in reciprocal rank fusion. Cormack, Clarke and Büttcher, 2009.
const EVEN: f32 = 60.0;

/// Puts the first hits, as many as there is time for, in an order made of theirs and the reranker's by reciprocal rank fusion; says how many.
/// A hit in another place has the score that stood there.
///
/// # Errors
/// Whatever the reranker returns, `Cancelled` when `cancel` says so: then the order is as it was.
pub async fn rerank(
    reranker: &dyn Reranker,
    question: &str,
    hits: &mut [Hit],
    options: &RerankOptions,
    cancel: &Cancel<'_>,
) -> Result<usize> {
    let Query { words, .. } = Query::parse(question);
    let top = options.top.min(hits.len());
    let hits = hits.get_mut(..top).unwrap_or_default();
    if words.is_empty() || hits.len() < 2 {
        return Ok(0);
    }
    let (begun, mut scores) = (Instant::now(), Vec::new());
    while scores.len() < hits.len() {
        if cancel() {
            return Err(Error::Cancelled);
        }
        let count = match affordable(begun.elapsed(), scores.len(), options.budget) {
            0 => break,
            count => count.min(hits.len() - scores.len()),
        };
        let passages: Vec<String> = hits.iter().skip(scores.len()).take(count).map(|hit| read(&hit.chunk)).collect();
        let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
        scores.extend(reranker.score(&words, &passages).await?);
    }
    fuse(hits, &scores);
    Ok(scores.len())
}

/// How many more passages there is time for, at the pace of those that were read.
fn affordable(spent: Duration, read: usize, budget: Duration) -> usize {
    let left = budget.saturating_sub(spent);
    match read {
        _ if left.is_zero() => 0,
        0 => FIRST,
        read => {
            let each = (spent.as_secs_f64() / read as f64).max(1e-9);
            ((left.as_secs_f64() / each) as usize).min(BATCH)
        }
    }
}

/// What the reranker reads of a passage.
fn read(chunk: &Chunk) -> String {
    format!("{}\n{}\n{}", chunk.path, chunk.symbol.as_deref().unwrap_or_default(), chunk.text)
}

fn fuse(hits: &mut [Hit], scores: &[f32]) {
    let hits = hits.get_mut(..scores.len()).unwrap_or_default();
    let mut by_score: Vec<usize> = (0..scores.len()).collect();
    let score = |at: usize| if scores[at].is_nan() { f32::NEG_INFINITY } else { scores[at] };
    by_score.sort_by(|a, b| score(*b).total_cmp(&score(*a))); // stable: equals stay in their order
    let mut fused = vec![0.0; scores.len()];
    for (rank, at) in by_score.into_iter().enumerate() {
        fused[at] = 1.0 / (EVEN + at as f32) + 1.0 / (EVEN + rank as f32);
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| fused[*b].total_cmp(&fused[*a]));
    let old: Vec<Hit> = hits.to_vec();
    for (place, (from, hit)) in order.into_iter().zip(hits.iter_mut()).enumerate() {
        *hit = old[from].clone();
        hit.score = old[place].score;
        if !hit.signals.is_empty() && old[from].score != 0.0 {
            let value = hit.score / old[from].score;
            hit.signals.push(Signal { name: "rerank".into(), value, factor: true });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_there_is_time_for() {
        let ms = Duration::from_millis;
        assert_eq!(affordable(ms(0), 0, ms(0)), 0);
        assert_eq!(affordable(ms(0), 0, ms(100)), FIRST);
        assert_eq!(affordable(ms(20), 2, ms(100)), 8);
        assert_eq!(affordable(ms(70), 7, ms(100)), 3);
        assert_eq!(affordable(ms(95), 9, ms(100)), 0);
        assert_eq!(affordable(ms(300), 9, ms(100)), 0);
    }
}
