//! How long indexing takes: all of a corpus, nothing changed, one file changed.
//!
//! `cargo bench -p nootropic-context --bench index -- [DIR]`
//!
//! Without DIR the corpus is about 50 MB of the sources that Cargo has at hand. Beside tantivy: `benches/peers`.

mod shared;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use nootropic_context::index::{UpdateOptions, update, update_files};
use nootropic_context::store::{LmdbStore, StoreOptions};
use nootropic_context::syntax::{self, ChunkOptions};
use nootropic_context::walk::{Found, Reader, RelPath, WalkOptions, walk};
use shared::{AnonymousPeak, Problem, Times, corpus, cpu_seconds, load, peak_mb, plant, source};

fn main() -> Result<(), Problem> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [mode, dir, store] = args.as_slice()
        && mode == "--full"
    {
        return full(Path::new(dir), Path::new(store));
    }
    let work = tempfile::tempdir()?;
    println!("{}", load());
    let Some(root) = corpus(args.first().map(String::as_str), work.path())? else {
        println!("skipped: no folder given, and Cargo has no sources at hand");
        return Ok(());
    };
    phases(&root)?;
    let store = work.path().join("full");
    // In a process of its own, so that the memory counted is that of indexing.
    Command::new(std::env::current_exe()?).arg("--full").arg(&root).arg(&store).status()?;
    one_file(&root, &store, "corpus")?;
    unchanged(&work.path().join("tree"), &work.path().join("small"))
}

fn open(folder: &Path) -> Result<LmdbStore, Problem> {
    Ok(LmdbStore::open(folder, &StoreOptions::with_tables(&nootropic_context::TABLES))?)
}

/// The stages of analysis, each alone on one thread.
fn phases(root: &Path) -> Result<(), Problem> {
    let options = WalkOptions::default();
    let mut paths = Vec::new();
    let begun = Instant::now();
    walk(root, &options, &|| false, &mut |found| {
        if let Found::File { path, .. } = found {
            paths.push(path);
        }
    })?;
    println!("walk       {:>8.3} s  {} files", begun.elapsed().as_secs_f64(), paths.len());
    let begun = Instant::now();
    let reader = Reader::new(root, &options)?;
    let texts: Vec<_> = paths.iter().filter_map(|path| Some((path, reader.read(path).ok()?.text))).collect();
    let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    println!("read       {:>8.3} s  {:.1} MB, one thread", begun.elapsed().as_secs_f64(), bytes as f64 / 1e6);
    let begun = Instant::now();
    let chunk = ChunkOptions::default();
    let chunks: usize =
        texts.iter().map(|(path, text)| syntax::parse(&path.to_text(), text, &chunk).pieces.len()).sum();
    println!("parse      {:>8.3} s  {chunks} chunks, one thread", begun.elapsed().as_secs_f64());
    Ok(())
}

fn full(root: &Path, folder: &Path) -> Result<(), Problem> {
    let (begun, anonymous) = (Instant::now(), AnonymousPeak::watch());
    let store = open(folder)?;
    let report = update(&store, root, &UpdateOptions::default(), &mut |_| {}, &|| false)?;
    let took = begun.elapsed().as_secs_f64();
    println!(
        "all        {took:>8.3} s  cpu {:.2} s, {} files, {} chunks, {:.1} MB",
        cpu_seconds(),
        report.files,
        report.chunks,
        report.bytes as f64 / 1e6
    );
    println!("           peak {:.0} MB, {:.0} MB of it not mapped files", peak_mb(), anonymous.end());
    let on_disk = std::fs::metadata(folder.join("data.mdb"))?.len();
    println!("           {:.1} MB on disk", on_disk as f64 / 1e6);
    Ok(())
}

/// One changed file at a time, each durable before the next.
fn one_file(root: &Path, folder: &Path, name: &str) -> Result<(), Problem> {
    let store = open(folder)?;
    let mut paths = Vec::new();
    walk(root, &WalkOptions::default(), &|| false, &mut |found| {
        if let Found::File { path, stamp } = found
            && (500..60_000).contains(&stamp.size)
        {
            paths.push(path);
        }
    })?;
    paths.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    let mut times = Times::default();
    for path in paths.iter().step_by((paths.len() / 200).max(1)) {
        let file = root.join(path.to_text().as_ref());
        let before = std::fs::read(&file)?;
        std::fs::write(&file, [&before[..], b"\nchanged\n"].concat())?;
        let report = times.time(|| update_files(&store, root, &UpdateOptions::default(), std::slice::from_ref(path)));
        std::fs::write(&file, &before)?;
        if report?.indexed != 1 {
            return Err(format!("{} was not indexed", path.to_text()).into());
        }
    }
    println!("one file   {times}  {name}");
    Ok(())
}

fn unchanged(root: &Path, folder: &Path) -> Result<(), Problem> {
    const FILES: usize = 10_000;
    plant(root, FILES)?;
    let store = open(folder)?;
    let run = || update(&store, root, &UpdateOptions::default(), &mut |_| {}, &|| false);
    let report = run()?;
    println!("all        {:>8.3} s  {} small files, {} chunks", report.seconds, report.files, report.chunks);
    // Stamps of files written a moment ago say nothing yet; from the second pass on they do.
    std::thread::sleep(std::time::Duration::from_secs(2));
    run()?;
    let mut times = Times::default();
    for _ in 0..15 {
        let report = times.time(run)?;
        if report.unchanged != FILES as u64 {
            return Err(format!("{} of {FILES} files were known to be unchanged", report.unchanged).into());
        }
    }
    println!("unchanged  {times}  {FILES} files");
    let mut times = Times::default();
    for n in (0..FILES).step_by(FILES / 200) {
        let path: PathBuf = format!("area{:03}/part_{n}.rs", n / 100).into();
        std::fs::write(root.join(&path), source(n, 1))?;
        let path = RelPath::new(path.to_string_lossy().into_owned().into_bytes()).ok_or("a path")?;
        times.time(|| update_files(&store, root, &UpdateOptions::default(), &[path]))?;
    }
    println!("one file   {times}  {FILES} files");
    Ok(())
}
