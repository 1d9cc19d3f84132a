//! Damaged and hostile GGUF files are refused, with an error that says what is wrong and where. The attacks are those that
//! worked on other readers; each test names them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::*;
use nootropic_core::ErrorKind;
use nootropic_models::{Error, Gguf, Place};

/// Opens a file from memory and from disk; both must refuse it, alike.
#[track_caller]
fn refused(bytes: &[u8]) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    std::fs::write(&path, bytes).unwrap();
    let mapped = Gguf::open(&path).expect_err("the mapped file is refused");
    let error = Gguf::from_bytes("m.gguf", bytes).expect_err("the file is refused");
    assert_eq!(mapped.to_string().replace(path.to_str().unwrap(), "m.gguf"), error.to_string());
    let kinds = [ErrorKind::Corrupt, ErrorKind::TooLarge, ErrorKind::UnsupportedVersion, ErrorKind::Unsupported];
    assert!(kinds.contains(&error.kind()), "{error:?}");
    assert!(error.hint().is_some(), "{error:?}");
    error
}

#[track_caller]
fn malformed(raw: Raw, place: Place, problem: &str) {
    let error = refused(&raw.bytes());
    let Error::Malformed { place: at, problem: found, .. } = &error else { panic!("{error:?}") };
    assert!(*at == place && found.contains(problem), "{error}");
}

#[track_caller]
fn truncated(raw: Raw, place: Place) {
    let error = refused(&raw.bytes());
    assert!(matches!(&error, Error::Truncated { place: at, .. } if *at == place), "{error:?}");
}

#[track_caller]
fn over_limit(raw: Raw, place: Place, what: &str) {
    let error = refused(&raw.bytes());
    assert!(
        matches!(&error, Error::OverLimit { place: at, what: found, .. } if *at == place && *found == what),
        "{error:?}"
    );
}

fn key(name: &str) -> Place {
    Place::Key(name.into())
}

fn tensor(name: &str) -> Place {
    Place::Tensor(name.into())
}

#[test]
fn the_sound_file_is_read() {
    let gguf = Gguf::from_bytes("sound", sound().bytes()).unwrap();
    use_gguf(&gguf);
    assert_eq!(gguf.tensors().count(), 4);
    assert_eq!(gguf.metadata().len(), 17);
    let version_2 = Raw { version: Some(2), ..sound() };
    assert_eq!(Gguf::from_bytes("2", version_2.bytes()).unwrap().header().version(), 2);
}

#[test]
fn every_truncation_is_refused() {
    let whole = sound().bytes();
    for len in 0..whole.len() {
        let error = Gguf::from_bytes("cut", &whole[..len]).expect_err("a cut file is refused");
        assert!(matches!(error, Error::Truncated { .. }), "{len}: {error:?}");
    }
    for len in (0..whole.len()).step_by(37) {
        refused(&whole[..len]);
    }
}

#[test]
fn no_byte_can_be_changed_to_a_panic() {
    let whole = sound().bytes();
    for at in 0..whole.len() {
        for byte in [0x00, 0xFF, whole[at] ^ 0xFF, whole[at] ^ 1] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            if let Ok(gguf) = Gguf::from_bytes("changed", bytes) {
                use_gguf(&gguf);
            }
        }
    }
}

/// CVE-2024-23605: `n_kv · size` wrapped, and the allocation was too small. CVE-2024-21836: the same for `n_tensors`.
#[test]
fn counts_that_wrap() {
    for count in [u64::MAX, 1 << 63, 1 << 60, u64::MAX / 24 + 2, (64 << 10) + 1] {
        over_limit(Raw { key_count: Some(count), ..sound() }, Place::Offset(16), "metadata keys");
    }
    for count in [u64::MAX, 1 << 63, 1 << 58, u64::MAX / 88 + 2, (1 << 20) + 1] {
        over_limit(Raw { tensor_count: Some(count), ..sound() }, Place::Offset(8), "tensors");
    }
    truncated(Raw { key_count: Some(64 << 10), ..sound() }, Place::Offset(16));
    truncated(Raw { tensor_count: Some(1 << 20), ..sound() }, Place::Offset(8));
    // One key more than there are: the first tensor is read as a key, and ends in nonsense.
    refused(&Raw { key_count: Some(18), ..sound() }.bytes());
    refused(&Raw { tensor_count: Some(5), ..sound() }.bytes());
}

/// CVE-2024-23496: `length + 1` of a string wrapped. CVE-2025-66960: a string's length was believed.
#[test]
fn strings_that_wrap() {
    for length in [u64::MAX, u64::MAX - 8, 1 << 63, 1 << 32, (16 << 20) + 1] {
        let bad = [length.to_le_bytes().as_slice(), b"abcd"].concat();
        let start = Place::Offset(24);
        over_limit(Raw { keys: vec![bad.clone()], key_count: Some(1), ..sound() }, start, "bytes in a string");
        over_limit(Raw::new().key("k", STRING, &bad), key("k"), "bytes in a string");
        over_limit(Raw::new().key("k", ARRAY, array(STRING, 1, &bad)), key("k"), "bytes in a string");
        let raw = Raw { tensors: vec![[bad, vec![0; 64]].concat()], ..Raw::new() };
        over_limit(raw, Place::Offset(24), "bytes in a string");
    }
    truncated(Raw::new().key("k", STRING, (16_u64 << 20).to_le_bytes()), key("k"));
    truncated(
        Raw::new().key("k", STRING, 5_u64.to_le_bytes().into_iter().chain(*b"abcd").collect::<Vec<_>>()),
        key("k"),
    );
}

/// CVE-2024-21825: `count · size` of an array wrapped.
#[test]
fn arrays_that_wrap() {
    for (kind, size) in [(U8, 1), (2, 2), (U32, 4), (F32, 4), (U64, 8), (F64, 8), (STRING, 8)] {
        for count in [u64::MAX, 1 << 63, (u64::MAX / size).wrapping_add(1).max(1 << 60), u64::MAX / size, 1 << 40, 1000]
        {
            truncated(Raw::new().key("k", ARRAY, array(kind, count, &[0; 64])), key("k"));
        }
    }
}

/// CVE-2024-21802: the number of dimensions was believed. Division by a dimension of 0 ended other readers.
#[test]
fn dimensions_out_of_bounds() {
    for count in [0, 5, 6, 1000] {
        malformed(Raw::new().tensor("t", &vec![1; count], 0, 0).data(64), tensor("t"), "dimensions");
    }
    let mut raw = Raw::new().tensor("t", &[4, 4], 0, 0).data(64);
    raw.tensors[0][9..13].copy_from_slice(&u32::MAX.to_le_bytes());
    malformed(raw, tensor("t"), "4294967295 dimensions");
    for dims in [[0, 4, 4], [4, 0, 4], [4, 4, 0]] {
        malformed(Raw::new().tensor("t", &dims, 0, 0).data(64), tensor("t"), "a dimension is 0");
    }
}

/// CVE-2026-33298, GHSA-96jg-mvhq-q7q7: the product of the dimensions wrapped. llama.cpp #27200: so did the product of
/// elements and block size, before it was divided.
#[test]
fn sizes_that_wrap() {
    let (f32, q4_0, i8, q4_k) = (0, 2, 24, 12);
    let wrapping: [(&[u64], u32); 7] = [
        (&[1 << 32, 1 << 32], f32),
        (&[1 << 16, 1 << 16, 1 << 16, 1 << 16], f32),
        (&[1 << 31, 1 << 31], f32), // 2^62 numbers can be counted, their bytes cannot
        (&[u64::MAX, 2], i8),
        (&[1 << 63, 1 << 63, 2], i8),
        (&[1 << 60, 32], q4_0),
        (&[1 << 58, 1 << 10], q4_k),
    ];
    for (dims, kind) in wrapping {
        malformed(Raw::new().tensor("t", dims, kind, 0).data(64), tensor("t"), "overflow");
    }
    for (dims, kind) in [([1 << 63, 1], i8), ([u64::MAX, 1], i8), ([1 << 62, 2], q4_0), ([1 << 62, 2], q4_k)] {
        truncated(Raw::new().tensor("t", &dims, kind, 0).data(64), tensor("t"));
    }
    for columns in [1, 31, 33] {
        malformed(Raw::new().tensor("t", &[columns], q4_0, 0).data(64), tensor("t"), "no whole blocks of Q4_0");
    }
}

/// CVE-2025-53630: the sum of padded sizes wrapped. CVE-2026-27940: so did that sum and the bookkeeping of each tensor.
/// llama.cpp #24759: padding wrapped to 0.
#[test]
fn sums_that_wrap() {
    let i8 = 24;
    let huge = u64::MAX - 31;
    for (first, second) in [(huge, 64), (1 << 63, 1 << 63), (huge - 32, 96), (u64::MAX, 1)] {
        let raw = Raw::new().tensor("a", &[first], i8, 0).tensor("b", &[second], i8, first & !31).data(64);
        truncated(raw, tensor("a"));
        let raw = Raw::new().tensor("a", &[32], i8, 0).tensor("b", &[second], i8, huge).data(64);
        truncated(raw, tensor("b"));
    }
    let mut many = Raw::new().data(64);
    for i in 0..8 {
        many = many.tensor(&format!("t{i}"), &[1 << 61], i8, i << 61);
    }
    truncated(many, tensor("t0"));
}

/// CVE-2026-7482 "Bleeding Llama", CVE-2024-12055: a tensor past the end of the file was read, and with it the heap.
#[test]
fn tensors_outside_the_file() {
    let f32 = 0;
    for (count, offset) in [(17, 0), (16, 32), (1, 64), (1, 96), (1, 1 << 40), (1, u64::MAX - 31)] {
        truncated(Raw::new().tensor("t", &[count], f32, offset).data(64), tensor("t"));
    }
    truncated(Raw::new().tensor("t", &[1], f32, 0), Place::Offset(24 + 9 + 4 + 8 + 4 + 8)); // no data at all
    for offset in [1, 4, 16, 33, u64::MAX] {
        malformed(Raw::new().tensor("t", &[1], f32, offset).data(64), tensor("t"), "no multiple of the alignment");
    }
    for (a, b) in [(0, 0), (0, 32), (32, 0), (32, 64)] {
        let raw = Raw::new().tensor("a", &[16], f32, a).tensor("b", &[16], f32, b).data(256);
        let later = if a > b { "a" } else { "b" };
        malformed(raw, tensor(later), "overlaps");
    }
    Gguf::from_bytes("apart", Raw::new().tensor("a", &[16], f32, 64).tensor("b", &[16], f32, 0).data(128).bytes())
        .unwrap();
}

/// oss-security, May 2026: an alignment without bound.
#[test]
fn alignments_out_of_bounds() {
    for bad in [0, 1, 2, 4, 3, 24, 33, 128 << 10, 1 << 31, u32::MAX] {
        let raw = Raw::new().key("general.alignment", U32, bad.to_le_bytes()).tensor("t", &[1], 0, 0).data(64);
        malformed(raw, key("general.alignment"), "no power of two from 8 to 65536");
    }
    let wrong: [(u32, Vec<u8>); 4] = [
        (U64, 32_u64.to_le_bytes().into()),
        (5, 32_i32.to_le_bytes().into()),
        (STRING, string("32")),
        (ARRAY, array(U32, 1, &[32, 0, 0, 0])),
    ];
    for (kind, value) in wrong {
        malformed(Raw::new().key("general.alignment", kind, value), key("general.alignment"), "must be a u32");
    }
    for good in [8, 64, 64 << 10] {
        let raw =
            Raw { alignment: Some(good), ..Raw::new() }.key("general.alignment", U32, (good as u32).to_le_bytes());
        let gguf = Gguf::from_bytes("aligned", raw.tensor("t", &[2], 0, 0).data(8).bytes()).unwrap();
        assert_eq!(gguf.tensor("t").unwrap().data, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}

/// Arrays in arrays made readers recurse until their stack ended.
#[test]
fn nested_arrays() {
    let nested = [array(ARRAY, 1, &[]).repeat(100_000), array(U8, 1, &[1])].concat();
    malformed(Raw::new().key("k", ARRAY, nested), key("k"), "array of arrays");
    malformed(Raw::new().key("k", ARRAY, array(ARRAY, 0, &[])), key("k"), "array of arrays");
}

/// The last of two equal keys, or the first, depending on the reader: what one checks, another runs.
#[test]
fn equal_names() {
    let twice = |name: &str| Raw::new().key(name, U8, [1]).key("other", U8, [2]).key(name, U8, [3]);
    malformed(twice("tokenizer.chat_template"), key("tokenizer.chat_template"), "occurs twice");
    let raw = Raw::new().tensor("t", &[8], 0, 0).tensor("t", &[8], 0, 32).data(64);
    malformed(raw, tensor("t"), "occurs twice");
    malformed(Raw::new().key("", U32, [1; 4]), Place::Offset(24), "no name");
    malformed(Raw::new().tensor("", &[8], 0, 0).data(32), Place::Offset(24), "no name");
}

#[test]
fn values_that_are_none() {
    for number in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        malformed(Raw::new().key("k", F32, number.to_le_bytes()), key("k"), "not finite");
        malformed(Raw::new().key("k", F64, f64::from(number).to_le_bytes()), key("k"), "not finite");
    }
    let items = [1.0, f32::NAN].map(f32::to_le_bytes).concat();
    malformed(Raw::new().key("k", ARRAY, array(F32, 2, &items)), key("k"), "NaN");
    malformed(Raw::new().key("k", BOOL, [2]), key("k"), "neither 0 nor 1");
    malformed(Raw::new().key("k", ARRAY, array(BOOL, 2, &[1, 255])), key("k"), "neither 0 nor 1");
    for kind in [13, 255, u32::MAX] {
        malformed(Raw::new().key("k", kind, [0; 8]), key("k"), "no value type");
        malformed(Raw::new().key("k", ARRAY, array(kind, 1, &[0; 8])), key("k"), "no value type");
    }
    let not_utf8 = Raw { keys: vec![[string([0xFF, 0xFE]), U8.to_le_bytes().into(), vec![1]].concat()], ..Raw::new() };
    malformed(not_utf8, Place::Offset(24), "not UTF-8");
}

/// CVE-2026-21869: a negative number where a count was meant.
#[test]
fn numbers_of_the_wrong_sign_or_size() {
    let gguf = Gguf::from_bytes("m.gguf", sound().bytes()).unwrap();
    for name in ["a.i8", "a.i16", "a.i32", "a.i64"] {
        let error = gguf.metadata().get::<u32>(name).unwrap_err();
        assert!(matches!(&error, Error::WrongType { key, .. } if key == name), "{error:?}");
        assert!(gguf.metadata().get::<usize>(name).is_err());
    }
    let error = gguf.metadata().get::<u32>("a.u64").unwrap_err();
    assert_eq!(error.to_string(), "m.gguf, key a.u64: u64 1099511627776 where an unsigned 32-bit number is needed");
    assert_eq!(gguf.metadata().get::<u32>("a.u8").unwrap(), 200);
    assert_eq!(gguf.metadata().get::<i32>("a.i8").unwrap(), -128);
}

#[test]
fn other_files_are_named_for_what_they_are() {
    for (start, said) in [
        (&b"\x80\x02}q\x00."[..], "pickle"),
        (b"PK\x03\x04", "pickle"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "safetensors"),
        (b"\x1f\x8b\x08\x00", "no GGUF file"), // gzip: nothing is unpacked here
        (b"ggml", "no GGUF file"),
    ] {
        let error = refused(&[start, &[0; 64]].concat());
        assert!(error.to_string().contains(said), "{error}");
    }
    for version in [0, 1, 4, 1000, u32::MAX] {
        let error = refused(&Raw { version: Some(version), ..sound() }.bytes());
        assert!(matches!(error, Error::FormatVersion { found, .. } if found == version));
    }
    let raw = Raw { version: Some(3_u32.swap_bytes()), ..sound() };
    malformed(raw, Place::Offset(4), "big-endian");
    for kind in [4, 5, 31, 36, 43, 1000, u32::MAX] {
        let error = refused(&Raw::new().tensor("t", &[256], kind, 0).data(64).bytes());
        assert!(matches!(error, Error::UnsupportedType { .. }), "{error:?}");
    }
}

#[test]
fn names_are_fit_for_a_terminal() {
    let name = "\u{1b}]0;owned\u{7}".repeat(100);
    let error = refused(&Raw::new().key(&name, BOOL, [2]).bytes()).to_string();
    assert!(!error.contains(['\u{1b}', '\u{7}']) && error.len() < 1000, "{error}");
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Gguf::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(Gguf::open(folder.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    #[cfg(unix)]
    {
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert_eq!(Gguf::open(&pipe).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(Gguf::open("/dev/zero").unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_file_that_changes_while_it_is_open_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    let bytes = sound().bytes();
    // Cut short in place: what was mapped is no longer there.
    std::fs::write(&path, &bytes).unwrap();
    let gguf = Gguf::open(&path).unwrap();
    gguf.tensor("output_norm.weight").unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
    assert!(matches!(gguf.tensor("output_norm.weight"), Err(Error::Changed { .. })));
    assert_eq!(gguf.metadata().get::<u32>("llama.block_count").unwrap(), 2, "the header is a copy");
    // Replaced by another: the old one stays readable.
    std::fs::write(&path, &bytes).unwrap();
    let gguf = Gguf::open(&path).unwrap();
    std::fs::write(folder.path().join("new"), b"other").unwrap();
    std::fs::rename(folder.path().join("new"), &path).unwrap();
    use_gguf(&gguf);
}
