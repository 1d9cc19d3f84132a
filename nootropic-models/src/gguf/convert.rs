//! Quantizing a file into another.

use std::ops::ControlFlow;
use std::path::Path;

use rayon::prelude::*;

use super::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, Gguf, GgufBuilder, TensorInfo, split};
use crate::{Error, FileType, ModelShape, Place, Result, Tensor, TensorType};

const FILE_TYPE_KEY: &str = "general.file_type";
const QUANTIZATION_KEY: &str = "general.quantization_version";
/// The version of ggml's block formats.
const QUANTIZATION_VERSION: u32 = 2;
/// How many numbers one task converts, about.
const TASK: usize = 1 << 16;

/// How far [`quantize_gguf`] is.
#[derive(Debug, Clone, Copy)]
pub struct QuantizeProgress<'a> {
    /// The tensor that is being converted.
    pub tensor: &'a str,
    /// What it becomes.
    pub dtype: TensorType,
    /// Bytes of tensor data read so far.
    pub done: u64,
    /// Bytes of tensor data in all.
    pub total: u64,
}

/// Writes `model` to a new file, quantized to `file_type`: each tensor to the type the mix chooses, all else as it is.
///
/// Rows are converted a few at a time, on all cores of rayon's pool. Between them `progress` is told, and may say to stop: then
/// there is no new file. Quantizing what is quantized already loses more than
/// quantizing the original.
///
/// # Errors
/// [`Error::UnsupportedType`] for tensors that cannot be converted, before anything is written; [`Error::Invalid`] for numbers
/// that are not finite; [`Error::MissingKey`] if the file does not say its architecture and number of layers; [`Error::Io`].
pub fn quantize_gguf(
    model: &Gguf,
    output: impl AsRef<Path>,
    file_type: FileType,
    mut progress: impl FnMut(QuantizeProgress<'_>) -> ControlFlow<()>,
) -> Result<()> {
    let shape = ModelShape::of(model)?;
    let target = |info: &TensorInfo<'_>| file_type.tensor_type(info.name, &info.dims, &shape).unwrap_or(info.dtype);
    let mut builder = GgufBuilder::new();
    describe(model, file_type, &mut builder)?;
    for info in model.tensors() {
        let dtype = target(&info);
        if dtype != info.dtype && !info.dtype.can_dequantize() {
            let what = format!("{}, {}", model.name(), Place::tensor(info.name));
            return Err(Error::UnsupportedType { what, found: info.dtype.name().into(), op: "dequantized" });
        }
        builder.tensor(info.name, dtype, &info.dims)?;
    }
    let mut writer = builder.create(output)?;
    let total = model.tensors().map(|info| info.bytes).sum();
    let mut done = 0;
    for info in model.tensors() {
        let (tensor, dtype) = (model.tensor(info.name)?, target(&info));
        convert(&tensor, dtype, |converted, read| {
            done += read as u64;
            if progress(QuantizeProgress { tensor: info.name, dtype, done, total }).is_break() {
                return Err(Error::Cancelled);
            }
            writer.append(info.name, converted)
        })?;
    }
    writer.finish()
}

fn describe(model: &Gguf, file_type: FileType, builder: &mut GgufBuilder) -> Result<()> {
    if model.header().alignment() != DEFAULT_ALIGNMENT {
        builder.align(model.header().alignment())?;
    }
    for (key, value) in model.metadata().iter() {
        if ![ALIGNMENT_KEY, FILE_TYPE_KEY, QUANTIZATION_KEY].contains(&key) && !split::KEYS.contains(&key) {
            builder.set(key, value)?;
        }
    }
    builder.set(FILE_TYPE_KEY, file_type.id())?.set(QUANTIZATION_KEY, QUANTIZATION_VERSION)?;
    Ok(())
}

/// Converts a tensor some rows at a time; `write` gets the bytes of each, and how many were read for them.
fn convert(tensor: &Tensor<'_>, dtype: TensorType, mut write: impl FnMut(&[u8], usize) -> Result<()>) -> Result<()> {
    let columns = tensor.dims.columns() as usize;
    let rows = (TASK / columns).max(1);
    let read = tensor.row(0).len() * rows;
    if read == 0 {
        return Ok(()); // tensors of a file that was opened have rows
    }
    let batch = read * 4 * rayon::current_num_threads();
    for bytes in tensor.data.chunks(batch) {
        if dtype == tensor.dtype {
            write(bytes, bytes.len())?;
            continue;
        }
        let tasks = bytes.par_chunks(read).map(|rows| {
            let count = rows.len() / tensor.dtype.block_bytes() * tensor.dtype.block_len();
            let mut numbers = vec![0.0; count];
            tensor.dtype.dequantize(rows, &mut numbers)?;
            let mut converted = vec![0; count / dtype.block_len() * dtype.block_bytes()];
            dtype.quantize(&numbers, &mut converted)?;
            Ok((converted, rows.len()))
        });
        let converted = tasks.collect::<Result<Vec<_>>>().map_err(|error| match error {
            Error::Invalid { problem, .. } => {
                Error::Invalid { what: format!("tensor {}", crate::error::printable(tensor.name)), problem }
            }
            other => other,
        })?;
        converted.iter().try_for_each(|(converted, read)| write(converted, *read))?;
    }
    Ok(())
}

impl ModelShape {
    /// What a file says of itself.
    ///
    /// # Errors
    /// [`Error::MissingKey`] or [`Error::WrongType`] for architecture and number of layers.
    pub fn of(model: &Gguf) -> Result<Self> {
        let metadata = model.metadata();
        let architecture: &str = metadata.get("general.architecture")?;
        Ok(Self {
            layers: metadata.get(&format!("{architecture}.block_count"))?,
            experts: metadata.find(&format!("{architecture}.expert_count"))?.unwrap_or(0),
            tied_embeddings: !model.contains("output.weight"),
        })
    }
}
