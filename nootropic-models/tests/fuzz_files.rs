//! Mutated model files: no panic, and no more memory than the file's size and a constant.
//!
//! `NOOTROPIC_FUZZ` is how many files of each format are tried, `NOOTROPIC_FUZZ_SEED` which.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/allocations.rs"]
mod allocations;
mod common;

use allocations::peak_of;
use common::*;
use nootropic_core::Message;
use nootropic_models::{
    Budget, ChatTemplate, Gguf, GgufHeader, Infill, RenderOptions, SafetensorsFile, Special, TokenKind, Tokenizer,
};

/// What reading the description of a small file may take beyond the file's size.
const CONSTANT: u64 = 64 << 10;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => default,
    }
}

/// Numbers that have broken readers.
fn interesting(random: &mut Random, len: usize) -> u64 {
    let base = match random.below(8) {
        0 => 0,
        1 => 1 << random.below(64),
        2 => u64::MAX,
        3 => len as u64,
        4 => u64::from(u32::MAX),
        5 => u64::MAX / (1 + random.below(64) as u64),
        6 => random.below(300) as u64,
        _ => random.next(),
    };
    base.wrapping_add(random.below(5) as u64).wrapping_sub(2)
}

/// Changes a file in one to four ways.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let (len, at) = (bytes.len(), random.below(bytes.len()));
        match random.below(9) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.next() as u8,
            3 | 4 => {
                let number = interesting(random, len).to_le_bytes();
                let width = [1, 2, 4, 8][random.below(4)].min(len - at);
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
            5 => {
                let (from, count) = (random.below(len), random.below(64));
                let piece = bytes[from..(from + count).min(len)].to_vec();
                bytes.splice(at..at, piece);
            }
            6 => drop(bytes.drain(at..(at + random.below(64)).min(len))),
            7 => {
                let (from, count) = (random.below(other.len()), random.below(64));
                let piece = &other[from..(from + count).min(other.len())];
                bytes.splice(at..(at + piece.len()).min(len), piece.iter().copied());
            }
            _ => {
                let digits: Vec<usize> = (0..len).filter(|i| bytes[*i].is_ascii_digit()).collect();
                if let Some(at) = digits.get(random.below(digits.len())) {
                    bytes.splice(at..=at, interesting(random, len).to_string().bytes());
                }
            }
        }
        if bytes.is_empty() {
            bytes.push(random.next() as u8);
        }
    }
}

/// Tries `NOOTROPIC_FUZZ` mutations of `files`; `read` says how much memory reading took, and whether the file was accepted.
fn fuzz(files: &[Vec<u8>], read: impl Fn(&[u8]) -> (bool, u64)) {
    fuzz_within(files, |len| len + CONSTANT, read);
}

/// The same, with as much memory as `allowed` says for a file of so many bytes.
fn fuzz_within(files: &[Vec<u8>], allowed: impl Fn(u64) -> u64, read: impl Fn(&[u8]) -> (bool, u64)) {
    let (runs, seed) = (setting("NOOTROPIC_FUZZ", 200_000), setting("NOOTROPIC_FUZZ_SEED", 1));
    // A campaign can be taken up where it ended, and a run that ends the process be found by halves.
    let first = setting("NOOTROPIC_FUZZ_FIRST", 0);
    // Without a backtrace, which takes more memory than any file: panics of libraries that become errors are told as well.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let mut accepted = 0;
    for run in first..first.saturating_add(runs) {
        let mut random = Random(seed.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ run);
        let mut bytes = files[random.below(files.len())].clone();
        mutate(&mut bytes, &files[random.below(files.len())], &mut random);
        if runs == 1 {
            println!("{}", String::from_utf8_lossy(&bytes));
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&bytes)));
        let Ok((ok, peak)) = outcome else {
            panic!("run {run} of seed {seed} panicked: {}", hex(&bytes));
        };
        let allowed = allowed(bytes.len() as u64);
        assert!(peak <= allowed, "run {run} of seed {seed} took {peak} bytes, {allowed} are allowed: {}", hex(&bytes));
        accepted += u64::from(ok);
    }
    println!("{runs} files, {accepted} accepted");
    assert!(runs < 1000 || (accepted > runs / 1000 && accepted < runs), "mutations are neither all noise nor none");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn gguf_files() -> Vec<Vec<u8>> {
    let small = Raw::new().key("k", U32, [1, 0, 0, 0]).tensor("t", &[8], 0, 0).data(32);
    let aligned = Raw { alignment: Some(8), ..Raw::new() }.key("general.alignment", U32, [8, 0, 0, 0]);
    let aligned = aligned.tensor("a", &[2], 0, 0).tensor("b", &[2, 2], 1, 8).data(16);
    let tokens = (0..100).flat_map(|i| string(format!("token{i}"))).collect::<Vec<_>>();
    let vocabulary = Raw::new().key("tokens", ARRAY, array(STRING, 100, &tokens));
    [sound(), small, aligned, vocabulary, Raw::new()].map(|raw| raw.bytes()).into()
}

fn safetensors_files() -> Vec<Vec<u8>> {
    let small = safetensors(r#"{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 8);
    let spaced = safetensors("{ \"a\" : {\"shape\":[1,1,1],\"data_offsets\":[0,2],\"dtype\":\"F16\"} }   ", 2);
    vec![sound_safetensors(), small, spaced, safetensors("{}", 0)]
}

#[test]
fn mutated_gguf_files() {
    fuzz(&gguf_files(), |bytes| {
        let len = bytes.len() as u64;
        let (header, peak) = peak_of(|| GgufHeader::read("fuzz", bytes, len, Budget::for_file(len)));
        if header.is_ok() {
            use_gguf(&Gguf::from_bytes("fuzz", bytes).unwrap());
        }
        (header.is_ok(), peak)
    });
}

#[test]
fn mutated_safetensors_files() {
    fuzz(&safetensors_files(), |bytes| {
        let shared: std::sync::Arc<[u8]> = bytes.into();
        let (file, peak) = peak_of(|| SafetensorsFile::from_bytes("fuzz", shared));
        if let Ok(file) = &file {
            use_safetensors(file);
        }
        (file.is_ok(), peak)
    });
}

/// What a vocabulary or a template of a few kilobytes may take: mostly the automata that its patterns become.
fn with_patterns(len: u64) -> u64 {
    64 * len + (24 << 20)
}

/// Uses a tokenizer in every way.
fn use_tokenizer(tokenizer: &Tokenizer) {
    for special in [Special::Parse, Special::AsText] {
        if let Ok(tokens) = tokenizer.encode("ab <s> a\u{e9}b  \n\u{1F980}9", special) {
            let text = tokenizer.decode(&tokenizer.with_ends(tokens.clone()));
            assert!(text.len() < 1 << 20);
            for token in &tokens {
                let _ = (tokenizer.token_bytes(*token), tokenizer.kind(*token), tokenizer.ends_generation(*token));
                assert!((token.0 as usize) < tokenizer.len());
                assert!(special == Special::Parse || tokenizer.kind(*token) != TokenKind::Control);
            }
        }
    }
    if let Some(infill) = Infill::of(tokenizer) {
        let _ = infill.encode(tokenizer, "a", "b");
    }
}

fn tokenizer_files() -> Vec<Vec<u8>> {
    let added = r#""added_tokens":[{"id":5,"content":"<s>","special":true},{"id":6,"content":"b ","rstrip":true,"normalized":true}]"#;
    let vocab = r#""vocab":{"a":0,"b":1,"ab":2,"\u0120":3,"\u0120a":4}"#;
    let bpe = format!(
        r#"{{{added},"model":{{"type":"BPE",{vocab},"merges":["a b",["\u0120","a"]],"fuse_unk":true}},
"normalizer":{{"type":"Sequence","normalizers":[{{"type":"NFC"}},{{"type":"Replace","pattern":{{"Regex":"c+"}},"content":"d"}},{{"type":"Prepend","prepend":"a"}}]}},
"pre_tokenizer":{{"type":"Sequence","pretokenizers":[{{"type":"Split","pattern":{{"Regex":"[a-z]+|\\s+(?!\\S)|\\s+"}},"behavior":"Isolated"}},{{"type":"Digits","individual_digits":true}},{{"type":"ByteLevel","use_regex":false}}]}},
"post_processor":{{"type":"TemplateProcessing","single":[{{"SpecialToken":{{"id":"<s>"}}}},{{"Sequence":{{"id":"A"}}}}],"special_tokens":{{"<s>":{{"ids":[5]}}}}}},
"decoder":{{"type":"ByteLevel"}}}}"#
    );
    let unigram = format!(
        r#"{{{added},"model":{{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1.5],["b",-2],["ab",-1],["\u2581",-3]],"byte_fallback":true}},
"pre_tokenizer":{{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first"}},"decoder":{{"type":"Sequence","decoders":[{{"type":"Replace","pattern":{{"String":"\u2581"}},"content":" "}},{{"type":"ByteFallback"}},{{"type":"Fuse"}},{{"type":"Strip","content":" ","start":1,"stop":0}}]}}}}"#
    );
    let wordpiece = r###"{"model":{"type":"WordPiece","unk_token":"[UNK]","vocab":{"[UNK]":0,"a":1,"##b":2,"b":3},"max_input_chars_per_word":9},
"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"WordPiece","prefix":"##"}}"###;
    vec![bpe.into_bytes(), unigram.into_bytes(), wordpiece.into()]
}

#[test]
fn mutated_tokenizer_files() {
    fuzz_within(&tokenizer_files(), with_patterns, |bytes| {
        let (tokenizer, peak) = peak_of(|| Tokenizer::from_json("fuzz", bytes));
        if let Ok(tokenizer) = &tokenizer {
            use_tokenizer(tokenizer);
        }
        (tokenizer.is_ok(), peak)
    });
}

fn vocabulary_files() -> Vec<Vec<u8>> {
    let strings =
        |texts: &[&str]| array(STRING, texts.len() as u64, &texts.iter().flat_map(string).collect::<Vec<_>>());
    let types = |types: &[i32]| {
        array(5, types.len() as u64, &types.iter().flat_map(|kind| kind.to_le_bytes()).collect::<Vec<_>>())
    };
    let key = |raw: Raw, name: &str, kind: u32, value: Vec<u8>| raw.key(&format!("tokenizer.ggml.{name}"), kind, value);
    let model = |name: &str, tokens: &[&str], kinds: &[i32]| {
        let raw = key(Raw::new(), "model", STRING, string(name));
        key(key(raw, "tokens", ARRAY, strings(tokens)), "token_type", ARRAY, types(kinds))
    };
    let bpe = model("gpt2", &["a", "b", "ab", "Ġ", "<s>", "<|fim_prefix|>", "<|fim_suffix|>"], &[1, 1, 1, 1, 3, 3, 4]);
    let bpe = key(key(bpe, "merges", ARRAY, strings(&["a b"])), "pre", STRING, string("viking"));
    let bpe = key(key(bpe, "bos_token_id", U32, vec![4, 0, 0, 0]), "add_bos_token", BOOL, vec![1]);
    let spm = model("llama", &["<unk>", "<s>", "</s>", "a", "b", "ab", "▁", "<0x0A>"], &[2, 3, 3, 1, 1, 1, 1, 6]);
    let scores = array(F32, 8, &[0.0_f32, 0.0, 0.0, -1.0, -2.0, -0.5, -3.0, 0.0].map(f32::to_le_bytes).concat());
    let spm = key(spm, "scores", ARRAY, scores);
    let bert = model("bert", &["[UNK]", "[CLS]", "[SEP]", "▁a", "b"], &[2, 3, 3, 1, 1]);
    [bpe, spm, bert].map(|raw| raw.bytes()).into()
}

#[test]
fn mutated_vocabularies() {
    fuzz_within(&vocabulary_files(), with_patterns, |bytes| {
        let Ok(gguf) = Gguf::from_bytes("fuzz", bytes) else { return (false, 0) };
        let (tokenizer, peak) = peak_of(|| Tokenizer::from_gguf(&gguf));
        if let Ok(tokenizer) = &tokenizer {
            use_tokenizer(tokenizer);
        }
        (tokenizer.is_ok(), peak)
    });
}

#[test]
fn mutated_chat_templates() {
    let gguf = Gguf::from_bytes("vocabulary", vocabulary_files().remove(0)).unwrap();
    let tokenizer = Tokenizer::from_gguf(&gguf).unwrap();
    let templates = [
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '<s>' + m.content | trim + '\n' }}{% endif %}{% endfor %}",
        "{%- set ns = namespace(i=0, s='x') %}{%- for m in messages[::-1] %}{%- set ns.s = ns.s ~ m['content'][1:-1] ~ loop.index0 %}{%- if loop.last %}{{ ns.s.split('a')[-1].lstrip('\n') }}{% break %}{% endif %}{%- endfor %}",
        "{% macro f(x, y=2) %}{{ x | tojson(indent=y) }}{% endmacro %}{{ f(messages) }}{{ f(tools) * 3 }}{{ raise_exception('no') if not messages else strftime_now('%Y') }}",
    ];
    let messages = [Message::system("a<s>"), Message::user("b\u{e9}"), Message::assistant("c")];
    let options = RenderOptions { now: Some(std::time::UNIX_EPOCH), ..RenderOptions::default() };
    // Fuel for 64 bytes each is what bounds the memory of rendering.
    let allowed = |len: u64| 256 * len + (32 << 20);
    fuzz_within(&templates.map(|text| text.as_bytes().to_vec()), allowed, |bytes| {
        let source = String::from_utf8_lossy(bytes);
        let (rendered, peak) = peak_of(|| ChatTemplate::new(&source, &tokenizer)?.render(&messages, &[], &options));
        if let Ok(prompt) = &rendered {
            tokenizer.encode_prompt(prompt).unwrap();
        }
        (rendered.is_ok(), peak)
    });
}

/// Files whose description is nearly all of them: memory stays in proportion.
#[test]
fn long_headers_take_little_more_than_their_size() {
    let megabytes = 8 << 20;
    let tensors = |count: u64| {
        (0..count).fold(Raw::new(), |raw, i| raw.tensor(&format!("{i:x}"), &[1], 24, i * 32)).data(count as usize * 32)
    };
    let keys = (0..64 << 10).fold(Raw::new(), |raw, i| raw.key(&format!("{i:x}"), U8, [1]));
    let strings = Raw::new().key("s", ARRAY, array(STRING, 1 << 20, &string("").repeat(1 << 20)));
    let items = Raw::new().key("s", ARRAY, array(U8, 32 << 20, &vec![1; 32 << 20]));
    for (what, raw) in [("tensors", tensors(100_000)), ("keys", keys), ("strings", strings), ("items", items)] {
        let bytes = raw.bytes();
        let len = bytes.len() as u64;
        let (header, peak) = peak_of(|| GgufHeader::read(what, bytes.as_slice(), len, Budget::for_file(len)));
        header.unwrap();
        assert!(peak <= len + megabytes, "{what}: {peak} bytes for a file of {len}");
    }
    let entry = |i: usize| format!(r#""{i:x}":{{"dtype":"U8","shape":[1],"data_offsets":[{i},{}]}}"#, i + 1);
    let count = 100_000;
    let header = format!("{{{}}}", (0..count).map(entry).collect::<Vec<_>>().join(","));
    let bytes: std::sync::Arc<[u8]> = safetensors(&header, count).into();
    let len = bytes.len() as u64;
    let (file, peak) = peak_of(|| SafetensorsFile::from_bytes("tensors", bytes));
    assert_eq!(file.unwrap().tensors().len(), count);
    assert!(peak <= len + 2 * megabytes, "{peak} bytes for a file of {len}");
}
