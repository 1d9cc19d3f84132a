//! How long questions take in process, by words and by words and vectors together.
//!
//! `cargo bench -p nootropic-context --bench search -- [DIR]`
//!
//! Without DIR the corpus is about 50 MB of the sources that Cargo has at hand. Beside tantivy: `benches/peers`.

mod shared;

use std::path::Path;
use std::sync::Arc;

use futures_executor::block_on;
use nootropic_context::index::{Columns, UpdateOptions, update, update_files};
use nootropic_context::search::{Engine, SearchOptions, Semantic};
use nootropic_context::store::{LmdbStore, StoreOptions};
use nootropic_context::walk::{Found, Reader, RelPath, WalkOptions, walk};
use nootropic_core::reference::HashingEmbedder;
use nootropic_core::{Store, StoreExt};
use shared::{Problem, Times, corpus, load, natural_questions, three_words};

fn main() -> Result<(), Problem> {
    let named = std::env::args().skip(1).find(|arg| arg != "--bench");
    let work = tempfile::tempdir()?;
    let Some(root) = corpus(named.as_deref(), work.path())? else {
        println!("skipped: no folder given, and Cargo has no sources at hand");
        return Ok(());
    };
    let folder = work.path().join("store");
    let store = open(&folder)?;
    let report = update(&store, &root, &UpdateOptions::default(), &mut |_| {}, &|| false)?;
    drop(store);
    println!("{} chunks, {}", report.chunks, load());
    let (texts, paths) = texts(&root)?;
    first(&folder)?;
    let store: Arc<dyn Store> = Arc::new(open(&folder)?);
    let engine = Engine::new(Arc::clone(&store));
    for (name, questions) in [("three words", three_words(&texts, 1000)), ("questions", natural_questions()?)] {
        ask(&engine, name, &questions)?;
    }
    hybrid(Arc::clone(&store), &engine, &natural_questions()?)?;
    after_a_commit(&*store, &engine, &root, &paths)
}

/// Questions with vectors of 384 dimensions, the embedding of the question included. A hash stands for the embedder: what
/// a trained one takes for a question comes on top.
fn hybrid(store: Arc<dyn Store>, engine: &Engine, questions: &[String]) -> Result<(), Problem> {
    let embedder = HashingEmbedder::new(384)?;
    let semantic = Semantic::open(store, Arc::new(embedder))?;
    let embedded = block_on(semantic.embed_missing(&mut |_, _| {}, &|| false))?;
    let mut times = Times::default();
    for round in 0..4 {
        let mut one = Times::default();
        for question in questions {
            one.time(|| block_on(semantic.search(engine, question, &SearchOptions::default())))?;
        }
        if round > 0 {
            times.append(one);
        }
    }
    println!("hybrid       {times}  ({embedded} vectors)");
    Ok(())
}

fn open(folder: &Path) -> Result<LmdbStore, Problem> {
    Ok(LmdbStore::open(folder, &StoreOptions::with_tables(&nootropic_context::TABLES))?)
}

fn texts(root: &Path) -> Result<(Vec<String>, Vec<RelPath>), Problem> {
    let mut paths = Vec::new();
    walk(root, &WalkOptions::default(), &|| false, &mut |found| {
        if let Found::File { path, .. } = found {
            paths.push(path);
        }
    })?;
    paths.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    let reader = Reader::new(root, &WalkOptions::default())?;
    let texts = paths.iter().filter_map(|path| Some(reader.read(path).ok()?.text)).collect();
    Ok((texts, paths))
}

/// The store opened and the first question answered, as a command does it.
fn first(folder: &Path) -> Result<(), Problem> {
    let (mut opening, mut asking) = (Times::default(), Times::default());
    for _ in 0..20 {
        let store = opening.time(|| open(folder))?;
        let engine = Engine::new(Arc::new(store));
        asking.time(|| engine.search("where is the lock released", &SearchOptions::default()))?;
    }
    println!("open         {opening}\nfirst        {asking}");
    Ok(())
}

fn ask(engine: &Engine, name: &str, questions: &[String]) -> Result<(), Problem> {
    let mut times = Times::default();
    for round in 0..4 {
        let mut one = Times::default();
        for question in questions {
            one.time(|| engine.search(question, &SearchOptions::default()))?;
        }
        if round > 0 {
            times.append(one);
        }
    }
    println!("{name:12} {times}");
    for (at, ms) in times.slowest(3) {
        println!("             slow {ms:.2} ms {:?}", questions[at % questions.len()]);
    }
    Ok(())
}

/// The first question after each commit reads the columns anew.
fn after_a_commit(store: &dyn Store, engine: &Engine, root: &Path, paths: &[RelPath]) -> Result<(), Problem> {
    let (mut loading, mut asking) = (Times::default(), Times::default());
    for path in paths.iter().step_by((paths.len() / 30).max(1)) {
        let file = path.under(root);
        let before = std::fs::read(&file)?;
        std::fs::write(&file, [&before[..], b"\nchanged\n"].concat())?;
        update_files(store, root, &UpdateOptions::default(), std::slice::from_ref(path))?;
        loading.time(|| store.read_with(Columns::load))?;
        asking.time(|| engine.search("where is the lock released", &SearchOptions::default()))?;
    }
    println!("columns      {loading}\nafter commit {asking}");
    Ok(())
}
