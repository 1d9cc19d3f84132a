//! Answers of a model that knows nothing, drawn from what grammars allow.

mod answers;
pub(crate) mod generations;
mod speaker;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::random::Random;
use crate::tokens::{TokenId, Tokenizer};
use crate::{Gguf, SyntheticModel};

fn tokenizer() -> Arc<Tokenizer> {
    let bytes = SyntheticModel { vocabulary: 2_000, ..SyntheticModel::tiny() }.to_bytes().unwrap();
    Arc::new(Tokenizer::from_gguf(&Gguf::from_bytes("tiny", bytes).unwrap()).unwrap())
}

/// What a draw came to: the text, and whether it ended by itself.
fn draw(
    grammar: &Grammar,
    vocabulary: &GrammarVocabulary,
    tokenizer: &Tokenizer,
    seed: u64,
    most: usize,
) -> (String, bool) {
    let mut random = Random::new(seed);
    let mut constraint = Constraint::new(grammar, vocabulary).unwrap();
    let mut tokens = Vec::new();
    for left in (1..=most).rev() {
        let allowed = constraint.allowed().unwrap();
        let list = allowed.to_list();
        let token = constraint.steered(list[random.below(list.len())], left);
        if tokenizer.ends_generation(TokenId(token)) {
            return (tokenizer.decode(&tokens), true);
        }
        constraint.accept(token).unwrap();
        tokens.push(TokenId(token));
    }
    (tokenizer.decode(&tokens), false)
}

fn schemas() -> Vec<Value> {
    vec![
        json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
               "required": ["name", "age"], "additionalProperties": false}),
        json!({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 5}),
        json!({"enum": ["red", "green", 3, null, {"a": [1]}]}),
        json!({"type": "object", "additionalProperties": {"type": "boolean"}}),
        json!({"anyOf": [{"type": "string", "pattern": "^[a-z]{3,8}@[a-z]+\\.(com|org)$"}, {"type": "null"}]}),
        json!({"type": "string", "minLength": 5, "maxLength": 12}),
        json!({"type": "string", "format": "date-time"}),
        json!({"$defs": {"node": {"type": "object", "properties": {"value": {"type": "integer"},
               "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["value", "next"],
               "additionalProperties": false}}, "$ref": "#/$defs/node"}),
        json!({"type": "object", "properties": {"steps": {"type": "array", "items": {"type": "object",
               "properties": {"tool": {"const": "read"}, "path": {"type": "string"}, "lines": {"type": "array",
               "prefixItems": [{"type": "integer"}, {"type": "integer"}], "minItems": 2, "items": false}},
               "required": ["tool", "path", "lines"], "additionalProperties": false}}}, "required": ["steps"]}),
        json!({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                         {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}]}),
        json!({"type": "integer", "minimum": -7, "maximum": 1234, "multipleOf": 5}),
        json!({"type": "object", "properties": {"share": {"type": "number"}, "type": {"type": "number", "minimum": 0.5}}}),
        json!({"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind", "x"]},
                         {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}]}),
    ]
}

#[test]
fn what_ends_obeys_its_schema_and_nearly_all_ends() {
    let tokenizer = tokenizer();
    let vocabulary = GrammarVocabulary::new(Arc::clone(&tokenizer)).unwrap();
    let (mut ended, mut all) = (0, 0);
    for schema in schemas() {
        let grammar = Grammar::json(&schema);
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        for seed in 0..25 {
            let most = [60, 90, 160, 300][seed as usize % 4];
            let (text, whole) = draw(&grammar, &vocabulary, &tokenizer, seed, most);
            all += 1;
            if !whole {
                continue;
            }
            ended += 1;
            let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert!(validator.is_valid(&value), "{schema}: {text}");
        }
    }
    assert!(ended * 100 >= all * 99, "{ended} of {all} ended");
}

#[test]
fn nothing_is_nested_deeper_than_readers_read() {
    let tokenizer = tokenizer();
    let vocabulary = GrammarVocabulary::new(Arc::clone(&tokenizer)).unwrap();
    let lists = json!({"type": "array", "items": {"$ref": "#"}});
    let mut constraint = Constraint::new(&Grammar::json(&lists), &vocabulary).unwrap();
    let opens = tokenizer.find("[").unwrap().0;
    let mut tokens = Vec::new();
    for left in (1..=800).rev() {
        let allowed = constraint.allowed().unwrap();
        let wanted = if allowed.is_allowed(opens) { opens } else { allowed.to_list()[0] };
        let token = constraint.steered(wanted, left);
        if tokenizer.ends_generation(TokenId(token)) {
            let text = tokenizer.decode(&tokens);
            assert!(serde_json::from_str::<Value>(&text).is_ok() && text.starts_with(&"[".repeat(90)), "{text}");
            return;
        }
        constraint.accept(token).unwrap();
        tokens.push(TokenId(token));
    }
    panic!("it ends");
}

#[test]
fn integers_are_such_for_every_reader() {
    let tokenizer = tokenizer();
    let vocabulary = GrammarVocabulary::new(Arc::clone(&tokenizer)).unwrap();
    for kind in [json!("integer"), json!(["integer", "null"])] {
        let grammar = Grammar::json(&json!({ "type": kind }));
        for seed in 0..60 {
            let (text, ended) = draw(&grammar, &vocabulary, &tokenizer, seed, 40);
            assert!(ended && serde_json::from_str::<Option<i64>>(&text).is_ok(), "{kind}: {text}");
        }
        let mut constraint = Constraint::new(&grammar, &vocabulary).unwrap();
        constraint.accept(tokenizer.find("-").unwrap().0).unwrap();
        assert!(!constraint.allowed().unwrap().is_allowed(tokenizer.find("0").unwrap().0), "-0 is none");
    }
    let mut fraction = Constraint::new(&Grammar::json(&json!({ "type": "number" })), &vocabulary).unwrap();
    for part in ["-", "0", ".", "5"] {
        let token = tokenizer.find(part).unwrap().0;
        assert!(fraction.allowed().unwrap().is_allowed(token), "-0.5 is one");
        fraction.accept(token).unwrap();
    }
}

#[test]
fn a_regular_expression_is_matched_whole() {
    let tokenizer = tokenizer();
    let vocabulary = GrammarVocabulary::new(Arc::clone(&tokenizer)).unwrap();
    let pattern = r"(fix|feat)\([a-z]{2,6}\): [A-Z][a-z ]{0,40}";
    let whole = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
    for seed in 0..20 {
        let (text, ended) = draw(&Grammar::regex(pattern), &vocabulary, &tokenizer, seed, 60);
        assert!(ended && whole.is_match(&text), "{text}");
    }
}

#[test]
fn what_cannot_be_obeyed_is_refused_with_the_reason() {
    let vocabulary = GrammarVocabulary::new(tokenizer()).unwrap();
    for (schema, word) in [
        (json!({"type": "string", "format": "no-such-format"}), "no-such-format"),
        (json!({"type": "integer", "minimum": 3, "maximum": 2}), ""),
        (json!({"type": "object", "dependentSchemas": {"a": true}}), "dependentSchemas"),
        (json!({"type": "colour"}), "colour"),
        (json!({"$ref": "https://elsewhere.example/schema.json"}), "elsewhere"),
    ] {
        let error = Constraint::new(&Grammar::json(&schema), &vocabulary).unwrap_err().to_string();
        assert!(error.contains(word), "{schema}: {error}");
    }
    assert!(Constraint::new(&Grammar::lark("start: ("), &vocabulary).is_err());
}
