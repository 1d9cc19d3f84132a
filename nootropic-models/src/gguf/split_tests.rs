use std::ops::ControlFlow::Continue;
use std::path::PathBuf;

use super::*;
use crate::gguf::{Value, ValueType};
use crate::{FileType, Gguf, GgufBuilder, ModelFile, SyntheticModel, quantize_gguf};

/// A whole model, and a folder for its parts.
fn whole() -> (Gguf, tempfile::TempDir) {
    let model = SyntheticModel::tiny();
    (Gguf::from_bytes("whole", model.to_bytes().unwrap()).unwrap(), tempfile::tempdir().unwrap())
}

/// As llama.cpp writes these numbers.
fn u16(number: u16) -> Value<'static> {
    Value::Unsigned(ValueType::U16, number.into())
}

fn path(folder: &tempfile::TempDir, number: u64) -> PathBuf {
    folder.path().join(format!("m-v0.1-{number:05}-of-00003.gguf"))
}

/// Writes part `number` of three, which says that it is `says`, with every third tensor, or those of part `of`.
fn write(whole: &Gguf, folder: &tempfile::TempDir, number: u64, says: u16, of: usize) {
    let mut builder = GgufBuilder::new();
    if number == 1 {
        for (key, value) in whole.metadata().iter() {
            builder.set(key, value).unwrap();
        }
    }
    builder.set(NUMBER, u16(says)).unwrap().set(COUNT, u16(3)).unwrap();
    builder.set(TENSORS, i32::try_from(whole.tensors().count()).unwrap()).unwrap();
    let ours: Vec<_> = whole.tensors().skip(of).step_by(3).collect();
    for tensor in &ours {
        builder.tensor(tensor.name, tensor.dtype, &tensor.dims).unwrap();
    }
    let mut writer = builder.create(path(folder, number)).unwrap();
    for tensor in ours {
        writer.append(tensor.name, whole.tensor(tensor.name).unwrap().data).unwrap();
    }
    writer.finish().unwrap();
}

fn split(whole: &Gguf, folder: &tempfile::TempDir) {
    (1..=3).for_each(|number| write(whole, folder, number, number as u16 - 1, number as usize - 1));
}

#[test]
fn the_parts_of_a_model_are_one_model() {
    let (whole, folder) = whole();
    split(&whole, &folder);
    let parts = Gguf::open(path(&folder, 1)).unwrap();
    assert_eq!(parts.tensors().count(), whole.tensors().count());
    for tensor in whole.tensors() {
        assert!(parts.contains(tensor.name));
        let (found, expected) = (parts.tensor(tensor.name).unwrap(), whole.tensor(tensor.name).unwrap());
        assert_eq!((found.dtype, found.dims, found.data), (expected.dtype, expected.dims, expected.data));
    }
    ModelFile::open(path(&folder, 1)).unwrap().describe().unwrap();
    let made = folder.path().join("made.gguf");
    quantize_gguf(&parts, &made, FileType::F16, |_| Continue(())).unwrap();
    let made = Gguf::open(made).unwrap();
    assert_eq!(made.tensors().count(), whole.tensors().count(), "what is made of parts is whole");
}

#[test]
fn parts_that_do_not_make_a_model_are_refused() {
    let (whole, folder) = whole();
    split(&whole, &folder);
    let error = || Gguf::open(path(&folder, 1)).unwrap_err();

    let second = Gguf::open(path(&folder, 2)).unwrap_err().to_string();
    assert!(second.ends_with("it is part 2 of 3: open the first one"), "{second}");

    std::fs::remove_file(path(&folder, 3)).unwrap();
    let missing = error();
    assert!(matches!(&missing, Error::MissingPart { number: 3, count: 3, .. }), "{missing:?}");
    assert!(missing.to_string().contains("m-v0.1-00003-of-00003.gguf is missing"), "{missing}");

    std::fs::copy(path(&folder, 2), path(&folder, 3)).unwrap();
    assert!(error().to_string().contains("it is part 2 of 3, not part 3 of 3"), "{}", error());

    write(&whole, &folder, 3, 2, 1);
    assert!(error().to_string().contains("another part has it too"), "{}", error());

    std::fs::write(path(&folder, 3), b"GGUF").unwrap();
    assert!(matches!(error(), Error::Truncated { .. }), "{:?}", error());

    let mut empty = GgufBuilder::new();
    empty.set(NUMBER, u16(2)).unwrap().set(COUNT, u16(3)).unwrap();
    empty.create(path(&folder, 3)).unwrap().finish().unwrap();
    assert!(error().to_string().contains("tensors are announced"), "{}", error());

    let renamed = folder.path().join("renamed.gguf");
    std::fs::rename(path(&folder, 1), &renamed).unwrap();
    let error = Gguf::open(&renamed).unwrap_err().to_string();
    assert!(error.ends_with("its name does not say so: it ends in -00001-of-00003"), "{error}");
}

#[test]
fn a_file_that_announces_too_many_parts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m-00001-of-65535.gguf");
    let mut builder = GgufBuilder::new();
    builder.set(COUNT, u16(u16::MAX)).unwrap();
    builder.create(&file).unwrap().finish().unwrap();
    assert!(matches!(Gguf::open(&file), Err(Error::OverLimit { got: 65535, .. })));
}
