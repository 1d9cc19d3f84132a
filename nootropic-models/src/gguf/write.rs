//! Writing GGUF, version 3.

use std::collections::HashSet;
use std::path::Path;

use super::value::{Items, Value, ValueType};
use super::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, MAGIC, VERSION, limit};
use crate::files::NewFile;
use crate::{Dims, Error, Result, TensorType};

/// Collects what the header of a new file says: metadata and tensors.
///
/// ```
/// # fn main() -> nootropic_models::Result<()> {
/// use nootropic_models::{Gguf, GgufBuilder, TensorType};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("tiny.gguf");
/// let mut builder = GgufBuilder::new();
/// builder.set("general.architecture", "llama")?.set("llama.block_count", 0_u32)?;
/// builder.tensor("output_norm.weight", TensorType::F32, &[4])?;
/// let mut file = builder.create(&path)?;
/// file.append("output_norm.weight", &[1.0_f32; 4].map(f32::to_le_bytes).concat())?;
/// file.finish()?; // only now is there a file of that name
///
/// let gguf = Gguf::open(&path)?;
/// assert_eq!(gguf.metadata().get::<&str>("general.architecture")?, "llama");
/// assert_eq!(gguf.tensor("output_norm.weight")?.to_f32()?, [1.0; 4]);
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct GgufBuilder {
    alignment: Option<u32>,
    keys: HashSet<String>,
    /// The metadata, encoded.
    entries: Vec<u8>,
    names: HashSet<String>,
    tensors: Vec<NewTensor>,
}

#[derive(Debug)]
struct NewTensor {
    name: String,
    dtype: TensorType,
    dims: Dims,
    bytes: u64,
}

impl GgufBuilder {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Aligns tensor data to `alignment` bytes instead of 32, and says so in the metadata.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless it is a power of two from 8 to 65536, asked for once.
    pub fn align(&mut self, alignment: u32) -> Result<&mut Self> {
        if !alignment.is_power_of_two() || !limit::ALIGNMENT.contains(&alignment) {
            return Err(invalid(ALIGNMENT_KEY, format!("{alignment} is no power of two from 8 to 65536")));
        }
        self.encode(ALIGNMENT_KEY, alignment)?;
        self.alignment = Some(alignment);
        Ok(self)
    }

    /// Adds a metadata value.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty key, one that is there already, `general.alignment` (see [`align`](Self::align)), and what
    /// readers refuse: too long keys and strings, too many keys.
    pub fn set(&mut self, key: &str, value: impl Encode) -> Result<&mut Self> {
        if key == ALIGNMENT_KEY {
            return Err(invalid(key, "it is set by `align`"));
        }
        self.encode(key, value)?;
        Ok(self)
    }

    fn encode(&mut self, key: &str, value: impl Encode) -> Result<()> {
        if key.is_empty() || key.len() as u64 > limit::NAME {
            return Err(invalid(key, "keys have 1 to 65535 bytes"));
        }
        if self.keys.len() as u64 >= limit::KEYS {
            return Err(invalid(key, format!("there are {} keys already", limit::KEYS)));
        }
        if !self.keys.insert(key.to_owned()) {
            return Err(invalid(key, "the key is set already"));
        }
        put_string(&mut self.entries, key.as_bytes());
        value.encode(&mut self.entries).map_err(|problem| invalid(key, problem))
    }

    /// Adds a tensor, whose data is given to the [`GgufWriter`] later, in the order of these calls.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty or repeated name, other than 1 to 4 dimensions, a dimension of 0, or rows that are no
    /// whole blocks of `dtype`.
    pub fn tensor(&mut self, name: &str, dtype: TensorType, dims: &[u64]) -> Result<&mut Self> {
        let invalid = |problem: String| Err(Error::Invalid { what: format!("tensor {name}"), problem });
        if name.is_empty() || name.len() as u64 > limit::NAME {
            return invalid("names have 1 to 65535 bytes".into());
        }
        if self.tensors.len() as u64 >= limit::TENSORS {
            return invalid(format!("there are {} tensors already", limit::TENSORS));
        }
        let Some(dims) = Dims::new(dims) else {
            return invalid(format!("{dims:?} is not 1 to 4 dimensions, none of them 0"));
        };
        let rows = dims.elements().map(|elements| elements / dims.columns());
        let bytes = dtype.row_bytes(dims.columns()).zip(rows).and_then(|(row, rows)| row.checked_mul(rows));
        let Some(bytes) = bytes else {
            return invalid(format!("rows of {} are no whole blocks of {dtype}, or too many", dims.columns()));
        };
        if !self.names.insert(name.to_owned()) {
            return invalid("it is there already".into());
        }
        self.tensors.push(NewTensor { name: name.to_owned(), dtype, dims, bytes });
        Ok(self)
    }

    /// Starts the file: writes the header under a temporary name beside `path`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] if the file would be too large to address.
    pub fn create(self, path: impl AsRef<Path>) -> Result<GgufWriter> {
        self.start(Sink::File(NewFile::create(path.as_ref())?))
    }

    /// Starts a file in memory; [`GgufWriter::into_bytes`] gives it.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it would be too large to address.
    pub fn in_memory(self) -> Result<GgufWriter> {
        self.start(Sink::Memory(Vec::new()))
    }

    fn start(self, mut sink: Sink) -> Result<GgufWriter> {
        let alignment = u64::from(self.alignment.unwrap_or(DEFAULT_ALIGNMENT));
        let mut header = MAGIC.to_vec();
        header.extend(VERSION.to_le_bytes());
        header.extend((self.tensors.len() as u64).to_le_bytes());
        header.extend((self.keys.len() as u64).to_le_bytes());
        header.extend(&self.entries);
        let mut offset = 0_u64;
        for tensor in &self.tensors {
            put_string(&mut header, tensor.name.as_bytes());
            header.extend((tensor.dims.len() as u32).to_le_bytes());
            header.extend(tensor.dims.iter().flat_map(|size| size.to_le_bytes()));
            header.extend(tensor.dtype.id().to_le_bytes());
            header.extend(offset.to_le_bytes());
            let end = offset.checked_add(tensor.bytes).and_then(|end| end.checked_next_multiple_of(alignment));
            offset = end.ok_or_else(|| Error::Invalid {
                what: format!("tensor {}", tensor.name),
                problem: "the file would be too large to address".into(),
            })?;
        }
        if !self.tensors.is_empty() {
            header.resize(header.len().next_multiple_of(alignment as usize), 0);
        }
        sink.write(&header)?;
        Ok(GgufWriter { sink, alignment, tensors: self.tensors, current: 0, written: 0 })
    }
}

/// A file that is being written. Dropping it leaves nothing behind; [`finish`](Self::finish) puts it in its place.
#[derive(Debug)]
pub struct GgufWriter {
    sink: Sink,
    alignment: u64,
    tensors: Vec<NewTensor>,
    /// The tensor that is being written.
    current: usize,
    /// How much of it was.
    written: u64,
}

#[derive(Debug)]
enum Sink {
    File(NewFile),
    Memory(Vec<u8>),
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Memory(memory) => {
                memory.extend(bytes);
                Ok(())
            }
        }
    }
}

impl GgufWriter {
    /// The tensor whose data is due; none once all is written.
    pub fn due(&self) -> Option<&str> {
        self.tensors.get(self.current).map(|tensor| tensor.name.as_str())
    }

    /// Adds data to the tensor `name`, whole or in pieces. Tensors come in the order in which they were announced.
    ///
    /// # Errors
    /// [`Error::Invalid`] if another tensor is due, or for more data than its dimensions hold; [`Error::Io`].
    pub fn append(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let invalid = |problem: String| Err(Error::Invalid { what: format!("data of tensor {name}"), problem });
        let due = match self.tensors.get(self.current) {
            Some(due) if due.name == name => due,
            Some(due) => return invalid(format!("the data of {} is due", due.name)),
            None => return invalid("all data was written".into()),
        };
        let written = self.written.saturating_add(bytes.len() as u64);
        if written > due.bytes {
            return invalid(format!("{written} bytes; it takes {}", due.bytes));
        }
        let complete = written == due.bytes;
        let padding = due.bytes.next_multiple_of(self.alignment) - due.bytes; // the sum was checked
        self.sink.write(bytes)?;
        self.written = written;
        if complete {
            self.sink.write(&vec![0; padding as usize])?;
            (self.current, self.written) = (self.current + 1, 0);
        }
        Ok(())
    }

    /// Makes the file durable and gives it its name, replacing one that is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] if data is missing; [`Error::Io`].
    pub fn finish(self) -> Result<()> {
        match self.complete()? {
            Sink::File(file) => file.commit(),
            Sink::Memory(_) => Ok(()),
        }
    }

    /// The finished file, if it was started in memory.
    ///
    /// # Errors
    /// [`Error::Invalid`] if data is missing, or for a file on disk.
    pub fn into_bytes(self) -> Result<Vec<u8>> {
        match self.complete()? {
            Sink::Memory(bytes) => Ok(bytes),
            Sink::File(_) => Err(Error::Invalid { what: "GGUF file".into(), problem: "it was started on disk".into() }),
        }
    }

    fn complete(self) -> Result<Sink> {
        match self.tensors.get(self.current) {
            None => Ok(self.sink),
            Some(due) => Err(Error::Invalid {
                what: format!("data of tensor {}", due.name),
                problem: format!("{} of {} bytes were written", self.written, due.bytes),
            }),
        }
    }
}

/// What can be written as metadata.
pub trait Encode {
    /// Appends type and value; says what is wrong with a value that readers would refuse.
    #[doc(hidden)]
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), String>;
}

fn invalid(key: &str, problem: impl Into<String>) -> Error {
    Error::Invalid { what: format!("key {}", crate::error::printable(key)), problem: problem.into() }
}

fn put_type(out: &mut Vec<u8>, kind: ValueType) {
    out.extend((kind as u32).to_le_bytes());
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

fn put_array_head(out: &mut Vec<u8>, kind: ValueType, count: usize) {
    put_type(out, ValueType::Array);
    put_type(out, kind);
    out.extend((count as u64).to_le_bytes());
}

fn check_string(bytes: &[u8]) -> Result<(), String> {
    match bytes.len() as u64 > limit::STRING {
        true => Err(format!("a string of {} bytes; at most {} are read", bytes.len(), limit::STRING)),
        false => Ok(()),
    }
}

macro_rules! encode_numbers {
    ($($type:ty: $kind:ident, $refused:expr;)*) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) -> Result<(), String> {
                let refused: fn($type) -> Option<&'static str> = $refused;
                if let Some(problem) = refused(*self) {
                    return Err(problem.to_owned());
                }
                put_type(out, ValueType::$kind);
                out.extend(self.to_le_bytes());
                Ok(())
            }
        }

        impl Encode for &[$type] {
            fn encode(&self, out: &mut Vec<u8>) -> Result<(), String> {
                put_array_head(out, ValueType::$kind, self.len());
                out.extend(self.iter().flat_map(|number| number.to_le_bytes()));
                Ok(())
            }
        }
    )*};
}

encode_numbers! {
    u8: U8, |_| None;
    u32: U32, |_| None;
    i32: I32, |_| None;
    u64: U64, |_| None;
    f32: F32, |number| (!number.is_finite()).then_some("the number is not finite");
}

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), String> {
        put_type(out, ValueType::Bool);
        out.push((*self).into());
        Ok(())
    }
}

impl Encode for &str {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), String> {
        Value::String(self.as_bytes()).encode(out)
    }
}

macro_rules! encode_strings {
    ($($type:ty)*) => {$(
        impl Encode for &[$type] {
            fn encode(&self, out: &mut Vec<u8>) -> Result<(), String> {
                put_array_head(out, ValueType::String, self.len());
                for string in *self {
                    check_string(string.as_bytes())?;
                    put_string(out, string.as_bytes());
                }
                Ok(())
            }
        }
    )*};
}

encode_strings! { &str String }

/// Copies a value of another file.
impl Encode for Value<'_> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Array(array) => {
                put_array_head(out, array.kind(), array.len());
                match array.0 {
                    Items::Fixed { bytes, .. } => out.extend(bytes),
                    Items::Strings(strings) => strings.iter().for_each(|string| put_string(out, string)),
                }
                return Ok(());
            }
            Self::String(bytes) => {
                check_string(bytes)?;
                put_type(out, ValueType::String);
                put_string(out, bytes);
                return Ok(());
            }
            _ => put_type(out, self.kind()),
        }
        let bytes = match *self {
            Self::Float(ValueType::F32, number) => u64::from((number as f32).to_bits()),
            Self::Float(_, number) => number.to_bits(),
            Self::Unsigned(_, number) => number,
            Self::Signed(_, number) => number as u64,
            Self::Bool(value) => value.into(),
            Self::String(_) | Self::Array(_) => return Ok(()), // done above
        };
        let size = self.kind().size().unwrap_or_default();
        out.extend(bytes.to_le_bytes().into_iter().take(size));
        Ok(())
    }
}
