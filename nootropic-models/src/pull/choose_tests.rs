use super::*;
use crate::pull::digest::Digest;

fn files(names: &[(&str, u64)]) -> Vec<HubFile> {
    names
        .iter()
        .map(|(path, size)| HubFile { path: (*path).into(), size: *size, digest: Digest::Sha256([0; 32]) })
        .collect()
}

fn chosen(names: &[(&str, u64)], wanted: Option<&str>) -> Result<(Vec<String>, Vec<String>), PullError> {
    let (chosen, others) = choose(files(names), wanted, &"https://hub.example".parse().unwrap(), "o/n")?;
    let paths = chosen.files.into_iter().map(|file| file.path).collect();
    Ok((paths, others.into_iter().map(|other| other.choice).collect()))
}

const GGUF: &[(&str, u64)] = &[
    ("README.md", 1),
    ("m-f16.gguf", 100),
    ("m-q8_0.gguf", 50),
    ("m-q4_k_m.gguf", 25),
    ("m-IQ2_XS.gguf", 10),
    ("mmproj-m-f16.gguf", 9),
    ("m.imatrix.gguf", 9),
    ("big/m-Q6_K-00002-of-00002.gguf", 20),
    ("big/m-Q6_K-00001-of-00002.gguf", 20),
];

#[test]
fn without_a_word_the_usual_quantization_is_taken() {
    let (paths, others) = chosen(GGUF, None).unwrap();
    assert_eq!(paths, ["m-q4_k_m.gguf"]);
    assert_eq!(others, ["Q8_0", "Q6_K", "F16", "IQ2_XS"]);
    assert_eq!(chosen(&[("only.gguf", 3), ("x.json", 1)], None).unwrap().0, ["only.gguf"]);
}

#[test]
fn a_choice_is_a_quantization_a_file_or_a_path() {
    for (wanted, expected) in [
        ("Q8_0", "m-q8_0.gguf"),
        ("q8_0", "m-q8_0.gguf"),
        ("m-f16.gguf", "m-f16.gguf"),
        ("M-F16.GGUF", "m-f16.gguf"),
        ("big/m-Q6_K-00001-of-00002.gguf", "big/m-Q6_K-00002-of-00002.gguf"),
        ("m-Q6_K-00002-of-00002.gguf", "big/m-Q6_K-00002-of-00002.gguf"),
    ] {
        assert_eq!(chosen(GGUF, Some(wanted)).unwrap().0[0], expected, "{wanted}");
    }
    let split = ["big/m-Q6_K-00002-of-00002.gguf", "big/m-Q6_K-00001-of-00002.gguf"];
    assert_eq!(chosen(GGUF, Some("Q6_K")).unwrap().0, split, "whole, and the part that stands for it last");
}

#[test]
fn what_is_not_there_is_answered_with_what_is() {
    let error = chosen(GGUF, Some("Q3_K_L")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "https://hub.example:443 has no file o/n:Q3_K_L; it has: Q4_K_M, Q8_0, Q6_K, F16, IQ2_XS"
    );
    let twice = chosen(&[("a-Q8_0.gguf", 1), ("b-Q8_0.gguf", 1)], Some("Q8_0")).unwrap_err();
    assert!(twice.to_string().contains("2 models: a-Q8_0.gguf, b-Q8_0.gguf"), "{twice}");
    assert!(chosen(&[("README.md", 1)], None).unwrap_err().to_string().contains("neither GGUF"));
    let torn = chosen(&[("m-00001-of-00003.gguf", 1), ("m-00003-of-00003.gguf", 1)], None).unwrap_err();
    assert!(torn.to_string().contains("only 2 of its 3 parts"), "{torn}");
}

#[test]
fn a_folder_of_safetensors_comes_with_what_it_needs_its_config_last() {
    let single = &[
        ("config.json", 1),
        ("model.safetensors", 9),
        ("tokenizer.json", 2),
        ("pytorch_model.bin", 9),
        ("onnx/model.onnx", 9),
    ];
    assert_eq!(chosen(single, None).unwrap().0, ["model.safetensors", "tokenizer.json", "config.json"]);
    let split = &[
        ("config.json", 1),
        ("consolidated.safetensors", 9),
        ("model-00002-of-00002.safetensors", 9),
        ("model-00001-of-00002.safetensors", 9),
        ("model.safetensors.index.json", 9),
    ];
    assert_eq!(
        chosen(split, None).unwrap().0,
        [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "config.json"
        ]
    );
    let torn = &[("config.json", 1), ("model-00002-of-00002.safetensors", 9)];
    assert!(chosen(torn, None).unwrap_err().to_string().contains("parts"));
    assert!(chosen(&[("model.safetensors", 9)], None).is_err(), "nothing says what the weights are of");
    let both = &[("config.json", 1), ("model.safetensors", 9), ("m-Q4_0.gguf", 5)];
    assert_eq!(chosen(both, None).unwrap(), (vec!["m-Q4_0.gguf".into()], vec!["safetensors".into()]));
    assert_eq!(chosen(both, Some("safetensors")).unwrap().0.len(), 2);
}
