//! Folders laid out as each program lays out its own.

use std::fs;
use std::path::Path;

use super::{ModelLibrary, ModelSource};
use crate::Error;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn ollama_manifest(digest: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"layers":[
            {{"mediaType":"application/vnd.ollama.image.template","digest":"sha256:{}","size":3}},
            {{"mediaType":"application/vnd.ollama.image.model","digest":"{digest}","size":4}}]}}"#,
        "b".repeat(64)
    )
}

/// A home with something of everyone.
fn home() -> (tempfile::TempDir, ModelLibrary) {
    let home = tempfile::tempdir().unwrap();
    let root = home.path();
    write(root, "own/tiny.gguf", "1234");
    write(root, "own/readme.txt", "no model");
    write(root, "own/qwen/config.json", "{}");
    write(root, "own/qwen/model-00001-of-00002.safetensors", "12");
    write(root, "own/qwen/model-00002-of-00002.safetensors", "345");
    let hash = "A1".repeat(32);
    let manifests = ".ollama/models/manifests/registry.ollama.ai";
    write(root, &format!("{manifests}/library/qwen2.5/0.5b"), &ollama_manifest(&format!("sha256:{hash}")));
    write(root, &format!("{manifests}/library/llama3.2/latest"), &ollama_manifest(&format!("sha256:{hash}")));
    write(root, &format!("{manifests}/someone/mine/v1"), &ollama_manifest(&format!("sha256:{hash}")));
    write(root, &format!("{manifests}/library/hostile/latest"), &ollama_manifest("sha256:../../../../etc/passwd"));
    write(
        root,
        &format!("{manifests}/library/missing/latest"),
        &ollama_manifest(&format!("sha256:{}", "0".repeat(64))),
    );
    write(root, &format!("{manifests}/library/torn/latest"), "{\"layers\":[{");
    write(root, &format!(".ollama/models/blobs/sha256-{hash}"), "12345");
    write(root, ".lmstudio/models/publisher/Model-GGUF/model-Q4_K_M.gguf", "12");
    write(root, ".lmstudio/models/publisher/Model-GGUF/mmproj-model-f16.gguf", "12");
    for part in 1..=3 {
        write(root, &format!(".cache/llama.cpp/big-0000{part}-of-00003.gguf"), "1234567890");
    }
    let snapshot = ".cache/huggingface/hub/models--owner--Model-GGUF/snapshots/0123abcd";
    write(root, ".cache/huggingface/hub/models--owner--Model-GGUF/blobs/ffff", "123");
    fs::create_dir_all(root.join(snapshot)).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../../blobs/ffff", root.join(snapshot).join("m.gguf")).unwrap();
    let library = ModelLibrary::new(root.join("own")).with_other_programs(root, |_| None);
    (home, library)
}

#[test]
fn models_are_found_where_each_program_keeps_its_own() {
    let (_home, library) = home();
    let found = library.list();
    let found: Vec<(ModelSource, &str, u64)> = found.iter().map(|m| (m.source, m.name.as_str(), m.bytes)).collect();
    use ModelSource::*;
    let expected = [
        (Nootropic, "qwen", 5),
        (Nootropic, "tiny", 4),
        (Ollama, "llama3.2:latest", 5),
        (Ollama, "qwen2.5:0.5b", 5),
        (Ollama, "someone/mine:v1", 5),
        (LmStudio, "publisher/Model-GGUF/model-Q4_K_M", 2),
        (Hub, "owner/Model-GGUF/m", 3),
        (LlamaCpp, "big", 30),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for model in expected {
        assert!(found.contains(&model), "{model:?} in {found:?}");
    }
}

#[test]
fn a_model_is_found_by_name_or_path() {
    let (home, library) = home();
    let name = |asked: &str| library.find(asked).unwrap().name;
    assert_eq!(name("TINY"), "tiny");
    assert_eq!(name("llama3.2"), "llama3.2:latest", "as Ollama understands it");
    assert_eq!(name("owner/Model-GGUF/m"), "owner/Model-GGUF/m");
    let path = home.path().join("own/tiny.gguf");
    assert_eq!(library.find(path.to_str().unwrap()).unwrap().path, path);
    let error = library.find("qwen2").unwrap_err();
    assert!(matches!(&error, Error::NoModel { near, .. } if near == &["qwen2.5:0.5b"]), "{error}");
    assert!(error.to_string().contains("qwen2"), "{error}");
}

#[test]
fn folders_that_are_missing_hold_nothing() {
    let empty = tempfile::tempdir().unwrap();
    let library = ModelLibrary::new(empty.path().join("none")).with_other_programs(empty.path(), |_| None);
    assert_eq!(library.list(), []);
}
