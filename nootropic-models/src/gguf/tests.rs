//! What is written is read back.

use std::io::Read;
use std::ops::ControlFlow::{Break, Continue};

use super::*;
use crate::{Budget, Error, FileType, Precision, SyntheticModel, TensorType};

fn builder() -> GgufBuilder {
    let mut builder = GgufBuilder::new();
    builder.set("general.architecture", "llama").unwrap().set("llama.block_count", 22_u32).unwrap();
    builder
}

fn with_values() -> GgufBuilder {
    let mut builder = builder();
    builder.set("a.u8", 255_u8).unwrap().set("a.i32", i32::MIN).unwrap().set("a.u64", u64::MAX).unwrap();
    builder.set("a.f32", -1.5_f32).unwrap().set("a.yes", true).unwrap().set("a.no", false).unwrap();
    builder.set("a.empty", "").unwrap();
    builder.set("a.tokens", ["<s>", "", "Ġthe", "日本"].as_slice()).unwrap();
    builder.set("a.merges", [String::from("a b")].as_slice()).unwrap();
    builder.set("a.scores", [0.0, -1e4_f32, f32::MAX].as_slice()).unwrap();
    builder.set("a.types", [1, -3_i32].as_slice()).unwrap().set("a.none", [0_u64; 0].as_slice()).unwrap();
    builder
}

/// The file, with `data` of each tensor; the builder is left empty.
fn bytes(builder: &mut GgufBuilder, data: impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
    let mut writer = std::mem::take(builder).in_memory().unwrap();
    while let Some(name) = writer.due().map(str::to_owned) {
        writer.append(&name, &data(&name)).unwrap();
    }
    writer.into_bytes().unwrap()
}

fn open(bytes: Vec<u8>) -> Gguf {
    Gguf::from_bytes("m.gguf", bytes).unwrap()
}

#[test]
fn values_keep_type_and_value() {
    let gguf = open(bytes(&mut with_values(), |_| vec![]));
    let metadata = gguf.metadata();
    assert_eq!(metadata.get::<&str>("general.architecture").unwrap(), "llama");
    assert_eq!(metadata.get::<u32>("llama.block_count").unwrap(), 22);
    assert_eq!(metadata.get::<u32>("a.u8").unwrap(), 255);
    assert_eq!(metadata.get::<i32>("a.i32").unwrap(), i32::MIN);
    assert_eq!(metadata.get::<u64>("a.u64").unwrap(), u64::MAX);
    assert_eq!(metadata.get::<f32>("a.f32").unwrap(), -1.5);
    assert!(metadata.get::<bool>("a.yes").unwrap() && !metadata.get::<bool>("a.no").unwrap());
    assert_eq!(metadata.get::<&str>("a.empty").unwrap(), "");
    assert_eq!(metadata.get::<Vec<f32>>("a.scores").unwrap(), [0.0, -1e4, f32::MAX]);
    assert_eq!(metadata.get::<Vec<i32>>("a.types").unwrap(), [1, -3]);
    assert!(metadata.get::<Vec<u64>>("a.none").unwrap().is_empty());
    let tokens: Strings<'_> = metadata.get("a.tokens").unwrap();
    assert_eq!(tokens.len(), 4);
    assert_eq!(tokens.text(3).unwrap(), "日本");
    assert_eq!(tokens.iter().collect::<Vec<_>>(), [&b"<s>"[..], b"", "Ġthe".as_bytes(), "日本".as_bytes()]);
    assert_eq!(metadata.value("a.types").unwrap().kind(), ValueType::Array);
    assert_eq!(format!("{:?}", metadata.value("a.types").unwrap()), "array of 2 i32");
    let keys: Vec<_> = metadata.iter().map(|(key, _)| key).collect();
    assert_eq!(keys[..3], ["general.architecture", "llama.block_count", "a.u8"], "in the order of the file");
}

#[test]
fn what_is_missing_or_of_another_type_is_named() {
    let gguf = open(bytes(&mut with_values(), |_| vec![]));
    let metadata = gguf.metadata();
    assert_eq!(metadata.find::<u32>("none").unwrap(), None);
    let says = |error: Error, text: &str| assert_eq!(error.to_string(), text);
    says(metadata.get::<u32>("none").unwrap_err(), "m.gguf has no metadata key none");
    says(metadata.get::<&str>("a.u8").unwrap_err(), "m.gguf, key a.u8: u8 255 where text in UTF-8 is needed");
    says(
        metadata.find::<f32>("a.tokens").unwrap_err(),
        "m.gguf, key a.tokens: array of 4 string where a float is needed",
    );
    says(
        metadata.get::<Vec<u32>>("a.types").unwrap_err(),
        "m.gguf, key a.types: array of 2 i32 where an array, each item an unsigned 32-bit number is needed",
    );
    says(gguf.tensor("none").unwrap_err(), "m.gguf has no tensor none");
    let tokens: Strings<'_> = metadata.get("a.tokens").unwrap();
    assert!(tokens.text(4).unwrap_err().to_string().contains("there is no string 4, only 4"));
}

#[test]
fn text_that_is_not_utf8_is_refused_only_when_asked_for() {
    let mut bytes = bytes(&mut with_values(), |_| vec![]);
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what).unwrap();
    for text in ["llama", "Ġthe"] {
        let mut at = find(&bytes, text.as_bytes());
        while bytes[at..].starts_with(text.as_bytes()) {
            bytes[at] = 0xFF;
            at = 0;
        }
    }
    let gguf = open(bytes);
    assert!(matches!(gguf.metadata().get::<&str>("general.architecture"), Err(Error::WrongType { .. })));
    let tokens: Strings<'_> = gguf.metadata().get("a.tokens").unwrap();
    assert_eq!(tokens.text(0).unwrap(), "<s>");
    assert!(matches!(tokens.text(2), Err(Error::Malformed { .. })));
    assert_eq!(tokens.get(2).unwrap().len(), 5);
}

#[test]
fn tensors_keep_type_shape_and_data() {
    let tensors: [(&str, TensorType, &[u64]); 5] = [
        ("embedding", TensorType::Q8_0, &[64, 3]),
        ("norm", TensorType::F32, &[5]),
        ("four", TensorType::F16, &[2, 3, 1, 2]),
        ("k", TensorType::Q4_K, &[512, 2]),
        ("last", TensorType::BF16, &[7]),
    ];
    for alignment in [None, Some(8), Some(4096)] {
        let mut builder = builder();
        if let Some(alignment) = alignment {
            builder.align(alignment).unwrap();
        }
        for (name, dtype, dims) in tensors {
            builder.tensor(name, dtype, dims).unwrap();
        }
        let data = |name: &str| {
            let (_, dtype, dims) = tensors.into_iter().find(|tensor| tensor.0 == name).unwrap();
            let bytes = dims.iter().product::<u64>() / dtype.block_len() as u64 * dtype.block_bytes() as u64;
            (0..bytes).map(|i| (i as usize * 7 + name.len()) as u8).collect::<Vec<u8>>()
        };
        let gguf = open(bytes(&mut builder, data));
        assert_eq!(gguf.tensors().count(), 5);
        for ((name, dtype, dims), info) in tensors.into_iter().zip(gguf.tensors()) {
            let tensor = gguf.tensor(name).unwrap();
            assert_eq!((info.name, info.dtype, &*info.dims), (name, dtype, dims));
            assert_eq!((tensor.name, tensor.dtype, &*tensor.dims), (name, dtype, dims));
            assert_eq!(tensor.data, data(name));
            assert_eq!(info.offset % u64::from(alignment.unwrap_or(32)), 0);
            let rows: Vec<u8> = (0..tensor.dims.rows() as usize).flat_map(|row| tensor.row(row)).copied().collect();
            assert_eq!(rows, tensor.data);
            assert!(tensor.row(tensor.dims.rows() as usize).is_empty());
        }
    }
}

#[test]
fn a_written_file_appears_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    let count = || std::fs::read_dir(folder.path()).unwrap().count();
    let start = || {
        let mut builder = builder();
        builder.tensor("a", TensorType::F32, &[4]).unwrap().tensor("b", TensorType::F32, &[2]).unwrap();
        builder.create(&path).unwrap()
    };
    let mut writer = start();
    writer.append("a", &[1; 16]).unwrap();
    assert!(matches!(writer.finish(), Err(Error::Invalid { .. })), "b is missing");
    let mut writer = start();
    assert!(writer.append("b", &[1; 8]).is_err(), "a is due");
    assert!(writer.append("a", &[1; 17]).is_err(), "that is too much");
    drop(writer);
    assert_eq!(count(), 0, "nothing is left behind");

    let mut writer = start();
    for piece in [&[1; 5][..], &[], &[1; 11]] {
        writer.append("a", piece).unwrap();
    }
    writer.append("b", &[2; 8]).unwrap();
    assert!(writer.append("b", &[]).is_err(), "all is written");
    assert!(!path.exists());
    writer.finish().unwrap();
    assert_eq!(count(), 1);
    let gguf = Gguf::open(&path).unwrap();
    assert_eq!((gguf.tensor("a").unwrap().data, gguf.tensor("b").unwrap().data), (&[1; 16][..], &[2; 8][..]));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        let plain = folder.path().join("plain");
        std::fs::write(&plain, b"").unwrap();
        assert_eq!(mode(&path), mode(&plain), "as readable as any new file");
    }
}

#[test]
fn what_readers_refuse_is_not_written() {
    let mut builder = builder();
    let refused = |result: Result<&mut GgufBuilder, Error>, problem: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }) && error.to_string().contains(problem), "{error}");
    };
    refused(builder.set("general.architecture", "other"), "is set already");
    refused(builder.set("", 1_u32), "1 to 65535 bytes");
    refused(builder.set(&"k".repeat(65_536), 1_u32), "1 to 65535 bytes");
    refused(builder.set("general.alignment", 64_u32), "`align`");
    refused(builder.set("nan", f32::NAN), "not finite");
    refused(builder.set("long", &*"x".repeat((16 << 20) + 1)), "16777217 bytes");
    refused(builder.align(48), "no power of two");
    refused(builder.tensor("", TensorType::F32, &[1]), "1 to 65535 bytes");
    for dims in [&[][..], &[0], &[1, 1, 1, 1, 1], &[4, 0]] {
        refused(builder.tensor("t", TensorType::F32, dims), "1 to 4 dimensions");
    }
    refused(builder.tensor("t", TensorType::Q4_K, &[128]), "no whole blocks of Q4_K");
    refused(builder.tensor("t", TensorType::F32, &[1 << 40, 1 << 40]), "too many");
    builder.tensor("t", TensorType::F32, &[1]).unwrap();
    refused(builder.tensor("t", TensorType::F32, &[1]), "there already");
}

#[test]
fn metadata_is_copied_value_for_value() {
    let first = bytes(&mut with_values(), |_| vec![]);
    let gguf = open(first.clone());
    let mut copy = GgufBuilder::new();
    for (key, value) in gguf.metadata().iter() {
        copy.set(key, value).unwrap();
    }
    assert_eq!(bytes(&mut copy, |_| vec![]), first);
}

/// A header is read without the rest of the file, and without reading on to it.
#[test]
fn a_header_is_read_from_a_stream() {
    struct Counting<R>(R, usize);
    impl<R: Read> Read for Counting<R> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let most = buffer.len().min(1000);
            let read = self.0.read(&mut buffer[..most])?; // in small pieces, as from a network
            self.1 += read;
            Ok(read)
        }
    }
    let mut builder = with_values();
    builder.tensor("big", TensorType::F32, &[1 << 20]).unwrap();
    let bytes = bytes(&mut builder, |_| vec![7; 4 << 20]);
    let mut source = Counting(bytes.as_slice(), 0);
    let header = GgufHeader::read("remote", &mut source, bytes.len() as u64, Budget::new(2 << 20)).unwrap();
    assert_eq!(header.tensor("big").unwrap().bytes, 4 << 20);
    assert!(source.1 <= 1 << 20, "{} bytes were read", source.1);

    // A source that ends before the length it was said to have.
    let error = GgufHeader::read("remote", &bytes[..100], bytes.len() as u64, Budget::new(2 << 20)).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error:?}");
}

#[test]
fn a_header_keeps_to_its_budget() {
    let tokens = vec!["token"; 10_000];
    let mut builder = builder();
    builder.set("tokens", tokens.as_slice()).unwrap();
    let bytes = bytes(&mut builder, |_| vec![]);
    let read = |budget: u64| GgufHeader::read("m", bytes.as_slice(), bytes.len() as u64, Budget::new(budget));
    read(bytes.len() as u64 + 50_000).unwrap();
    for budget in [0, 1000, bytes.len() as u64, bytes.len() as u64 + 10_000] {
        assert!(matches!(read(budget), Err(Error::Memory { .. })));
    }
}

#[test]
fn a_model_is_quantized_tensor_by_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let model = SyntheticModel { layers: 8, columns: 512, vocabulary: 300, ..SyntheticModel::tiny() };
    let original = Gguf::from_bytes("original", model.to_bytes().unwrap()).unwrap();
    for mix in [FileType::Q4_K_M, FileType::Q8_0, FileType::F16, FileType::F32] {
        let mut last = 0;
        quantize_gguf(&original, path("m.gguf"), mix, |progress| {
            assert!(progress.done >= last && progress.done <= progress.total);
            last = progress.done;
            Continue(())
        })
        .unwrap();
        assert_eq!(last, original.tensors().map(|tensor| tensor.bytes).sum::<u64>());
        let quantized = Gguf::open(path("m.gguf")).unwrap();
        let expected = SyntheticModel { precision: Precision::Mix(mix), ..model.clone() }.to_bytes().unwrap();
        let expected = Gguf::from_bytes("expected", expected).unwrap();
        assert_eq!(quantized.metadata().get::<u32>("general.file_type").unwrap(), mix.id());
        assert_eq!(quantized.metadata().len(), original.metadata().len());
        for (tensor, expected) in quantized.tensors().zip(expected.tensors()) {
            assert_eq!(tensor, TensorInfo { offset: tensor.offset, ..expected });
            let numbers = |gguf: &Gguf| gguf.tensor(tensor.name).unwrap().to_f32().unwrap();
            let (found, wanted) = (numbers(&quantized), numbers(&original));
            let square = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| x * x).sum::<f32>();
            let error =
                square(&mut found.iter().zip(&wanted).map(|(a, b)| a - b)) / square(&mut wanted.iter().copied());
            assert!(error.sqrt() < 0.09, "{} loses {error}", tensor.name);
        }
    }
    let kinds: Vec<_> = Gguf::open(path("m.gguf")).unwrap().tensors().map(|tensor| tensor.dtype).collect();
    assert!(kinds.iter().all(|kind| *kind == TensorType::F32));

    let stopped = quantize_gguf(&original, path("stopped.gguf"), FileType::Q8_0, |_| Break(()));
    assert!(matches!(stopped, Err(Error::Cancelled)));
    assert!(!path("stopped.gguf").exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half done stays");

    // Quantized again: read through f32.
    quantize_gguf(&original, path("q8.gguf"), FileType::Q8_0, |_| Continue(())).unwrap();
    quantize_gguf(&Gguf::open(path("q8.gguf")).unwrap(), path("q4.gguf"), FileType::Q4_0, |_| Continue(())).unwrap();
    assert_eq!(Gguf::open(path("q4.gguf")).unwrap().tensor("blk.3.ffn_up.weight").unwrap().dtype, TensorType::Q4_0);
}

#[test]
fn what_cannot_be_quantized_is_said_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("m.gguf");
    let quantize = |builder: &mut GgufBuilder, data: Vec<u8>| {
        let gguf = open(bytes(builder, |_| data.clone()));
        let error = quantize_gguf(&gguf, &output, FileType::Q4_0, |_| Continue(())).unwrap_err();
        assert!(!output.exists());
        error.to_string()
    };
    let mut unsupported = builder();
    unsupported.tensor("blk.0.attn_q.weight", TensorType::IQ2_XXS, &[256, 1]).unwrap();
    let error = quantize(&mut unsupported, vec![0; 66]);
    assert_eq!(error, "m.gguf, tensor blk.0.attn_q.weight: type IQ2_XXS cannot be dequantized");
    let mut infinite = builder();
    infinite.tensor("blk.0.attn_q.weight", TensorType::F32, &[32, 1]).unwrap();
    let error = quantize(&mut infinite, f32::INFINITY.to_le_bytes().repeat(32));
    assert!(error.starts_with("tensor blk.0.attn_q.weight: number 0 is inf"), "{error}");
    let error = quantize(GgufBuilder::new().set("a", 1_u32).unwrap(), vec![]);
    assert_eq!(error, "m.gguf has no metadata key general.architecture");
}
