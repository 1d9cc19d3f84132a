//! From bytes to a header. All of a stranger's numbers pass here, and only here.
#![forbid(unsafe_code)]

use std::io::Read;
use std::ops::Range;

use super::header::{Description, Entry, GgufHeader, Raw, Span};
use super::value::{Value, ValueType};
use super::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, MAGIC, SMALLEST_ENTRY, SMALLEST_TENSOR, VERSION, limit};
use crate::files::{At, Cursor, Fault};
use crate::{Budget, Dims, Error, Place, Result, TensorType};

/// Parses the header at the front of `source`; see [`GgufHeader::read`].
pub(super) fn header(name: &str, source: impl Read, file_len: u64, budget: Budget) -> Result<GgufHeader> {
    let mut parser = Parser { file: name, cursor: Cursor::new(source, file_len, limit::HEADER, budget) };
    let version = parser.version()?;
    let n_tensors = parser.count("tensors", limit::TENSORS, SMALLEST_TENSOR)?;
    let n_keys = parser.count("metadata keys", limit::KEYS, SMALLEST_ENTRY)?;
    let entries = parser.items(n_keys, Parser::entry)?;
    let by_key = parser.sorted(&entries, |entry| Named::Key(entry.key))?;
    let alignment = parser.alignment(&entries)?;
    let tensors = parser.items(n_tensors, Parser::tensor)?;
    let by_name = parser.sorted(&tensors, |tensor| Named::Tensor(tensor.name))?;
    let data_start = parser.check_data(&tensors, alignment)?;
    let bytes = parser.cursor.into_bytes();
    Ok(GgufHeader { file: name.into(), version, alignment, data_start, bytes, entries, by_key, tensors, by_name })
}

struct Parser<'n, R> {
    file: &'n str,
    cursor: Cursor<R>,
}

impl<R: Read> Parser<'_, R> {
    /// Runs `step`, and says at which byte it failed if it did.
    fn here<T>(&mut self, step: impl FnOnce(&mut Cursor<R>) -> Result<T, Fault>) -> Result<T> {
        let start = self.cursor.position();
        step(&mut self.cursor).at(self.file, || Place::Offset(start))
    }

    fn version(&mut self) -> Result<u32> {
        let file = self.file;
        let magic = self.here(Cursor::u32)?.to_le_bytes();
        if magic != MAGIC {
            let problem = match magic {
                [0x80, ..] | [b'P', b'K', ..] => "this is a Python pickle or archive, not a GGUF file",
                [_, _, _, 0] => "this is no GGUF file; perhaps it is safetensors",
                _ => "this is no GGUF file",
            };
            return Err(Fault::malformed(problem).at(file, Place::Offset(0)));
        }
        match self.here(Cursor::u32)? {
            version @ 2..=VERSION => Ok(version),
            big if (2..=VERSION).contains(&big.swap_bytes()) => {
                let problem = "the file is for big-endian machines; convert the model anew on a little-endian one";
                Err(Fault::malformed(problem).at(file, Place::Offset(4)))
            }
            found => Err(Error::FormatVersion { file: file.into(), found }),
        }
    }

    /// How many things of at least `size` bytes follow.
    fn count(&mut self, what: &'static str, max: u64, size: u64) -> Result<usize> {
        self.here(|cursor| {
            let got = cursor.u64()?;
            if got > max {
                return Err(Fault::OverLimit { what, got, max });
            }
            cursor.can_follow(got, size)?;
            usize::try_from(got).map_err(|_| Fault::Memory { bytes: got })
        })
    }

    fn items<T>(&mut self, count: usize, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = self.here(|cursor| cursor.budget.vec(count))?;
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A key or a tensor's name.
    fn name(&mut self, what: &str) -> Result<Span> {
        self.here(|cursor| {
            let range = string(cursor, limit::NAME)?;
            match std::str::from_utf8(cursor.slice(range.clone())) {
                Ok("") => Err(Fault::malformed(format!("a {what} has no name"))),
                Ok(_) => span(range),
                Err(_) => Err(Fault::malformed(format!("the name of a {what} is not UTF-8"))),
            }
        })
    }

    /// Runs `step`, and says in which value or tensor it failed if it did.
    fn inside<T>(&mut self, place: Named, step: impl FnOnce(&mut Cursor<R>) -> Result<T, Fault>) -> Result<T> {
        step(&mut self.cursor).at(self.file, || place.place(&self.cursor))
    }

    fn entry(&mut self) -> Result<Entry> {
        let key = self.name("key")?;
        let value = self.inside(Named::Key(key), value)?;
        Ok(Entry { key, value })
    }

    fn tensor(&mut self) -> Result<Description> {
        let name = self.name("tensor")?;
        let place = Named::Tensor(name);
        let dims = self.inside(place, dims)?;
        let id = self.inside(place, Cursor::u32)?;
        let Some(dtype) = TensorType::from_id(id) else {
            let what = format!("{}, {}", self.file, place.place(&self.cursor));
            return Err(Error::UnsupportedType { what, found: id.to_string(), op: "read" });
        };
        let bytes = self.inside(place, |_| tensor_bytes(dtype, &dims))?;
        let offset = self.inside(place, Cursor::u64)?;
        Ok(Description { name, dims, dtype, offset, bytes })
    }

    /// Indices of `items` in the order of their names, each of which may occur once.
    fn sorted<T>(&mut self, items: &[T], name: impl Fn(&T) -> Named) -> Result<Vec<u32>> {
        let mut indices: Vec<u32> = self.here(|cursor| cursor.budget.vec(items.len()))?;
        indices.extend((0_u32..).take(items.len()));
        let named = |index: &u32| items.get(*index as usize).map(&name);
        let bytes_of = |index: &u32| named(index).map(|named| named.bytes(&self.cursor)).unwrap_or_default();
        indices.sort_unstable_by(|a, b| bytes_of(a).cmp(bytes_of(b)));
        let twice = indices.array_windows().find(|[a, b]| bytes_of(a) == bytes_of(b));
        match twice.and_then(|[a, _]| named(a)) {
            Some(named) => Err(Fault::malformed("it occurs twice").at(self.file, named.place(&self.cursor))),
            None => Ok(indices),
        }
    }

    fn alignment(&self, entries: &[Entry]) -> Result<u32> {
        let is_alignment = |entry: &&Entry| Named::Key(entry.key).bytes(&self.cursor) == ALIGNMENT_KEY.as_bytes();
        let Some(entry) = entries.iter().find(is_alignment) else { return Ok(DEFAULT_ALIGNMENT) };
        let found = match &entry.value {
            Raw::Fixed(kind @ ValueType::U32, bytes) => Value::fixed(*kind, *bytes),
            _ => Value::Bool(false), // any other type
        };
        match found {
            Value::Unsigned(_, found) => u32::try_from(found)
                .ok()
                .filter(|found| found.is_power_of_two() && limit::ALIGNMENT.contains(found))
                .ok_or_else(|| format!("{found} is no power of two from 8 to 65536")),
            _ => Err("it must be a u32".to_owned()),
        }
        .map_err(|problem| Fault::Malformed(problem).at(self.file, Place::key(ALIGNMENT_KEY)))
    }

    /// Checks that the data of the tensors is aligned, inside the file and apart. Gives where the data starts.
    fn check_data(&mut self, tensors: &[Description], alignment: u32) -> Result<u64> {
        let (position, left) = (self.cursor.position(), self.cursor.left());
        let file_len = position + left;
        let start = position.next_multiple_of(alignment.into()); // the header is at most 1 GiB
        if tensors.is_empty() {
            return Ok(start);
        }
        let Some(data_len) = file_len.checked_sub(start) else {
            let fault = Fault::Truncated { needed: start - position, left };
            return Err(fault.at(self.file, Place::Offset(position)));
        };
        let mut by_offset: Vec<u32> = self.here(|cursor| cursor.budget.vec(tensors.len()))?;
        by_offset.extend((0_u32..).take(tensors.len()));
        by_offset.sort_unstable_by_key(|index| tensors.get(*index as usize).map(|tensor| tensor.offset));
        let mut end = 0;
        for tensor in by_offset.iter().filter_map(|index| tensors.get(*index as usize)) {
            let checked = check_range(tensor, end, data_len, alignment);
            end = checked.at(self.file, || Named::Tensor(tensor.name).place(&self.cursor))?;
        }
        Ok(start)
    }
}

/// Checks a tensor's range against the one before it and the file. Gives its end.
fn check_range(tensor: &Description, before: u64, data_len: u64, alignment: u32) -> Result<u64, Fault> {
    let Description { offset, bytes, .. } = *tensor;
    if !offset.is_multiple_of(alignment.into()) {
        return Err(Fault::malformed(format!("its offset {offset} is no multiple of the alignment {alignment}")));
    }
    if offset < before {
        return Err(Fault::malformed("its data overlaps that of another tensor"));
    }
    match offset.checked_add(bytes) {
        Some(end) if end <= data_len => Ok(end),
        _ => Err(Fault::Truncated { needed: bytes, left: data_len.saturating_sub(offset) }),
    }
}

/// A name in the header, and what it names.
#[derive(Clone, Copy)]
enum Named {
    Key(Span),
    Tensor(Span),
}

impl Named {
    fn bytes<R: Read>(self, cursor: &Cursor<R>) -> &[u8] {
        let (Self::Key(Span { start, len }) | Self::Tensor(Span { start, len })) = self;
        cursor.slice(start as usize..(start as usize).saturating_add(len as usize))
    }

    fn place<R: Read>(self, cursor: &Cursor<R>) -> Place {
        let name = String::from_utf8_lossy(self.bytes(cursor));
        match self {
            Self::Key(_) => Place::key(&name),
            Self::Tensor(_) => Place::tensor(&name),
        }
    }
}

fn span(range: Range<usize>) -> Result<Span, Fault> {
    // Never fails below the limit on headers.
    let number = |n: usize| u32::try_from(n).map_err(|_| Fault::Memory { bytes: n as u64 });
    Ok(Span { start: number(range.start)?, len: number(range.len())? })
}

fn string<R: Read>(cursor: &mut Cursor<R>, max: u64) -> Result<Range<usize>, Fault> {
    let got = cursor.u64()?;
    if got > max {
        return Err(Fault::OverLimit { what: "bytes in a string", got, max });
    }
    cursor.take(got)
}

fn value_type<R: Read>(cursor: &mut Cursor<R>) -> Result<ValueType, Fault> {
    let id = cursor.u32()?;
    ValueType::from_id(id).ok_or_else(|| Fault::malformed(format!("there is no value type {id}")))
}

fn value<R: Read>(cursor: &mut Cursor<R>) -> Result<Raw, Fault> {
    match value_type(cursor)? {
        ValueType::String => Ok(Raw::String(span(string(cursor, limit::STRING)?)?)),
        ValueType::Array => array(cursor),
        kind => {
            let bytes = cursor.padded(kind.size().unwrap_or_default())?;
            match (Value::fixed(kind, bytes), bytes) {
                (Value::Float(_, number), _) if !number.is_finite() => {
                    Err(Fault::malformed("the number is not finite"))
                }
                (Value::Bool(_), [byte, ..]) if byte > 1 => Err(Fault::malformed("a truth value is neither 0 nor 1")),
                _ => Ok(Raw::Fixed(kind, bytes)),
            }
        }
    }
}

fn array<R: Read>(cursor: &mut Cursor<R>) -> Result<Raw, Fault> {
    let kind = value_type(cursor)?;
    let count = cursor.u64()?;
    match (kind, kind.size()) {
        (ValueType::Array, _) => Err(Fault::malformed("an array of arrays")),
        (_, Some(size)) => {
            cursor.can_follow(count, size as u64)?;
            let range = cursor.take(count * size as u64)?;
            let bytes = cursor.slice(range.clone());
            if has_nan(kind, bytes) {
                return Err(Fault::malformed("an item is not a number (NaN)"));
            }
            if kind == ValueType::Bool && bytes.iter().any(|byte| *byte > 1) {
                return Err(Fault::malformed("a truth value is neither 0 nor 1"));
            }
            Ok(Raw::Array(kind, span(range)?))
        }
        (_, None) => {
            cursor.can_follow(count, size_of::<u64>() as u64)?;
            let count = usize::try_from(count).map_err(|_| Fault::Memory { bytes: count })?;
            let mut starts: Vec<u32> = cursor.budget.vec(count)?;
            for _ in 0..count {
                let start = cursor.position();
                string(cursor, limit::STRING)?;
                starts.push(u32::try_from(start).map_err(|_| Fault::Memory { bytes: start })?);
            }
            Ok(Raw::Strings(starts.into_boxed_slice()))
        }
    }
}

fn has_nan(kind: ValueType, bytes: &[u8]) -> bool {
    match kind {
        ValueType::F32 => bytes.as_chunks().0.iter().any(|bytes| f32::from_le_bytes(*bytes).is_nan()),
        ValueType::F64 => bytes.as_chunks().0.iter().any(|bytes| f64::from_le_bytes(*bytes).is_nan()),
        _ => false,
    }
}

fn dims<R: Read>(cursor: &mut Cursor<R>) -> Result<Dims, Fault> {
    let count = cursor.u32()? as usize;
    let mut sizes = [0; 4];
    let Some(used) = sizes.get_mut(..count).filter(|used| !used.is_empty()) else {
        return Err(Fault::malformed(format!("{count} dimensions; tensors have 1 to 4")));
    };
    for size in &mut *used {
        *size = cursor.u64()?;
    }
    Dims::new(used).ok_or_else(|| Fault::malformed(format!("a dimension is 0 in {used:?}")))
}

fn tensor_bytes(dtype: TensorType, dims: &Dims) -> Result<u64, Fault> {
    if !dims.columns().is_multiple_of(dtype.block_len() as u64) {
        let (columns, block) = (dims.columns(), dtype.block_len());
        return Err(Fault::malformed(format!("rows of {columns} are no whole blocks of {dtype}, which hold {block}")));
    }
    // Blocks first, then bytes: the other way round, the product can wrap before it is divided.
    let blocks = dims.elements().map(|elements| elements / dtype.block_len() as u64);
    let bytes = blocks.and_then(|blocks| blocks.checked_mul(dtype.block_bytes() as u64));
    bytes.ok_or_else(|| Fault::malformed(format!("dimensions {dims:?} of {dtype} overflow")))
}
