//! How does a program put the right passages before a language model?
//!
//! `cargo run --example prompt_context -- . "how are retries spaced?"`

use std::path::Path;

use nootropic::{Call, Nootropic, Pack, Result};

/// A prompt with what the repository says about the question, in at most `tokens` tokens, each passage with a number to
/// cite it by.
fn prompt(dir: &Path, question: &str, tokens: u32) -> Result<String> {
    let repository = Nootropic::open(dir)?;
    let pack = repository.pack(&Pack { tokens: Some(tokens), ..Pack::of(question) }, &Call::default())?;
    Ok(format!("{}\n\nAnswer with citations such as [1]: {question}\n", pack.text))
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| ".".into());
    let question = arguments.next().unwrap_or_else(|| "where does it begin?".into());
    print!("{}", prompt(dir.as_ref(), &question, 4000)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn cites_what_it_shows() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("retry.py"), "def backoff(n):\n    return 2 ** n\n").unwrap();
        let prompt = super::prompt(dir.path(), "how long is the backoff?", 500).unwrap();
        assert!(prompt.contains("[1] retry.py") && prompt.contains("2 ** n"), "{prompt}");
    }
}
