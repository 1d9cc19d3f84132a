//! What people rely on when they search: the definition first, filters that hold, answers that follow the files.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nootropic_context::TABLES;
use nootropic_context::index::{InlineVectors, UpdateOptions, UpdateReport, update, update_files};
use nootropic_context::search::{Engine, Hit, Query, QueryClass, RerankOptions, SearchOptions, Semantic, rerank};
use nootropic_context::store::{LmdbStore, StoreOptions};
use nootropic_context::walk::RelPath;
use nootropic_core::reference::{HashingEmbedder, MemoryStore};
use nootropic_core::{
    Chunk, EmbedRole, Embedder, EmbedderInfo, Embedding, Error, ErrorKind, InlineEmbedder, Reranker, RerankerInfo,
    Result, Store,
};

const FILES: &[(&str, &str)] = &[
    (
        "src/store/environment.rs",
        "/// Where everything is kept.\npub struct Environment {\n    path: String,\n}\n\nimpl Environment {\n    \
         /// Makes the write transaction durable.\n    pub fn commit(&mut self) -> bool {\n        self.flush();\n        true\n    }\n\n    \
         fn flush(&mut self) {}\n}\n",
    ),
    (
        "src/retry.rs",
        "/// Waits longer after each failure: exponential backoff with jitter.\npub fn next_delay(attempt: u32) -> u64 {\n    1 << attempt\n}\n",
    ),
    (
        "src/main.rs",
        "mod retry;\nfn main() {\n    let mut env = Environment::open();\n    env.commit();\n    retry::next_delay(3);\n}\n",
    ),
    (
        "tests/environment_test.rs",
        "#[test]\nfn commit_is_durable() {\n    let mut environment = Environment::open();\n    assert!(environment.commit());\n    environment.commit();\n}\n",
    ),
    (
        "web/app.py",
        "class RetryPolicy:\n    \"\"\"How often a request is sent again.\"\"\"\n\n    def backoff(self, attempt):\n        return 2 ** attempt\n",
    ),
    ("README.md", "# Demo\n\n## Commit protocol\n\nThe environment commits with two syncs.\n"),
];

struct Repo {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    engine: Engine,
}

impl Repo {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(TABLES));
        let repo = Self { folder, engine: Engine::new(Arc::clone(&store)), store };
        for (path, text) in files {
            repo.write(path, text);
        }
        repo.update();
        repo
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn update(&self) -> UpdateReport {
        update(&*self.store, self.path(), &UpdateOptions::default(), &mut |_| {}, &|| false).unwrap()
    }

    fn search(&self, question: &str) -> Vec<Chunk> {
        let answer = self.engine.search(question, &SearchOptions::default()).unwrap();
        answer.hits.into_iter().map(|hit| hit.chunk).collect()
    }

    fn paths(&self, question: &str) -> Vec<String> {
        self.search(question).into_iter().map(|chunk| chunk.path).collect()
    }
}

#[test]
fn a_name_finds_its_definition_before_its_uses() {
    let repo = Repo::new(FILES);
    let hits = repo.search("Environment");
    assert_eq!(hits[0].path, "src/store/environment.rs");
    assert_eq!((hits[0].span.start_line, hits[0].language.as_deref()), (1, Some("rust")));
    assert!(hits[0].text.contains("pub struct Environment"));
    assert_eq!(repo.paths("next_delay")[0], "src/retry.rs");
    assert_eq!(repo.paths("nextDelay")[0], "src/retry.rs", "however it is written");
}

#[test]
fn a_description_finds_what_it_describes() {
    let repo = Repo::new(FILES);
    assert_eq!(repo.paths("where is the write transaction committed?")[0], "src/store/environment.rs");
    assert_eq!(repo.paths("exponentially jittered failures")[0], "src/retry.rs", "in another grammatical form");
}

#[test]
fn tests_step_back_unless_they_are_asked_for() {
    let repo = Repo::new(FILES);
    let rank = |question: &str| repo.paths(question).iter().position(|p| p.starts_with("tests/"));
    assert!(rank("environment commit durable").is_some_and(|rank| rank > 0));
    assert_eq!(rank("tests of environment commit durable"), Some(0));
}

#[test]
fn filters_hold_for_every_hit() {
    let repo = Repo::new(FILES);
    assert!(repo.search("lang:python retry").iter().all(|c| c.language.as_deref() == Some("python")));
    assert_eq!(repo.paths("path:src/re backoff"), ["src/retry.rs"]);
    assert_eq!(repo.paths("path:*.md commit"), ["README.md"]);
    assert!(repo.paths("-path:tests commit").iter().all(|p| !p.starts_with("tests/")));
    assert_eq!(repo.paths("symbol:RetryPolicy"), ["web/app.py"], "a filter alone is a question");
    let error = repo.engine.search("lang:klingon x", &SearchOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("klingon"));
}

#[test]
fn a_symbol_filter_holds_for_the_name_and_for_what_it_lies_in() {
    let long = format!("fn_that_{}", "goes_on_and_on_".repeat(5));
    let body = "    step();\n".repeat(90);
    let repo = Repo::new(&[
        (
            "src/group.rs",
            "pub struct ArgGroup;\n\nimpl ArgGroup {\n    pub fn arg(self) -> Self {\n        self\n    }\n}\n",
        ),
        ("src/arg_group.rs", "pub fn arg() {}\n"),
        (
            "src/command.rs",
            "pub struct Command<T>(T);\n\nimpl<T: Into<Arg>> Command<T> {\n    pub fn arg(self) {}\n}\n",
        ),
        ("src/math.rs", &format!("pub fn f(x: u8) {{\n{body}    last_of_all();\n}}\n\npub fn {long}() {{}}\n")),
        ("src/other.rs", "pub fn calls() {\n    f(1);\n    last_of_all();\n}\n"),
    ]);
    for name in
        ["ArgGroup.arg", "ArgGroup::arg", "ArgGroup#arg", "ArgGroup->arg", "arg_group.ARG", "group::ArgGroup::arg()"]
    {
        assert_eq!(repo.paths(&format!("symbol:{name}")), ["src/group.rs"], "{name}");
    }
    assert_eq!(repo.paths("symbol:Command.arg"), ["src/command.rs"]);
    assert_eq!(repo.search("symbol:ArgGroup.arg")[0].symbol.as_deref(), Some("ArgGroup.arg"));
    assert_eq!(repo.paths("symbol:arg").len(), 3);
    assert!(repo.search("symbol:Nothing.arg").is_empty());
    assert_eq!(repo.paths("-symbol:ArgGroup.arg symbol:arg -symbol:Command::arg"), ["src/arg_group.rs"]);
    // A module is a file.
    assert_eq!(repo.paths("symbol:math::f"), ["src/math.rs"]);
    assert!(repo.search("symbol:command::f").is_empty());
    // Names of any length.
    assert_eq!(repo.paths("symbol:f"), ["src/math.rs"]);
    assert_eq!(repo.paths(&format!("symbol:{long}")), ["src/math.rs"]);
    assert!(repo.search(&format!("symbol:{long}x")).is_empty());
    assert_eq!(repo.paths("last_of_all -symbol:f"), ["src/other.rs"], "what goes on with a definition belongs to it");
    let hits = repo.search("last_of_all symbol:f");
    assert_eq!(hits.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), ["src/math.rs"; 2], "its head and its end");
    assert!(hits.iter().any(|c| c.text.contains("last_of_all")));
}

#[test]
fn what_is_left_out_is_in_no_hit() {
    let repo = Repo::new(FILES);
    let without = |question: &str, filter: &str| {
        let (all, rest) = (repo.search(question), repo.search(&format!("{question} {filter}")));
        assert!(rest.len() < all.len() && !rest.is_empty(), "{filter}: {rest:?}");
        rest
    };
    assert!(without("commit environment", "-lang:rust").iter().all(|c| c.language.as_deref() != Some("rust")));
    assert!(without("commit environment", "-lang:markdown -lang:python").iter().all(|c| c.path.ends_with(".rs")));
    let rest = without("commit environment", "-symbol:commit");
    assert!(rest.iter().all(|c| c.path != "src/store/environment.rs"), "one passage defines it: {rest:?}");
    // A filter is a question too: the head of each file that is not left out.
    assert_eq!(repo.search("-lang:rust").len(), 2);
    assert_eq!(repo.search("-symbol:main").len(), FILES.len() - 1);
    assert!(repo.search("symbol:commit -path:src").is_empty());
    let options = SearchOptions::default();
    let unknown = repo.engine.search("x -lang:klingon", &options).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::InvalidInput);
    assert!(unknown.to_string().starts_with("lang: no language named klingon"), "{unknown}");
}

#[test]
fn a_long_question_is_asked_by_its_rarest_words() {
    let common: Vec<String> = ('a'..='z').flat_map(|a| ["on", "at"].map(|end| format!("{a}o{a}{end}ix"))).collect();
    let log = format!("// {}\n", common.join(" "));
    let files: Vec<(String, String)> = (0..4).map(|i| (format!("src/log{i}.rs"), log.clone())).collect();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.push(("src/zebra.rs", "fn graze() {}\n"));
    let repo = Repo::new(&files);
    let found = repo.paths(&format!("{} graze?", common.join(" ")));
    assert!(found.contains(&"src/zebra.rs".to_owned()), "{found:?}");
    assert_eq!(repo.paths(&format!("{} graze?", "unheard ".repeat(40))), ["src/zebra.rs"]);
}

#[test]
fn nothing_found_is_an_empty_answer() {
    let repo = Repo::new(FILES);
    for question in ["zzzqqq", "", "   ", "!!!", "lang:zig commit"] {
        assert_eq!(repo.paths(question), Vec::<String>::new(), "{question:?}");
    }
    assert_eq!(Repo::new(&[]).paths("anything"), Vec::<String>::new());
}

#[test]
fn an_explained_score_is_the_sum_and_product_of_its_signals() {
    let repo = Repo::new(FILES);
    let options = SearchOptions { explain: true, ..SearchOptions::default() };
    for hit in repo.engine.search("environment commit", &options).unwrap().hits {
        let sum: f32 = hit.signals.iter().filter(|s| !s.factor).map(|s| s.value).sum();
        let product: f32 = hit.signals.iter().filter(|s| s.factor).map(|s| s.value).product();
        assert!((sum * product - hit.score).abs() <= hit.score * 1e-3, "{} is not {sum} × {product}", hit.score);
    }
}

#[test]
fn answers_follow_the_files() {
    let repo = Repo::new(FILES);
    // Files written a moment before are looked at once more, in case they were written again since.
    std::thread::sleep(std::time::Duration::from_millis(150));
    repo.update();
    let before = repo.engine.snapshot().unwrap();
    assert_eq!(repo.update().indexed, 0);
    assert_eq!(repo.engine.snapshot().unwrap(), before, "nothing changed, nothing written");

    repo.write("src/retry.rs", "pub fn hedge() { /* sends a duplicate */ }\n");
    std::fs::remove_file(repo.path().join("web/app.py")).unwrap();
    std::fs::rename(repo.path().join("README.md"), repo.path().join("MANUAL.md")).unwrap();
    let report = repo.update();
    assert_eq!((report.indexed, report.removed), (2, 2));
    assert_eq!(repo.paths("hedge"), ["src/retry.rs"]);
    assert_eq!(repo.paths("symbol:RetryPolicy"), Vec::<String>::new());
    assert_eq!(repo.paths("protocol"), ["MANUAL.md"]);
}

/// How many files a report speaks of that were not indexed before and gone since.
fn looked_at(report: &UpdateReport) -> u64 {
    report.indexed + report.unchanged + report.skipped.values().sum::<u64>()
}

#[test]
fn every_file_looked_at_is_counted_once() {
    let repo =
        Repo::new(&[("a.rs", "fn a() {}\n"), ("b.rs", "fn b() {}\n"), ("logo.bin", "\0\0\0\0"), ("Cargo.lock", "x")]);
    let all = |rehash| {
        let options = UpdateOptions { rehash, ..UpdateOptions::default() };
        let report = update(&*repo.store, repo.path(), &options, &mut |_| {}, &|| false).unwrap();
        assert_eq!((report.files, looked_at(&report)), (report.indexed + report.unchanged, 4), "{report:?}");
        report
    };
    // Read again, because they were written a moment before; because it was asked for; not at all.
    assert_eq!((all(false).unchanged, all(true).unchanged), (2, 2));
    std::thread::sleep(std::time::Duration::from_millis(150));
    repo.write("b.rs", "fn c() {}\n");
    let report = all(false);
    assert_eq!((report.indexed, report.unchanged, report.skipped.get("binary")), (1, 1, Some(&1)));
    std::fs::remove_file(repo.path().join("logo.bin")).unwrap();
    repo.write("new.bin", "\0");
    assert_eq!(all(false).removed, 0, "it never was in the index");

    let files = |paths: &[&str]| {
        let paths: Vec<_> = paths.iter().map(|path| RelPath::new(*path).unwrap()).collect();
        let report = update_files(&*repo.store, repo.path(), &UpdateOptions::default(), &paths).unwrap();
        assert_eq!(looked_at(&report) + report.removed, paths.len() as u64, "{report:?}");
        report
    };
    repo.write("b.rs", "fn d() {}\n");
    std::fs::remove_file(repo.path().join("a.rs")).unwrap();
    let report = files(&["a.rs", "b.rs", "new.bin", "never.rs"]);
    assert_eq!((report.indexed, report.unchanged, report.removed), (1, 0, 1));
    assert_eq!((report.skipped.get("binary"), report.skipped.get("vanished")), (Some(&1), Some(&1)));
    assert_eq!(files(&["b.rs"]).unchanged, 1);
}

#[test]
fn single_files_are_followed_without_a_walk() {
    let repo = Repo::new(FILES);
    repo.write("src/new.rs", "pub fn brand_new() {}\n");
    std::fs::remove_file(repo.path().join("web/app.py")).unwrap();
    let paths = ["src/new.rs", "web/app.py"].map(|p| RelPath::new(p).unwrap());
    let report = update_files(&*repo.store, repo.path(), &UpdateOptions::default(), &paths).unwrap();
    assert_eq!((report.indexed, report.removed), (1, 1));
    assert_eq!(repo.paths("brand_new"), ["src/new.rs"]);
    assert_eq!(repo.paths("symbol:RetryPolicy"), Vec::<String>::new());
}

#[test]
fn many_small_changes_leave_the_same_answers_as_one_large_one() {
    let repo = Repo::new(&[]);
    for i in 0..40 {
        let path = format!("src/part{i}.rs");
        repo.write(&path, &format!("pub fn handler_{i}() {{ shared_word(); }}\n"));
        let path = RelPath::new(path).unwrap();
        update_files(&*repo.store, repo.path(), &UpdateOptions::default(), &[path]).unwrap();
    }
    let all: Vec<(String, &str)> = (0..40).map(|i| (format!("src/part{i}.rs"), "")).collect();
    let fresh = Repo::new(&[]);
    for (path, _) in &all {
        fresh.write(path, &std::fs::read_to_string(repo.path().join(path)).unwrap());
    }
    fresh.update();
    for question in ["shared_word", "handler 7", "handler_31"] {
        assert_eq!(repo.paths(question), fresh.paths(question), "{question}");
    }
}

#[test]
fn files_that_are_edited_over_and_over_are_found_as_ever() {
    let files: Vec<(String, String)> =
        (0..12).map(|i| (format!("src/part{i}.rs"), format!("fn handle_{i}() {{ config(); config(); }}\n"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let (edited, fresh) = (Repo::new(&files), Repo::new(&files));
    for round in 0..20 {
        for (path, text) in &files[..round % 4] {
            edited.write(path, &format!("{text}// edition {round}\n"));
        }
        edited.update();
    }
    for (path, text) in &files[..3] {
        edited.write(path, text);
    }
    edited.update();
    let scores = |repo: &Repo| -> Vec<(String, f32)> {
        let answer = repo.engine.search("where is the config handled", &SearchOptions::default()).unwrap();
        answer.hits.into_iter().map(|hit| (hit.chunk.path, hit.score)).collect()
    };
    let (edited, fresh) = (scores(&edited), scores(&fresh));
    assert_eq!(edited.len(), 10);
    for ((path, score), (fresh_path, fresh_score)) in edited.iter().zip(&fresh) {
        assert_eq!(path, fresh_path);
        assert!((score - fresh_score).abs() < 0.05 * fresh_score, "{path}: {score}, not {fresh_score}");
    }
}

#[test]
fn whatever_number_of_hits_is_asked_for_there_are_as_many_as_there_are() {
    let repo = Repo::new(FILES);
    for limit in [0, 1, 1000, usize::MAX] {
        let answer = repo.engine.search("environment commit", &SearchOptions { limit, ..Default::default() }).unwrap();
        assert_eq!(answer.hits.len().min(2), limit.min(2), "{limit}");
    }
}

#[test]
fn a_hit_is_named_by_the_definition_that_was_asked_for() {
    let repo = Repo::new(&[(
        "src/errors.ts",
        "export type Flat = string;\nexport interface Issue { code: string }\nexport class ZodError { issues: Issue[]; }\n",
    )]);
    for name in ["ZodError", "Issue", "symbol:Flat"] {
        let hit = &repo.search(name)[0];
        assert_eq!(hit.symbol.as_deref(), Some(name.trim_start_matches("symbol:")));
    }
}

#[test]
fn a_symbol_filter_alone_ranks_what_is_defined_before_what_is_titled() {
    let repo = Repo::new(&[
        ("a/notes.md", "# Environment\n\nWhat an environment is.\n"),
        ("z/environment.rs", "pub struct Environment;\n"),
    ]);
    assert_eq!(repo.paths("symbol:Environment"), ["z/environment.rs", "a/notes.md"]);
}

#[test]
fn an_embedder_finds_what_no_word_says_and_loses_nothing() {
    let repo = Repo::new(FILES);
    let embedder: Arc<dyn Embedder> = Arc::new(HashingEmbedder::new(256).unwrap());
    let semantic = Semantic::open(repo.store.clone(), embedder).unwrap();
    let embed = || futures_executor::block_on(semantic.embed_missing(&mut |_, _| {}, &|| false)).unwrap();
    let chunks = repo.update().chunks;
    assert_eq!(embed(), chunks);
    assert_eq!(embed(), 0, "only what is missing is embedded");
    let search = |question: &str| {
        let answer =
            futures_executor::block_on(semantic.search(&repo.engine, question, &SearchOptions::default())).unwrap();
        answer.hits.into_iter().map(|hit| hit.chunk.path).collect::<Vec<_>>()
    };
    assert_eq!(search("Environment")[0], "src/store/environment.rs");
    // No word of the index is asked for, but one that is spelled alike.
    assert!(repo.paths("retrypolicyy").is_empty());
    assert_eq!(search("retrypolicyy")[0], "web/app.py");
    assert_eq!(search("lang:rust retrypolicyy").iter().find(|path| !path.ends_with(".rs")), None, "filters hold");

    std::fs::remove_file(repo.path().join("web/app.py")).unwrap();
    repo.update();
    assert!(!search("RetryPolicy").contains(&"web/app.py".to_owned()), "vectors go with their passages");
}

#[test]
fn vectors_are_made_while_files_are_read_and_are_those_made_afterwards() {
    let embedder: Arc<dyn Embedder> = Arc::new(HashingEmbedder::new(256).unwrap());
    let (at_once, later) = (Repo::new(&[]), Repo::new(FILES));
    let vectors = InlineVectors::open(&*at_once.store, embedder.clone()).unwrap();
    let options = UpdateOptions { vectors, ..UpdateOptions::default() };
    let semantic = |repo: &Repo| Semantic::open(repo.store.clone(), embedder.clone()).unwrap();
    let embed =
        |semantic: &Semantic| futures_executor::block_on(semantic.embed_missing(&mut |_, _| {}, &|| false)).unwrap();
    FILES.iter().for_each(|(path, text)| at_once.write(path, text));
    let chunks = update(&*at_once.store, at_once.path(), &options, &mut |_| {}, &|| false).unwrap().chunks;
    assert_eq!((embed(&semantic(&at_once)), embed(&semantic(&later))), (0, chunks));
    let ranked = |repo: &Repo, question: &str| {
        let search = SearchOptions::default();
        let answer = futures_executor::block_on(semantic(repo).search(&repo.engine, question, &search)).unwrap();
        answer.hits.into_iter().map(|hit| (hit.chunk.path, hit.score)).collect::<Vec<_>>()
    };
    for question in ["retrypolicyy", "where is the transaction made durable?"] {
        let found = ranked(&at_once, question);
        assert!(!found.is_empty());
        assert_eq!(found, ranked(&later, question));
    }

    // A file may be named twice, and one may go: vectors neither outlive their passages nor miss.
    at_once.write("src/retry.rs", "pub fn retry() {}\n");
    std::fs::remove_file(at_once.path().join("web/app.py")).unwrap();
    let paths = ["src/retry.rs", "src/retry.rs", "web/app.py"].map(|path| RelPath::new(path).unwrap());
    update_files(&*at_once.store, at_once.path(), &options, &paths).unwrap();
    assert_eq!(semantic(&at_once).count_missing().unwrap(), 0);
    // A file without a passage has the number of the next one's first.
    at_once.write("z_empty.rs", "");
    update(&*at_once.store, at_once.path(), &options, &mut |_| {}, &|| false).unwrap();
    at_once.write("a_new.rs", "pub fn brand_new() {}\n");
    at_once.write("z_empty.rs", "pub fn no_longer_empty() {}\n");
    let one = UpdateOptions { threads: 1, ..options.clone() };
    update(&*at_once.store, at_once.path(), &one, &mut |_| {}, &|| false).unwrap();
    assert_eq!(semantic(&at_once).count_missing().unwrap(), 0);
    let report = nootropic_context::index::check(&*at_once.store).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// An embedder that fails on what is in the file of this name.
#[derive(Debug)]
struct Picky(HashingEmbedder, &'static str);

impl InlineEmbedder for Picky {
    fn embed_inline(&self, text: &str, role: EmbedRole) -> Result<Embedding> {
        match text.contains(self.1) {
            true => Err(Error::failed("embedding", ErrorKind::Unsupported, "it is not to my taste")),
            false => self.0.embed_inline(text, role),
        }
    }
}

#[async_trait::async_trait]
impl Embedder for Picky {
    fn info(&self) -> &EmbedderInfo {
        self.0.info()
    }

    async fn embed(&self, texts: &[&str], role: EmbedRole) -> Result<Vec<Embedding>> {
        texts.iter().map(|text| self.embed_inline(text, role)).collect()
    }

    fn inline(&self) -> Option<&dyn InlineEmbedder> {
        Some(self)
    }
}

#[test]
fn what_cannot_be_embedded_is_indexed_all_the_same() {
    let repo = Repo::new(&[]);
    let embedder: Arc<dyn Embedder> = Arc::new(Picky(HashingEmbedder::new(64).unwrap(), "retry.rs"));
    let vectors = InlineVectors::open(&*repo.store, embedder.clone()).unwrap();
    let options = UpdateOptions { vectors, ..UpdateOptions::default() };
    FILES.iter().for_each(|(path, text)| repo.write(path, text));
    update(&*repo.store, repo.path(), &options, &mut |_| {}, &|| false).unwrap();
    assert_eq!(repo.paths("jitter"), ["src/retry.rs"]);
    let semantic = Semantic::open(repo.store.clone(), embedder).unwrap();
    assert_eq!(semantic.count_missing().unwrap(), 1);
    std::fs::remove_file(repo.path().join("src/main.rs")).unwrap();
    repo.write("src/other.rs", "pub fn other() {}\n");
    repo.update();
    assert_eq!(semantic.count_missing().unwrap(), 2);
    let missing = futures_executor::block_on(semantic.embed_missing(&mut |_, _| {}, &|| false)).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Unsupported);
    assert_eq!(semantic.count_missing().unwrap(), 1, "the others are embedded all the same");
    let options = SearchOptions::default();
    let search = semantic.search(&repo.engine, "jitter", &options);
    assert_eq!(futures_executor::block_on(search).unwrap().hits[0].chunk.path, "src/retry.rs", "found by its words");
}

/// An embedder that keeps what it was asked.
#[derive(Debug)]
struct Recording {
    inner: HashingEmbedder,
    asked: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl Embedder for Recording {
    fn info(&self) -> &EmbedderInfo {
        self.inner.info()
    }

    async fn embed(&self, texts: &[&str], role: EmbedRole) -> Result<Vec<Embedding>> {
        if role == EmbedRole::Query {
            self.asked.lock().unwrap().extend(texts.iter().map(|text| (*text).to_owned()));
        }
        self.inner.embed(texts, role).await
    }
}

#[test]
fn filters_are_no_part_of_what_a_question_means() {
    let repo = Repo::new(FILES);
    let inner = HashingEmbedder::new(64).unwrap();
    let embedder = Arc::new(Recording { inner, asked: Mutex::default() });
    let semantic = Semantic::open(repo.store.clone(), embedder.clone()).unwrap();
    futures_executor::block_on(semantic.embed_missing(&mut |_, _| {}, &|| false)).unwrap();
    let search = |question: &str| {
        let options = SearchOptions::default();
        let hits = futures_executor::block_on(semantic.search(&repo.engine, question, &options)).unwrap().hits;
        (hits.len(), std::mem::take(&mut *embedder.asked.lock().unwrap()))
    };
    assert_eq!(search("how long  to wait?").1, ["how long  to wait?"]);
    assert_eq!(search("how long  to wait?").1, [""; 0], "what was asked a moment ago is not embedded again");
    assert_eq!(search("retry after path:web -lang:rust symbol:backoff failure").1, ["retry after failure"]);
    assert_eq!(search("path:web lang:python"), (1, Vec::new()), "a filter alone asks for no meaning");
    assert_eq!(search("  "), (0, Vec::new()));
}

/// Scores by how often a passage has the word `wanted`, and forgets the time while it does.
#[derive(Debug)]
struct Slow(RerankerInfo, Duration);

#[async_trait::async_trait]
impl Reranker for Slow {
    fn info(&self) -> &RerankerInfo {
        &self.0
    }

    async fn score(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>> {
        assert_eq!(query, "item", "filters are no part of what a question means");
        std::thread::sleep(self.1 * passages.len() as u32);
        Ok(passages.iter().map(|passage| passage.matches("wanted").count() as f32).collect())
    }
}

#[test]
fn a_reranker_moves_what_it_likes_up_as_far_as_there_is_time() {
    let text = |n: usize| match n {
        7 => "item wanted wanted wanted\n".to_owned(),
        _ => "item ".repeat(40 - n) + "\n",
    };
    let files: Vec<(String, String)> = (0..20).map(|n| (format!("f{n:02}.txt"), text(n))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let repo = Repo::new(&files);
    let question = "item path:f*";
    let options = SearchOptions { limit: 20, explain: true, ..SearchOptions::default() };
    let reranked = |each: u64, budget: u64, stop: bool| {
        let reranker = Slow(RerankerInfo { id: "slow".into(), max_tokens: 100 }, Duration::from_millis(each));
        let mut hits = repo.engine.search(question, &options).unwrap().hits;
        let how = RerankOptions { budget: Duration::from_millis(budget), ..RerankOptions::default() };
        let read = futures_executor::block_on(rerank(&reranker, question, &mut hits, &how, &|| stop));
        (read, hits)
    };
    let plain = repo.engine.search(question, &options).unwrap().hits;
    let place = |hits: &[Hit]| hits.iter().position(|hit| hit.chunk.path == "f07.txt").unwrap();
    assert!(place(&plain) > 3, "{}", place(&plain));

    let (read, hits) = reranked(0, 60_000, false);
    assert_eq!((read.unwrap(), hits.len()), (20, 20));
    assert!(place(&hits) < place(&plain));
    let scores = |hits: &[Hit]| hits.iter().map(|hit| hit.score).collect::<Vec<_>>();
    assert_eq!(scores(&hits), scores(&plain), "the best come first");
    for hit in &hits {
        let (sum, product) = hit.signals.iter().fold((0.0, 1.0), |(sum, product), signal| match signal.factor {
            true => (sum, product * signal.value),
            false => (sum + signal.value, product),
        });
        assert!((sum * product - hit.score).abs() < hit.score * 1e-3, "{:?}", hit.signals);
    }

    let (read, hits) = reranked(30, 100, false);
    let read = read.unwrap();
    assert!((2..=4).contains(&read), "{read} of 20 in 100 ms, at 30 ms each");
    assert_eq!(hits[read..], plain[read..], "what was not read stays where it was");
    let (read, hits) = reranked(0, 0, false);
    assert_eq!((read.unwrap(), &hits), (0, &plain));
    let (read, hits) = reranked(0, 60_000, true);
    assert_eq!((read.unwrap_err().kind(), hits), (ErrorKind::Cancelled, plain));
}

#[test]
fn vectors_that_are_there_are_searched_where_nothing_can_be_written() {
    let (repo, folder) = (Repo::new(FILES), tempfile::tempdir().unwrap());
    let dir = folder.path().join("store");
    let open = |read_only| {
        let options = StoreOptions { read_only, tables: TABLES.to_vec(), ..StoreOptions::default() };
        let store: Arc<dyn Store> = Arc::new(LmdbStore::open(&dir, &options).unwrap());
        store
    };
    let embedder = |dim| -> Arc<dyn Embedder> { Arc::new(HashingEmbedder::new(dim).unwrap()) };
    {
        let store = open(false);
        update(&*store, repo.path(), &UpdateOptions::default(), &mut |_| {}, &|| false).unwrap();
        let semantic = Semantic::open(store, embedder(256)).unwrap();
        futures_executor::block_on(semantic.embed_missing(&mut |_, _| {}, &|| false)).unwrap();
    }
    let store = open(true);
    let semantic = Semantic::open(store.clone(), embedder(256)).unwrap();
    let engine = Engine::new(store.clone());
    let answer = futures_executor::block_on(semantic.search(&engine, "retrypolicyy", &SearchOptions::default()));
    assert_eq!(answer.unwrap().hits[0].chunk.path, "web/app.py");
    let unknown = Semantic::open(store, embedder(128)).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::ReadOnly, "{unknown}");
}

#[test]
#[cfg(feature = "arroy")]
fn an_approximate_index_is_built_by_itself_where_the_exact_one_would_take_too_much_memory() {
    let (repo, folder) = (Repo::new(FILES), tempfile::tempdir().unwrap());
    repo.update();
    let embedder: Arc<dyn Embedder> = Arc::new(HashingEmbedder::new(64).unwrap());
    let semantic = |memory| {
        let plain = Semantic::open(repo.store.clone(), embedder.clone()).unwrap();
        plain.with_approximate(folder.path(), memory).unwrap()
    };
    let builds = || walk_files(folder.path()).into_iter().filter(|path| path.ends_with("data.mdb")).count();
    let embed = |semantic: &Semantic| {
        futures_executor::block_on(semantic.embed_missing(&mut |_, _| {}, &|| false)).unwrap();
        while semantic.is_building() {
            std::thread::yield_now();
        }
    };
    embed(&semantic(None));
    assert_eq!(builds(), 0, "so few are scanned exactly");
    let semantic = semantic(Some(0));
    embed(&semantic);
    assert_eq!(builds(), 1);
    let answer = futures_executor::block_on(semantic.search(&repo.engine, "retrypolicyy", &SearchOptions::default()));
    assert_eq!(answer.unwrap().hits[0].chunk.path, "web/app.py");
}

#[cfg(feature = "arroy")]
fn walk_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk_files(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn the_class_of_a_question_does_not_hang_on_its_filters() {
    assert_eq!(Query::parse("lang:rust JoinSet").class, QueryClass::Symbol);
}
