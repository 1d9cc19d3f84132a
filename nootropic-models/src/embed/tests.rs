//! Encoders give the vectors and scores of the reference, on every device, whatever else is read with a text.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use futures_executor::block_on;
use nootropic_core::testing::{embedder_suite, reranker_suite};
use nootropic_core::{EmbedRole, Embedder, ErrorKind};
use serde::Deserialize;

use super::encoder::TextEncoder;
use super::*;
use crate::{Error, ModelFile, OpenDevice};

/// Texts as tokens, and what the reference makes of them.
#[derive(Deserialize)]
struct Reference {
    texts: Vec<Vec<u32>>,
    #[serde(default)]
    vectors: Vec<Vec<f32>>,
    /// Where the second of two texts begins, and their score.
    #[serde(default)]
    second: usize,
    #[serde(default)]
    score: f32,
}

const FAMILIES: [&str; 6] = ["bert", "bert.gguf", "roberta", "nomic_bert", "nomic_bert.gguf", "modernbert"];
const SCORING: [&str; 3] = ["bert_scores", "roberta_scores", "modernbert_scores"];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoder").join(name)
}

fn reference(name: &str) -> Reference {
    let name = name.trim_end_matches(".gguf");
    serde_json::from_slice(&std::fs::read(fixture(&format!("{name}.json"))).unwrap()).unwrap()
}

fn load(name: &str, device: &OpenDevice, precision: EncoderPrecision) -> TextEncoder {
    TextEncoder::load(&ModelFile::open(fixture(name)).unwrap(), device, precision).unwrap()
}

fn cpu() -> OpenDevice {
    OpenDevice::cpu_with_threads(2).unwrap()
}

fn vectors(encoder: &TextEncoder, texts: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let texts: Vec<Text<'_>> = texts.iter().map(|tokens| Text::one(tokens)).collect();
    let mut vectors = vec![Vec::new(); texts.len()];
    let take = |i: usize, found: &[f32]| {
        vectors[i] = found.to_vec();
        Ok(())
    };
    encoder.encode(&texts, take).unwrap();
    vectors
}

/// How far numbers are apart, as a share of the largest.
fn apart(right: &[f32], found: &[f32]) -> f32 {
    assert_eq!(right.len(), found.len());
    let largest = right.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    right.iter().zip(found).fold(0.0_f32, |most, (right, found)| most.max((right - found).abs())) / largest
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

pub(crate) fn agrees_with_the_reference(device: &OpenDevice) {
    for name in FAMILIES {
        let reference = reference(name);
        let found = vectors(&load(name, device, EncoderPrecision::F32), &reference.texts);
        for (right, found) in reference.vectors.iter().zip(&found) {
            let apart = apart(right, found);
            assert!(apart < 1e-4, "{name} on {}: off by {apart} of the largest", device.name());
        }
    }
    for name in SCORING {
        let Reference { texts, second, score, .. } = reference(name);
        let encoder = load(name, device, EncoderPrecision::F32);
        let mut found = f32::NAN;
        let take = |_, vectors: &[f32]| {
            found = encoder.head().unwrap().score(vectors)?;
            Ok(())
        };
        encoder.encode(&[Text { tokens: &texts[0], second }], take).unwrap();
        assert!((found - score).abs() < 1e-4 * score.abs().max(1.0), "{name}: {found}, not {score}");
    }
}

#[test]
fn vectors_and_scores_are_those_of_the_reference_on_the_cpu() {
    agrees_with_the_reference(&cpu());
}

#[test]
fn eight_bits_are_near() {
    for name in FAMILIES {
        let reference = reference(name);
        let encoder = load(name, &cpu(), EncoderPrecision::Int8);
        assert_eq!(encoder.precision(), EncoderPrecision::Int8);
        let found = vectors(&encoder, &reference.texts);
        for (right, found) in reference.vectors.iter().zip(&found) {
            let (right, found) = (Pooling::Mean.pool(right, 32), Pooling::Mean.pool(found, 32));
            let cosine = cosine(&right, &found);
            // Random weights of 32 columns have nothing that averages errors out; the benchmarks say what real ones lose.
            assert!(cosine > 0.98 && cosine < 1.0 - 1e-9, "{name}: {cosine}");
        }
    }
}

#[test]
fn a_text_has_the_same_bits_whatever_is_read_with_it() {
    for name in FAMILIES {
        for precision in [EncoderPrecision::F32, EncoderPrecision::Int8] {
            let encoder = load(name, &cpu(), precision);
            let texts: Vec<Vec<u32>> = (1..30).map(|n| (0..n).map(|i| (i * 7 + n * 3) as u32 % 60).collect()).collect();
            let together = vectors(&encoder, &texts);
            for (text, together) in texts.iter().zip(&together) {
                let alone = vectors(&encoder, std::slice::from_ref(text));
                assert!(
                    alone[0].iter().zip(together).all(|(a, b)| a.to_bits() == b.to_bits()),
                    "{name}, {precision:?}"
                );
            }
        }
    }
}

#[test]
fn poolings_are_what_they_say() {
    let vectors = [1.0, 5.0, 3.0, -1.0, 2.0, 2.0];
    for (pooling, right) in [
        (Pooling::Mean, [2.0, 2.0]),
        (Pooling::Cls, [1.0, 5.0]),
        (Pooling::Max, [3.0, 5.0]),
        (Pooling::Last, [2.0, 2.0]),
    ] {
        assert_eq!(pooling.pool(&vectors, 2), right, "{pooling:?}");
    }
}

/// A BERT that says which letters a text has: random weights mix them up, so most of them are zero.
fn letters() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("bert"), folder.path());
    let path = folder.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let tensors: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes[8..header]).unwrap();
    let left_out = |name: &str| name.ends_with("output.dense.weight") || name.contains("position_embeddings");
    for (_, tensor) in tensors.iter().filter(|(name, _)| left_out(name)) {
        let end = |i: usize| header + tensor["data_offsets"][i].as_u64().unwrap() as usize;
        bytes[end(0)..end(1)].fill(0);
    }
    std::fs::write(&path, bytes).unwrap();
    folder
}

#[test]
fn embedders_and_rerankers_keep_their_contracts() {
    let folder = letters();
    for precision in [EncoderPrecision::F32, EncoderPrecision::Int8] {
        let embedder = LocalEmbedder::open_on(folder.path(), &cpu(), precision).unwrap();
        block_on(embedder_suite(&embedder));
    }
    for name in SCORING {
        let reranker = LocalReranker::open_on(fixture(name), &cpu(), EncoderPrecision::F32).unwrap();
        block_on(reranker_suite(&reranker));
    }
}

#[test]
fn what_a_model_says_of_itself_is_kept_to() {
    let embedder = |name: &str| LocalEmbedder::open_on(fixture(name), &cpu(), EncoderPrecision::F32).unwrap();
    let bert = embedder("bert");
    let plain = |pooling, max_tokens| EmbedderSettings {
        pooling,
        query_prefix: String::new(),
        document_prefix: String::new(),
        max_tokens,
    };
    assert_eq!(*bert.settings(), plain(Pooling::Mean, 24));
    assert_eq!(*embedder("bert.gguf").settings(), plain(Pooling::Mean, 40));
    let modern = embedder("modernbert");
    let prefixes = (modern.settings().query_prefix.as_str(), modern.settings().document_prefix.as_str());
    assert_eq!((modern.settings().pooling, prefixes), (Pooling::Cls, ("q: ", "d: ")));
    let embed = |text: &str, role| block_on(modern.embed(&[text], role)).unwrap().remove(0).into_vec();
    let unsaid = LocalEmbedder::open_with(fixture("modernbert"), &cpu(), EncoderPrecision::F32, |settings| {
        (settings.query_prefix, settings.document_prefix) = Default::default();
    });
    let said = block_on(unsaid.unwrap().embed(&["q: a text"], EmbedRole::Document)).unwrap().remove(0).into_vec();
    assert_eq!(embed("a text", EmbedRole::Query), said);
    assert_ne!(embed("a text", EmbedRole::Document), said);

    // The same model in both forms, and in another folder.
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("bert"), folder.path());
    let moved = LocalEmbedder::open_on(folder.path(), &cpu(), EncoderPrecision::F32).unwrap();
    assert_eq!(moved.info(), bert.info());
    let eight = LocalEmbedder::open_on(folder.path(), &cpu(), EncoderPrecision::Int8).unwrap();
    assert_ne!(eight.info().id, bert.info().id);
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => {
                std::fs::create_dir(&target).unwrap();
                copy(&entry.path(), &target);
            }
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn long_texts_are_read_to_where_the_model_sees() {
    let embedder = LocalEmbedder::open_on(fixture("bert"), &cpu(), EncoderPrecision::F32).unwrap();
    let embed = |text: &str| block_on(embedder.embed(&[text], EmbedRole::Document)).unwrap().remove(0).into_vec();
    let words = "a bc d ".repeat(40);
    assert_eq!(embed(&words), embed(&"a bc d ".repeat(2_000_000)));
    // Nothing but space, far beyond what is read at first.
    assert_eq!(embed(&" ".repeat(100_000)), embed(""));
    assert_eq!(embed(&format!("{}a", " ".repeat(100_000))), embed("a"));
}

#[test]
fn damaged_models_are_refused() {
    let with = |change: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        copy(&fixture("bert"), folder.path());
        change(folder.path());
        LocalEmbedder::open_on(folder.path(), &cpu(), EncoderPrecision::F32)
    };
    let write = |folder: &Path, name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let dense = r#"[{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]"#;
    let error = with(&|folder| write(folder, "modules.json", dense)).unwrap_err();
    assert!(matches!(&error, Error::UnsupportedType { found, .. } if found == "Dense"), "{error}");
    let two = r#"{"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true}"#;
    let error = with(&|folder| write(folder, "1_Pooling/config.json", two)).unwrap_err();
    assert!(matches!(error, Error::UnsupportedType { .. }), "{error}");
    let error = with(&|folder| write(folder, "modules.json", "{")).unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    let more =
        std::fs::read_to_string(fixture("bert/tokenizer.json")).unwrap().replace("\"a\": 4", "\"a\": 4, \"zz\": 64");
    let error = with(&|folder| write(folder, "tokenizer.json", &more)).unwrap_err();
    assert!(error.to_string().contains("65 tokens, and the model embeddings for 64"), "{error}");
    assert!(LocalReranker::open_on(fixture("bert"), &cpu(), EncoderPrecision::F32).is_err(), "it scores nothing");

    // Weights that are no numbers are found in the vector.
    let poisoned = with(&|folder| {
        let path = folder.join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[header..].as_chunks_mut().0.iter_mut().step_by(50).for_each(|to| *to = f32::NAN.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
    });
    let error = block_on(poisoned.unwrap().embed(&["a"], EmbedRole::Document)).unwrap_err();
    assert!(matches!(error, nootropic_core::Error::NoDirection { .. }), "{error}");
}

#[test]
fn texts_that_cannot_be_read_are_errors() {
    let encoder = load("bert", &cpu(), EncoderPrecision::F32);
    let read = |tokens: &[u32]| encoder.encode(&[Text::one(&[1]), Text::one(tokens)], |_, _| Ok(())).unwrap_err();
    assert!(matches!(read(&[]), Error::Invalid { .. }));
    assert!(matches!(read(&[64]), Error::Invalid { .. }));
    assert!(matches!(read(&[1; 41]), Error::TooLong { got: 41, max: 40 }));
    assert_eq!(read(&[1; 41]).kind(), ErrorKind::TooLarge);
}

#[test]
fn a_static_embedder_is_distilled_and_keeps_its_contract() {
    let folder = letters();
    let out = folder.path().join("static");
    let mut reports = Vec::new();
    let report = |_, done, all| {
        reports.push((done, all));
        ControlFlow::Continue(())
    };
    let distilled =
        Distillation { dimensions: 16, ..Distillation::default() }.run(folder.path(), &out, &cpu(), report).unwrap();
    // All but those that begin, end, pad or stand for others.
    assert_eq!((distilled.tokens, distilled.dimensions, reports.last()), (60, 16, Some(&(60, 60))));
    assert!((0.5..=1.0).contains(&distilled.variance), "{distilled:?}");
    let embedder = LocalEmbedder::open_on(&out, &cpu(), EncoderPrecision::F32).unwrap();
    assert_eq!(embedder.info().dim, 16);
    block_on(embedder_suite(&embedder));
    let embed = |text: &str| block_on(embedder.embed(&[text], EmbedRole::Document)).unwrap().remove(0).into_vec();
    assert!(cosine(&embed("a b"), &embed("b a")) > 0.9999, "it is a sum");
    assert_eq!(embed("\u{4e16}"), embed(""), "what it does not know says nothing");

    let other = folder.path().join("other");
    let more = Distillation::default().run(folder.path(), &other, &cpu(), |_, _, _| ControlFlow::Continue(()));
    assert!(more.unwrap_err().to_string().contains("256 dimensions of an encoder that has 32"));
    let small = Distillation { dimensions: 8, ..Distillation::default() };
    let exists = small.run(folder.path(), &out, &cpu(), |_, _, _| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(exists, Error::Io { .. }), "nothing is overwritten: {exists}");
    let stopped = small.run(folder.path(), &other, &cpu(), |_, _, _| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(stopped, Error::Cancelled) && !other.exists());
}

/// Vectors of a table as Model2Vec's own code computes them.
#[derive(Deserialize)]
struct TableReference {
    texts: Vec<String>,
    vectors: Vec<Vec<f32>>,
}

#[test]
fn static_embedders_are_those_of_the_reference() {
    for name in ["static", "static_plain"] {
        let reference: TableReference =
            serde_json::from_slice(&std::fs::read(fixture(&format!("{name}.json"))).unwrap()).unwrap();
        let embedder = LocalEmbedder::open_on(fixture(name), &cpu(), EncoderPrecision::F32).unwrap();
        for (text, right) in reference.texts.iter().zip(&reference.vectors) {
            let found = block_on(embedder.embed(&[text], EmbedRole::Document)).unwrap().remove(0).into_vec();
            assert!(apart(right, &found) < 1e-4, "{name}: {text}");
        }
    }
}

#[test]
fn damaged_tables_are_refused() {
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let folder = tempfile::tempdir().unwrap();
        copy(&fixture("static"), folder.path());
        let path = folder.path().join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        LocalEmbedder::open_on(folder.path(), &cpu(), EncoderPrecision::F32)
    };
    let renamed = |from: &[u8], to: &[u8]| {
        let (from, to) = (from.to_vec(), to.to_vec());
        move |bytes: &mut Vec<u8>| {
            let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
            bytes[at..at + from.len()].copy_from_slice(&to);
        }
    };
    assert!(with(&|_| ()).is_ok());
    let missing = with(&renamed(b"\"embeddings\"", b"\"embeddingz\"")).unwrap_err();
    assert!(matches!(missing, Error::MissingTensor { .. }), "{missing}");
    let mapping = with(&|bytes| {
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let tensors: serde_json::Value = serde_json::from_slice(&bytes[8..header]).unwrap();
        let start = header + tensors["mapping"]["data_offsets"][0].as_u64().unwrap() as usize;
        bytes[start + 40..start + 44].fill(0x7F); // of a token in the middle
    });
    let mapping = mapping.unwrap_err();
    assert!(mapping.to_string().contains("rows, and a token of row"), "{mapping}");
}
