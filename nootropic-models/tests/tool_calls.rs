//! Calls of tools, read back from what models write: whole, in pieces, and damaged.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Random;
use nootropic_core::{ModelEvent, ToolSpec};
use nootropic_models::{Error, ToolDialect, ToolParser};
use serde_json::{Value, json};

fn tools() -> Vec<ToolSpec> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/templates/tools.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What came out: texts, thoughts, calls, and whether it ended in an error.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    text: String,
    thoughts: String,
    calls: Vec<(String, Value)>,
    error: Option<String>,
}

fn read<'a>(mut parser: ToolParser, pieces: impl Iterator<Item = &'a str>) -> Seen {
    let mut seen = Seen::default();
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(parser.push(piece));
    }
    events.extend(parser.finish());
    for event in events {
        assert_eq!(seen.error, None, "nothing follows an error");
        match event {
            Ok(ModelEvent::Text { text }) => seen.text.push_str(&text),
            Ok(ModelEvent::Reasoning { text }) => seen.thoughts.push_str(&text),
            Ok(ModelEvent::ToolCall(call)) => {
                assert_eq!(call.id, format!("call_{}", seen.calls.len()));
                seen.calls.push((call.name, call.input));
            }
            Ok(other) => panic!("{other:?}"),
            Err(Error::MalformedCall { problem, .. }) => seen.error = Some(problem),
            Err(error) => panic!("{error}"),
        }
    }
    seen
}

/// Reads `text` whole and character by character: both give the same.
fn seen(dialect: ToolDialect, text: &str) -> Seen {
    let parser = || ToolParser::new(dialect, tools(), 0);
    let whole = read(parser(), std::iter::once(text));
    let pieces = read(parser(), text.split_inclusive(|_| true));
    assert_eq!(whole, pieces, "{text}");
    whole
}

fn calls(dialect: ToolDialect, text: &str) -> Vec<(String, Value)> {
    let seen = seen(dialect, text);
    assert_eq!(seen.error, None, "{text}");
    seen.calls
}

fn weather() -> (String, Value) {
    ("get_weather".into(), json!({"place": "Köln </tool_call> \"}", "days": 3}))
}

const WEATHER: &str = r#"{"place": "Köln </tool_call> \"}", "days": 3}"#;

#[test]
fn every_dialect_is_read() {
    use ToolDialect::*;
    let both = [weather(), ("list".to_owned(), json!({}))];
    let hermes = format!(
        "<tool_call>\n{{\"name\": \"get_weather\", \"arguments\": {WEATHER}}}\n</tool_call>\n<tool_call>{{\"name\":\"list\",\"arguments\":{{}}}}</tool_call>"
    );
    assert_eq!(calls(Hermes, &hermes), both);
    let llama = format!(
        "{{\"name\": \"get_weather\", \"parameters\": {WEATHER}}}; {{\"name\": \"list\", \"parameters\": {{}}}}"
    );
    assert_eq!(calls(Llama3, &llama), both);
    assert_eq!(calls(Llama3, &format!("<|python_tag|>{llama}")), both);
    let mistral = format!(
        "[TOOL_CALLS][{{\"name\": \"get_weather\", \"arguments\": {WEATHER}}}, {{\"name\": \"list\", \"arguments\": {{}}}}]"
    );
    assert_eq!(calls(Mistral, &mistral), both);
    assert_eq!(
        calls(Mistral, &format!("[TOOL_CALLS]get_weather[ARGS]{WEATHER}[TOOL_CALLS]list[CALL_ID]123456789[ARGS]{{}}")),
        both
    );
    assert_eq!(
        calls(
            Gemma,
            "```tool_code\nget_weather(place='Köln </tool_call> \"}', days=3)\n```\n```json\n{\"name\": \"list\", \"parameters\": {}}\n```"
        ),
        both
    );
    let xml = "<tool_call>\n<function=get_weather>\n<parameter=place>\nKöln \"}\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>";
    assert_eq!(calls(QwenXml, xml), [("get_weather".to_owned(), json!({"place": "Köln \"}", "days": 3}))]);
    let as_hermes = format!("<tool_call>\n{{\"name\": \"get_weather\", \"arguments\": {WEATHER}}}\n</tool_call>");
    assert_eq!(calls(QwenXml, &as_hermes), [weather()]);
    // Arguments as text, as some models write them.
    let text = r#"<tool_call>{"name": "list", "arguments": "{\"names\": [\"a\"]}"}</tool_call>"#;
    assert_eq!(calls(Hermes, text), [("list".to_owned(), json!({"names": ["a"]}))]);
}

#[test]
fn text_and_thinking_are_told_apart_from_calls() {
    let text = "<think>\nI <b>could</b> <tool_call>{}</tool_call>\n</think>\n\nHello < there <tool>\n<tool_call>{\"name\":\"list\",\"arguments\":{}}</tool_call>\nBye";
    let seen = seen(ToolDialect::Hermes, text);
    assert_eq!(seen.thoughts, "I <b>could</b> <tool_call>{}</tool_call>");
    assert_eq!(seen.text, "Hello < there <tool>\nBye");
    assert_eq!(seen.calls.len(), 1);
    let thinking = ToolParser::new(ToolDialect::Hermes, tools(), 0).thinking();
    let seen = read(thinking, ["\nSo\n</thi", "nk>\n\nYes"].into_iter());
    assert_eq!((seen.thoughts.as_str(), seen.text.as_str()), ("So", "Yes"));
}

#[test]
fn calls_that_are_shown_are_not_made() {
    let text = "Write it so:\n```\n<tool_call>{\"name\":\"list\",\"arguments\":{}}</tool_call>\n```\nDone.";
    let shown = seen(ToolDialect::Hermes, text);
    assert_eq!((shown.calls.len(), shown.text.as_str(), shown.error), (0, text, None));
    // An answer that is an object, or shows one.
    let object = "{\"celsius\": 21.5, \"name\": \"Köln\"}";
    let answer = seen(ToolDialect::Llama3, object);
    assert_eq!((answer.calls.len(), answer.text.as_str(), answer.error), (0, object, None));
    let block = "Here:\n```json\n{\"celsius\": 21.5}\n```\nDone.";
    let answer = seen(ToolDialect::Gemma, block);
    assert_eq!((answer.calls.len(), answer.error), (0, None));
    assert!(answer.text.contains("```json\n{\"celsius\": 21.5}\n```"), "{}", answer.text);
    // Without tools there is nothing to call.
    let none = read(ToolParser::new(ToolDialect::Hermes, Vec::new(), 0), ["<tool_call>{}</tool_call>"].into_iter());
    assert_eq!((none.text.as_str(), none.error), ("<tool_call>{}</tool_call>", None));
}

/// Reads an answer that is held to a schema.
fn strict(dialect: ToolDialect, text: &str) -> Seen {
    let parser = || ToolParser::new(dialect, tools(), 0).strict();
    let whole = read(parser(), std::iter::once(text));
    assert_eq!(whole, read(parser(), text.split_inclusive(|_| true)), "{text}");
    whole
}

#[test]
fn in_an_answer_that_is_held_to_a_schema_marks_mean_nothing() {
    let text = r#"{"a": "<tool_call>{}</tool_call> <think> ```json [TOOL_CALLS]"}"#;
    for dialect in
        [ToolDialect::Hermes, ToolDialect::QwenXml, ToolDialect::Llama3, ToolDialect::Mistral, ToolDialect::Gemma]
    {
        let seen = strict(dialect, text);
        assert_eq!((seen.text.as_str(), seen.calls.len(), seen.error), (text, 0, None), "{dialect:?}");
        let list = strict(dialect, "[1, 2]");
        assert_eq!((list.text.as_str(), list.error), ("[1, 2]", None), "{dialect:?}");
    }
    let call = "<think>So {\"a\": 1}?</think>\n\n<tool_call>{\"name\":\"list\",\"arguments\":{}}</tool_call>";
    let seen = strict(ToolDialect::Hermes, call);
    assert_eq!((seen.text.as_str(), seen.thoughts.as_str(), seen.calls.len()), ("", "So {\"a\": 1}?", 1));
    let object = r#"{"name": "list", "parameters": {}}"#;
    assert_eq!(strict(ToolDialect::Llama3, object).text, object, "only after its mark");
    let two = format!("<|python_tag|>{object}; {object}");
    assert_eq!(strict(ToolDialect::Llama3, &two).calls.len(), 2);
}

#[test]
fn of_an_answer_that_was_cut_short_whole_calls_and_texts_are_left() {
    let list = "<tool_call>{\"name\":\"list\",\"arguments\":{}}</tool_call>";
    for (text, calls, said) in [
        (format!("{list}\n<tool_call>{{\"name\": \"li"), 1, ""),
        ("Well, <tool_c".to_owned(), 0, "Well, "),
        ("So a <".to_owned(), 0, "So a <"),
        ("<tool_call>\n".to_owned(), 0, ""),
    ] {
        let mut parser = ToolParser::new(ToolDialect::Hermes, tools(), 0);
        let mut events = parser.push(&text);
        events.extend(parser.cut());
        let events: Vec<ModelEvent> = events.into_iter().map(Result::unwrap).collect();
        let found = events.iter().filter(|event| matches!(event, ModelEvent::ToolCall(_))).count();
        let texts = events
            .iter()
            .filter_map(|event| if let ModelEvent::Text { text } = event { Some(text.as_str()) } else { None });
        assert_eq!((found, texts.collect::<String>().as_str()), (calls, said), "{text}");
    }
}

#[test]
fn in_a_call_that_a_grammar_held_the_last_of_two_keys_counts() {
    let call = "<tool_call>{\"name\":\"list\",\"arguments\":{\"a\":1,\"a\":{\"b\":1,\"b\":2}}}</tool_call>";
    let seen = read(ToolParser::new(ToolDialect::Hermes, tools(), 0).held(), std::iter::once(call));
    assert_eq!(seen.error, None);
    assert_eq!(seen.calls[0].1, serde_json::json!({"a": {"b": 2}}));
    let named = "[TOOL_CALLS]list{\"a\":1,\"a\":2}";
    let seen = read(ToolParser::new(ToolDialect::Mistral, tools(), 0).held(), std::iter::once(named));
    assert_eq!(seen.calls[0].1, serde_json::json!({"a": 2}));
    let xml = "<tool_call><function=list><parameter=names>{\"a\":1,\"a\":2}</parameter></function></tool_call>";
    let seen = read(ToolParser::new(ToolDialect::QwenXml, tools(), 0).held(), std::iter::once(xml));
    assert_eq!(seen.calls[0].1, serde_json::json!({"names": {"a": 2}}));
}

#[test]
fn malformed_calls_are_errors_and_never_calls() {
    let deep = format!("<tool_call>{{\"name\":\"list\",\"arguments\":{{\"names\":{}", "[".repeat(5000))
        + &"]".repeat(5000)
        + "}}</tool_call>";
    for (text, problem) in [
        ("<tool_call>{\"name\":\"rm\",\"arguments\":{}}</tool_call>", "there is no tool \"rm\""),
        ("<tool_call>{\"name\":\"list\",\"arguments\":[]}</tool_call>", "the arguments are no object"),
        ("<tool_call>{\"name\":\"list\",\"arguments\":\"no\"}</tool_call>", "expected"),
        ("<tool_call>{\"name\":7,\"arguments\":{}}</tool_call>", "the call has no name"),
        ("<tool_call>{\"name\":\"list\"}</tool_call>", "the call has no arguments"),
        ("<tool_call>{\"name\":\"list\",\"name\":\"get_weather\",\"arguments\":{}}</tool_call>", "is there twice"),
        ("<tool_call>{\"name\":\"list\",\"arguments\":{\"a\":1,\"a\":2}}</tool_call>", "is there twice"),
        ("<tool_call>{\"name\":\"list\",\"arguments\":{}}", ""),
        ("<tool_call>{\"name\":\"list\",\"argu", "cut off"),
        ("<tool_call>list()</tool_call>", "no JSON"),
        ("<tool_call>{\"name\":\"list\",\"arguments\":{}} and more</tool_call>", "text follows the call"),
        (deep.as_str(), "recursion"),
    ] {
        let seen = seen(ToolDialect::Hermes, text);
        if problem.is_empty() {
            assert_eq!((seen.calls.len(), &seen.error), (1, &None), "a call that only its end is missing of");
            continue;
        }
        assert_eq!(seen.calls, [], "{text}");
        assert!(seen.error.as_ref().is_some_and(|error| error.contains(problem)), "{text}: {:?}", seen.error);
    }
}

/// Damaged answers: no panic, the same in one piece and in many, and no call but of known tools with an object.
#[test]
fn damaged_answers_never_become_other_calls() {
    use ToolDialect::*;
    let answers = [
        (Hermes, format!("Hm.\n<tool_call>\n{{\"name\": \"get_weather\", \"arguments\": {WEATHER}}}\n</tool_call>\n<think>x</think>")),
        (Llama3, format!("{{\"name\": \"get_weather\", \"parameters\": {WEATHER}}}; {{\"name\": \"list\", \"parameters\": {{}}}}")),
        (Mistral, format!("[TOOL_CALLS][{{\"name\": \"list\", \"arguments\": {WEATHER}}}] [TOOL_CALLS]list[ARGS]{{}}")),
        (Gemma, "Well\n```tool_code\nget_weather(place='Köln', days=3)\n```\n```json\n{\"name\": \"list\", \"parameters\": {}}\n```".to_owned()),
        (QwenXml, "<tool_call>\n<function=get_weather>\n<parameter=place>\nKöln\n</parameter>\n</function>\n</tool_call>".to_owned()),
    ];
    let mut random = Random(1);
    let (mut calls, mut errors) = (0, 0);
    for _ in 0..20_000 {
        let (dialect, answer) = &answers[random.below(answers.len())];
        let mut bytes = answer.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let (at, other) = (random.below(bytes.len()), random.below(bytes.len()));
            match random.below(5) {
                0 => bytes.truncate(at),
                1 => bytes[at] = b"{}[]\"<>`:,\\ "[random.below(12)],
                2 => drop(bytes.drain(at.min(other)..at.max(other))),
                3 => {
                    let piece = bytes[at.min(other)..at.max(other)].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => bytes.insert(at, random.next() as u8),
            }
            if bytes.is_empty() {
                bytes.push(b'{');
            }
        }
        let seen = seen(*dialect, &String::from_utf8_lossy(&bytes));
        for (name, input) in &seen.calls {
            assert!(tools().iter().any(|tool| tool.name == *name) && input.is_object());
        }
        (calls, errors) = (calls + seen.calls.len(), errors + usize::from(seen.error.is_some()));
    }
    assert!(calls > 1000 && errors > 1000, "{calls} calls, {errors} errors");
}
