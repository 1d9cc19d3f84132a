//! Every family computes what its reference computes, on every device, however its prompt is cut.

use std::path::PathBuf;
use std::sync::OnceLock;

use serde::Deserialize;

use super::*;
use crate::{Device, Error, ModelFile, OpenDevice, SyntheticModel};

/// Tokens, and the logits of the reference after each of them.
#[derive(Deserialize)]
struct Reference {
    tokens: Vec<u32>,
    logits: Vec<f32>,
    /// The same for the first tokens, in a context no longer than the original one.
    #[serde(default)]
    short: Vec<f32>,
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch").join(name)
}

fn reference(family: &str) -> Reference {
    serde_json::from_slice(&std::fs::read(fixture(&format!("{family}.json"))).unwrap()).unwrap()
}

/// Burn on the CPU. How our own operations compare with the reference is tested where they are.
fn burn() -> OpenDevice {
    OpenDevice::reference()
}

/// Both ways to compute on the CPU.
fn both() -> [OpenDevice; 2] {
    [burn(), Device::Cpu.open(None).unwrap()]
}

/// The adapter of this machine, if it has one: a software adapter will do. If not, the test that needs it says that it is not
/// run; where every test has to run, in continuous integration and in `make test`, it fails.
fn wgpu() -> Option<OpenDevice> {
    static DEVICE: OnceLock<Option<OpenDevice>> = OnceLock::new();
    let open = || match Device::Wgpu.open(None) {
        Ok(device) => Some(device),
        Err(error) => {
            let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            let required = ["CI", "NOOTROPIC_REQUIRE_WGPU"].into_iter().find(set);
            assert!(required.is_none(), "{error}; {} asks for every test to run", required.unwrap_or_default());
            eprintln!("NOT RUN: {error}");
            None
        }
    };
    DEVICE.get_or_init(open).clone()
}

fn load(name: &str, device: &OpenDevice) -> Transformer {
    Transformer::load(&ModelFile::open(fixture(name)).unwrap(), device).unwrap()
}

/// How far logits are apart, as a share of the largest.
fn apart(right: &[f32], found: &[f32]) -> f32 {
    assert_eq!(right.len(), found.len());
    let largest = right.iter().fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
    right.iter().zip(found).fold(0.0_f32, |most, (right, found)| most.max((right - found).abs())) / largest
}

fn assert_close(what: &str, right: &[f32], found: &[f32]) {
    assert!(found.iter().all(|logit| logit.is_finite()), "{what}");
    let apart = apart(right, found);
    assert!(apart < 1e-3, "{what}: off by {apart} of the largest logit");
}

fn agrees(file: &str, device: &OpenDevice) {
    let family = file.trim_end_matches(".gguf");
    let reference = reference(family);
    let model = load(file, device);
    assert_eq!(model.unknown_tensors(), <&[String]>::default());
    let logits = model.session(model.context()).unwrap().feed(&reference.tokens, Logits::All).unwrap();
    assert_close(file, &reference.logits, &logits);
    if !reference.short.is_empty() {
        let tokens = &reference.tokens[..reference.short.len() / model.vocabulary()];
        let logits = model.session(tokens.len()).unwrap().feed(tokens, Logits::All).unwrap();
        assert_close(&format!("{file}, short context"), &reference.short, &logits);
    }
}

/// The likeliest tokens, one after the other, when the prompt is fed in these pieces.
fn greedy(model: &Transformer, pieces: &[&[u32]], count: usize) -> Vec<u32> {
    let mut session = model.session(model.context()).unwrap();
    let (last, before) = pieces.split_last().unwrap();
    for piece in before {
        assert!(session.feed(piece, Logits::None).unwrap().is_empty());
    }
    let mut logits = session.feed(last, Logits::Last).unwrap();
    let mut text = Vec::new();
    for _ in 0..count {
        let likeliest = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0 as u32;
        text.push(likeliest);
        logits = session.feed(&[likeliest], Logits::Last).unwrap();
    }
    text
}

fn pieces_do_not_matter(file: &str, device: &OpenDevice) {
    let model = load(file, device);
    let tokens = reference(file.trim_end_matches(".gguf")).tokens;
    let whole = greedy(&model, &[&tokens], 24);
    let single: Vec<&[u32]> = tokens.chunks(1).collect();
    assert_eq!(greedy(&model, &single, 24), whole, "{file}, token by token");
    let (first, rest) = tokens.split_at(7);
    assert_eq!(greedy(&model, &[first, &[], rest], 24), whole, "{file}, in two pieces");
}

macro_rules! families {
    ($($family:ident: $($file:literal)*;)*) => {$(
        mod $family {
            use super::*;

            #[test]
            fn on_burn() {
                $(agrees($file, &burn());)*
            }

            #[test]
            fn on_wgpu() {
                if let Some(device) = wgpu() {
                    $(agrees($file, &device);)*
                }
            }

            #[test]
            fn in_pieces() {
                $(pieces_do_not_matter($file, &burn());)*
            }
        }
    )*};
}

families! {
    llama: "llama.gguf" "llama";
    mistral: "mistral";
    qwen2: "qwen2.gguf" "qwen2";
    qwen3: "qwen3.gguf" "qwen3";
    qwen3_moe: "qwen3_moe.gguf" "qwen3_moe";
    gemma2: "gemma2.gguf" "gemma2";
    gemma3: "gemma3.gguf" "gemma3";
    phi3: "phi3.gguf" "phi3";
    starcoder2: "starcoder2.gguf" "starcoder2";
    smollm3: "smollm3.gguf" "smollm3";
}

#[test]
fn in_pieces_on_wgpu() {
    if let Some(device) = wgpu() {
        pieces_do_not_matter("gemma3.gguf", &device);
        pieces_do_not_matter("qwen3_moe.gguf", &device);
    }
}

#[test]
fn last_logits_are_the_last_of_all() {
    for device in both() {
        let model = load("llama.gguf", &device);
        let tokens = reference("llama").tokens;
        let all = model.session(64).unwrap().feed(&tokens, Logits::All).unwrap();
        let last = model.session(64).unwrap().feed(&tokens, Logits::Last).unwrap();
        assert_close("last", &all[all.len() - model.vocabulary()..], &last);
    }
}

#[test]
fn sessions_grow_past_their_first_room_and_rewind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    SyntheticModel { columns: 64, head_columns: 16, feed_forward: 64, ..SyntheticModel::tiny() }.write(&path).unwrap();
    for device in both() {
        let model = Transformer::load(&ModelFile::open(&path).unwrap(), &device).unwrap();
        let tokens: Vec<u32> = (0..500).map(|i| (i * i + 7) % 512).collect();
        let mut whole = model.session(512).unwrap();
        let right = whole.feed(&tokens, Logits::Last).unwrap();
        let mut cut = model.session(512).unwrap();
        for piece in tokens.chunks(200) {
            cut.feed(piece, Logits::None).unwrap();
        }
        cut.feed(&[1, 2, 3], Logits::Last).unwrap();
        cut.rewind(499);
        assert_eq!((cut.len(), cut.is_empty(), cut.context()), (499, false, 512));
        assert_close("after a rewind", &right, &cut.feed(&tokens[499..], Logits::Last).unwrap());
    }
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_appended() {
    for device in both() {
        let model = load("llama.gguf", &device);
        assert!(matches!(model.session(65), Err(Error::TooLong { got: 65, max: 64 })));
        let mut session = model.session(4).unwrap();
        session.feed(&[1, 2], Logits::None).unwrap();
        assert!(matches!(session.feed(&[1, 2, 3], Logits::Last), Err(Error::TooLong { got: 5, max: 4 })));
        let error = session.feed(&[1, 64], Logits::Last).unwrap_err();
        assert_eq!(error.to_string(), "session: token 64 is none of 64");
        assert_eq!(session.len(), 2);
        assert_eq!(session.feed(&[1, 2], Logits::Last).unwrap().len(), 64);
        assert_eq!(session.feed(&[], Logits::Last).unwrap(), [0.0; 0]);
    }
}

#[test]
fn a_panic_below_is_an_error() {
    let error = guard::guard("a test", "the CPU", || -> crate::Result<()> { panic!("lost\u{7}") }).unwrap_err();
    assert_eq!(error.to_string(), "a test on the CPU failed: lost\\u{7}");
}

/// In a process of its own: a lost device stays lost.
#[test]
fn a_lost_device_is_an_error() {
    const CHILD: &str = "NOOTROPIC_TEST_LOSES_DEVICE";
    let Some(device) = wgpu() else { return };
    if std::env::var_os(CHILD).is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "forward::tests::a_lost_device_is_an_error"]).env(CHILD, "1");
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let model = load("llama.gguf", &device);
    let mut session = model.session(8).unwrap();
    assert_eq!(session.feed(&[1, 2], Logits::Last).unwrap().len(), 64);
    OpenDevice::lose_wgpu();
    // While it generates, and while a model is loaded onto it.
    let generating = session.feed(&[3], Logits::Last).unwrap_err();
    assert!(matches!(generating, Error::Device { .. }), "{generating}");
    let loading = Transformer::load(&ModelFile::open(fixture("llama.gguf")).unwrap(), &device)
        .and_then(|model| model.session(8)?.feed(&[1], Logits::Last));
    let loading = loading.unwrap_err();
    assert!(matches!(loading, Error::Device { .. }), "{loading}");
}

#[test]
fn encoders_are_those_of_the_reference_on_burn() {
    crate::embed::tests::agrees_with_the_reference(&burn());
}

#[test]
fn encoders_are_those_of_the_reference_on_wgpu() {
    if let Some(device) = wgpu() {
        crate::embed::tests::agrees_with_the_reference(&device);
    }
}
