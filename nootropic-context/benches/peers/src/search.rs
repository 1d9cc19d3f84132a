//! Lexical questions in process, ours and tantivy's in turn.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use nootropic_context::index::{UpdateOptions, update};
use nootropic_context::search::{Engine, SearchOptions};
use nootropic_context::store::{LmdbStore, StoreOptions};
use tantivy::collector::TopDocs;
use tantivy::query::QueryParser;
use tantivy::{Index, TantivyDocument};

use super::shared::{Problem, Times, load, natural_questions, three_words};
use super::tantivy_index::{add, passages, writer};

const ROUNDS: usize = 3;

pub fn compare(root: &Path, work: &Path) -> Result<(), Problem> {
    let (ours, theirs) = (work.join("ours"), work.join("tantivy"));
    let store = LmdbStore::open(&ours, &StoreOptions::with_tables(&nootropic_context::TABLES))?;
    let report = update(&store, root, &UpdateOptions::default(), &mut |_| {}, &|| false)?;
    let all = Mutex::new(Vec::new());
    passages(root, &|passage| all.lock().unwrap_or_else(|e| e.into_inner()).push(passage))?;
    let all = all.into_inner().unwrap_or_else(|e| e.into_inner());
    let (mut index_writer, fields) = writer(&theirs)?;
    for passage in &all {
        add(&index_writer, fields, passage)?;
    }
    index_writer.commit()?;
    index_writer.wait_merging_threads()?;
    let mut texts: Vec<String> = all.into_iter().map(|passage| passage.text).collect();
    texts.sort();
    let sets = [("three words", three_words(&texts, 1000)), ("questions", natural_questions()?)];
    println!("{} chunks, {}; {ROUNDS} rounds, taking turns; ten hits with their text", report.chunks, load());

    let engine = Engine::new(Arc::new(store));
    let begun = Instant::now();
    let first = engine.search("where is the lock released", &SearchOptions::default())?;
    println!("first question {:.2} ms ({} hits): the columns are loaded", begun.elapsed().as_secs_f64() * 1e3, first.hits.len());
    let reader = Index::open_in_dir(&theirs)?.reader()?;
    let searcher = reader.searcher();
    let parser = QueryParser::for_index(searcher.index(), vec![fields.body, fields.symbol, fields.path]);
    for (name, questions) in sets {
        let (mut mine, mut peers) = (Times::default(), Times::default());
        for round in 0..=ROUNDS {
            let (mut a, mut b) = (Times::default(), Times::default());
            for question in &questions {
                a.time(|| engine.search(question, &SearchOptions::default()))?;
                let words: String = question.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
                b.time(|| -> Result<Vec<TantivyDocument>, Problem> {
                    let query = parser.parse_query(&words)?;
                    let found = searcher.search(&query, &TopDocs::with_limit(10).order_by_score())?;
                    Ok(found.into_iter().map(|(_, at)| searcher.doc(at)).collect::<tantivy::Result<_>>()?)
                })?;
            }
            if round > 0 {
                mine.append(a);
                peers.append(b);
            }
        }
        println!("{name:12} ours    {mine}");
        println!("{:12} tantivy {peers}", "");
        let [wall, wall99] = [0.5, 0.99].map(|share| mine.wall(share) / peers.wall(share));
        let [cpu, cpu99] = [0.5, 0.99].map(|share| mine.cpu(share) / peers.cpu(share));
        println!("{:12} ratio   p50 {wall:.2}x  p99 {wall99:.2}x; cpu p50 {cpu:.2}x  p99 {cpu99:.2}x", "");
        for (at, ms) in mine.slowest(5) {
            println!("{:12} slow    {ms:.2} ms {:?}", "", questions[at % questions.len()]);
        }
    }
    Ok(())
}
