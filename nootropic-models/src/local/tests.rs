//! The contract of models, on files with random weights.

use std::sync::Arc;

use futures_executor::block_on;
use futures_util::StreamExt;
use nootropic_core::{GenerateRequest, Message, Model, ModelEvent, ModelExt, Sampling, testing};
use serde_json::{Value, json};

use super::LocalModel;
use crate::{DecodeStream, Device, FileType, Logits, Precision, Special, SyntheticModel, TokenId};

/// A model in a file of its own.
fn model(shape: &SyntheticModel) -> (tempfile::TempDir, LocalModel) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    shape.write(&path).unwrap();
    let model = LocalModel::open(&path, Device::Cpu).unwrap();
    (folder, model)
}

fn tiny() -> SyntheticModel {
    SyntheticModel { columns: 64, head_columns: 16, feed_forward: 96, context: 512, ..SyntheticModel::tiny() }
}

#[test]
fn the_contract_of_models_holds() {
    for mix in [FileType::Q8_0, FileType::F16] {
        let (_folder, model) = model(&SyntheticModel { precision: Precision::Mix(mix), ..tiny() });
        assert!(model.info().features.text && model.info().features.response_schema);
        block_on(testing::model_suite(&model, Some(&|| model.running())));
    }
}

#[test]
fn a_prefix_is_computed_once_and_the_answer_stays_the_same() {
    let (_folder, model) = model(&tiny());
    let begin = "fn main() { let mut total = 0; for line in lines { total += line.len(); } ";
    let ask = |end: &str| GenerateRequest { max_tokens: Some(20), ..GenerateRequest::text(format!("{begin}{end}")) };
    let first = block_on(model.complete(ask("println!"))).unwrap();
    assert_eq!(first.usage.cached_tokens, 0);
    let again = block_on(model.complete(ask("println!"))).unwrap();
    assert_eq!(again.usage.cached_tokens, again.usage.prompt_tokens - 1);
    assert_eq!(again.text, first.text);
    let other = block_on(model.complete(ask("return total;"))).unwrap();
    assert!(
        other.usage.cached_tokens > 8 && other.usage.cached_tokens < other.usage.prompt_tokens,
        "{:?}",
        other.usage
    );
    let (_folder, fresh) = self::model(&tiny());
    assert_eq!(block_on(fresh.complete(ask("return total;"))).unwrap().text, other.text);
}

#[test]
fn many_at_once_answer_as_each_alone() {
    let (_folder, model) = model(&tiny());
    let request = |n: usize| GenerateRequest {
        max_tokens: Some(24),
        sampling: Sampling {
            temperature: if n.is_multiple_of(2) { 0.0 } else { 0.9 },
            seed: n as u64,
            ..Sampling::default()
        },
        ..GenerateRequest::text("word ".repeat(1 + n * 2))
    };
    let alone: Vec<String> = (0..20).map(|n| block_on(model.complete(request(n))).unwrap().text).collect();
    let together = futures_util::future::join_all((0..20).map(|n| model.complete(request(n))));
    let together: Vec<String> = block_on(together).into_iter().map(|answer| answer.unwrap().text).collect();
    assert_eq!(together, alone);
    assert_eq!(model.running(), 0);
}

#[test]
fn guesses_change_no_answer() {
    let (_folder, model) = model(&tiny());
    for words in ["a", "one two three one two three one two three ", "fn main() { fn main() { fn main() {"] {
        let request = GenerateRequest { max_tokens: Some(200), ..GenerateRequest::text(words) };
        let answer = block_on(model.complete(request)).unwrap();
        assert_eq!(answer.text, plain(&model, words, 200));
    }
}

/// The likeliest tokens, one pass each.
fn plain(model: &LocalModel, prompt: &str, most: usize) -> String {
    let tokenizer = model.tokenizer();
    let mut next: Vec<u32> =
        tokenizer.encode(prompt, Special::AsText).unwrap().into_iter().map(|token| token.0).collect();
    let mut session = model.transformer().session(model.transformer().context()).unwrap();
    let mut answer = Vec::new();
    for _ in 0..most {
        let logits = session.feed(&next, Logits::Last).unwrap();
        let likeliest = (0..tokenizer.len()).rev().max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
        let token = TokenId(likeliest as u32);
        if tokenizer.ends_generation(token) {
            break;
        }
        answer.push(token);
        next = vec![token.0];
    }
    let mut stream = DecodeStream::continuing();
    let text: String = answer.into_iter().map(|token| stream.push(tokenizer, token)).collect();
    text + &stream.finish()
}

#[test]
fn an_answer_obeys_its_schema() {
    let (_folder, model) = model(&tiny());
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}, "line": {"type": "integer", "minimum": 1}},
                        "required": ["path", "line"], "additionalProperties": false});
    for seed in 0..10 {
        let request = GenerateRequest {
            response_schema: Some(schema.clone().try_into().unwrap()),
            sampling: Sampling { temperature: 1.0, seed, ..Sampling::default() },
            max_tokens: Some(80),
            ..GenerateRequest::text("Where is it?")
        };
        let answer = block_on(model.complete(request)).unwrap();
        let value: Value =
            serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text));
        assert!(jsonschema::is_valid(&schema, &value), "{value}");
    }
}

#[test]
fn a_reader_that_waits_holds_up_nobody() {
    let (_folder, model) = model(&tiny());
    let ask = || GenerateRequest { max_tokens: Some(200), ..GenerateRequest::text("go on") };
    let mut slow = block_on(model.generate(ask())).unwrap();
    assert!(block_on(slow.next()).is_some());
    let fast = block_on(model.complete(ask())).unwrap();
    let rest: Vec<ModelEvent> = block_on(slow.map(|event| event.unwrap()).collect());
    assert!(matches!(rest.last(), Some(ModelEvent::Finished { .. })));
    assert!(fast.usage.output_tokens > 0);
}

#[test]
fn a_model_may_be_dropped_while_it_answers() {
    let (_folder, model) = model(&tiny());
    let model = Arc::new(model);
    let mut stream = block_on(model.generate(GenerateRequest::chat([Message::user("Hello")]))).unwrap();
    assert!(block_on(stream.next()).is_some());
    drop(model);
    let rest: Vec<_> = block_on(stream.collect());
    assert!(rest.len() <= 64, "it ends");
}
