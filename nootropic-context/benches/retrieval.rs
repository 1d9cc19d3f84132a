//! Retrieval quality: NDCG@10 over annotated repositories.
//!
//! `cargo bench -p nootropic-context --bench retrieval -- --checkouts DIR [--whole-repo] [--worst N] [--repos a,b] [--plain] [--set name=value] [--tune | --cross-validate FOLDS]`
//!
//! Where the data comes from and how to get the checkouts: `benches/retrieval/README.md`.

#[path = "retrieval/questions.rs"]
mod questions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use nootropic_context::index::{self, UpdateOptions};
use nootropic_context::search::{Engine, Ranking, SearchOptions};
use nootropic_core::Store;
use nootropic_core::reference::MemoryStore;
use questions::{Found, Problem, Repository, Target, Task, mean, ndcg};

struct Loaded {
    name: String,
    prefix: String,
    engine: Engine,
    tasks: Vec<Task>,
}

struct Row<'a> {
    repo: &'a str,
    task: &'a Task,
    ndcg: f64,
    found: Vec<Found>,
    ms: f64,
}

struct Arguments {
    data: PathBuf,
    checkouts: PathBuf,
    whole: bool,
    worst: usize,
    tune: bool,
    cross_validate: Option<usize>,
    only: Option<String>,
    ranking: Ranking,
}

fn arguments() -> Result<Arguments, Problem> {
    let mut out = Arguments {
        data: Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/retrieval"),
        checkouts: PathBuf::new(),
        whole: false,
        worst: 0,
        tune: false,
        cross_validate: None,
        only: None,
        ranking: Ranking::default(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--data" => out.data = value()?.into(),
            "--checkouts" => out.checkouts = value()?.into(),
            "--whole-repo" => out.whole = true,
            "--worst" => out.worst = value()?.parse()?,
            "--plain" => out.ranking = plain(),
            "--tune" => out.tune = true,
            "--cross-validate" => out.cross_validate = Some(value()?.parse()?),
            "--repos" => out.only = Some(value()?),
            "--set" => {
                let setting = value()?;
                let (name, number) = setting.split_once('=').ok_or("--set takes name=value")?;
                *knob(&mut out.ranking, name).ok_or(format!("no setting {name}"))? = number.parse()?;
            }
            "--bench" => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(out)
}

const KNOBS: &[&str] = &[
    "k1",
    "k1_file",
    "b",
    "b_file",
    "body",
    "comment",
    "symbol",
    "path",
    "identifier",
    "definition",
    "file",
    "coverage",
    "size",
    "repeat",
];

fn knob<'r>(ranking: &'r mut Ranking, name: &str) -> Option<&'r mut f32> {
    Some(match name {
        "k1" => &mut ranking.k1[0],
        "k1_file" => &mut ranking.k1[1],
        "b" => &mut ranking.b[0],
        "b_file" => &mut ranking.b[1],
        "body" => &mut ranking.body,
        "comment" => &mut ranking.comment,
        "symbol" => &mut ranking.symbol,
        "path" => &mut ranking.path,
        "identifier" => &mut ranking.identifier,
        "definition" => &mut ranking.definition,
        "file" => &mut ranking.file,
        "coverage" => &mut ranking.coverage,
        "size" => &mut ranking.size,
        "repeat" => &mut ranking.repeat,
        _ => return None,
    })
}

fn load(args: &Arguments) -> Result<Vec<Loaded>, Problem> {
    let mut out = Vec::new();
    for repository in questions::repositories(&args.data)? {
        if args.only.as_ref().is_some_and(|only| only.split(',').all(|name| name != repository.name)) {
            continue;
        }
        let (folder, prefix) = repository.indexed(&args.checkouts, args.whole);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(nootropic_context::TABLES));
        index::update(&*store, &folder, &UpdateOptions::default(), &mut |_| {}, &|| false)?;
        let Repository { name, tasks, .. } = repository;
        out.push(Loaded { name, prefix, engine: Engine::new(store), tasks });
    }
    Ok(out)
}

fn run<'l>(repo: &'l Loaded, ranking: &Ranking) -> Result<Vec<Row<'l>>, Problem> {
    let options = SearchOptions { limit: 10, ranking: ranking.clone(), ..SearchOptions::default() };
    let mut rows = Vec::new();
    for task in &repo.tasks {
        let begun = Instant::now();
        let answer = repo.engine.search(&task.query, &options)?;
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        let found = questions::found(&repo.prefix, &answer);
        rows.push(Row { repo: &repo.name, task, ndcg: ndcg(&found, task), found, ms });
    }
    Ok(rows)
}

fn means<'r>(rows: &'r [Row<'r>], key: impl Fn(&Row<'r>) -> &'r str) -> BTreeMap<&'r str, f64> {
    let mut groups: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(row.ndcg);
    }
    groups.into_iter().map(|(name, values)| (name, mean(values))).collect()
}

fn headline(rows: &[Row<'_>]) -> f64 {
    mean(means(rows, |row| row.repo).into_values())
}

fn middle<T: Copy + PartialOrd>(values: impl Iterator<Item = T>, share: f64) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.get(((values.len().max(1) - 1) as f64 * share) as usize).copied()
}

fn report(rows: &[Row<'_>], worst: usize) {
    println!(
        "NDCG@10 {:.4} (mean over repositories), {:.4} over queries",
        headline(rows),
        mean(rows.iter().map(|r| r.ndcg))
    );
    for (name, value) in means(rows, |row| &row.task.category).into_iter().chain(means(rows, |row| row.repo)) {
        println!("  {name:22} {value:.3}");
    }
    let lines = || rows.iter().flat_map(|row| row.found.iter().map(|(_, first, last)| last + 1 - first));
    println!("  result lines p50 {:?} p95 {:?}", middle(lines(), 0.5), middle(lines(), 0.95));
    println!(
        "  query ms p50 {:.3?} p95 {:.3?}",
        middle(rows.iter().map(|r| r.ms), 0.5),
        middle(rows.iter().map(|r| r.ms), 0.95)
    );
    let mut by_score: Vec<&Row<'_>> = rows.iter().collect();
    by_score.sort_by(|a, b| a.ndcg.total_cmp(&b.ndcg));
    for row in by_score.into_iter().take(worst) {
        println!("{:.3} {} {:?}", row.ndcg, row.repo, row.task.query);
        let targets: Vec<&str> = row.task.relevant.iter().chain(&row.task.secondary).map(Target::path).collect();
        println!("      want {}", targets.join(", "));
        let found: Vec<String> = row.found.iter().take(6).map(|(path, a, b)| format!("{path}:{a}-{b}")).collect();
        println!("      got  {}", found.join(", "));
    }
}

/// Weights as textbooks give them, for tuning to start from.
fn plain() -> Ranking {
    Ranking {
        k1: [1.2, 1.2],
        b: [0.75, 0.75],
        body: 1.0,
        comment: 1.0,
        symbol: 2.0,
        path: 2.0,
        identifier: 1.0,
        definition: 1.0,
        file: 1.0,
        coverage: 0.5,
        size: 0.1,
        repeat: 0.5,
        ..Ranking::default()
    }
}

fn score(sets: &[Vec<&Loaded>], ranking: &Ranking) -> Result<f64, Problem> {
    let mut total = 0.0;
    for set in sets {
        let mut rows = Vec::new();
        for repo in set {
            rows.extend(run(repo, ranking)?);
        }
        total += headline(&rows);
    }
    Ok(total / sets.len() as f64)
}

/// Coordinate ascent over the settings on all the sets given.
fn tune(sets: &[Vec<&Loaded>], start: Ranking) -> Result<(Ranking, f64), Problem> {
    let mut ranking = start;
    let mut best = score(sets, &ranking)?;
    for _ in 0..4 {
        let before = best;
        for name in KNOBS {
            for factor in [0.5f32, 0.75, 0.9, 1.1, 1.33, 2.0] {
                let mut tried = ranking.clone();
                if let Some(value) = knob(&mut tried, name) {
                    *value *= factor;
                }
                let reached = score(sets, &tried)?;
                if reached > best + 1e-5 {
                    (best, ranking) = (reached, tried);
                }
            }
        }
        if best < before + 1e-4 {
            break;
        }
    }
    Ok((ranking, best))
}

/// What to expect of repositories that no weight was tuned on: a part of them is left out in turn, the weights are tuned
/// on the others from a plain start, and the part is measured with these.
fn cross_validate(sets: &[&[Loaded]], folds: usize) -> Result<(), Problem> {
    let mut held_out = vec![0.0; sets.len()];
    for fold in 0..folds {
        let pick = |set: &'_ [Loaded], left_out: bool| -> Vec<usize> {
            (0..set.len()).filter(|i| (i % folds == fold) == left_out).collect()
        };
        let others: Vec<Vec<&Loaded>> =
            sets.iter().map(|set| pick(set, false).into_iter().map(|i| &set[i]).collect()).collect();
        let (ranking, reached) = tune(&others, plain())?;
        println!("fold {fold}: tuned on the others {reached:.3}");
        for (sum, set) in held_out.iter_mut().zip(sets) {
            for i in pick(set, true) {
                let own = score(&[vec![&set[i]]], &ranking)?;
                *sum += own / set.len() as f64;
                println!("  {:22} {own:.3}", set[i].name);
            }
        }
    }
    println!("left out: {held_out:.4?} (indexed folders, whole checkouts)");
    Ok(())
}

fn main() -> Result<(), Problem> {
    let mut args = arguments()?;
    if args.checkouts.as_os_str().is_empty() {
        println!("retrieval: no --checkouts given, nothing measured (see benches/retrieval/README.md)");
        return Ok(());
    }
    let begun = Instant::now();
    let loaded = load(&args)?;
    println!("indexed in {:.2} s", begun.elapsed().as_secs_f64());
    if args.tune || args.cross_validate.is_some() {
        let other = Arguments {
            whole: !args.whole,
            only: args.only.clone(),
            checkouts: args.checkouts.clone(),
            ..arguments()?
        };
        let other = load(&other)?;
        let (folders, whole) = if args.whole { (&other, &loaded) } else { (&loaded, &other) };
        if let Some(folds) = args.cross_validate {
            return cross_validate(&[folders, whole], folds);
        }
        let sets = [folders, whole].map(|set| set.iter().collect::<Vec<_>>());
        let (ranking, reached) = tune(&sets, args.ranking.clone())?;
        println!("{reached:.4} {ranking:#?}");
        args.ranking = ranking;
    }
    let mut rows = Vec::new();
    for repo in &loaded {
        rows.extend(run(repo, &args.ranking)?);
    }
    report(&rows, args.worst);
    Ok(())
}
