//! The proof: real schemas, and tools of real schemas beside them, obeyed by a model that knows nothing.
//!
//! `NOOTROPIC_GENERATIONS` says how many generations.

use std::sync::atomic::{AtomicUsize, Ordering};

use nootropic_core::ToolSpec;
use rayon::prelude::*;
use serde_json::Value;

use super::speaker::{Draw, SPEAKER, Said};
use crate::grammar::{Answer, Grammar, Text, Thinking};
use crate::tokens::{ToolDialect, ToolParser};

const DIALECTS: [ToolDialect; 5] =
    [ToolDialect::Hermes, ToolDialect::QwenXml, ToolDialect::Llama3, ToolDialect::Mistral, ToolDialect::Gemma];

/// A schema as people write and use them.
pub(crate) struct RealSchema {
    pub(crate) name: String,
    pub(crate) schema: Value,
    pub(crate) validator: jsonschema::Validator,
}

/// Those of SchemaStore; see the file beside them.
pub(crate) fn real_schemas() -> Vec<RealSchema> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/schemas/schemas.jsonl");
    let lines = std::fs::read_to_string(path).unwrap();
    let real = |line: &str| {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        let (name, schema) = (entry["name"].as_str().unwrap().to_owned(), entry["schema"].take());
        let validator = jsonschema::options().should_validate_formats(true).build(&schema);
        RealSchema { validator: validator.unwrap_or_else(|error| panic!("{name}: {error}")), name, schema }
    };
    lines.lines().map(real).collect()
}

/// How many generations are asked for.
pub(crate) fn generations() -> usize {
    std::env::var("NOOTROPIC_GENERATIONS").map_or(300, |count| count.parse().unwrap())
}

/// Tools whose inputs are those of the schemas that are objects.
pub(crate) fn tools(schemas: &[RealSchema]) -> Vec<(ToolSpec, &RealSchema)> {
    let objects = schemas.iter().filter(|real| real.schema["type"] == "object");
    let tool = |real: &RealSchema| ToolSpec {
        name: real.name.clone(),
        description: String::new(),
        input: real.schema.clone().try_into().unwrap(),
    };
    objects.map(|real| (tool(real), real)).collect()
}

const BUDGETS: [usize; 3] = [256, 512, 1024];

/// A schema, and tools beside it in every second generation; whether it ended by itself.
fn generation(number: usize, schemas: &[RealSchema], tools: &[(ToolSpec, &RealSchema)]) -> bool {
    let real = &schemas[number / 2 % schemas.len()];
    let draw = Draw {
        seed: number as u64,
        temperature: [1.0, 1.3, 2.0][number % 3],
        max_tokens: BUDGETS[number / 3 % BUDGETS.len()],
    };
    let said;
    let mut beside: Vec<(ToolSpec, &RealSchema)> = Vec::new();
    if number.is_multiple_of(2) {
        said = SPEAKER.speak(&Grammar::json(&real.schema), None, draw);
    } else {
        let first = number * 7 % tools.len();
        beside.extend(tools.iter().cycle().skip(first).take(1 + number / 2 % 3).cloned());
        said = with_tools(number, real, &beside, draw);
    }
    check(&said, real, &beside);
    if !said.ended {
        println!("generation {number}, of {} and {} tools, did not end", real.name, beside.len());
    }
    said.ended
}

fn with_tools(number: usize, real: &RealSchema, beside: &[(ToolSpec, &RealSchema)], draw: Draw) -> Said {
    let specs: Vec<ToolSpec> = beside.iter().map(|(tool, _)| tool.clone()).collect();
    let dialect = DIALECTS[number / 2 % DIALECTS.len()];
    let thinking = if number % 8 == 1 { Thinking::May("<think>", "</think>") } else { Thinking::No };
    let control = |mark: &str| SPEAKER.control(mark);
    let held = Text::Held(Grammar::json(&real.schema));
    let required = number % 6 == 5;
    let text = if required { Text::No } else { held };
    let grammar = Answer { dialect, tools: &specs, text, thinking, control: &control }.grammar().unwrap();
    let parser = ToolParser::new(dialect, specs, 0).held();
    SPEAKER.speak(&grammar, Some(if required { parser } else { parser.strict() }), draw)
}

fn check(said: &Said, real: &RealSchema, beside: &[(ToolSpec, &RealSchema)]) {
    for call in &said.calls {
        let tool = beside.iter().find(|(tool, _)| tool.name == call.name);
        let (_, tool) = tool.unwrap_or_else(|| panic!("there is no tool {}: {:?}", call.name, said.whole));
        assert!(tool.validator.is_valid(&call.input), "{}: {}", tool.name, call.input);
    }
    if said.ended && said.calls.is_empty() {
        let value: Value =
            serde_json::from_str(&said.text).unwrap_or_else(|error| panic!("{}, {error}: {:?}", real.name, said.whole));
        let problem = real.validator.validate(&value).err().map(|error| error.to_string());
        assert_eq!(problem, None, "{}: {value}", real.name);
    }
}

#[test]
fn what_ends_obeys_real_schemas_and_nearly_all_ends() {
    let schemas = real_schemas();
    assert!(schemas.len() >= 200);
    let tools = tools(&schemas);
    let all = generations();
    let ended = AtomicUsize::new(0);
    (0..all).into_par_iter().for_each(|number| {
        if generation(number, &schemas, &tools) {
            ended.fetch_add(1, Ordering::Relaxed);
        }
    });
    let ended = ended.into_inner();
    println!("{all} generations of {} schemas: {ended} ended by themselves, and obeyed", schemas.len());
    assert!(ended * 100 >= all * 99, "{ended} of {all} ended");
}
