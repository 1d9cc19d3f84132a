//! What an index says, without the numbers that depend on how it came to say it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nootropic_context::index::{self, FileRecord, Outline, Passage, read_text};
use nootropic_context::search::{Engine, SearchOptions};
use nootropic_context::syntax::Language;
use nootropic_context::walk::{RelPath, SkipReason};
use nootropic_core::{Reference, Store, StoreExt, Symbol};

use super::repo::QUESTIONS;
use super::{assert_consistent, fast_dir, open, update};

/// What is known of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum View {
    Skipped(SkipReason),
    Indexed {
        hash: [u8; 16],
        language: Option<Language>,
        passages: Vec<Passage>,
        symbols: Vec<Symbol>,
        references: Vec<Reference>,
        text: String,
    },
}

/// What the index says of every path.
pub(crate) fn view(store: &dyn Store) -> BTreeMap<RelPath, View> {
    store
        .read_with(|txn| {
            let mut out = BTreeMap::new();
            FileRecord::each(txn, &mut |record| {
                let view = match record.skipped {
                    Some(reason) => View::Skipped(reason),
                    None => {
                        let Outline { language, passages, symbols, references, .. } = Outline::read(txn, record.id)?;
                        let text = read_text(txn, record.id)?;
                        View::Indexed { hash: record.hash, language, passages, symbols, references, text }
                    }
                };
                out.insert(RelPath::new(record.path).unwrap(), view);
                Ok(())
            })?;
            Ok(out)
        })
        .unwrap()
}

/// Every hit of every question, with its score.
pub(crate) type Answers = BTreeMap<(&'static str, String, u32), f32>;

/// All that the index finds.
pub(crate) fn answers(store: &Arc<dyn Store>) -> Answers {
    let engine = Engine::new(Arc::clone(store));
    let options = SearchOptions { limit: 100_000, ..SearchOptions::default() };
    let mut out = Answers::new();
    for question in QUESTIONS {
        for hit in engine.search(question, &options).unwrap().hits {
            out.insert((*question, hit.chunk.path, hit.chunk.span.start_byte), hit.score);
        }
    }
    out
}

/// Fails unless the index in `store` says what an index made from nothing says of the same files.
pub(crate) fn assert_like_fresh(store: Arc<dyn Store>, root: &Path, when: &str) {
    let dir = fast_dir();
    let fresh: Arc<dyn Store> = Arc::new(open(&dir.path().join("store")));
    update(&*fresh, root);
    assert_consistent(&*store, when);
    let (got, want) = (view(&*store), view(&*fresh));
    let paths = |view: &BTreeMap<RelPath, View>| view.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&got), paths(&want), "{when}: other files");
    for (path, want) in &want {
        assert_eq!(&got[path], want, "{when}: {path} differs");
    }
    let want = answers(&fresh);
    assert!(want.len() > QUESTIONS.len(), "{when}: too few answers to compare anything");
    let hits = |answers: Answers| answers.into_keys().collect::<Vec<_>>();
    assert_eq!(hits(answers(&store)), hits(want.clone()), "{when}: other hits");
    // Removed passages count among those that hold a word until their segment is written anew.
    index::optimize(&*store).unwrap();
    assert_consistent(&*store, when);
    let got = answers(&store);
    assert_eq!(hits(got.clone()), hits(want.clone()), "{when}: other hits after joining segments");
    for (hit, want) in &want {
        let got = got[hit];
        assert!((got - want).abs() <= 1e-3 * want.abs(), "{when}: {hit:?} scores {got} instead of {want}");
    }
}
