//! Mutated model files: no panic, and no more memory than the file's size and a constant.
//!
//! `NOOTROPIC_FUZZ` is how many files of each format are tried, `NOOTROPIC_FUZZ_SEED` which.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/allocations.rs"]
mod allocations;
mod common;

use allocations::peak_of;
use common::*;
use nootropic_models::{Budget, Gguf, GgufHeader, SafetensorsFile};

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
    let (runs, seed) = (setting("NOOTROPIC_FUZZ", 200_000), setting("NOOTROPIC_FUZZ_SEED", 1));
    let mut accepted = 0;
    for run in 0..runs {
        let mut random = Random(seed.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ run);
        let mut bytes = files[random.below(files.len())].clone();
        mutate(&mut bytes, &files[random.below(files.len())], &mut random);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&bytes)));
        let Ok((ok, peak)) = outcome else {
            panic!("run {run} of seed {seed} panicked: {}", hex(&bytes));
        };
        let allowed = bytes.len() as u64 + CONSTANT;
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
