//! What every [`Reranker`] must do.

use futures_util::future::join;

use crate::{CapabilityKind, Reranker, Result};

/// Checks a [`Reranker`] against its contract.
///
/// # Panics
/// With the first clause that does not hold.
pub async fn reranker_suite(reranker: &dyn Reranker) {
    let info = reranker.info();
    check("a reranker has an identity", !info.id.is_empty() && info.max_tokens > 0, || format!("{info:?}"));
    super::describes("reranker", &reranker.describe(), CapabilityKind::Reranker);

    let scores = ok(reranker.score(QUERY, &PASSAGES).await);
    check("one score a passage", scores.len() == PASSAGES.len(), || format!("{} for {}", scores.len(), PASSAGES.len()));
    check("scores are finite", scores.iter().all(|score| score.is_finite()), || format!("{scores:?}"));
    let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(place, _)| place);
    check("a passage that answers better scores higher", best == Some(1), || format!("{scores:?}"));
    stands_alone(reranker, &scores).await;

    let none = reranker.score(QUERY, &[]).await;
    check("no passages give no scores", none.as_ref().is_ok_and(Vec::is_empty), || format!("{none:?}"));
    let long = "long text, ".repeat(20_000);
    for (query, passage) in
        [("", PASSAGES[0]), (QUERY, ""), ("", ""), ("\0 🦀", "\u{feff}"), (QUERY, &long), (&long, PASSAGES[0])]
    {
        let Ok(scores) = reranker.score(query, &[passage]).await else { continue };
        let sound = scores.len() == 1 && scores.iter().all(|score| score.is_finite());
        check("any text gives a score or an error", sound, || format!("{scores:?}"));
    }
}

const QUERY: &str = "where is the write transaction committed";
const PASSAGES: [&str; 3] = [
    "Bananas are yellow, and so is the sun at noon.",
    "The write transaction is committed here, when the batch is complete.",
    "fn paint(fence: &Fence) { fence.colour = White }",
];

async fn stands_alone(reranker: &dyn Reranker, scores: &[f32]) {
    let close = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-4);
    for (passage, score) in PASSAGES.iter().zip(scores) {
        let alone = ok(reranker.score(QUERY, &[passage]).await);
        let clause = "a passage's score does not depend on the others";
        check(clause, close(&alone, &[*score]), || format!("{score} among others, {alone:?} alone"));
    }
    let mut backward = PASSAGES;
    backward.reverse();
    let other = "something else entirely";
    let (reversed, _) = join(reranker.score(QUERY, &backward), reranker.score(other, &PASSAGES)).await;
    let mut reversed = ok(reversed);
    reversed.reverse();
    check("scores come in the order of the passages", close(scores, &reversed), || {
        format!("{scores:?}, then {reversed:?}")
    });
}

#[track_caller]
fn check(clause: &str, holds: bool, saw: impl FnOnce() -> String) {
    super::check("reranker", clause, holds, saw);
}

#[track_caller]
fn ok(result: Result<Vec<f32>>) -> Vec<f32> {
    result.unwrap_or_else(|error| super::broken("reranker", "plain passages are scored", &format!("error: {error}")))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures_executor::block_on;

    use super::*;
    use crate::RerankerInfo;
    use crate::reference::OverlapReranker;
    use crate::testing::failure_of;

    #[test]
    fn the_reference_keeps_the_contract() {
        block_on(reranker_suite(&OverlapReranker::new()));
    }

    type Bend = fn(&mut Vec<f32>);

    #[derive(Debug)]
    struct Flawed(OverlapReranker, Bend);

    #[async_trait]
    impl Reranker for Flawed {
        fn info(&self) -> &RerankerInfo {
            self.0.info()
        }

        async fn score(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>> {
            let mut scores = self.0.score(query, passages).await?;
            (self.1)(&mut scores);
            Ok(scores)
        }
    }

    #[test]
    fn broken_rerankers_are_noticed() {
        let flaws: [(Bend, &str); 5] = [
            (|scores| scores.truncate(2), "one score a passage"),
            (|scores| scores.iter_mut().for_each(|x| *x /= 0.0), "scores are finite"),
            (|scores| scores.iter_mut().for_each(|x| *x = -*x), "answers better"),
            (
                |scores| {
                    let n = scores.len() as f32;
                    scores.iter_mut().for_each(|x| *x /= n)
                },
                "depend on the others",
            ),
            (
                |scores| {
                    if scores.is_empty() {
                        scores.push(0.0)
                    }
                },
                "no passages",
            ),
        ];
        for (flaw, clause) in flaws {
            let failure = failure_of(|| block_on(reranker_suite(&Flawed(OverlapReranker::new(), flaw))));
            assert!(failure.contains(clause), "not {clause:?}: {failure}");
        }
    }
}
