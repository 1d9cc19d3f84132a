//! How does a Rust program search a repository?
//!
//! `cargo run --example embed_search -- . "where is the lock taken?"`

use std::path::Path;

use nootropic::{Call, Nootropic, Result, Search, SearchHit};

/// Indexes the repository in `dir`, or reads what changed, and answers.
fn find(dir: &Path, question: &str) -> Result<Vec<SearchHit>> {
    let repository = Nootropic::open(dir)?;
    let answer = repository.search(&Search::of(question), &Call::default())?;
    Ok(answer.hits)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| ".".into());
    let question = arguments.next().unwrap_or_else(|| "where does it begin?".into());
    for hit in find(dir.as_ref(), &question)? {
        println!("{}:{} {}", hit.path, hit.start_line, hit.symbol.unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_a_passage() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lock.rs"), "/// Takes the lock.\nfn acquire() {}\n").unwrap();
        let hits = super::find(dir.path(), "where is the lock taken?").unwrap();
        assert_eq!((hits[0].path.as_str(), hits[0].symbol.as_deref()), ("lock.rs", Some("acquire")));
    }
}
