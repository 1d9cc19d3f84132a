//! From bytes to the description of a file. All of a stranger's numbers pass here, and only here.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::pairs::Pairs;
use super::{SafetensorsType, json_fault};
use crate::error::printable;
use crate::files::{At, Cursor, Fault};
use crate::{Budget, Error, Place, Result};

/// Limits well above any real model. That on headers is the format's own.
mod limit {
    pub(super) const HEADER: u64 = 100_000_000;
    pub(super) const TENSORS: usize = 256 << 10;
    pub(super) const DIMENSIONS: usize = 8;
}

#[derive(Debug)]
pub(super) struct Header {
    pub(super) data_start: usize,
    /// In the order of their names.
    pub(super) tensors: Vec<Description>,
    pub(super) metadata: Vec<(Box<str>, Box<str>)>,
}

#[derive(Debug)]
pub(super) struct Description {
    pub(super) name: Box<str>,
    pub(super) dtype: SafetensorsType,
    pub(super) shape: Box<[u64]>,
    begin: u64,
    end: u64,
}

impl Description {
    /// Its bytes in the file.
    pub(super) fn range(&self, data_start: usize) -> Option<Range<usize>> {
        let at = |offset: u64| data_start.checked_add(usize::try_from(offset).ok()?);
        Some(at(self.begin)?..at(self.end)?)
    }
}

pub(super) fn header(file: &str, source: impl Read, file_len: u64, budget: Budget) -> Result<Header> {
    // The length itself is not counted in the format's limit.
    let mut cursor = Cursor::new(source, file_len, limit::HEADER + 8, budget);
    let place = |offset| move || Place::Offset(offset);
    let length = cursor.u64().at(file, place(0))?;
    let range = cursor.take(length).at(file, place(0))?;
    let json = cursor.slice(range.clone());
    if json.first() != Some(&b'{') {
        let problem = match file_len {
            _ if cursor.slice(0..4) == b"GGUF" => "this is a GGUF file, not safetensors",
            _ => "the header is no JSON object",
        };
        return Err(Fault::malformed(problem).at(file, Place::Offset(8)));
    }
    let mut parts: Parts = serde_json::from_slice(json).map_err(json_fault).at(file, place(8))?;
    if let Some((name, found)) = parts.unknown {
        let what = format!("{file}, {}", Place::tensor(&name));
        return Err(Error::UnsupportedType { what, found: printable(&found), op: "read" });
    }
    check_data(file, &mut parts.tensors, cursor.left())?;
    parts.tensors.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if let Some([twice, _]) = parts.tensors.array_windows().find(|[a, b]| a.name == b.name) {
        return Err(Fault::malformed("it occurs twice").at(file, Place::tensor(&twice.name)));
    }
    Ok(Header { data_start: range.end, tensors: parts.tensors, metadata: parts.metadata })
}

/// Checks that tensors have the bytes their shapes need, and that together they cover the data without gap or overlap.
fn check_data(file: &str, tensors: &mut [Description], data_len: u64) -> Result<()> {
    // Tensors without numbers lie between others; by their ends too, they come before what starts in the same place.
    tensors.sort_unstable_by_key(|tensor| (tensor.begin, tensor.end));
    let mut end = 0;
    for tensor in &*tensors {
        let checked = check_range(tensor, end, data_len);
        end = checked.at(file, || Place::tensor(&tensor.name))?;
    }
    if end != data_len {
        let problem = format!("{} bytes after the last tensor belong to none", data_len - end);
        return Err(Fault::malformed(problem).at(file, Place::Offset(end)));
    }
    Ok(())
}

fn check_range(tensor: &Description, before: u64, data_len: u64) -> Result<u64, Fault> {
    let Description { begin, end, .. } = *tensor;
    let shape = &tensor.shape;
    let count = shape.iter().try_fold(1_u64, |product, size| product.checked_mul(*size));
    let Some(needed) = count.and_then(|count| count.checked_mul(tensor.dtype.bytes())) else {
        return Err(Fault::malformed(format!("shape {shape:?} overflows")));
    };
    if end.checked_sub(begin) != Some(needed) {
        let problem = format!("bytes {begin} to {end} are not the {needed} that shape {shape:?} needs");
        return Err(Fault::malformed(problem));
    }
    match begin {
        _ if end > data_len => Err(Fault::Truncated { needed, left: data_len.saturating_sub(begin) }),
        _ if begin < before => Err(Fault::malformed("its data overlaps that of another tensor")),
        _ if begin > before => Err(Fault::malformed(format!("{} bytes before it belong to none", begin - before))),
        _ => Ok(end),
    }
}

/// The header's JSON. A map of our own, since the usual ones keep the last of several equal keys without a word.
#[derive(Default)]
struct Parts {
    tensors: Vec<Description>,
    metadata: Vec<(Box<str>, Box<str>)>,
    /// A tensor of a type that is not known, and the type.
    unknown: Option<(Box<str>, Box<str>)>,
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
        let mut parts = Parts::default();
        let mut noted = false;
        while let Some(name) = map.next_key::<Box<str>>()? {
            if &*name == "__metadata__" {
                if std::mem::replace(&mut noted, true) {
                    return Err(A::Error::custom("__metadata__ occurs twice"));
                }
                parts.metadata = map.next_value::<Option<Pairs>>()?.unwrap_or_default().0;
                continue;
            }
            if parts.tensors.len() >= limit::TENSORS {
                return Err(A::Error::custom(format!("more than {} tensors", limit::TENSORS)));
            }
            let Entry { dtype, shape: Shape(shape), data_offsets: [begin, end] } = map.next_value()?;
            match SafetensorsType::from_name(&dtype) {
                Some(dtype) => parts.tensors.push(Description { name, dtype, shape, begin, end }),
                None => parts.unknown = Some((name, dtype.into())),
            }
        }
        Ok(parts)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    dtype: Cow<'a, str>,
    shape: Shape,
    data_offsets: [u64; 2],
}

/// A short list of sizes.
struct Shape(Box<[u64]>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShapeVisitor;
        impl<'de> Visitor<'de> for ShapeVisitor {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {} sizes", limit::DIMENSIONS)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
                let mut sizes = [0; limit::DIMENSIONS];
                for count in 0..limit::DIMENSIONS {
                    match (seq.next_element()?, sizes.get_mut(count)) {
                        (Some(size), Some(place)) => *place = size,
                        _ => return Ok(Shape(sizes.get(..count).unwrap_or_default().into())),
                    }
                }
                match seq.next_element::<IgnoredAny>()? {
                    None => Ok(Shape(sizes.into())),
                    Some(_) => Err(A::Error::custom(format!("more than {} dimensions", limit::DIMENSIONS))),
                }
            }
        }
        deserializer.deserialize_seq(ShapeVisitor)
    }
}
