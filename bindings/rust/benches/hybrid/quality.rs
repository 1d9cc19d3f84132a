//! NDCG@10 by words alone, and with an embedder, of the same questions.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;
use nootropic_context::index::{InlineVectors, UpdateOptions, update};
use nootropic_context::search::{Engine, RerankOptions, SearchOptions, Semantic, rerank};
use nootropic_core::reference::MemoryStore;
use nootropic_core::{Embedder, Reranker, Store};
use nootropic_models::{Device, LocalEmbedder, LocalReranker};

use crate::questions::{Problem, Repository, found, mean, ndcg, repositories};

struct Arguments {
    checkouts: PathBuf,
    data: Vec<PathBuf>,
    embedder: String,
    reranker: Option<String>,
    whole: bool,
}

fn arguments(args: &[String]) -> Result<Arguments, Problem> {
    let retrieval = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nootropic-context/benches/retrieval");
    let mut out = Arguments {
        checkouts: PathBuf::new(),
        data: Vec::new(),
        embedder: "static".into(),
        reranker: None,
        whole: false,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--checkouts" => out.checkouts = value()?.into(),
            "--data" => out.data.push(value()?.into()),
            "--embedder" => out.embedder.clone_from(value()?),
            "--rerank" => out.reranker = Some(value()?.clone()),
            "--whole-repo" => out.whole = true,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    if out.data.is_empty() {
        out.data = vec![retrieval.clone(), retrieval.join("further")];
    }
    Ok(out)
}

/// What a question scored by words alone, and with the embedder.
struct Row {
    repository: usize,
    words: f64,
    hybrid: f64,
}

pub(crate) fn measure(args: &[String]) -> Result<(), Problem> {
    let args = arguments(args)?;
    if args.checkouts.as_os_str().is_empty() {
        println!("hybrid: no --checkouts given, nothing measured");
        return Ok(());
    }
    let embedder: Arc<dyn Embedder> = match args.embedder.as_str() {
        "static" => Arc::new(LocalEmbedder::built_in()?),
        folder => Arc::new(LocalEmbedder::open(folder, Device::Cpu)?),
    };
    let reranker = args.reranker.as_ref().map(|folder| LocalReranker::open(folder, Device::Cpu)).transpose()?;
    println!("{}, {}", embedder.info().id, if args.whole { "whole checkouts" } else { "indexed folders" });
    let mut all = Vec::new();
    for data in &args.data {
        let mut rows = Vec::new();
        for (at, repository) in repositories(data)?.iter().enumerate() {
            rows.extend(ask(repository, at, &embedder, reranker.as_ref(), &args)?);
        }
        report(&data.display().to_string(), &rows);
        all.extend(rows);
    }
    if args.data.len() > 1 {
        println!("all: {}", difference(&all));
    }
    Ok(())
}

fn ask(
    repository: &Repository,
    number: usize,
    embedder: &Arc<dyn Embedder>,
    reranker: Option<&LocalReranker>,
    args: &Arguments,
) -> Result<Vec<Row>, Problem> {
    let (folder, prefix) = repository.indexed(&args.checkouts, args.whole);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(nootropic_context::TABLES));
    let vectors = InlineVectors::open(&*store, Arc::clone(embedder))?;
    let options = UpdateOptions { vectors, ..UpdateOptions::default() };
    update(&*store, &folder, &options, &mut |_| {}, &|| false)?;
    let semantic = Semantic::open(Arc::clone(&store), Arc::clone(embedder))?;
    block_on(semantic.embed_missing(&mut |_, _| {}, &|| false))?;
    let (engine, search) = (Engine::new(store), SearchOptions::default());
    let mut rows = Vec::new();
    for task in &repository.tasks {
        let words = found(&prefix, &engine.search(&task.query, &search)?);
        let more = SearchOptions { limit: reranker.map_or(search.limit, |_| 50), ..search.clone() };
        let mut hybrid = block_on(semantic.search(&engine, &task.query, &more))?;
        if let Some(reranker) = reranker {
            let how = RerankOptions { budget: Duration::MAX, ..RerankOptions::default() };
            block_on(rerank(reranker as &dyn Reranker, &task.query, &mut hybrid.hits, &how, &|| false))?;
        }
        let hybrid = found(&prefix, &hybrid);
        rows.push(Row { repository: number, words: ndcg(&words, task), hybrid: ndcg(&hybrid, task) });
    }
    Ok(rows)
}

fn report(name: &str, rows: &[Row]) {
    let of_repositories = |score: fn(&Row) -> f64| {
        let count = rows.iter().map(|row| row.repository).max().map_or(0, |last| last + 1);
        mean((0..count).map(|number| mean(rows.iter().filter(|row| row.repository == number).map(score))))
    };
    let (words, hybrid) = (of_repositories(|row| row.words), of_repositories(|row| row.hybrid));
    println!("{name}: words {words:.4}, hybrid {hybrid:.4} (means over repositories); {}", difference(rows));
}

/// The mean of what each question gains, with a 95 % interval.
fn difference(rows: &[Row]) -> String {
    let gains: Vec<f64> = rows.iter().map(|row| row.hybrid - row.words).collect();
    let middle = mean(gains.iter().copied());
    let variance = gains.iter().map(|gain| (gain - middle).powi(2)).sum::<f64>() / (gains.len() as f64 - 1.0);
    let interval = 1.96 * (variance / gains.len() as f64).sqrt();
    format!("{middle:+.4} ± {interval:.4} over {} questions", gains.len())
}
