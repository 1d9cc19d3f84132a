//! Calls of tools and texts, in every dialect, from a model that knows nothing.

use nootropic_core::ToolSpec;
use serde_json::{Value, json};

use super::speaker::{Draw, SPEAKER, Said};
use crate::grammar::{Answer, Constraint, Grammar, Text, Thinking};
use crate::tokens::{ToolDialect, ToolParser};

const DIALECTS: [ToolDialect; 5] =
    [ToolDialect::Hermes, ToolDialect::QwenXml, ToolDialect::Llama3, ToolDialect::Mistral, ToolDialect::Gemma];
const THINKING: [Thinking; 3] = [Thinking::No, Thinking::May("<think>", "</think>"), Thinking::Begun("</think>")];

fn tools() -> Vec<ToolSpec> {
    let tool = |name: &str, input: Value| ToolSpec {
        name: name.into(),
        description: String::new(),
        input: input.try_into().unwrap(),
    };
    vec![
        tool(
            "read_file",
            json!({"type": "object", "properties": {"path": {"type": "string"}, "lines": {"type": "integer", "minimum": 1},
                   "mode": {"enum": ["text", "bytes"], "type": "string"}}, "required": ["path"], "additionalProperties": false}),
        ),
        tool(
            "edit \"all\" {files}",
            json!({"type": "object", "properties": {"edits": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/edit"}}},
                   "required": ["edits"], "additionalProperties": false, "$defs": {"edit": {"type": "object",
                   "properties": {"old": {"type": "string", "minLength": 1}, "new": {"type": "string"}}, "required": ["old", "new"],
                   "additionalProperties": false}}}),
        ),
        tool("now", json!({})),
    ]
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
           "required": ["name", "parameters"], "additionalProperties": false})
}

/// What may stand in place of calls.
#[derive(Debug, Clone, Copy, PartialEq)]
enum May {
    Nothing,
    Anything,
    Json,
}

fn say(dialect: ToolDialect, tools: &[ToolSpec], may: May, thinking: Thinking, seed: u64) -> Said {
    let speaker = &*SPEAKER;
    let control = |mark: &str| speaker.control(mark);
    let text = match may {
        May::Nothing => Text::No,
        May::Anything => Text::Free,
        May::Json => Text::Held(Grammar::json(&schema())),
    };
    let grammar = Answer { dialect, tools, text, thinking, control: &control }.grammar().unwrap();
    let mut parser = ToolParser::new(dialect, tools.to_vec(), 0);
    if let Thinking::Begun(end) = thinking {
        parser = parser.thinking_until(end);
    }
    if may == May::Json {
        parser = parser.strict();
    }
    let draw = Draw { seed, temperature: 1.0 + (seed % 3) as f32 / 2.0, max_tokens: 200 };
    speaker.speak(&grammar, Some(parser), draw)
}

/// Every call names a tool and its input is allowed.
fn check_calls(said: &Said, tools: &[ToolSpec]) {
    for call in &said.calls {
        let tool = tools.iter().find(|tool| tool.name == call.name);
        let tool = tool.unwrap_or_else(|| panic!("{:?} in {:?}", call.name, said.whole));
        assert!(jsonschema::is_valid(tool.input.as_value(), &call.input), "{} in {:?}", call.input, said.whole);
    }
}

#[test]
fn required_calls_are_made_in_every_dialect() {
    let tools = tools();
    for dialect in DIALECTS {
        let mut called = [0; 3];
        for seed in 0..24 {
            let said = say(dialect, &tools, May::Nothing, THINKING[seed as usize % 3], seed);
            check_calls(&said, &tools);
            assert!(said.ended && !said.calls.is_empty() && said.text.is_empty(), "{dialect:?}: {said:?}");
            for call in &said.calls {
                called[tools.iter().position(|tool| tool.name == call.name).unwrap()] += 1;
            }
        }
        assert!(called.iter().all(|count| *count > 0), "{dialect:?} calls every tool: {called:?}");
    }
}

#[test]
fn a_named_tool_is_the_only_one_called() {
    let tools = tools();
    for dialect in DIALECTS {
        for (seed, tool) in (0..9).zip(tools.iter().cycle()) {
            let said = say(dialect, std::slice::from_ref(tool), May::Nothing, Thinking::No, seed);
            check_calls(&said, std::slice::from_ref(tool));
            assert!(said.ended && !said.calls.is_empty(), "{dialect:?}: {said:?}");
        }
    }
}

#[test]
fn an_answer_is_calls_or_a_text_of_its_schema() {
    let tools = tools();
    for dialect in DIALECTS {
        let (mut calls, mut texts, mut thoughts) = (0, 0, 0);
        for seed in 0..24 {
            let said = say(dialect, &tools, May::Json, THINKING[seed as usize % 3], seed);
            check_calls(&said, &tools);
            assert!(said.ended, "{dialect:?}: {said:?}");
            thoughts += usize::from(!said.reasoning.is_empty());
            match said.calls.is_empty() {
                true => {
                    let value: Value = serde_json::from_str(&said.text)
                        .unwrap_or_else(|error| panic!("{dialect:?}, {error}: {said:?}"));
                    assert!(jsonschema::is_valid(&schema(), &value), "{said:?}");
                    texts += 1;
                }
                false => {
                    assert_eq!(said.text, "", "{said:?}");
                    calls += 1;
                }
            }
        }
        assert!(
            calls > 0 && texts > 0 && thoughts >= 8,
            "{dialect:?}: {calls} calls, {texts} texts, {thoughts} thoughts"
        );
    }
}

#[test]
fn free_text_may_end_in_calls_and_holds_none_that_is_not_made() {
    let tools = tools();
    for dialect in DIALECTS {
        let opening = dialect.openings()[0];
        let mut spoken = 0;
        for seed in 0..24 {
            let said = say(dialect, &tools, May::Anything, THINKING[seed as usize % 3], seed);
            check_calls(&said, &tools);
            assert!(said.ended, "{dialect:?}: {said:?}");
            let outside = said.text.split("```").step_by(2).any(|part| part.contains(opening));
            assert!(!outside, "{dialect:?}: {said:?}");
            spoken += usize::from(!said.text.is_empty());
        }
        assert!(spoken > 12, "{dialect:?}: {spoken} texts");
    }
}

/// Whether a grammar takes a text that a model might write, as these tokens.
fn takes(grammar: &Grammar, pieces: &[Piece<'_>]) -> bool {
    let speaker = &*SPEAKER;
    let mut constraint = Constraint::new(grammar, &speaker.vocabulary).unwrap();
    let mut tokens = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Said(text) => tokens.extend(speaker.vocabulary.tokens(text)),
            Piece::Mark(mark) => tokens.push(speaker.control(mark).unwrap()),
        }
    }
    let all = tokens.iter().all(|token| {
        let allowed = constraint.allowed().is_ok_and(|allowed| allowed.is_allowed(*token));
        allowed && constraint.accept(*token).is_ok()
    });
    all && constraint.allowed().is_ok_and(|allowed| allowed.is_allowed(speaker.tokenizer.eos().unwrap().0))
}

enum Piece<'a> {
    Said(&'a str),
    Mark(&'a str),
}

fn grammar(dialect: ToolDialect, tools: &[ToolSpec], text: Text, thinking: Thinking) -> Grammar {
    Answer { dialect, tools, text, thinking, control: &|mark| SPEAKER.control(mark) }.grammar().unwrap()
}

#[test]
fn calls_are_taken_as_models_write_them() {
    use Piece::*;
    let tools = tools();
    let hermes = grammar(ToolDialect::Hermes, &tools, Text::Free, THINKING[1]);
    let now = "\n{\"name\": \"now\", \"arguments\": {}}\n";
    assert!(takes(&hermes, &[Said("<tool_call>"), Said(now), Said("</tool_call>")]), "marks as text");
    assert!(takes(&hermes, &[Mark("<tool_call>"), Said(now), Mark("</tool_call>")]), "marks as control tokens");
    assert!(takes(&hermes, &[Said("Let me see.\n"), Mark("<tool_call>"), Said(now), Said("</tool_call>")]));
    let two = format!(
        "<think>\nHm, <tool_call>?\n</think>\n\nI look.\n<tool_call>{now}</tool_call>\n<tool_call>{now}</tool_call>"
    );
    assert!(takes(&hermes, &[Said(&two)]), "thinking, text and two calls");
    assert!(takes(&hermes, &[Said("Only `<tool_` and a < b.")]));
    assert!(takes(&hermes, &[Said("Write\n```\n<tool_call>\n```\nso.")]), "a mark that is shown");
    assert!(!takes(&hermes, &[Said("Write <tool_call> so.")]), "a mark begins a call");
    assert!(!takes(&hermes, &[Said("<tool_call>")]), "a call is whole");
    assert!(!takes(&hermes, &[Said("<tool_call>\n{\"name\": \"rm\", \"arguments\": {}}\n</tool_call>")]));

    let xml = "\n<function=read_file>\n<parameter=path>\nsrc/lib.rs\n</parameter>\n<parameter=mode>\ntext\n</parameter>\n</function>\n";
    let qwen = grammar(ToolDialect::QwenXml, &tools, Text::No, Thinking::No);
    assert!(takes(&qwen, &[Mark("<tool_call>"), Said(xml), Mark("</tool_call>")]));
    let llama = grammar(ToolDialect::Llama3, &tools, Text::Free, Thinking::No);
    let object = "{\"name\": \"now\", \"parameters\": {}}";
    assert!(takes(&llama, &[Said(object)]) && takes(&llama, &[Said(&format!("<|python_tag|>{object}; {object}"))]));
    assert!(!takes(&llama, &[Said("{\"a\": 1}")]), "an object would be read as a call");
    let mistral = grammar(ToolDialect::Mistral, &tools, Text::Free, Thinking::No);
    assert!(takes(&mistral, &[Said("[TOOL_CALLS][{\"name\": \"now\", \"arguments\": {}}]")]));
    assert!(takes(&mistral, &[Said("[TOOL_CALLS]now[ARGS]{}[TOOL_CALLS]now[ARGS]{}")]));
    let gemma = grammar(ToolDialect::Gemma, &tools, Text::Free, Thinking::No);
    assert!(takes(&gemma, &[Said("So:\n```json\n{\"name\": \"now\", \"parameters\": {}}\n```")]));
    assert!(takes(&gemma, &[Said("So:\n```rust\nfn main() {}\n```\nDone.")]));
}

#[test]
fn no_call_can_be_made_where_none_may() {
    use Piece::*;
    for dialect in DIALECTS {
        let none = grammar(dialect, &[], Text::Free, Thinking::No);
        assert!(takes(&none, &[Said("Just text, with ```\ncode\n``` in it.")]), "{dialect:?}");
        for opening in dialect.openings() {
            assert!(!takes(&none, &[Said("Text "), Said(opening)]), "{dialect:?}");
            // Gemma's marks begin with a fence, which ends the block.
            let shown = takes(&none, &[Said("```\n"), Said(opening), Said("\n```")]);
            assert!(!shown || dialect == ToolDialect::Gemma, "{dialect:?}");
        }
    }
    let none = grammar(ToolDialect::Hermes, &[], Text::Free, Thinking::No);
    assert!(!takes(&none, &[Said("Text "), Mark("<tool_call>")]));
}

#[test]
fn a_tool_whose_input_is_no_object_is_refused() {
    let tool = ToolSpec {
        name: "count".into(),
        description: String::new(),
        input: json!({"type": "integer"}).try_into().unwrap(),
    };
    let answer = Answer {
        dialect: ToolDialect::Hermes,
        tools: &[tool],
        text: Text::Free,
        thinking: Thinking::No,
        control: &|_| None,
    };
    assert!(answer.grammar().unwrap_err().to_string().contains("count"));
}
