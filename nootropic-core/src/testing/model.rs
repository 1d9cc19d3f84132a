//! What every [`Model`] must do.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join;
use schemars::{Schema, json_schema};
use serde_json::Value;

use crate::{
    CapabilityKind, Completion, Error, ErrorKind, FinishReason, GenerateRequest, Logprobs, Message, Model, ModelEvent,
    ModelExt, ModelFeatures, Prompt, ResponseGrammar, Result, Sampling, TokenLogprob, ToolChoice, ToolSpec,
};

/// Checks a [`Model`] against its contract.
///
/// `running` says how many generations of the model are under way, where that can be seen; without it the suite cannot tell
/// whether dropping a stream cancels. The suite asks for some twenty answers of at most 64 tokens and gives one prompt
/// longer than the context.
///
/// # Panics
/// With the first clause that does not hold.
pub async fn model_suite(model: &dyn Model, running: Option<&dyn Fn() -> usize>) {
    let info = model.info();
    check("a model has an identity and a context", !info.id.is_empty() && info.context_len > 0, || format!("{info:?}"));
    super::describes("model", &model.describe(), CapabilityKind::Model);

    for request in prompts(&info.features) {
        ends_in_order(model, &request).await;
        answers_the_same(model, &request).await;
        keeps_to_max_tokens(model, &request).await;
        stops_at_strings(model, &request).await;
        refuses_nonsense(model, &request).await;
        calls_tools(model, &request).await;
        obeys_schemas(model, &request).await;
        obeys_grammars(model, &request).await;
        tells_logprobs(model, &request).await;
        cancels_on_drop(model, &request, running).await;
    }
    refuses_what_does_not_fit(model).await;
    refuses_what_it_lacks(model).await;
}

const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

#[track_caller]
fn check(clause: &str, holds: bool, saw: impl FnOnce() -> String) {
    super::check("model", clause, holds, saw);
}

#[track_caller]
fn ok<T>(result: Result<T>, what: &str) -> T {
    result.unwrap_or_else(|error| super::broken("model", &format!("{what} is answered"), &format!("error: {error}")))
}

/// One request of each kind that the model takes.
fn prompts(features: &ModelFeatures) -> Vec<GenerateRequest> {
    let text = "The quick brown fox jumps over the lazy dog and then";
    let requests = [
        (features.chat, GenerateRequest::chat([Message::system("Answer briefly."), Message::user(text)])),
        (features.text, GenerateRequest::text(text)),
        (features.infill, GenerateRequest::infill("fn add(a: u32, b: u32) -> u32 {\n", "\n}\n")),
    ];
    let taken = requests.into_iter().filter(|(taken, _)| *taken);
    taken.map(|(_, request)| GenerateRequest { max_tokens: Some(64), ..request }).collect()
}

/// What an answer says, apart from what it took (a cache may be warmer the second time).
fn answer(completion: &Completion) -> (String, String, Vec<(String, Value)>, FinishReason) {
    let calls = completion.tool_calls.iter().map(|call| (call.name.clone(), call.input.clone())).collect();
    (completion.reasoning.clone(), completion.text.clone(), calls, completion.finish)
}

async fn ends_in_order(model: &dyn Model, request: &GenerateRequest) {
    let counted = ok(model.count_tokens(request).await, "counting tokens");
    let stream = ok(model.generate(request.clone()).await, "a plain request");
    let events: Vec<ModelEvent> = stream.map(|event| ok(event, "a plain request")).collect().await;
    let (usages, ends) = events.iter().fold((0, 0), |(usages, ends), event| match event {
        ModelEvent::Usage(_) => (usages + 1, ends),
        ModelEvent::Finished { .. } => (usages, ends + 1),
        _ => (usages, ends),
    });
    let ordered = matches!(events.as_slice(), [.., ModelEvent::Usage(_), ModelEvent::Finished { .. }]);
    let clause = "a generation ends with one usage and one finish, and nothing follows";
    check(clause, ordered && usages == 1 && ends == 1, || format!("{events:?}"));
    let empty = |event: &ModelEvent| match event {
        ModelEvent::Text { text } | ModelEvent::Reasoning { text } => text.is_empty(),
        _ => false,
    };
    check("no piece of text is empty", !events.iter().any(empty), || format!("{events:?}"));
    let usage = events.iter().find_map(|event| if let ModelEvent::Usage(usage) = event { Some(*usage) } else { None });
    let usage = usage.unwrap_or_default();
    let plausible = usage.prompt_tokens == counted && usage.cached_tokens <= usage.prompt_tokens;
    check("usage counts the prompt as count_tokens does", plausible, || format!("{counted} counted, {usage:?}"));
}

async fn answers_the_same(model: &dyn Model, request: &GenerateRequest) {
    if !model.info().deterministic {
        return;
    }
    let sampled =
        GenerateRequest { sampling: Sampling { temperature: 0.8, seed: 7, ..Sampling::default() }, ..request.clone() };
    let first = (
        ok(model.complete(request.clone()).await, "a request"),
        ok(model.complete(sampled.clone()).await, "a request"),
    );
    let (greedy, warm) = join(model.complete(request.clone()), model.complete(sampled)).await;
    let (greedy, warm) = (ok(greedy, "one of two requests at once"), ok(warm, "one of two requests at once"));
    for (alone, together) in [(&first.0, &greedy), (&first.1, &warm)] {
        let clause = "the same request gives the same answer, also beside another";
        check(clause, answer(alone) == answer(together), || format!("{alone:?}, then {together:?}"));
    }
}

async fn keeps_to_max_tokens(model: &dyn Model, request: &GenerateRequest) {
    let full = ok(model.complete(request.clone()).await, "a plain request");
    let short = GenerateRequest { max_tokens: Some(1), ..request.clone() };
    let short = ok(model.complete(short).await, "a request for one token");
    check("at most max_tokens are produced", short.usage.output_tokens <= 1, || format!("{short:?}"));
    if model.info().deterministic && full.usage.output_tokens > 1 {
        let clause = "an answer that is cut short says so";
        check(clause, short.finish == FinishReason::Length, || format!("{full:?}, cut to {short:?}"));
    }
}

async fn stops_at_strings(model: &dyn Model, request: &GenerateRequest) {
    let full = ok(model.complete(request.clone()).await, "a plain request").text;
    let middle = full.char_indices().nth(full.chars().count() / 2).map_or(0, |(at, _)| at);
    let rest = full.get(middle..).unwrap_or_default();
    let stop: String = rest.chars().take(3).collect(); // may lie across tokens
    if stop.is_empty() {
        return;
    }
    let stopping = GenerateRequest { stop: vec![stop.clone(), "\u{1}never".into()], ..request.clone() };
    let cut = ok(model.complete(stopping).await, "a request with stop strings");
    check("no stop string is in the text", !cut.text.contains(&stop), || format!("{stop:?} in {:?}", cut.text));
    if model.info().deterministic {
        let expected = full.split(&stop).next().unwrap_or_default();
        let clause = "a stop string ends the answer where it begins";
        check(clause, cut.text == expected && cut.finish == FinishReason::Stop, || {
            format!("{full:?} at {stop:?}: {cut:?}")
        });
    }
}

async fn refuses_nonsense(model: &dyn Model, request: &GenerateRequest) {
    let wrong = [
        ("no tokens", GenerateRequest { max_tokens: Some(0), ..request.clone() }),
        ("an empty stop string", GenerateRequest { stop: vec![String::new()], ..request.clone() }),
        ("a required call without tools", GenerateRequest { tool_choice: ToolChoice::Required, ..request.clone() }),
        ("too many alternatives", GenerateRequest { logprobs: Some(21), ..request.clone() }),
        (
            "a temperature below zero",
            GenerateRequest { sampling: Sampling { temperature: -1.0, ..Sampling::default() }, ..request.clone() },
        ),
    ];
    for (name, request) in wrong {
        let kind = model.generate(request).await.err().map(|error| error.kind());
        let refused = kind == Some(ErrorKind::InvalidInput);
        check("a request that makes no sense is refused as such", refused, || format!("{name}: {kind:?}"));
    }
}

fn object_with_text(field: &str) -> Schema {
    let mut schema = json_schema!({ "type": "object", "required": [field], "additionalProperties": false });
    schema.insert("properties".into(), serde_json::json!({ field: { "type": "string" } }));
    schema
}

/// Whether a value is allowed by [`object_with_text`].
fn is_object_with_text(value: &Value, field: &str) -> bool {
    value.as_object().is_some_and(|object| object.len() == 1) && value.get(field).is_some_and(Value::is_string)
}

fn with_tools(request: &GenerateRequest, choice: ToolChoice) -> GenerateRequest {
    let tool = |name: &str| ToolSpec {
        name: name.into(),
        description: format!("Looks up the {name}."),
        input: object_with_text(name),
    };
    GenerateRequest { tools: vec![tool("weather"), tool("time")], tool_choice: choice, ..request.clone() }
}

async fn calls_tools(model: &dyn Model, request: &GenerateRequest) {
    if !model.info().features.tools || !matches!(request.prompt, Prompt::Chat(_)) {
        return;
    }
    let named = ToolChoice::Named("time".into());
    for choice in [ToolChoice::Required, named.clone(), ToolChoice::Auto, ToolChoice::None] {
        let completion = ok(model.complete(with_tools(request, choice.clone())).await, "a request with tools");
        let calls = &completion.tool_calls;
        let sound = |name: &str, input: &Value| ["weather", "time"].contains(&name) && is_object_with_text(input, name);
        let wrong = calls.iter().find(|call| !sound(&call.name, &call.input));
        check("a call names a tool and its input obeys the schema", wrong.is_none(), || format!("{wrong:?}"));
        let ids: BTreeSet<_> = calls.iter().map(|call| &call.id).collect();
        check("calls have ids of their own", ids.len() == calls.len(), || format!("{calls:?}"));
        let cut = completion.finish == FinishReason::Length;
        let obeyed = match &choice {
            ToolChoice::Auto => true,
            ToolChoice::None => calls.is_empty(),
            ToolChoice::Required => cut || !calls.is_empty(),
            ToolChoice::Named(name) => cut || !calls.is_empty() && calls.iter().all(|call| call.name == *name),
        };
        check("the choice of tools is obeyed", obeyed, || format!("{choice:?}: {completion:?}"));
        let told = calls.is_empty() || cut || completion.finish == FinishReason::ToolCalls;
        check("an answer that waits for tools says so", told, || format!("{completion:?}"));
    }
}

async fn obeys_schemas(model: &dyn Model, request: &GenerateRequest) {
    let features = model.info().features;
    if !features.response_schema {
        return;
    }
    let mut requests = vec![GenerateRequest { response_schema: Some(object_with_text("answer")), ..request.clone() }];
    if features.tools && features.chat && matches!(request.prompt, Prompt::Chat(_)) {
        requests.extend(requests.first().map(|request| with_tools(request, ToolChoice::Auto)));
    }
    for request in requests {
        let completion = ok(model.complete(request).await, "a request with a schema");
        let ended = completion.finish == FinishReason::Stop;
        let value: Value = serde_json::from_str(&completion.text).unwrap_or_default();
        let clause = "an answer that ends by itself obeys the schema";
        check(clause, !ended || is_object_with_text(&value, "answer"), || format!("{completion:?}"));
    }
}

async fn obeys_grammars(model: &dyn Model, request: &GenerateRequest) {
    if !model.info().features.response_grammar {
        return;
    }
    let regex = ResponseGrammar::Regex("(yes|no), [a-z]{3,8}[.!]".into());
    let request = GenerateRequest { response_grammar: Some(regex), ..request.clone() };
    let obeys = |text: &str| {
        let rest = ["yes, ", "no, "].iter().find_map(|head| text.strip_prefix(head)).unwrap_or_default();
        let word = rest.strip_suffix(['.', '!']).unwrap_or_default();
        (3..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let completion = ok(model.complete(request.clone()).await, "a request with a grammar");
    let ended = completion.finish == FinishReason::Stop;
    check("an answer that ends by itself obeys the grammar", !ended || obeys(&completion.text), || {
        format!("{completion:?}")
    });
    let broken = GenerateRequest { response_grammar: Some(ResponseGrammar::Lark("start: (".into())), ..request };
    let kind = model.generate(broken).await.err().map(|error| error.kind());
    check("a grammar that is none is refused", kind == Some(ErrorKind::InvalidInput), || format!("{kind:?}"));
}

async fn tells_logprobs(model: &dyn Model, request: &GenerateRequest) {
    let plain = ok(model.complete(request.clone()).await, "a plain request");
    check("log-probabilities come only if asked for", plain.logprobs.is_empty(), || format!("{:?}", plain.logprobs));
    if !model.info().features.logprobs {
        return;
    }
    for asked in [0, 3] {
        let told = GenerateRequest { logprobs: Some(asked), ..request.clone() };
        let told = ok(model.complete(told).await, "a request with log-probabilities");
        let each = told.logprobs.len() == told.usage.output_tokens;
        check("each token has its log-probability", each, || format!("{told:?}"));
        let ordered = |top: &[TokenLogprob]| top.is_sorted_by(|a, b| a.logprob >= b.logprob);
        let sound = |logprobs: &Logprobs| {
            let fits = |token: &TokenLogprob| token.logprob <= 0.0;
            let top = &logprobs.top;
            fits(&logprobs.token) && top.iter().all(fits) && top.len() <= usize::from(asked) && ordered(top)
        };
        let wrong = told.logprobs.iter().find(|logprobs| !sound(logprobs));
        check("log-probabilities are not above 0, as many as asked for, the likeliest first", wrong.is_none(), || {
            format!("{wrong:?}")
        });
        if model.info().deterministic {
            check("asking for log-probabilities changes nothing", answer(&plain) == answer(&told), || {
                format!("{plain:?}, then {told:?}")
            });
        }
    }
}

async fn cancels_on_drop(model: &dyn Model, request: &GenerateRequest, running: Option<&dyn Fn() -> usize>) {
    drop(ok(model.generate(request.clone()).await, "a plain request"));
    let mut begun = ok(model.generate(request.clone()).await, "a plain request");
    let _first = begun.next().await;
    drop(begun);
    if let Some(running) = running {
        let deadline = Instant::now() + PATIENCE;
        while running() > 0 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        check("dropping a stream cancels its generation", running() == 0, || format!("{} still run", running()));
    }
    ok(model.complete(request.clone()).await, "a request after a dropped one");
}

async fn refuses_what_does_not_fit(model: &dyn Model) {
    let info = model.info();
    let long = "word ".repeat(info.context_len + 1);
    let request = match info.features {
        ModelFeatures { chat: true, .. } => GenerateRequest::chat([Message::user(long)]),
        ModelFeatures { text: true, .. } => GenerateRequest::text(long),
        _ => GenerateRequest::infill(long, ""),
    };
    let counted = ok(model.count_tokens(&request).await, "counting the tokens of a long prompt");
    let error = model.generate(request).await.err();
    let numbers = match &error {
        Some(Error::PromptTooLong { got, max }) => *got == counted && *max == info.context_len,
        _ => false,
    };
    let clause = "a prompt that does not fit is refused with both numbers";
    check(clause, numbers, || format!("{counted} counted, context {}: {error:?}", info.context_len));
}

async fn refuses_what_it_lacks(model: &dyn Model) {
    let ModelFeatures { chat, text, infill, tools, response_schema, response_grammar, logprobs, .. } =
        model.info().features;
    let Some(plain) = prompts(&model.info().features).into_iter().next() else { return };
    let schema = GenerateRequest { response_schema: Some(object_with_text("answer")), ..plain.clone() };
    let grammar = GenerateRequest { response_grammar: Some(ResponseGrammar::Regex("yes|no".into())), ..plain.clone() };
    let requests = [
        ("conversations", chat, GenerateRequest::chat([Message::user("Hello")])),
        ("raw text", text, GenerateRequest::text("Hello")),
        ("infill", infill, GenerateRequest::infill("Hello", "!")),
        ("tools", tools, with_tools(&plain, ToolChoice::Auto)),
        ("schemas", response_schema, schema),
        ("grammars", response_grammar, grammar),
        ("log-probabilities", logprobs, GenerateRequest { logprobs: Some(1), ..plain.clone() }),
    ];
    for (name, _, request) in requests.into_iter().filter(|(_, has, _)| !has) {
        let kind = model.generate(request).await.err().map(|error| error.kind());
        let refused = kind == Some(ErrorKind::Unsupported);
        check("what the features deny is refused, not ignored", refused, || format!("{name}: {kind:?}"));
    }
}

#[cfg(test)]
mod tests;
