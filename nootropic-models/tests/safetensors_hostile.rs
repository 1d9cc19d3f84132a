//! Damaged and hostile safetensors files are refused, with an error that says what is wrong and where.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::*;
use nootropic_core::ErrorKind;
use nootropic_models::{Error, Place, Safetensors, SafetensorsFile, SafetensorsType, TensorType};

#[track_caller]
fn refused(bytes: &[u8]) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let mapped = SafetensorsFile::open(&path).expect_err("the mapped file is refused");
    let error = SafetensorsFile::from_bytes("m.safetensors", bytes).expect_err("the file is refused");
    assert_eq!(mapped.to_string().replace(path.to_str().unwrap(), "m.safetensors"), error.to_string());
    let kinds = [ErrorKind::Corrupt, ErrorKind::TooLarge, ErrorKind::Unsupported];
    assert!(kinds.contains(&error.kind()) && error.hint().is_some(), "{error:?}");
    error
}

#[track_caller]
fn malformed(header: &str, data: usize, place: Place, problem: &str) {
    let error = refused(&safetensors(header, data));
    let Error::Malformed { place: at, problem: found, .. } = &error else { panic!("{error:?}") };
    assert!(*at == place && found.contains(problem), "{error}");
}

fn tensor(name: &str) -> Place {
    Place::Tensor(name.into())
}

#[test]
fn the_sound_file_is_read() {
    let file = SafetensorsFile::from_bytes("m", sound_safetensors()).unwrap();
    use_safetensors(&file);
    assert_eq!(file.metadata().collect::<Vec<_>>(), [("format", "pt")]);
    let names: Vec<_> = file.tensors().map(|tensor| tensor.name).collect();
    assert_eq!(names, ["a", "b", "c", "none", "position_ids"]);
    let a = file.tensor("a").unwrap();
    assert_eq!((a.dtype, &*a.dims, a.data.len()), (TensorType::F32, &[3, 2][..], 24));
    assert_eq!(file.tensor("b").unwrap().dtype, TensorType::BF16);
    assert_eq!(&*file.tensor("c").unwrap().dims, [1], "a single number");
    let error = file.tensor("position_ids").unwrap_err();
    assert_eq!(error.to_string(), "m, tensor position_ids: type I64 cannot be read");
    assert!(matches!(file.tensor("none"), Err(Error::Invalid { .. })), "no numbers, no tensor");
    assert!(matches!(file.tensor("other"), Err(Error::MissingTensor { .. })));
    assert_eq!(file.tensors().nth(4).unwrap().dtype, SafetensorsType::I64);
}

#[test]
fn every_truncation_is_refused() {
    let whole = sound_safetensors();
    for len in 0..whole.len() {
        let error = SafetensorsFile::from_bytes("cut", &whole[..len]).expect_err("a cut file is refused");
        assert!(matches!(error, Error::Truncated { .. }), "{len}: {error:?}");
    }
    for len in (0..whole.len()).step_by(37) {
        refused(&whole[..len]);
    }
}

#[test]
fn no_byte_can_be_changed_to_a_panic() {
    let whole = sound_safetensors();
    for at in 0..whole.len() {
        for byte in [0x00, 0xFF, whole[at] ^ 0xFF, whole[at] ^ 1] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            if let Ok(file) = SafetensorsFile::from_bytes("changed", bytes) {
                use_safetensors(&file);
            }
        }
    }
}

#[test]
fn headers_longer_than_the_format_or_the_file_allow() {
    let with_length = |length: u64| [&length.to_le_bytes()[..], b"{}", &[0; 64]].concat();
    for length in [67, 1000, 99_999_999, 1 << 40, u64::MAX, u64::MAX - 7] {
        let error = refused(&with_length(length));
        assert!(matches!(error, Error::Truncated { .. }), "{length}: {error:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse.safetensors");
    std::fs::write(&path, with_length(100_000_001)).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(200_000_000).unwrap();
    let error = SafetensorsFile::open(&path).unwrap_err();
    assert!(matches!(error, Error::OverLimit { what: "bytes of header", .. }), "{error:?}");
}

/// What the audit of 2023 found, and what re-implementations got wrong since (mlx #3364): offsets that overlap, leave gaps
/// or run past the end; files that are two formats at once.
#[test]
fn data_that_is_not_covered_exactly_once() {
    let entry = |name: &str, count: u64, begin: u64, end: u64| {
        format!(r#""{name}":{{"dtype":"F32","shape":[{count}],"data_offsets":[{begin},{end}]}}"#)
    };
    let two = |a: String, b: String| format!("{{{a},{b}}}");
    let one = |a: String| format!("{{{a}}}");
    malformed(&two(entry("a", 2, 0, 8), entry("b", 2, 4, 12)), 12, tensor("b"), "overlaps");
    malformed(&two(entry("a", 2, 0, 8), entry("b", 2, 0, 8)), 8, tensor("b"), "overlaps");
    malformed(&two(entry("a", 2, 0, 8), entry("b", 2, 12, 20)), 20, tensor("b"), "4 bytes before it belong to none");
    malformed(&one(entry("a", 2, 8, 16)), 16, tensor("a"), "8 bytes before it");
    malformed(&one(entry("a", 2, 0, 8)), 9, Place::Offset(8), "1 bytes after the last tensor");
    malformed("{}", 1, Place::Offset(0), "1 bytes after");
    malformed(&one(entry("a", 2, 0, 12)), 12, tensor("a"), "are not the 8");
    malformed(&one(entry("a", 2, 8, 0)), 8, tensor("a"), "are not the 8");
    malformed(&one(entry("a", 0, u64::MAX, 0)), 8, tensor("a"), "are not the 0");
    malformed(&one(entry("a", 1 << 62, 0, 0)), 8, tensor("a"), "overflows");
    malformed(&one(entry("a", u64::MAX, 0, 8)), 8, tensor("a"), "overflows");
    let wide = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#;
    malformed(wide, 0, tensor("a"), "overflows");
    for end in [12, 1 << 40] {
        let error = refused(&safetensors(&one(entry("a", end / 4, 0, end)), 8));
        assert!(matches!(&error, Error::Truncated { place, .. } if *place == tensor("a")), "{error:?}");
    }
    // Tensors without numbers take no bytes, wherever they lie; outside of the data they lie nowhere.
    let empty = [entry("a", 1, 0, 4), entry("b", 0, 4, 4), entry("c", 0, 4, 4), entry("d", 1, 4, 8)].join(",");
    SafetensorsFile::from_bytes("empty", safetensors(&format!("{{{empty}}}"), 8)).unwrap();
    refused(&safetensors(&two(entry("a", 1, 0, 4), entry("b", 0, 8, 8)), 4));
    refused(&safetensors(&two(entry("a", 2, 0, 8), entry("b", 0, 4, 4)), 8));
}

#[test]
fn equal_names() {
    let a = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    let again = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#;
    malformed(&format!("{{{a},{again}}}"), 8, tensor("a"), "occurs twice");
    malformed(r#"{"__metadata__":{},"__metadata__":{}}"#, 0, Place::Offset(8), "occurs twice");
    malformed(r#"{"__metadata__":{"a":"1","a":"2"}}"#, 0, Place::Offset(8), "occurs twice");
    malformed(
        r#"{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}"#,
        4,
        Place::Offset(8),
        "duplicate",
    );
}

#[test]
fn headers_that_are_no_description() {
    let entry = |inner: &str| format!(r#"{{"a":{{{inner}}}}}"#);
    for header in [
        "".to_owned(),
        " {}".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        "{}{}".to_owned(),
        "{} x".to_owned(),
        r#"{"a":1}"#.to_owned(),
        entry(r#""dtype":"F32","shape":[1]"#),
        entry(r#""dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1"#),
        entry(r#""dtype":"F32","shape":[-1],"data_offsets":[0,4]"#),
        entry(r#""dtype":"F32","shape":[1.0],"data_offsets":[0,4]"#),
        entry(r#""dtype":"F32","shape":[1e0],"data_offsets":[0,4]"#),
        entry(r#""dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]"#),
        entry(r#""dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]"#),
        entry(r#""dtype":"F32","shape":[1],"data_offsets":[0,4,4]"#),
        entry(r#""dtype":"F32","shape":[1],"data_offsets":[0]"#),
        entry(&format!(
            r#""dtype":"F32","shape":{}1{},"data_offsets":[0,4]"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        )),
        r#"{"__metadata__":{"a":1}}"#.to_owned(),
        r#"{"__metadata__":{"a":{"b":"c"}}}"#.to_owned(),
    ] {
        let error = refused(&safetensors(&header, 4));
        assert!(matches!(&error, Error::Malformed { .. }), "{header:.80}: {error:?}");
        assert!(error.to_string().len() < 500);
    }
    let mut not_utf8 = safetensors(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4);
    not_utf8[10] = 0xFF;
    assert!(matches!(refused(&not_utf8), Error::Malformed { .. }));
    let error = refused(&safetensors(&entry(r#""dtype":"F4\u001b","shape":[1],"data_offsets":[0,4]"#), 4));
    assert_eq!(error.to_string(), "m.safetensors, tensor a: type F4\\u{1b} cannot be read");
    let error = refused(&sound().bytes());
    assert!(matches!(error, Error::Truncated { .. } | Error::Malformed { .. }), "{error:?}");
}

fn shard(name: &str) -> Vec<u8> {
    safetensors(&format!(r#"{{"{name}":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#), 4)
}

/// A folder with two shards and this index.
fn folder(index: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m-1.safetensors"), shard("a")).unwrap();
    std::fs::write(folder.path().join("m-2.safetensors"), shard("b")).unwrap();
    std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    folder
}

#[test]
fn a_model_of_several_files_is_one() {
    let index = r#"{"metadata":{"total_size":8},"weight_map":{"b":"m-2.safetensors","a":"m-1.safetensors"}}"#;
    let folder = folder(index);
    std::fs::write(folder.path().join("config.json"), r#"{"hidden_size":64,"more":[]}"#).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), b"of another download").unwrap();
    for path in [folder.path().to_owned(), folder.path().join("model.safetensors.index.json")] {
        let model = Safetensors::open(&path).unwrap();
        assert_eq!(model.tensors().map(|tensor| tensor.name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(model.tensor("b").unwrap().data, [0, 1, 2, 3]);
        assert!(matches!(model.tensor("c"), Err(Error::MissingTensor { .. })));
        let config: serde_json::Value = model.config().unwrap();
        assert_eq!(config["hidden_size"], 64);
    }
    let one = Safetensors::open(folder.path().join("m-1.safetensors")).unwrap();
    assert_eq!(one.tensors().count(), 1);
    std::fs::remove_file(folder.path().join("config.json")).unwrap();
    assert_eq!(one.config::<serde_json::Value>().unwrap_err().kind(), ErrorKind::NotFound);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(Safetensors::open(empty.path()).unwrap_err().kind(), ErrorKind::NotFound);
}

/// CVE-2024-37032: a name with `../` led out of the folder.
#[test]
fn an_index_does_not_lead_out_of_its_folder() {
    for name in [
        "../m-1.safetensors",
        "/etc/passwd",
        "/m-1.safetensors",
        "./m-1.safetensors",
        "m-1.safetensors/",
        "sub/m-1.safetensors",
        "sub\\\\m-1.safetensors",
        "C:m-1.safetensors",
        "..",
        "",
        "m-1.safetensors\\u0000",
        "config.json",
    ] {
        let folder = folder(&format!(r#"{{"weight_map":{{"a":"{name}"}}}}"#));
        let error = Safetensors::open(folder.path()).unwrap_err();
        assert!(matches!(&error, Error::Malformed { place, .. } if *place == tensor("a")), "{name}: {error:?}");
    }
}

#[test]
fn an_index_that_is_wrong() {
    let open = |index: &str| Safetensors::open(folder(index).path()).unwrap_err();
    for index in ["", "{}", "[]", r#"{"weight_map":{}}"#, r#"{"weight_map":{"a":1}}"#] {
        assert!(matches!(open(index), Error::Malformed { .. }), "{index}");
    }
    let twice = open(r#"{"weight_map":{"a":"m-1.safetensors","a":"m-2.safetensors"}}"#);
    assert!(twice.to_string().contains("occurs twice"), "{twice}");
    let missing = open(r#"{"weight_map":{"a":"m-2.safetensors"}}"#);
    assert!(matches!(&missing, Error::MissingTensor { tensor, .. } if tensor == "a"), "{missing:?}");
    assert_eq!(open(r#"{"weight_map":{"a":"m-3.safetensors"}}"#).kind(), ErrorKind::NotFound);
}
