//! Model files from the command line, on files with random weights.

use std::fs;
#[cfg(unix)]
use std::process::{Command, Stdio};

use nootropic::models::{FileType, Precision, SyntheticModel};
use serde_json::json;

use crate::Repository;

/// A model in F32 called `tiny`, in the user's own folder.
fn with_model() -> Repository {
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
