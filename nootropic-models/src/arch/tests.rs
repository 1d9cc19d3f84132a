//! Ropes are those of the reference; configurations are checked before they are believed.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::*;
use crate::{Error, Gguf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch").join(name)
}

/// A published model with another configuration.
fn published(family: &str, change: impl FnOnce(&mut Map<String, Value>)) -> crate::Result<Decoder> {
    let folder = tempfile::tempdir().unwrap();
    let mut config = serde_json::from_slice(&std::fs::read(fixture(family).join("config.json")).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(folder.path().join("config.json"), serde_json::to_vec(&config).unwrap()).unwrap();
    std::fs::copy(fixture(family).join("model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    ModelFile::open(folder.path()).unwrap().describe().map(|(decoder, _)| decoder)
}

/// A GGUF file in which the four bytes after a key's type are others.
fn gguf(family: &str, key: &str, value: [u8; 4]) -> crate::Result<Decoder> {
    patched(family, |bytes| {
        let start = position(bytes, key) + key.len() + 4;
        bytes[start..start + 4].copy_from_slice(&value);
    })
}

fn patched(family: &str, patch: impl FnOnce(&mut Vec<u8>)) -> crate::Result<Decoder> {
    let mut bytes = std::fs::read(fixture(family)).unwrap();
    patch(&mut bytes);
    let file = ModelFile::Gguf(Gguf::from_bytes("m.gguf", bytes).unwrap());
    file.describe().map(|(decoder, _)| decoder)
}

fn position(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
}

#[test]
fn ropes_have_the_frequencies_of_the_reference() {
    let ropes: Map<String, Value> = serde_json::from_slice(&std::fs::read(fixture("rope.json")).unwrap()).unwrap();
    assert_eq!(ropes.len(), 6);
    let file = ModelFile::open(fixture("llama")).unwrap();
    for (name, rope) in ropes {
        let config =
            json!({"model_type": "llama", "max_position_embeddings": 16_384, "rope_parameters": rope["config"]});
        let config = config::Config::published("config.json".into(), config.as_object().unwrap().clone()).unwrap();
        let found = scaling::read(&config, &names::Names::of(&file, &[]), Pairs::Halves, 32).unwrap();
        let numbers = |key: &str| -> Vec<f32> { serde_json::from_value(rope[key].clone()).unwrap() };
        let close = |right: &[f32], found: &[f32]| {
            right.len() == found.len() && right.iter().zip(found).all(|(a, b)| (a - b).abs() <= 1e-5 * a.abs())
        };
        assert!(close(&numbers("frequencies"), &found.frequencies), "{name}: {:?}", found.frequencies);
        let long = found.long.as_ref().map_or(&found.frequencies, |(_, long)| long);
        assert!(close(&numbers("long"), long), "{name}: {long:?}");
        assert!((rope["magnitude"].as_f64().unwrap() as f32 - found.magnitude).abs() < 1e-5, "{name}");
    }
}

#[test]
fn older_configurations_say_the_same() {
    let older = published("llama", |config| {
        let mut rope = config.remove("rope_parameters").unwrap();
        let rope_theta = rope.as_object_mut().unwrap().remove("rope_theta").unwrap();
        config.insert("rope_theta".into(), rope_theta);
        config.insert("rope_scaling".into(), rope);
    });
    assert_eq!(older.unwrap(), published("llama", |_| {}).unwrap());

    let older = published("gemma3", |config| {
        config.remove("rope_parameters");
        config.remove("layer_types");
        config.insert("rope_theta".into(), json!(1e6));
        config.insert("rope_local_base_freq".into(), json!(1e4));
        config.insert("rope_scaling".into(), json!({"rope_type": "linear", "factor": 2.0}));
        config.insert("sliding_window_pattern".into(), json!(3));
    });
    assert_eq!(older.unwrap(), published("gemma3", |_| {}).unwrap());

    let inside = published("gemma3", |config| {
        let text = std::mem::take(config);
        *config = json!({"model_type": "gemma3", "text_config": text}).as_object().unwrap().clone();
    });
    assert_eq!(inside.unwrap(), published("gemma3", |_| {}).unwrap());
}

#[test]
fn both_forms_of_a_model_are_described_alike() {
    let families = ["llama", "qwen2", "qwen3", "qwen3_moe", "gemma2", "gemma3", "phi3", "starcoder2", "smollm3"];
    for family in families {
        let published = published(family, |_| {}).unwrap();
        let mut gguf = patched(&format!("{family}.gguf"), |_| {}).unwrap();
        assert_eq!(gguf.ropes.len(), published.ropes.len(), "{family}");
        for (gguf, published) in gguf.ropes.iter_mut().zip(&published.ropes) {
            let turned = gguf.pairs == Pairs::Consecutive;
            assert_eq!(turned, matches!(family, "llama" | "smollm3"), "{family}");
            let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-6 * a.abs());
            assert!(close(&gguf.frequencies, &published.frequencies), "{family}");
            assert_eq!(gguf.long.is_some(), published.long.is_some(), "{family}");
            *gguf = published.clone();
        }
        gguf.norm_shift = published.norm_shift; // part of the weights in one form, of the computation in the other
        assert_eq!(gguf, published, "{family}");
    }
}

/// A change to `config.json` that makes no model, and what is said of it.
type Wrong = (&'static str, Value, &'static str);

const CONFIG: &str = "config.json";

#[test]
fn wrong_configurations_are_refused() {
    let wrong: &[Wrong] = &[
        ("model_type", json!("mamba"), "is a model of architecture mamba; llama, mistral,"),
        ("model_type", json!(7), "has no metadata key model_type"),
        ("hidden_size", Value::Null, "has no metadata key hidden_size"),
        ("hidden_size", json!("32"), "key hidden_size: \"32\" where a number is needed"),
        ("hidden_size", json!(32.5), "key hidden_size: 32.5 where a whole number is needed"),
        ("hidden_size", json!(-32), "key hidden_size: -32, not 1 to 262144"),
        ("num_hidden_layers", json!(0), "key num_hidden_layers: 0, not 1 to 1024"),
        ("num_hidden_layers", json!(u64::MAX), "key num_hidden_layers: 18446744073709551615, not 1 to 1024"),
        ("num_attention_heads", json!(0), "key num_attention_heads: 0, not 1 to 4096"),
        ("num_key_value_heads", json!(3), "key num_key_value_heads: 4 heads cannot share 3"),
        ("head_dim", json!(7), "7 columns to rotate, not a number of pairs"),
        ("vocab_size", json!(65), "key vocab_size: 65, but there are 64 embeddings"),
        ("max_position_embeddings", json!(1_u64 << 60), "key max_position_embeddings: 1152921504606846976, not 1 to"),
        ("rms_norm_eps", json!(0.0), "key rms_norm_eps: 0, not a number above zero"),
        ("rms_norm_eps", json!(1e300), "key rms_norm_eps: inf, not a finite number"),
        ("rms_norm_eps", json!(5), "key rms_norm_eps: 5, more than any epsilon"),
        ("hidden_act", json!("relu"), "key hidden_act: relu where silu is needed"),
        ("num_local_experts", json!(8), "key num_local_experts: 8 where no experts"),
        ("tie_word_embeddings", json!("no"), "key tie_word_embeddings: \"no\" where true or false is needed"),
        (
            "rope_parameters",
            json!({"rope_type": "dynamic", "factor": 2.0}),
            "dynamic where linear, llama3, yarn or longrope",
        ),
        ("rope_parameters", json!({"rope_type": "linear"}), "has no metadata key rope_scaling.factor"),
        ("rope_parameters", json!({"rope_type": "linear", "factor": 0}), "factor is no finite number above zero"),
        (
            "rope_parameters",
            json!({"rope_type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 2}),
            "not above the slow one",
        ),
        (
            "rope_parameters",
            json!({"rope_type": "longrope", "short_factor": [1, 1]}),
            "short_factor is no list of 4 numbers",
        ),
    ];
    for (key, value, message) in wrong {
        let error = published("llama", |config| drop(config.insert((*key).into(), value.clone()))).unwrap_err();
        assert!(error.to_string().contains(message), "{key} = {value}: {error}");
        assert!(error.hint().is_some(), "{error}");
        assert!(error.to_string().contains(CONFIG), "{error}");
    }
    let heads = published("llama", |config| {
        config.remove("head_dim");
        config.insert("hidden_size".into(), json!(31));
    });
    let message = "key num_attention_heads: 31 columns are no whole number of 4 heads";
    assert!(heads.unwrap_err().to_string().ends_with(message));
    let layers = published("gemma3", |config| drop(config.insert("layer_types".into(), json!(["full_attention"]))));
    assert!(layers.unwrap_err().to_string().ends_with("key layer_types: 1 entries for 3 layers"));
    let kinds = json!(["full_attention", "chunked_attention", "full_attention"]);
    let layers = published("gemma3", |config| drop(config.insert("layer_types".into(), kinds)));
    assert!(matches!(layers, Err(Error::WrongType { .. })));
    let used = published("qwen3_moe", |config| drop(config.insert("num_experts_per_tok".into(), json!(5))));
    assert!(used.unwrap_err().to_string().ends_with("key num_experts_per_tok: 5, not 1 to 4"));
    let older = published("qwen3_moe", |config| {
        let count = config.remove("num_local_experts").unwrap();
        config.insert("num_experts".into(), count);
    });
    assert_eq!(older.unwrap(), published("qwen3_moe", |_| {}).unwrap());
    let dense = published("qwen3_moe", |config| drop(config.insert("mlp_only_layers".into(), json!([0]))));
    assert!(matches!(dense, Err(Error::WrongType { .. })));
}

#[test]
fn wrong_metadata_is_refused() {
    let number = u32::to_le_bytes;
    for (key, value, message) in [
        ("llama.block_count", number(0), "m.gguf, key llama.block_count: 0, not 1 to 1024"),
        ("llama.block_count", number(3), "m.gguf has no tensor blk.2.attn_q.weight"),
        ("llama.embedding_length", number(u32::MAX), "key llama.embedding_length: 4294967295, not 1 to 262144"),
        (
            "llama.embedding_length",
            number(16),
            "tensor token_embd.weight: dimensions [32, 64] where [16, 64] are needed",
        ),
        (
            "llama.feed_forward_length",
            number(47),
            "tensor blk.0.ffn_down.weight: dimensions [48, 32] where [47, 32] are",
        ),
        ("llama.attention.head_count", number(3), "key llama.attention.head_count_kv: 3 heads cannot share 2"),
        (
            "llama.attention.head_count_kv",
            number(4),
            "tensor blk.0.attn_k.weight: dimensions [32, 16] where [32, 32] are",
        ),
        ("llama.attention.value_length", number(4), "key llama.attention.value_length: 4 where keys have 8"),
        ("llama.rope.dimension_count", number(10), "key llama.rope.dimension_count: 10, not 2 to 8"),
        (
            "llama.rope.dimension_count",
            number(3),
            "key llama.rope.dimension_count: 3 columns to rotate, not a number of pairs",
        ),
        ("llama.rope.freq_base", (-1.0_f32).to_le_bytes(), "key llama.rope.freq_base: -1, not a number above zero"),
        ("llama.vocab_size", number(63), "key llama.vocab_size: 63, but there are 64 embeddings"),
    ] {
        let error = gguf("llama.gguf", key, value).unwrap_err().to_string();
        assert!(error.contains(message), "{key}: {error}");
    }
    let renamed = patched("llama.gguf", |bytes| {
        let start = position(bytes, "llama.context_length");
        bytes[start] = b'x';
    });
    assert_eq!(renamed.unwrap_err().to_string(), "m.gguf has no metadata key llama.context_length");
}

#[test]
fn unknown_tensors_are_listed_and_missing_ones_named() {
    let mut bytes = std::fs::read(fixture("llama.gguf")).unwrap();
    let start = position(&bytes, "output.weight");
    bytes[start..start + 6].copy_from_slice(b"outptu");
    let file = ModelFile::Gguf(Gguf::from_bytes("m.gguf", bytes).unwrap());
    // Without an output matrix the embeddings are one.
    let (decoder, weights) = file.describe().unwrap();
    assert!(decoder.tied);
    assert_eq!(weights.unknown, ["outptu.weight"]);

    let bytes = |bytes: &mut Vec<u8>| {
        let start = position(bytes, "blk.1.ffn_up.weight");
        bytes[start + 4] = b'2';
    };
    let error = patched("llama.gguf", bytes).unwrap_err();
    assert_eq!(error.to_string(), "m.gguf has no tensor blk.1.ffn_up.weight");
}

/// Whatever is believed fits the tensors that are there.
fn assert_sound(decoder: &Decoder) {
    assert_eq!((decoder.vocabulary, decoder.columns), (64, 32));
    assert!((1..=4).contains(&decoder.blocks.len()));
    for block in &decoder.blocks {
        let attention = &block.attention;
        assert!(attention.scale.is_finite() && attention.heads.is_multiple_of(attention.kv_heads));
        assert!(attention.rope.is_none_or(|rope| rope < decoder.ropes.len()));
    }
    for rope in &decoder.ropes {
        assert!(rope.frequencies.iter().all(|frequency| frequency.is_finite()), "{rope:?}");
    }
}

#[test]
fn no_byte_of_a_header_makes_it_panic() {
    for family in ["llama", "phi3", "qwen3_moe", "gemma3"] {
        let sound = std::fs::read(fixture(&format!("{family}.gguf"))).unwrap();
        let header = position(&sound, "token_embd.weight");
        let (mut believed, mut refused) = (0, 0);
        for index in 0..header {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = sound.clone();
                bytes[index] = value;
                let Ok(gguf) = Gguf::from_bytes("m.gguf", bytes) else { continue };
                match ModelFile::Gguf(gguf).describe() {
                    Ok((decoder, _)) => {
                        assert_sound(&decoder);
                        believed += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(believed > 100 && refused > 100, "{family}: {believed} believed, {refused} refused");
    }
}

#[test]
fn no_value_of_a_configuration_makes_it_panic() {
    let values = [
        Value::Null,
        json!(0),
        json!(-1),
        json!(1),
        json!(u64::MAX),
        json!(1e300),
        json!(1e-300),
        json!(true),
        json!("x"),
        json!([]),
        json!([1, "full_attention", null]),
        json!({}),
        json!({"rope_type": "yarn", "factor": 1e-30, "original_max_position_embeddings": 1, "rope_theta": 1}),
        json!({"rope_type": "llama3", "factor": 1e30, "original_max_position_embeddings": 1, "rope_theta": 1e38}),
    ];
    for family in ["llama", "phi3", "qwen2", "qwen3_moe", "gemma3", "starcoder2", "smollm3"] {
        let config: Map<String, Value> =
            serde_json::from_slice(&std::fs::read(fixture(family).join("config.json")).unwrap()).unwrap();
        for key in config.keys() {
            for value in &values {
                if let Ok(decoder) = published(family, |config| drop(config.insert(key.clone(), value.clone()))) {
                    assert_sound(&decoder);
                }
            }
        }
    }
}
