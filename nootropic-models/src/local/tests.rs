//! The contract of models, on files with random weights.

use std::sync::Arc;

use futures_executor::block_on;
use futures_util::StreamExt;
use nootropic_core::{
    Completion, FinishReason, GenerateRequest, Message, Model, ModelEvent, ModelExt, ResponseGrammar, Sampling,
    ToolChoice, ToolSpec, testing,
};
use serde_json::{Value, json};

use super::LocalModel;
use crate::grammar::tests::generations::{RealSchema, generations, real_schemas, tools};
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
    SyntheticModel { columns: 64, head_columns: 16, feed_forward: 96, context: 1024, ..SyntheticModel::tiny() }
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

/// Templates of models that call tools in different ways, and think.
const TEMPLATES: [(&str, &str); 6] = [
    ("hermes", "{# tools: <tool_call> #}"),
    ("qwen xml", "{# tools: <function= #}"),
    ("llama", "{# tools: <|python_tag|> #}"),
    ("mistral", "{# tools: [TOOL_CALLS] #}"),
    ("gemma", "{# tools: tool_code #}"),
    ("thinking", "{# tools: <tool_call> <think> #}"),
];

fn speaking(head: &str, tail: &str) -> SyntheticModel {
    let body = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\
        {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
    SyntheticModel { chat_template: Some(format!("{head}{body}{tail}")), vocabulary: 1024, context: 1024, ..tiny() }
}

#[test]
fn the_contract_holds_in_every_dialect_and_for_models_that_think() {
    for (name, head) in TEMPLATES {
        let (_folder, model) = model(&speaking(head, ""));
        assert!(model.info().features.tools, "{name}");
        block_on(testing::model_suite(&model, Some(&|| model.running())));
    }
    let (_folder, model) = model(&speaking("", "<think>\n"));
    block_on(testing::model_suite(&model, Some(&|| model.running())));
}

fn weather() -> ToolSpec {
    let input = json!({"type": "object", "properties": {"place": {"type": "string", "minLength": 1}, "days": {"type": "integer"}},
                       "required": ["place"], "additionalProperties": false});
    ToolSpec { name: "weather".into(), description: "Tells the weather.".into(), input: input.try_into().unwrap() }
}

fn ask(choice: ToolChoice, seed: u64, max_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        tools: vec![weather()],
        tool_choice: choice,
        sampling: Sampling { temperature: 1.2, seed, ..Sampling::default() },
        max_tokens: Some(max_tokens),
        ..GenerateRequest::chat([Message::user("How is the weather in Köln?")])
    }
}

#[test]
fn a_required_call_is_made_before_the_tokens_are_used_up() {
    for (name, head) in TEMPLATES {
        let (_folder, model) = model(&speaking(head, ""));
        for seed in 0..4 {
            let answer = block_on(model.complete(ask(ToolChoice::Required, seed, 120))).unwrap();
            assert_eq!(answer.finish, FinishReason::ToolCalls, "{name}: {answer:?}");
            assert_eq!(answer.text, "", "{name}");
            for call in &answer.tool_calls {
                assert_eq!(call.name, "weather");
                assert!(jsonschema::is_valid(weather().input.as_value(), &call.input), "{name}: {call:?}");
            }
        }
        let none = block_on(model.complete(ask(ToolChoice::None, 1, 40))).unwrap();
        assert_eq!(none.tool_calls, [], "{name}");
    }
}

#[test]
fn a_call_that_is_cut_short_is_not_told() {
    let (_folder, model) = model(&speaking(TEMPLATES[0].1, ""));
    let answer = block_on(model.complete(ask(ToolChoice::Required, 1, 5))).unwrap();
    assert_eq!((answer.finish, answer.tool_calls, answer.text), (FinishReason::Length, vec![], String::new()));
}

#[test]
fn ids_of_calls_differ_throughout_a_conversation() {
    let (_folder, model) = model(&speaking(TEMPLATES[0].1, ""));
    let first = block_on(model.complete(ask(ToolChoice::Required, 1, 80))).unwrap().tool_calls;
    let mut again = ask(ToolChoice::Required, 2, 80);
    again.prompt = nootropic_core::Prompt::Chat(vec![
        Message::user("Weather?"),
        Message::Assistant { text: String::new(), tool_calls: first.clone() },
        Message::Tool { call_id: first[0].id.clone(), text: "rain".into() },
    ]);
    let second = block_on(model.complete(again)).unwrap().tool_calls;
    assert!(
        !second.is_empty() && second.iter().all(|call| first.iter().all(|other| other.id != call.id)),
        "{second:?}"
    );
}

#[test]
fn stop_strings_end_texts_and_leave_calls_alone() {
    let (_folder, model) = model(&speaking(TEMPLATES[0].1, ""));
    let request = GenerateRequest { stop: vec!["\"".into(), "weather".into()], ..ask(ToolChoice::Required, 3, 80) };
    let answer = block_on(model.complete(request)).unwrap();
    assert_eq!(answer.finish, FinishReason::ToolCalls, "{answer:?}");
}

#[test]
fn a_grammar_in_a_request_is_obeyed() {
    let (_folder, model) = model(&tiny());
    let ask = |grammar: ResponseGrammar| GenerateRequest {
        response_grammar: Some(grammar),
        sampling: Sampling { temperature: 1.0, ..Sampling::default() },
        max_tokens: Some(60),
        ..GenerateRequest::text("Say")
    };
    let sum = ResponseGrammar::Lark("start: sum\nsum: \"(\" sum \"+\" sum \")\" | /[0-9]{1,3}/".into());
    let answer = block_on(model.complete(ask(sum))).unwrap();
    let (open, close) = (answer.text.matches('(').count(), answer.text.matches(')').count());
    assert!(
        answer.finish == FinishReason::Stop && open == close && open == answer.text.matches('+').count(),
        "{answer:?}"
    );
    let both = GenerateRequest { response_schema: Some(true.into()), ..ask(ResponseGrammar::Regex("a".into())) };
    let kind = block_on(model.generate(both)).err().map(|error| error.kind());
    assert_eq!(kind, Some(nootropic_core::ErrorKind::InvalidInput));
}

/// A share of the proof beside the grammars, through all of a model; `NOOTROPIC_GENERATIONS` says how much.
#[test]
fn real_schemas_and_tools_are_obeyed_by_whole_models() {
    let schemas = real_schemas();
    let tools = tools(&schemas);
    let (mut all, mut ended) = (0, 0);
    for (index, (_, head)) in TEMPLATES.iter().enumerate() {
        let shape = SyntheticModel { context: 2048, ..speaking(head, "") };
        let (_folder, model) = model(&shape);
        let numbers = (0..generations() / 20).filter(|number| number % TEMPLATES.len() == index);
        let asked: Vec<(usize, GenerateRequest)> =
            numbers.map(|number| (number, real_request(number, &schemas, &tools))).collect();
        let answers = futures_util::future::join_all(asked.iter().map(|(_, request)| model.complete(request.clone())));
        for ((number, request), answer) in asked.iter().zip(block_on(answers)) {
            let answer = answer.unwrap();
            obeys(&answer, request, &schemas, &schemas[number % schemas.len()]);
            all += 1;
            ended += usize::from(answer.finish != FinishReason::Length);
        }
    }
    println!("{all} generations of whole models: {ended} ended by themselves, and obeyed");
    assert!(ended * 100 >= all * 99, "{ended} of {all} ended");
}

fn real_request(number: usize, schemas: &[RealSchema], tools: &[(ToolSpec, &RealSchema)]) -> GenerateRequest {
    let schema = &schemas[number % schemas.len()].schema;
    let beside = tools.iter().cycle().skip(number * 7 % tools.len()).take(number % 3);
    GenerateRequest {
        tools: beside.map(|(tool, _)| ToolSpec { description: String::new(), ..tool.clone() }).collect(),
        response_schema: Some(schema.clone().try_into().unwrap()),
        sampling: Sampling { temperature: 1.0 + (number % 3) as f32 / 2.0, seed: number as u64, ..Sampling::default() },
        max_tokens: Some(600),
        ..GenerateRequest::chat([Message::user("Configure it.")])
    }
}

fn obeys(answer: &Completion, request: &GenerateRequest, schemas: &[RealSchema], real: &RealSchema) {
    for call in &answer.tool_calls {
        assert!(request.tools.iter().any(|tool| tool.name == call.name), "{call:?}");
        let tool = schemas.iter().find(|real| real.name == call.name).unwrap();
        assert!(tool.validator.is_valid(&call.input), "{}: {}", tool.name, call.input);
    }
    if answer.finish == FinishReason::Stop {
        let value: Value =
            serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text));
        assert!(real.validator.is_valid(&value), "{}: {value}", real.name);
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
