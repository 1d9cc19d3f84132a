//! Model files written by hand, so that they can be wrong, and a way to use all of a file.
#![allow(dead_code, reason = "each test binary uses its part")]

use nootropic_models::{Gguf, SafetensorsFile, Strings, Value};

/// Types of metadata values.
pub(crate) const U8: u32 = 0;
pub(crate) const U32: u32 = 4;
pub(crate) const F32: u32 = 6;
pub(crate) const BOOL: u32 = 7;
pub(crate) const STRING: u32 = 8;
pub(crate) const ARRAY: u32 = 9;
pub(crate) const U64: u32 = 10;
pub(crate) const F64: u32 = 12;

/// A GGUF file, field by field. Nothing is checked.
#[derive(Clone, Default)]
pub(crate) struct Raw {
    pub(crate) version: Option<u32>,
    pub(crate) key_count: Option<u64>,
    pub(crate) tensor_count: Option<u64>,
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) tensors: Vec<Vec<u8>>,
    pub(crate) alignment: Option<usize>,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

pub(crate) fn array(kind: u32, count: u64, items: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes(), &count.to_le_bytes()[..], items].concat()
}

impl Raw {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a key with a value of a type.
    pub(crate) fn key(mut self, key: &str, kind: u32, value: impl AsRef<[u8]>) -> Self {
        self.keys.push([&string(key), &kind.to_le_bytes()[..], value.as_ref()].concat());
        self
    }

    /// Adds the description of a tensor.
    pub(crate) fn tensor(mut self, name: &str, dims: &[u64], kind: u32, offset: u64) -> Self {
        let dims =
            [&(dims.len() as u32).to_le_bytes()[..], &dims.iter().flat_map(|d| d.to_le_bytes()).collect::<Vec<_>>()];
        self.tensors.push([&string(name), &dims.concat()[..], &kind.to_le_bytes(), &offset.to_le_bytes()].concat());
        self
    }

    /// Adds `count` bytes of tensor data.
    pub(crate) fn data(mut self, count: usize) -> Self {
        self.data.extend((0..count).map(|i| i as u8));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.unwrap_or(3).to_le_bytes());
        out.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        out.extend(self.key_count.unwrap_or(self.keys.len() as u64).to_le_bytes());
        out.extend(self.keys.concat());
        out.extend(self.tensors.concat());
        if !self.data.is_empty() {
            out.resize(out.len().next_multiple_of(self.alignment.unwrap_or(32)), 0);
            out.extend(&self.data);
        }
        out
    }
}

/// A sound file with every type of value, and tensors of several types. No byte of it can be left out.
pub(crate) fn sound() -> Raw {
    Raw::new()
        .key("general.architecture", STRING, string("llama"))
        .key("a.u8", U8, [200])
        .key("a.i8", 1, [0x80])
        .key("a.u16", 2, 60_000_u16.to_le_bytes())
        .key("a.i16", 3, (-2_i16).to_le_bytes())
        .key("llama.block_count", U32, 2_u32.to_le_bytes())
        .key("a.i32", 5, (-3_i32).to_le_bytes())
        .key("a.f32", F32, 1.5_f32.to_le_bytes())
        .key("a.bool", BOOL, [1])
        .key("a.u64", U64, (1_u64 << 40).to_le_bytes())
        .key("a.i64", 11, (-4_i64).to_le_bytes())
        .key("a.f64", F64, 2.5_f64.to_le_bytes())
        .key("tokens", ARRAY, array(STRING, 3, &[string("<s>"), string("Ġthe"), string("")].concat()))
        .key("scores", ARRAY, array(F32, 2, &[1.0_f32, -1e4].map(f32::to_le_bytes).concat()))
        .key("types", ARRAY, array(5, 2, &[1, 3_i32].map(i32::to_le_bytes).concat()))
        .key("empty", ARRAY, array(U8, 0, &[]))
        .key("general.alignment", U32, 32_u32.to_le_bytes())
        .tensor("token_embd.weight", &[32, 3], 2, 0) // Q4_0: 54 bytes
        .tensor("output_norm.weight", &[4], 0, 64) // F32: 16 bytes
        .tensor("blk.0.attn_q.weight", &[32, 1, 2], 8, 96) // Q8_0: 68 bytes
        .tensor("blk.0.ffn_down.weight", &[256], 12, 192) // Q4_K: 144 bytes
        .data(192 + 144)
}

/// Reads everything a file offers, in every way.
pub(crate) fn use_gguf(gguf: &Gguf) {
    let metadata = gguf.metadata();
    for (key, value) in metadata.iter() {
        assert!(metadata.value(key).is_some());
        let _ = format!("{value:?} {}", value.kind());
        let _ = (metadata.get::<u32>(key), metadata.get::<u64>(key), metadata.get::<usize>(key));
        let _ = (metadata.get::<i32>(key), metadata.get::<f32>(key), metadata.get::<bool>(key));
        let _ = (metadata.get::<&str>(key), metadata.get::<Vec<u32>>(key), metadata.get::<Vec<f32>>(key));
        if let Ok(strings) = metadata.get::<Strings<'_>>(key) {
            assert_eq!(strings.iter().count(), strings.len());
            let _ = (strings.text(0), strings.text(strings.len()));
        }
        if let Value::Array(array) = value {
            assert_eq!(array.iter().count(), array.len());
            assert!(array.get(array.len()).is_none());
        }
    }
    for info in gguf.tensors() {
        let tensor = gguf.tensor(info.name).unwrap();
        assert_eq!(tensor.data.len() as u64, info.bytes);
        assert_eq!(tensor.row(0).len() as u64, tensor.dtype.row_bytes(tensor.dims.columns()).unwrap());
        assert_eq!(tensor.to_f32().is_ok(), tensor.dtype.can_dequantize());
    }
}

/// Reads everything a file offers.
pub(crate) fn use_safetensors(file: &SafetensorsFile) {
    let _ = file.metadata().count();
    for info in file.tensors() {
        if let Ok(tensor) = file.tensor(info.name) {
            tensor.to_f32().unwrap();
        }
    }
}

/// A safetensors file of this header and this many bytes of data.
pub(crate) fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut out = string(header);
    out.extend((0..data).map(|i| i as u8));
    out
}

/// A sound safetensors file. No byte of it can be left out.
pub(crate) fn sound_safetensors() -> Vec<u8> {
    let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
"none":{"dtype":"F32","shape":[0,7],"data_offsets":[24,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},
"c":{"dtype":"F16","shape":[],"data_offsets":[32,34]},"position_ids":{"dtype":"I64","shape":[1,2],"data_offsets":[34,50]}}"#;
    safetensors(header, 50)
}

/// splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}
