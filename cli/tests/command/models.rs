//! Model files from the command line, on files with random weights.

use std::fs;
#[cfg(unix)]
use std::process::{Command, Stdio};

use nootropic::models::{FileType, Precision, SyntheticModel};
use serde_json::json;

use crate::Repository;

/// A model in F32 called `tiny`, in the user's own folder.
pub(crate) fn with_model() -> Repository {
    let repository = Repository::sample();
    let folder = repository.home().join(".local/share/nootropic/models");
    fs::create_dir_all(&folder).unwrap();
    let model = SyntheticModel { precision: Precision::Mix(FileType::F32), ..SyntheticModel::tiny() };
    fs::write(folder.join("tiny.gguf"), model.to_bytes().unwrap()).unwrap();
    repository
}

#[test]
fn models_are_listed_described_and_quantized() {
    let repository = with_model();
    let list = repository.json(["models", "list"]);
    assert_eq!((&list["models"][0]["name"], &list["models"][0]["source"]), (&json!("tiny"), &json!("nootropic")));
    assert_eq!(repository.json(["models", "list", "other"])["models"], json!([]));
    assert!(repository.run(["models", "list"]).out.starts_with("tiny "));

    let made = repository.json(["models", "quantize", "tiny", "tiny-q8.gguf", "q8_0"]);
    assert_eq!(made["quantization"], "Q8_0");
    assert!(made["bytes"].as_u64().unwrap() * 2 < made["bytes_before"].as_u64().unwrap(), "{made}");
    let info = repository.json(["models", "info", "tiny-q8.gguf"]);
    let shape = SyntheticModel::tiny();
    assert_eq!(info["quantization"], "Q8_0");
    assert_eq!(info["layers"], shape.layers);
    assert_eq!(info["vocabulary"], shape.vocabulary);
    assert_eq!(info["bytes"], made["bytes"]);
    assert!(info["tensors"]["Q8_0"]["count"].as_u64().unwrap() > 0, "{info}");
    let text = repository.run(["models", "info", "tiny"]).out;
    assert!(text.contains("Architecture") && text.contains("F32"), "{text}");
}

#[test]
fn mistakes_with_models_say_what_to_do() {
    let repository = with_model();
    let missing = repository.error(["models", "info", "tin"], 3);
    assert!(missing["message"].as_str().unwrap().contains("no model is called tin; these are: tiny"), "{missing}");
    let again = repository.error(["models", "quantize", "tiny", "README.md", "Q8_0"], 2);
    assert!(again["message"].as_str().unwrap().contains("--force"), "{again}");
    let unknown = repository.error(["models", "quantize", "tiny", "out.gguf", "Q9"], 2);
    assert!(unknown["message"].as_str().unwrap().contains("Q4_K_M"), "{unknown}");
    repository.write("torn.gguf", b"GGUF\x03\0\0\0");
    let torn = repository.error(["models", "info", "torn.gguf"], 8);
    assert_eq!(torn["kind"], "corrupt");
    assert!(!repository.path().join("out.gguf").exists());
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_no_half_model() {
    let repository = with_model();
    let large =
        SyntheticModel { layers: 4, columns: 512, precision: Precision::Mix(FileType::F32), ..SyntheticModel::tiny() };
    repository.write("large.gguf", large.to_bytes().unwrap());
    let files = || fs::read_dir(repository.path()).unwrap().count();
    let before = files();
    let mut command = repository.command(["models", "quantize", "large.gguf", "out.gguf", "Q4_K_M", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while files() == before {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(files(), before, "nothing half done stays");
}

#[test]
fn a_model_is_timed() {
    let repository = with_model();
    let rows = repository.json([
        "models",
        "bench",
        "tiny",
        "--device",
        "cpu",
        "--threads",
        "2",
        "--prompt",
        "32",
        "--generate",
        "8",
    ]);
    let phases: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["prompt", "generate"]);
    for row in rows.as_array().unwrap() {
        assert_eq!((&row["model"], &row["quant"]), (&json!("Synthetic tiny Llama"), &json!("F32")));
        assert!(row["ours"].as_f64().unwrap() > 0.0 && row["peer"].is_null(), "{row}");
    }
    assert!(rows[0]["start"]["open_to_first_token_ms"].as_f64().unwrap() > 0.0, "{rows}");
    assert!(rows[1]["limits"]["eight_at_once"].as_f64().unwrap() > 0.0, "{rows}");
    let text = repository.run(["models", "bench", "tiny", "--device", "cpu", "--prompt", "32", "--generate", "8"]).out;
    assert!(text.contains("tokens/s") && text.contains("GB/s"), "{text}");
    let none = repository.error(["models", "bench", "tiny", "--peers"], 3);
    assert!(none["hint"].as_str().unwrap().contains("make bench"), "{none}");
    let threads = repository.error(["models", "bench", "tiny", "--threads", "2"], 2);
    assert!(threads["message"].as_str().unwrap().contains("--device cpu"), "{threads}");
}

#[test]
fn a_profile_of_a_model_is_kept() {
    let repository = with_model();
    let profile = repository.json(["models", "probe", "tiny", "--device", "cpu"]);
    assert_eq!(
        (&profile["model"], &profile["context_length"]),
        (&json!("tiny"), &json!(SyntheticModel::tiny().context))
    );
    assert_eq!((&profile["infill"], &profile["tool_dialect"]), (&json!(true), &json!("hermes")));
    // 2 layers of 2 heads of 64 numbers, keys and values, of two bytes.
    assert_eq!(profile["kv_bytes_a_token"], 2 * 2 * 64 * 2 * 2);
    assert_eq!(profile["json_by_schema"]["obeyed"], profile["json_by_schema"]["asked"], "{profile}");
    assert!(profile["generate_tokens_per_second"].as_f64().unwrap() > 0.0, "{profile}");
    let kept = fs::read(repository.home().join(".local/share/nootropic/profiles/tiny.json")).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&kept).unwrap(), profile);
}

#[test]
fn texts_become_vectors() {
    let repository = Repository::sample();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../nootropic-models/tests/fixtures/encoder/bert");
    let embed = ["embed", "--model", model, "a lock", "a lock", "zebra"];
    let output = repository.json(embed);
    assert_eq!((&output["embedder"]["dim"], &output["vectors"].as_array().unwrap().len()), (&32.into(), &3));
    assert!(output["cosines"][0][1].as_f64().unwrap() > 0.9999 && output["cosines"][0][2].as_f64().unwrap() < 0.9999);
    assert!(repository.run(embed).out.contains("32 dimensions, reads 24 tokens"));
    let distilled = repository.json(["models", "distill", model, "static", "--dimensions", "8"]);
    assert_eq!((&distilled["tokens"], &distilled["dimensions"]), (&60.into(), &8.into()));
    // `static` alone is the embedder that comes with the program.
    assert_eq!(repository.json(["embed", "--model", "./static", "a lock"])["embedder"]["dim"], 8);
    assert_eq!(repository.json(["embed", "--model", "static", "a lock"])["embedder"]["dim"], 256);
    assert_eq!(repository.json(["embed", "a lock"])["embedder"]["dim"], 256);
    repository.error(["models", "distill", model, "static", "--dimensions", "8"], 4);
    let llama = concat!(env!("CARGO_MANIFEST_DIR"), "/../nootropic-models/tests/fixtures/arch/llama.gguf");
    let error = repository.error(["embed", "--model", llama, "a lock"], 16);
    assert!(error["message"].as_str().unwrap().contains("architecture llama; bert"), "{error}");
}

#[test]
fn a_static_embedder_is_fitted_to_code() {
    let repository = Repository::sample();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../nootropic-models/tests/fixtures/encoder/bert");
    let function = |i: usize| {
        let letter = char::from(b'a' + (i % 26) as u8);
        format!(
            "/// Says what {letter}{letter} number {} does.\nfn f{letter}{i}(a: u32, b: u32) -> u32 {{\n    let {letter}_b = a + b;\n    {letter}_b * a\n}}\n\n",
            "again ".repeat(i)
        )
    };
    for i in 0..30 {
        fs::write(repository.path().join(format!("f{i}.rs")), function(i)).unwrap();
    }
    let fitted = repository.json(["models", "distill", model, "ours", "--dimensions", "8", "--fit", "."]);
    assert!(fitted["fit"]["pairs"].as_u64().unwrap() >= 30, "{fitted}");
    assert!(fitted["fit"]["after"].as_f64().unwrap() > 0.0, "{fitted}");
    let embedded = repository.json(["embed", "--model", "./ours", "lockFile", "lock_file", "zebra"]);
    assert!(embedded["cosines"][0][1].as_f64().unwrap() > 0.9999, "identifiers are read as words: {embedded}");
    assert!(embedded["cosines"][0][2].as_f64().unwrap() < 0.9999, "{embedded}");
    fs::create_dir(repository.path().join("empty")).unwrap();
    let few = repository.error(["models", "distill", model, "none", "--dimensions", "8", "--fit", "empty"], 2);
    assert!(few["message"].as_str().unwrap().contains("no comments"), "{few}");
}

#[test]
fn an_index_finds_what_is_near_in_meaning() {
    let repository = Repository::sample();
    let question = ["search", "pause"];
    let found = repository.json(question);
    assert_eq!(found["hits"][0]["path"], "tools/retry.py", "nobody has this word: {found}");
    assert!(repository.json(["index", "--embedder", "none"])["embedded"].is_null());
    assert_eq!(repository.json(question)["hits"], json!([]));
    assert!(repository.json(["index"])["embedded"].is_null(), "the choice is kept");
    assert_eq!(repository.json(question)["hits"], json!([]));
    repository.json(["index", "--embedder", "static"]);
    assert_eq!(repository.json(question)["hits"], found["hits"]);
}
