//! Tokenizers against the libraries that models are trained with: the same tokens for 1.2 MB of mixed text and code.
//!
//! `fixtures/tokens/make_tokens.py` trained the vocabularies and wrote down what the reference makes of the text.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Random;
use nootropic_models::{DecodeStream, Gguf, GgufBuilder, Infill, Special, TokenId, TokenKind, Tokenizer};
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tokens");

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{FIXTURES}/{name}")).unwrap()
}

fn json(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).unwrap()
}

/// The text of the fixtures: lines of a corpus, and fragments of many scripts and languages, drawn at random.
fn text(size: usize, seed: u64) -> String {
    let corpus = fixture("corpus.txt");
    let lines: Vec<&str> = corpus.split('\n').collect();
    let fragments: Vec<String> = serde_json::from_value(json("fragments.json")).unwrap();
    let (mut random, mut out) = (Random(seed), String::new());
    while out.len() < size {
        if random.below(10) < 3 {
            out.push_str(lines[random.below(lines.len())]);
            out.push('\n');
        } else {
            out.push_str(&fragments[random.below(fragments.len())]);
        }
    }
    out
}

fn fnv(bytes: impl IntoIterator<Item = u8>) -> String {
    let hash = bytes
        .into_iter()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    format!("{hash:016x}")
}

fn hash(tokens: &[TokenId]) -> String {
    fnv(tokens.iter().flat_map(|token| token.0.to_le_bytes()))
}

fn ids(tokens: &[TokenId]) -> Vec<u64> {
    tokens.iter().map(|token| token.0.into()).collect()
}

/// The part of `text` that a case is about.
fn part<'a>(text: &'a str, case: &Value) -> &'a str {
    let characters = case["characters"].as_u64().map_or(usize::MAX, |count| count as usize);
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

/// Replaces parts of a JSON value, by path.
fn patched(mut value: Value, patch: &Value) -> Value {
    for (path, part) in patch.as_object().unwrap() {
        *value.pointer_mut(&format!("/{path}")).unwrap() = part.clone();
    }
    value
}

/// What a tokenizer makes of a case, compared with what the reference made; returns what differs.
fn check(tokenizer: &Tokenizer, case: &Value, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, ours: Value, key: &str| {
        if !case[key].is_null() && ours != case[key] {
            wrong.push(format!("{}, {what}: {ours} instead of {}", case["name"], case[key]));
        }
    };
    let text = part(text, case);
    let tokens = tokenizer.encode(text, Special::Parse).unwrap();
    compare("count", tokens.len().into(), "count");
    compare("tokens", hash(&tokens).into(), "hash");
    let as_text = tokenizer.encode(text, Special::AsText).unwrap();
    assert!(as_text.iter().all(|token| tokenizer.kind(*token) != TokenKind::Control));
    compare("as text", hash(&as_text).into(), "as_text");
    compare("decoded", fnv(tokenizer.decode(&tokens).bytes()).into(), "decoded");
    let short = tokenizer.encode("Hello <|im_end|> wörld\n", Special::Parse).unwrap();
    compare("with ends", ids(&tokenizer.with_ends(short)).into(), "with_ends");
    wrong
}

#[test]
fn the_text_is_the_one_of_the_fixtures() {
    let (text, expected) = (text(1_200_000, 1), json("expected.json"));
    assert_eq!(Value::from(text.len()), expected["text"]["bytes"]);
    assert_eq!(Value::from(fnv(text.bytes())), expected["text"]["hash"]);
}

#[test]
fn files_of_the_tokenizers_library_give_its_tokens() {
    let (text, expected) = (text(1_200_000, 1), json("expected.json"));
    let mut wrong = Vec::new();
    for case in expected["json"].as_array().unwrap() {
        let file = patched(json(case["file"].as_str().unwrap()), &case["patch"]);
        let tokenizer = Tokenizer::from_json("tokenizer.json", file.to_string().as_bytes()).unwrap();
        wrong.extend(check(&tokenizer, case, &text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The metadata of a GGUF file with the vocabulary of a `tokenizer.json`, as converters write it.
fn gguf_of(file: &str) -> GgufBuilder {
    let (value, mut builder) = (json(file), GgufBuilder::new());
    if value.get("tokens").is_some() {
        let list = |key: &str| value[key].as_array().unwrap().clone();
        let tokens: Vec<String> = list("tokens").iter().map(|token| token.as_str().unwrap().to_owned()).collect();
        let scores: Vec<f32> = list("scores").iter().map(|score| score.as_f64().unwrap() as f32).collect();
        let types: Vec<i32> = list("types").iter().map(|kind| kind.as_i64().unwrap() as i32).collect();
        let tokens = set_vocabulary(&mut builder, "llama", &tokens, &types);
        tokens.set("tokenizer.ggml.scores", scores.as_slice()).unwrap();
        tokens.set("tokenizer.ggml.bos_token_id", 1_u32).unwrap().set("tokenizer.ggml.eos_token_id", 2_u32).unwrap();
        return builder;
    }
    let mut trained: Vec<(u64, String)> = value["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(text, id)| (id.as_u64().unwrap(), text.clone()))
        .collect();
    trained.sort();
    let special = value["added_tokens"].as_array().unwrap();
    let of_special = |id: u64| special.iter().find(|token| token["id"] == id);
    let bert = value["model"]["type"] == "WordPiece";
    let (mut tokens, mut types) = (Vec::new(), Vec::new());
    for (id, text) in trained {
        let control = of_special(id).is_some();
        tokens.push(match text.strip_prefix("##") {
            Some(rest) if bert => rest.to_owned(),
            None if bert && !control => format!("▁{text}"),
            _ => text,
        });
        types.push(if bert && id == 1 {
            2
        } else if control {
            3
        } else {
            1
        });
    }
    for token in special.iter().filter(|token| token["id"].as_u64().unwrap() >= types.len() as u64) {
        tokens.push(token["content"].as_str().unwrap().to_owned());
    }
    types.resize(tokens.len(), 4);
    if bert {
        let builder = set_vocabulary(&mut builder, "bert", &tokens, &types);
        for (key, id) in [("cls", 2_u32), ("seperator", 3), ("bos", 2), ("unknown", 1), ("padding", 0), ("mask", 4)] {
            builder.set(&format!("tokenizer.ggml.{key}_token_id"), id).unwrap();
        }
    } else {
        let merges: Vec<String> = serde_json::from_value(value["model"]["merges"].clone()).unwrap();
        let builder = set_vocabulary(&mut builder, "gpt2", &tokens, &types);
        builder.set("tokenizer.ggml.merges", merges.as_slice()).unwrap();
        builder.set("tokenizer.ggml.bos_token_id", 1_u32).unwrap().set("tokenizer.ggml.eos_token_id", 2_u32).unwrap();
    }
    builder
}

fn set_vocabulary<'a>(
    builder: &'a mut GgufBuilder,
    model: &str,
    tokens: &[String],
    types: &[i32],
) -> &'a mut GgufBuilder {
    builder.set("tokenizer.ggml.model", model).unwrap();
    builder.set("tokenizer.ggml.tokens", tokens).unwrap();
    builder.set("tokenizer.ggml.token_type", types).unwrap()
}

fn tokenizer_of(builder: GgufBuilder) -> nootropic_models::Result<Tokenizer> {
    Tokenizer::from_gguf(&Gguf::from_bytes("vocabulary.gguf", builder.in_memory()?.into_bytes()?)?)
}

#[test]
fn vocabularies_of_gguf_files_give_the_tokens_of_llama_cpp() {
    let (text, expected) = (text(1_200_000, 1), json("expected.json"));
    let mut wrong = Vec::new();
    let cases = expected["gguf"].as_array().unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let mut builder = gguf_of(case["file"].as_str().unwrap());
        for (key, value) in case["options"].as_object().unwrap() {
            let key = format!("tokenizer.ggml.{key}");
            match value {
                Value::Bool(flag) => builder.set(&key, *flag).unwrap(),
                other => builder.set(&key, other.as_str().unwrap()).unwrap(),
            };
        }
        wrong.extend(check(&tokenizer_of(builder).unwrap(), case, &text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every text comes back from its tokens, whole and token by token, in whole characters.
#[test]
fn decoding_gives_the_text_back_in_whole_characters() {
    // SentencePiece's mark of a space comes back as a space, and it puts one after each token that users defined.
    let text = text(60_000, 2).replace(['▁'], "").replace("<tool_call>", "");
    for file in ["byte_level.json", "sentence_piece.json"] {
        let tokenizer = tokenizer_of(gguf_of(file)).unwrap();
        let tokens = tokenizer.encode(&text, Special::AsText).unwrap();
        assert!(tokenizer.decode(&tokens) == text, "{file}");
        let (mut stream, mut streamed) = (DecodeStream::new(), String::new());
        for token in &tokens {
            let piece = stream.push(&tokenizer, *token);
            assert!(!piece.contains(char::REPLACEMENT_CHARACTER), "{file}");
            streamed.push_str(&piece);
        }
        assert_eq!(stream.finish(), "");
        assert!(streamed == text, "{file}");
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| tokenizer.token_bytes(*token)).copied().collect();
        assert!(String::from_utf8(bytes).unwrap().ends_with(&text), "{file}");
    }
}

#[test]
fn half_a_character_is_held_back_and_shown_as_missing_at_the_end() {
    let tokenizer = tokenizer_of(gguf_of("byte_level.json")).unwrap();
    let crab: Vec<TokenId> = ["ð", "Ł", "¦", "Ģ"].iter().map(|byte| tokenizer.find(byte).unwrap()).collect();
    let mut stream = DecodeStream::new();
    let pieces: Vec<String> = crab.iter().map(|byte| stream.push(&tokenizer, *byte)).collect();
    assert_eq!(pieces, ["", "", "", "🦀"]);
    stream.push(&tokenizer, crab[0]);
    assert_eq!(stream.push(&tokenizer, tokenizer.find("a").unwrap()), "\u{FFFD}a");
    stream.push(&tokenizer, crab[0]);
    assert_eq!(stream.finish(), "\u{FFFD}");
    let control = tokenizer.find("<|im_end|>").unwrap();
    assert_eq!(DecodeStream::new().push(&tokenizer, control), "");
    assert_eq!(DecodeStream::new().show_control().push(&tokenizer, control), "<|im_end|>");
    assert!(tokenizer.ends_generation(control) && !tokenizer.ends_generation(crab[0]));
    assert_eq!(tokenizer.token_bytes(TokenId(u32::MAX)), b"");
}

/// Words that never end: time stays in proportion. A quadratic algorithm would take hours.
#[test]
fn a_million_of_one_character_are_encoded() {
    for file in ["byte_level.json", "sentence_piece.json", "wordpiece.json"] {
        let tokenizer = tokenizer_of(gguf_of(file)).unwrap();
        for piece in ["a", "-", " ", "\n", "<", "<|im_", "字", "\u{301}"] {
            let text = piece.repeat(if piece == "a" { 1_000_000 } else { 200_000 });
            let tokens = tokenizer.encode(&text, Special::Parse).unwrap();
            if file != "wordpiece.json" {
                assert!(tokenizer.decode(&tokens) == text, "{file}, {piece:?}");
            }
        }
    }
}

fn refusal(tokens: &[&str], types: Option<&[i32]>, merges: &[&str], more: &[(&str, u32)]) -> String {
    let mut builder = GgufBuilder::new();
    builder.set("tokenizer.ggml.model", "gpt2").unwrap().set("tokenizer.ggml.tokens", tokens).unwrap();
    builder.set("tokenizer.ggml.merges", merges).unwrap();
    if let Some(types) = types {
        builder.set("tokenizer.ggml.token_type", types).unwrap();
    }
    for (key, value) in more {
        builder.set(&format!("tokenizer.ggml.{key}"), *value).unwrap();
    }
    match tokenizer_of(builder) {
        Ok(_) => "accepted".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn vocabularies_that_contradict_themselves_are_refused() {
    let key = |key: &str, problem: &str| format!("vocabulary.gguf, key tokenizer.ggml.{key}: {problem}");
    assert_eq!(refusal(&["a", "b", "ab", ""], None, &["a b"], &[]), "accepted");
    assert_eq!(refusal(&[], None, &[], &[]), key("tokens", "there is no token"));
    assert_eq!(refusal(&["a", "b", "a"], None, &[], &[]), key("tokens", "token 2 is there twice"));
    assert_eq!(refusal(&["a"], Some(&[1, 1]), &[], &[]), key("token_type", "2 types for 1 tokens"));
    assert_eq!(refusal(&["a"], Some(&[9]), &[], &[]), key("token_type", "token 0 is of type 9"));
    assert_eq!(refusal(&["a", "b"], None, &["a b"], &[]), key("merges", "merge 0 is of tokens that are not there"));
    assert_eq!(refusal(&["a", "b"], None, &["ab"], &[]), key("merges", "merge 0 has no two parts"));
    let outside = key("eos_token_id", "token 7 of a vocabulary of 1");
    assert_eq!(refusal(&["a"], None, &[], &[("eos_token_id", 7)]), outside);
    let long = "x".repeat(2000);
    assert!(refusal(&["a", &long], Some(&[1, 3]), &[], &[]).contains("2000 bytes of a special token"));
    let mut unknown = gguf_of("byte_level.json");
    unknown.set("tokenizer.ggml.pre", "no-such").unwrap();
    let error = tokenizer_of(unknown).unwrap_err().to_string();
    assert_eq!(error, "vocabulary.gguf, pre-tokenizer: type no-such cannot be read");
}

/// Even if merges lead to one, or a word is one: text of users never becomes a control token.
#[test]
fn text_never_becomes_a_control_token() {
    let mut builder = GgufBuilder::new();
    let (tokens, types) = (["<", "s", ">", "<s", "<s>"], [1, 1, 1, 1, 3]);
    builder.set("tokenizer.ggml.model", "gpt2").unwrap().set("tokenizer.ggml.pre", "llama-bpe").unwrap();
    builder.set("tokenizer.ggml.tokens", &tokens[..]).unwrap().set("tokenizer.ggml.token_type", &types[..]).unwrap();
    builder.set("tokenizer.ggml.merges", &["< s", "<s >"][..]).unwrap();
    let tokenizer = tokenizer_of(builder).unwrap();
    assert_eq!(ids(&tokenizer.encode("<s>", Special::Parse).unwrap()), [4]);
    let as_text = tokenizer.encode("<s>", Special::AsText).unwrap();
    assert_eq!(tokenizer.decode(&as_text), "<s>");
    assert!(as_text.iter().all(|token| tokenizer.kind(*token) == TokenKind::Normal));
}

#[test]
fn files_of_the_tokenizers_library_that_contradict_themselves_are_refused() {
    let file = |patch: Value| patched(json("byte_level.json"), &patch).to_string();
    let refusal = |json: &str| match Tokenizer::from_json("t.json", json.as_bytes()) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(refusal(&file(serde_json::json!({}))), "accepted");
    for (patch, problem) in [
        (serde_json::json!({"model/merges": ["a nothing"]}), "merge 0 is of tokens that are not there"),
        (serde_json::json!({"model/merges": ["a b c"]}), "a merge has no two parts"),
        (serde_json::json!({"model/vocab": {"a": 4_000_000_000_u32}}), "token 4000000000 of 7"),
        (serde_json::json!({"model/vocab": {"a": 1, "b": 1}, "model/merges": []}), "is there twice"),
        (serde_json::json!({"model/unk_token": "nothing"}), "is not there"),
        (serde_json::json!({"model/type": "Novel"}), "type Novel cannot be read"),
        (serde_json::json!({"pre_tokenizer": {"type": "FixedLength", "length": 0}}), "it is 0"),
        (serde_json::json!({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}}}), "pattern"),
        (serde_json::json!({"normalizer": {"type": "Novel"}}), "type Novel cannot be read"),
        (serde_json::json!({"decoder": {"type": "CTC"}}), "type CTC cannot be read"),
        (
            serde_json::json!({"post_processor": {"type": "BertProcessing", "cls": ["x", 99_999], "sep": ["x", 1]}}),
            "cls",
        ),
    ] {
        let error = refusal(&file(patch));
        assert!(error.contains(problem), "{error:?} does not say {problem:?}");
    }
    let nested = format!("{{\"model\":{}", "[".repeat(100_000));
    assert!(refusal(&nested).contains("t.json"));
}

/// A vocabulary of letters and the given tokens, of the kind they should have had.
fn with_tokens(names: &[&str]) -> Tokenizer {
    let mut tokens: Vec<String> = ('!'..='~').chain(['Ġ', 'Ċ']).map(String::from).collect();
    tokens.extend(names.iter().map(|name| (*name).to_owned()));
    let mut builder = GgufBuilder::new();
    builder.set("tokenizer.ggml.model", "gpt2").unwrap().set("tokenizer.ggml.tokens", tokens.as_slice()).unwrap();
    builder.set("tokenizer.ggml.merges", &[] as &[&str]).unwrap();
    tokenizer_of(builder).unwrap()
}

#[test]
fn gaps_are_shown_as_each_family_expects() {
    let shown = |names: &[&str]| {
        let tokenizer = with_tokens(names);
        let infill = Infill::of(&tokenizer)?;
        let tokens = infill.encode(&tokenizer, "a<|fim_middle|>", "b").unwrap();
        let control = tokens.iter().filter(|token| tokenizer.kind(**token) == TokenKind::Control).count();
        assert_eq!(control, names.len(), "the texts are no control tokens");
        Some(tokens.iter().map(|token| tokenizer.token_text(*token)).collect::<String>())
    };
    for names in [
        ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
        ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
        ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
        ["▁<PRE>", "▁<SUF>", "▁<MID>"],
    ] {
        let [prefix, suffix, middle] = names;
        assert_eq!(shown(&names).unwrap(), format!("{prefix}a<|fim_middle|>{suffix}b{middle}"));
    }
    assert_eq!(shown(&["[PREFIX]", "[SUFFIX]"]).unwrap(), "[SUFFIX]b[PREFIX]a<|fim_middle|>");
    assert_eq!(shown(&["<|im_end|>"]), None);
    // Where every text begins with a space, what goes on after the gap does not.
    let mut builder = gguf_of("sentence_piece.json");
    for (key, id) in [("fim_pre", 3_u32), ("fim_suf", 4), ("fim_mid", 5)] {
        builder.set(&format!("tokenizer.ggml.{key}_token_id"), id).unwrap();
    }
    let tokenizer = tokenizer_of(builder).unwrap();
    let tokens = Infill::of(&tokenizer).unwrap().encode(&tokenizer, "x", "the").unwrap();
    let after: Vec<TokenId> =
        tokens.iter().copied().skip_while(|token| token.0 != 4).skip(1).take_while(|token| token.0 != 5).collect();
    let bytes: Vec<u8> = after.iter().flat_map(|token| tokenizer.token_bytes(*token)).copied().collect();
    assert_eq!(bytes, b"the");
}
