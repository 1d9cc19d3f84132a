//! What every [`Embedder`] must do.

use futures_util::future::join;

use crate::{CapabilityKind, EmbedRole, Embedder, Embedding, Result};

/// Checks an [`Embedder`] against its contract.
///
/// # Panics
/// With the first clause that does not hold.
pub async fn embedder_suite(embedder: &dyn Embedder) {
    describes_itself(embedder);
    one_vector_a_text(embedder).await;
    same_alone_or_in_a_batch(embedder).await;
    survives_odd_texts(embedder).await;
    concurrent_calls_are_apart(embedder).await;
    likeness_shows(embedder).await;
    inline_is_the_same(embedder).await;
}

const TEXTS: [&str; 4] = [
    "fn commit(&mut self) -> Result<()> { self.txn.commit() }",
    "The write transaction is committed when the batch is complete.",
    "Bananas are yellow, and so is the sun at noon.",
    "x",
];

#[track_caller]
fn check(clause: &str, holds: bool, saw: impl FnOnce() -> String) {
    super::check("embedder", clause, holds, saw);
}

#[track_caller]
fn ok(result: Result<Vec<Embedding>>) -> Vec<Embedding> {
    result.unwrap_or_else(|error| super::broken("embedder", "plain texts are embedded", &format!("error: {error}")))
}

fn close(a: &Embedding, b: &Embedding) -> bool {
    a.dim() == b.dim() && a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| (a - b).abs() <= 1e-4)
}

fn all_close(a: &[Embedding], b: &[Embedding]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b))
}

fn describes_itself(embedder: &dyn Embedder) {
    let info = embedder.info();
    let clause = "an embedder has an identity, dimensions and a length it reads";
    check(clause, !info.id.is_empty() && info.dim > 0 && info.max_tokens > 0, || format!("{info:?}"));
    super::describes("embedder", &embedder.describe(), CapabilityKind::Embedder);
}

async fn one_vector_a_text(embedder: &dyn Embedder) {
    for role in [EmbedRole::Query, EmbedRole::Document] {
        let vectors = ok(embedder.embed(&TEXTS, role).await);
        check("one vector a text", vectors.len() == TEXTS.len(), || format!("{} for {}", vectors.len(), TEXTS.len()));
        let dim = embedder.info().dim;
        let wrong = vectors.iter().find(|vector| vector.dim() != dim);
        check("each vector has the dimensions of info", wrong.is_none(), || {
            format!("{dim}, {:?}", wrong.map(Embedding::dim))
        });
        for vector in &vectors {
            let norm = vector.as_slice().iter().map(|x| x * x).sum::<f32>().sqrt();
            check("vectors have unit length", (norm - 1.0).abs() <= 1e-4, || format!("a norm of {norm}"));
        }
    }
    let none = embedder.embed(&[], EmbedRole::Document).await;
    check("an empty batch gives an empty answer", none.as_ref().is_ok_and(Vec::is_empty), || format!("{none:?}"));
}

async fn same_alone_or_in_a_batch(embedder: &dyn Embedder) {
    for role in [EmbedRole::Query, EmbedRole::Document] {
        let batch = ok(embedder.embed(&TEXTS, role).await);
        let again = ok(embedder.embed(&TEXTS, role).await);
        check("the same text gives the same vector", all_close(&batch, &again), || format!("{role:?}, a second time"));
        for (text, vector) in TEXTS.iter().zip(&batch) {
            let alone = ok(embedder.embed(&[text], role).await);
            let same = all_close(&alone, std::slice::from_ref(vector));
            check("a text's vector is the same alone and in a batch", same, || format!("{role:?}, {text:?}"));
        }
        let mut backward = TEXTS;
        backward.reverse();
        let mut vectors = ok(embedder.embed(&backward, role).await);
        vectors.reverse();
        check("vectors come in the order of the texts", all_close(&batch, &vectors), || format!("{role:?}, reversed"));
    }
}

async fn survives_odd_texts(embedder: &dyn Embedder) {
    let long = "long text, ".repeat(20_000);
    for text in ["", " \n\t", "\0", "🦀 é ẞ \u{200d}\u{feff}", "…", &long] {
        let Ok(vectors) = embedder.embed(&[text], EmbedRole::Document).await else { continue };
        let start: String = text.chars().take(20).collect();
        let sound = vectors.len() == 1 && vectors.iter().all(|v| v.as_slice().iter().all(|x| x.is_finite()));
        check("any text gives a vector or an error", sound, || format!("{start:?} gave neither"));
    }
}

async fn concurrent_calls_are_apart(embedder: &dyn Embedder) {
    let (first, second) = (&TEXTS[..2], &TEXTS[2..]);
    let alone =
        (ok(embedder.embed(first, EmbedRole::Document).await), ok(embedder.embed(second, EmbedRole::Document).await));
    let both = join(embedder.embed(first, EmbedRole::Document), embedder.embed(second, EmbedRole::Document)).await;
    let same = all_close(&alone.0, &ok(both.0)) && all_close(&alone.1, &ok(both.1));
    check("concurrent calls do not see each other", same, || "two calls at once gave other vectors".into());
}

async fn likeness_shows(embedder: &dyn Embedder) {
    let query = ok(embedder.embed(&["write transaction committed"], EmbedRole::Query).await);
    let passages = ok(embedder.embed(&[TEXTS[1], TEXTS[2]], EmbedRole::Document).await);
    let cosine = |passage: usize| {
        let (Some(a), Some(b)) = (query.first(), passages.get(passage)) else { return f32::NAN };
        a.cosine(b).unwrap_or(f32::NAN)
    };
    let (near, far) = (cosine(0), cosine(1));
    check("the cosine says how alike texts are", near > far, || {
        format!("{near} for a kindred text, {far} for a strange one")
    });
}

async fn inline_is_the_same(embedder: &dyn Embedder) {
    let Some(inline) = embedder.inline() else { return };
    for role in [EmbedRole::Query, EmbedRole::Document] {
        let inline = ok(TEXTS.iter().map(|text| inline.embed_inline(text, role)).collect());
        let same = all_close(&inline, &ok(embedder.embed(&TEXTS, role).await));
        check("the inline form gives the same vectors", same, || format!("{role:?}: others"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_executor::block_on;

    use super::*;
    use crate::reference::HashingEmbedder;
    use crate::testing::failure_of;
    use crate::{EmbedderInfo, Error, InlineEmbedder};

    #[test]
    fn the_reference_keeps_the_contract() {
        for dim in [64, 384] {
            block_on(embedder_suite(&HashingEmbedder::new(dim).unwrap()));
        }
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Flaw {
        Backward,
        OneShort,
        WrongDim,
        Drifts,
        DependsOnBatch,
        FailsOnNothing,
        AllAlike,
        OtherInline,
    }

    #[derive(Debug)]
    struct Flawed(HashingEmbedder, Flaw, AtomicUsize, EmbedderInfo);

    #[async_trait]
    impl Embedder for Flawed {
        fn info(&self) -> &EmbedderInfo {
            &self.3
        }

        async fn embed(&self, texts: &[&str], role: EmbedRole) -> Result<Vec<Embedding>> {
            let extra = match self.1 {
                Flaw::Drifts => self.2.fetch_add(1, Ordering::SeqCst),
                Flaw::DependsOnBatch => texts.len(),
                _ => 0,
            };
            let extra = "drift ".repeat(extra);
            let owned: Vec<_> = texts.iter().map(|text| format!("{text} {extra}")).collect();
            let mut texts: Vec<&str> = owned.iter().map(String::as_str).collect();
            if self.1 == Flaw::AllAlike {
                texts.fill("the same");
            }
            let mut vectors = self.0.embed(&texts, role).await?;
            match self.1 {
                Flaw::Backward => vectors.reverse(),
                Flaw::OneShort => drop(vectors.pop()),
                Flaw::FailsOnNothing if texts.is_empty() => return Err(Error::Cancelled),
                _ => {}
            }
            Ok(vectors)
        }

        fn inline(&self) -> Option<&dyn InlineEmbedder> {
            (self.1 == Flaw::OtherInline).then_some(self)
        }
    }

    impl InlineEmbedder for Flawed {
        fn embed_inline(&self, text: &str, role: EmbedRole) -> Result<Embedding> {
            self.0.embed_inline(&format!("another {text}"), role)
        }
    }

    #[test]
    fn broken_embedders_are_noticed() {
        for (flaw, clause) in [
            (Flaw::Backward, "alone and in a batch"),
            (Flaw::OneShort, "one vector a text"),
            (Flaw::WrongDim, "dimensions of info"),
            (Flaw::Drifts, "the same text gives the same vector"),
            (Flaw::DependsOnBatch, "alone and in a batch"),
            (Flaw::FailsOnNothing, "empty batch"),
            (Flaw::AllAlike, "how alike"),
            (Flaw::OtherInline, "inline"),
        ] {
            let inner = HashingEmbedder::new(64).unwrap();
            let mut info = inner.info().clone();
            info.dim += usize::from(flaw == Flaw::WrongDim);
            let embedder = Flawed(inner, flaw, AtomicUsize::new(0), info);
            let failure = failure_of(|| block_on(embedder_suite(&embedder)));
            assert!(failure.contains(clause), "{flaw:?} failed with another clause: {failure}");
        }
    }
}
