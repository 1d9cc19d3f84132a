//! Answers of a model from the command line; its weights are random, so what it says means nothing.

use std::io::Write;
use std::process::Stdio;

use nootropic::models::{FileType, Precision, SyntheticModel};
use serde_json::json;

use crate::models::with_model;

#[test]
fn a_question_is_answered() {
    let repository = with_model();
    let ask = ["chat", "what is a lock?", "--model", "tiny", "--max-tokens", "12", "--temperature", "0"];
    let answer = repository.json(ask);
    assert_eq!(answer["usage"]["output_tokens"], 12, "{answer}");
    assert_eq!(answer["finish"], "length");
    let text = answer["text"].as_str().unwrap();
    assert!(!text.is_empty());
    assert_eq!(repository.run(ask).out, format!("{text}\n"), "people read the same");
    // The only model there is need not be named, and a message may come from a program.
    let mut command = repository.command(["chat", "--max-tokens", "12", "--temperature", "0"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"what is a lock?").unwrap();
    assert_eq!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap(), format!("{text}\n"));
}

#[test]
fn an_answer_obeys_a_schema() {
    let repository = with_model();
    let schema = json!({ "type": "object", "properties": { "color": { "enum": ["red", "blue"] } }, "required": ["color"], "additionalProperties": false });
    repository.write("color.json", schema.to_string());
    let answer =
        repository.json(["chat", "a color", "--schema", "color.json", "--temperature", "2", "--max-tokens", "60"]);
    let value: serde_json::Value = serde_json::from_str(answer["text"].as_str().unwrap()).unwrap();
    assert!(["red", "blue"].contains(&value["color"].as_str().unwrap()), "{answer}");
    repository.write("torn.json", "{");
    let torn = repository.error(["chat", "a color", "--schema", "torn.json"], 2);
    assert!(torn["message"].as_str().unwrap().contains("torn.json"), "{torn}");
}

#[test]
fn a_question_about_the_repository_is_answered_or_quoted() {
    let repository = with_model();
    // Its context has no room for all that is found: it is given less.
    let model = SyntheticModel { precision: Precision::Mix(FileType::F32), context: 1024, ..SyntheticModel::tiny() };
    repository.write("wide.gguf", model.to_bytes().unwrap());
    let answer = repository.json(["ask", "who waits for the lock?", "--model", "wide.gguf", "--max-tokens", "8"]);
    assert!(answer["generated"]["usage"]["output_tokens"].as_u64().unwrap() > 0, "{answer}");
    assert!(answer["sources"][0]["path"].as_str().unwrap().ends_with("lock.rs"), "{answer}");
    let quoted = repository.run(["ask", "--quote", "who waits for the lock?"]);
    assert!(quoted.out.starts_with("[1] src/lock.rs:"), "{}", quoted.out);
    assert_eq!(repository.json(["ask", "--quote", "zebra"])["found"], false);
    assert!(repository.run(["ask", "--quote", "zebra"]).out.starts_with("Nothing was found."));
}

#[test]
fn code_is_completed_at_a_place() {
    let repository = with_model();
    let place = ["complete", "--file", "src/lock.rs", "--line", "3", "--column", "9"];
    let answer = repository.json(place.into_iter().chain(["--max-tokens", "6"]));
    assert_eq!(answer["usage"]["output_tokens"], 6, "{answer}");
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 20, "{answer}");
    let far = repository.error(["complete", "--file", "src/lock.rs", "--line", "99", "--column", "1"], 2);
    assert_eq!(far["message"], "line: src/lock.rs has 9");
}

#[test]
fn mistakes_with_questions_say_what_to_do() {
    let repository = with_model();
    let long = repository.error(["chat", &"word ".repeat(2000), "--model", "tiny"], 13);
    assert!(long["message"].as_str().unwrap().contains("512"), "{long}");
    assert_eq!(repository.error(["chat"], 2)["message"], "message: standard input says nothing");
    std::fs::remove_dir_all(repository.home().join(".local")).unwrap();
    let none = repository.error(["chat", "hello"], 2);
    assert!(none["message"].as_str().unwrap().contains("no model file"), "{none}");
}
