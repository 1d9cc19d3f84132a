//! What does the repository say about this? With citations that are checked, and in its own words where there is no model.
//!
//! `cargo run --example ask -- . "how are retries spaced?" [MODEL]`

use nootropic::core::Model;
use nootropic::{Ask, AskAnswer, Call, Device, Nootropic, Result, open_model};

fn ask(repository: &Nootropic, question: &str, model: Option<&dyn Model>) -> Result<AskAnswer> {
    // What can be shown of the answer comes piece by piece; here only the whole counts.
    Ask::of(question).with(repository, model, &Call::default(), &mut |_| {})
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| ".".into());
    let question = arguments.next().unwrap_or_else(|| "where does it begin?".into());
    let model = arguments.next().map(|name| open_model(&name, Device::Auto)).transpose()?;
    let answer = ask(&Nootropic::open(dir)?, &question, model.as_ref().map(|model| model as &dyn Model))?;
    println!("{}", answer.answer.unwrap_or_else(|| "The passages that answer:".into()));
    for source in answer.sources.iter().filter(|source| source.cited) {
        println!("[{}] {}:{}-{}", source.number, source.path, source.start_line, source.end_line);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nootropic::Nootropic;
    use nootropic::core::reference::{Reply, ScriptedModel};

    #[test]
    fn what_is_said_is_cited() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("retry.py"), "def backoff(n):\n    return 2 ** n\n").unwrap();
        let repository = Nootropic::open(dir.path()).unwrap();
        let model = ScriptedModel::new([Reply::text("It doubles [1].")]);
        let answer = super::ask(&repository, "how long is the backoff?", Some(&model)).unwrap();
        assert_eq!(answer.answer.as_deref(), Some("It doubles [1]."));
        assert!(answer.sources[0].cited && answer.sources[0].path == "retry.py");
    }
}
