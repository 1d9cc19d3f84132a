//! Answers about a repository: from its passages, with citations that are checked.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use nootropic::core::reference::{Reply, ScriptedModel};
use nootropic::core::{Message, Model, Prompt};
use nootropic::{Ask, AskAnswer, Call, ErrorKind, ModelEvent, Nootropic};

fn repository() -> (tempfile::TempDir, Nootropic) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lock.rs"), "/// Waits for the lock, longer each time.\npub fn acquire() {}\n")
        .unwrap();
    std::fs::write(dir.path().join("retry.py"), "def back_off(lock):\n    \"\"\"Doubles the pause.\"\"\"\n").unwrap();
    let repository = Nootropic::open(dir.path()).unwrap();
    (dir, repository)
}

/// The answer, and what was shown of it as it came.
fn ask(repository: &Nootropic, ask: &Ask, model: Option<&dyn Model>) -> (AskAnswer, String) {
    let mut shown = String::new();
    let answer = ask.with(repository, model, &Call::default(), &mut |event| {
        if let ModelEvent::Text { text } = event {
            shown.push_str(text);
        }
    });
    (answer.unwrap(), shown)
}

#[test]
fn an_answer_stands_on_passages_and_cites_no_others() {
    let (_dir, repository) = repository();
    let model = ScriptedModel::new([Reply::text("It waits longer each time [1], [7].")]);
    let (answer, shown) = ask(&repository, &Ask::of("who waits for the lock?"), Some(&model));
    assert_eq!(answer.answer.as_deref(), Some("It waits longer each time [1], ."));
    assert_eq!(answer.answer, Some(shown));
    assert!(answer.found);
    assert_eq!(answer.refused_citations, [7]);
    let first = &answer.sources[0];
    assert_eq!((first.number, first.path.as_str(), first.start_line, first.cited), (1, "lock.rs", 1, true));
    assert!(answer.sources[1..].iter().all(|source| !source.cited));

    // The model was given those passages, under the numbers that it may cite.
    let Prompt::Chat(messages) = &model.requests()[0].prompt else { panic!("a conversation") };
    let Message::User { text: content, .. } = &messages[1] else { panic!("{messages:?}") };
    assert!(content.contains("[1] lock.rs:1-2 (acquire)\n/// Waits for the lock"), "{content}");
    assert!(content.ends_with("Question: who waits for the lock?"), "{content}");
}

#[test]
fn not_found_here_is_an_answer() {
    let (_dir, repository) = repository();
    for said in ["Not found here.", " not found here\n"] {
        let model = ScriptedModel::new([Reply::text(said)]);
        let (answer, _) = ask(&repository, &Ask::of("how is the lock painted?"), Some(&model));
        assert!(!answer.found && !answer.sources.is_empty(), "{answer:?}");
    }
    // Nothing was found: there is nothing to ask a model about.
    let model = ScriptedModel::new([]);
    let (answer, _) = ask(&repository, &Ask::of("zebra"), Some(&model));
    assert_eq!((answer.found, answer.answer, answer.sources.len()), (false, None, 0));
    assert!(model.requests().is_empty());
}

#[test]
fn without_a_model_passages_are_quoted() {
    let (_dir, repository) = repository();
    let (answer, shown) = ask(&repository, &Ask::of("who doubles the pause?"), None);
    assert_eq!((answer.answer, answer.found, shown.as_str()), (None, true, ""));
    assert_eq!(answer.sources[0].path, "retry.py");
    assert!(answer.sources[0].text.contains("Doubles the pause") && answer.sources[0].cited);
    let quote = Ask { quote: true, ..Ask::of("who doubles the pause?") };
    let quoted = quote.stream(&repository, &Call::default(), &mut |_| {}).unwrap();
    assert_eq!(quoted.sources, answer.sources);
}

#[test]
fn a_model_that_fails_is_an_error() {
    let (_dir, repository) = repository();
    let model = ScriptedModel::new([Reply::failure(ErrorKind::Unavailable, "out of order")]);
    let error = Ask::of("lock").with(&repository, Some(&model), &Call::default(), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let nothing = Ask::default().with(&repository, None, &Call::default(), &mut |_| {}).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::InvalidInput);
}
