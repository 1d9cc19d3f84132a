//! Nootropic beside its peers: the same files, the same passages, the same questions, in one run, taking turns.
//!
//! `cargo run --release --manifest-path nootropic-context/benches/peers/Cargo.toml -- index|search [DIR]`

#[path = "../../shared/mod.rs"]
mod shared;

mod index;
mod search;
mod tantivy_index;

use shared::{Problem, corpus, load};

fn main() -> Result<(), Problem> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (task, dir) = match args.as_slice() {
        ["--child", side, dir, folder] => return index::child(side, dir.as_ref(), folder.as_ref()),
        [task] => (*task, None),
        [task, dir] => (*task, Some(*dir)),
        _ => return Err("which measurement? index or search, then perhaps a folder".into()),
    };
    let work = tempfile::tempdir()?;
    println!("{}", load());
    let Some(root) = corpus(dir, work.path())? else {
        println!("skipped: no folder given, and Cargo has no sources at hand");
        return Ok(());
    };
    match task {
        "index" => index::compare(&root, work.path()),
        "search" => search::compare(&root, work.path()),
        other => Err(format!("no measurement is called {other}").into()),
    }
}
