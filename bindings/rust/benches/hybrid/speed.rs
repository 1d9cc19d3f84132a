//! What the embedder that comes with the program costs: when all of a corpus is indexed, and when it is asked.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures_executor::block_on;
use nootropic_context::TABLES;
use nootropic_context::index::{InlineVectors, UpdateOptions, update};
use nootropic_context::search::{Engine, SearchOptions, Semantic};
use nootropic_context::store::{LmdbStore, StoreOptions};
use nootropic_core::{EmbedRole, Embedder, Store};
use nootropic_models::LocalEmbedder;

use crate::shared::{Problem, Times, corpus, cpu_seconds, load, median, natural_questions};

/// Each way of indexing is timed so often, in turns.
const ROUNDS: usize = 5;

pub(crate) fn measure(args: &[String]) -> Result<(), Problem> {
    let work = tempfile::tempdir()?;
    let Some(root) = corpus(args.first().map(String::as_str), work.path())? else {
        println!("skipped: no folder given, and Cargo has no sources at hand");
        return Ok(());
    };
    println!("{}", load());
    let store = index(&root, work.path())?;
    ask(&store)
}

fn open(folder: &Path) -> Result<Arc<dyn Store>, Problem> {
    Ok(Arc::new(LmdbStore::open(folder, &StoreOptions::with_tables(&TABLES))?))
}

/// Seconds by the clock and of all processors that indexing takes, by words alone and with vectors; the folder of a store that has them.
fn index(root: &Path, work: &Path) -> Result<std::path::PathBuf, Problem> {
    let (mut seconds, mut cpu, mut sizes) = ([vec![], vec![]], [vec![], vec![]], [0, 0]);
    let mut folder = work.join("store");
    for round in 0..ROUNDS {
        // Who comes first finds the files cold, or the disk busy with what the other one wrote.
        for with_vectors in if round % 2 == 0 { [false, true] } else { [true, false] } {
            folder = work.join(format!("store-{round}-{with_vectors}"));
            let (begun, busy) = (Instant::now(), cpu_seconds());
            let store = open(&folder)?;
            let vectors = match with_vectors {
                true => InlineVectors::open(&*store, Arc::new(LocalEmbedder::built_in()?))?,
                false => None,
            };
            let options = UpdateOptions { vectors, ..UpdateOptions::default() };
            let report = update(&*store, root, &options, &mut |_| {}, &|| false)?;
            let way = usize::from(with_vectors);
            seconds[way].push(begun.elapsed().as_secs_f64());
            cpu[way].push(cpu_seconds() - busy);
            sizes[way] = std::fs::metadata(folder.join("data.mdb"))?.len();
            if round == 0 && with_vectors {
                println!("{} passages, {:.1} MB of text", report.chunks, report.bytes as f64 / 1e6);
            }
            drop(store);
            if round + 1 < ROUNDS || !with_vectors {
                std::fs::remove_dir_all(&folder)?;
            }
        }
    }
    let [words, hybrid] = seconds.map(median);
    let [words_cpu, hybrid_cpu] = cpu.map(median);
    println!("index, words alone   {words:>7.3} s  cpu {words_cpu:>6.2} s  store {:.1} MB", sizes[0] as f64 / 1e6);
    println!("index, with vectors  {hybrid:>7.3} s  cpu {hybrid_cpu:>6.2} s  store {:.1} MB", sizes[1] as f64 / 1e6);
    println!("ratio                {:>7.2}    cpu {:>6.2}", hybrid / words, hybrid_cpu / words_cpu);
    let kept = work.join(format!("store-{}-true", ROUNDS - 1));
    Ok(if kept.is_dir() { kept } else { folder })
}

fn ask(folder: &Path) -> Result<(), Problem> {
    let (mut opening, mut first, mut first_hybrid) = (Times::default(), Times::default(), Times::default());
    let options = SearchOptions::default();
    for _ in 0..20 {
        let embedder: Arc<dyn Embedder> = Arc::new(opening.time(LocalEmbedder::built_in)?);
        let store = open(folder)?;
        let semantic = Semantic::open(Arc::clone(&store), embedder)?;
        let question = "where is the lock released";
        first.time(|| Engine::new(Arc::clone(&store)).search(question, &options))?;
        first_hybrid.time(|| block_on(semantic.search(&Engine::new(Arc::clone(&store)), question, &options)))?;
    }
    println!("embedder opened      {opening}");
    println!("first, words alone   {first}");
    println!("first, hybrid        {first_hybrid}");
    let store = open(folder)?;
    let (engine, embedder) = (Engine::new(Arc::clone(&store)), Arc::new(LocalEmbedder::built_in()?));
    let semantic = Semantic::open(store, Arc::clone(&embedder) as Arc<dyn Embedder>)?;
    let (questions, mut embedding, mut words, mut hybrid) =
        (natural_questions()?, Times::default(), Times::default(), Times::default());
    for question in &questions {
        block_on(semantic.search(&engine, question, &options))?; // warm
    }
    for _ in 0..3 {
        for question in &questions {
            embedding.time(|| embedder.embed_now(&[question], EmbedRole::Query))?;
            words.time(|| engine.search(question, &options))?;
            hybrid.time(|| block_on(semantic.search(&engine, question, &options)))?;
        }
    }
    println!("question embedded    {embedding}");
    println!("words alone          {words}");
    println!("hybrid               {hybrid}");
    Ok(())
}
