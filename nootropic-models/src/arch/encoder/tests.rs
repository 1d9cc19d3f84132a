//! Configurations that make no encoder are refused.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::{Error, ModelFile};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoder").join(name)
}

/// A fixture with another configuration; `change` gets the one it has.
fn changed(name: &str, change: impl FnOnce(&mut Map<String, Value>)) -> (tempfile::TempDir, ModelFile) {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture(name), folder.path());
    let path = folder.path().join("config.json");
    let mut config: Map<String, Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();
    let file = ModelFile::open(folder.path()).unwrap();
    (folder, file)
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn families_are_told_by_name() {
    for (name, family) in [
        ("bert", "bert"),
        ("roberta", "roberta"),
        ("nomic_bert", "nomic_bert"),
        ("modernbert", "modernbert"),
        ("bert.gguf", "bert"),
    ] {
        let file = ModelFile::open(fixture(name)).unwrap();
        let (encoder, weights) = file.describe_encoder().unwrap();
        assert_eq!((encoder.family, encoder.columns, encoder.blocks.len()), (family, 32, 3), "{name}");
        assert!(encoder.head.is_none() && weights.head.is_none(), "{name}");
        assert!(matches!(file.describe().unwrap_err(), Error::UnsupportedArchitecture { .. }), "{name} is no decoder");
    }
    let decoder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch/llama.gguf");
    let error = ModelFile::open(decoder).unwrap().describe_encoder().unwrap_err();
    assert!(matches!(error, Error::UnsupportedArchitecture { .. }), "{error}");
}

#[test]
fn positions_of_roberta_begin_after_those_that_pad() {
    let file = ModelFile::open(fixture("roberta")).unwrap();
    let (encoder, weights) = file.describe_encoder().unwrap();
    assert_eq!((encoder.positions, encoder.context), (Some(2), 38));
    assert_eq!(weights.positions.len(), 38 * 32);
}

#[test]
fn what_is_not_computed_is_refused_and_named() {
    type Change = fn(&mut Map<String, Value>);
    let cases: [(&str, Change, &str); 8] = [
        ("bert", |config| drop(config.insert("hidden_act".into(), json!("relu"))), "hidden_act"),
        (
            "bert",
            |config| drop(config.insert("position_embedding_type".into(), json!("relative_key"))),
            "position_embedding_type",
        ),
        ("bert", |config| drop(config.insert("num_attention_heads".into(), json!(5))), "num_attention_heads"),
        ("bert", |config| drop(config.insert("max_position_embeddings".into(), json!(41))), "position_embeddings"),
        ("bert", |config| drop(config.insert("num_hidden_layers".into(), json!(4))), "encoder.layer.3"),
        ("nomic_bert", |config| drop(config.insert("rotary_emb_fraction".into(), json!(0.5))), "rotary_emb_fraction"),
        ("nomic_bert", |config| drop(config.insert("num_experts".into(), json!(8))), "num_experts"),
        ("modernbert", |config| drop(config.insert("intermediate_size".into(), json!(65))), "mlp.Wo"),
    ];
    for (name, change, said) in cases {
        let (_folder, file) = changed(name, change);
        let error = file.describe_encoder().unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
    }
}
