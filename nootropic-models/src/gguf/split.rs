//! Models that are split over several files: `NAME-00001-of-00003.gguf` and so on, the metadata in the first.
//!
//! Source: llama.cpp's `gguf-split`, which numbers parts from 1 in names and from 0 in `split.no`.

use std::collections::HashSet;
use std::path::Path;

use super::read::Part;
use crate::error::printable;
use crate::library::shards;
use crate::{Error, Place, Result};

const NUMBER: &str = "split.no";
const COUNT: &str = "split.count";
const TENSORS: &str = "split.tensors.count";
/// The keys that only make sense in a part.
pub(super) const KEYS: [&str; 3] = [NUMBER, COUNT, TENSORS];
/// Most parts that are opened; the largest models have some dozens.
const MOST: u64 = 1_000;

/// Opens the parts that follow `first`, which lies at `path`; none if it is a whole model.
pub(super) fn rest(first: &Part, path: &Path) -> Result<Vec<Part>> {
    let file = first.name().to_owned();
    let (number, count) = place(first)?;
    if count <= 1 {
        return Ok(Vec::new());
    }
    if count > MOST {
        return Err(Error::OverLimit { file, place: Place::key(COUNT), what: "parts", got: count, max: MOST });
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let named = shards::part(&stem).filter(|named| u64::from(named.of) == count);
    let (Some(named), 0) = (named, number) else {
        let problem = match number {
            0 => format!(
                "it is the first of {count} parts, and its name does not say so: it ends in -00001-of-{count:05}"
            ),
            _ => format!("it is part {} of {count}: open the first one", number + 1),
        };
        return Err(Error::Invalid { what: file, problem });
    };
    let mut parts = Vec::new();
    for number in 1..count {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        let path = path.with_file_name(format!("{}-{:05}-of-{:05}.{ending}", named.base, number + 1, named.of));
        if !path.exists() {
            return Err(Error::MissingPart { file, part: path.display().to_string(), number: number + 1, count });
        }
        let part = Part::open(&path)?;
        let (found, of) = place(&part)?;
        if (found, of) != (number, count) {
            let problem = format!(
                "it says that it is part {} of {of}, not part {} of {count}",
                found.saturating_add(1),
                number + 1
            );
            return Err(Error::Malformed { file: part.name().to_owned(), place: Place::key(NUMBER), problem });
        }
        parts.push(part);
    }
    check_tensors(first, &parts)?;
    Ok(parts)
}

/// Which part a file is, from 0, and of how many.
fn place(part: &Part) -> Result<(u64, u64)> {
    let metadata = part.header.metadata();
    Ok((metadata.find(NUMBER)?.unwrap_or(0), metadata.find(COUNT)?.unwrap_or(1)))
}

/// Checks that no tensor occurs twice and, if their number is said, that none is missing.
fn check_tensors(first: &Part, rest: &[Part]) -> Result<()> {
    let mut names = HashSet::new();
    for part in std::iter::once(first).chain(rest) {
        for tensor in part.header.tensors() {
            if !names.insert(tensor.name) {
                let (file, place) = (part.name().to_owned(), Place::tensor(tensor.name));
                return Err(Error::Malformed { file, place, problem: "another part has it too".into() });
            }
        }
    }
    let expected: Option<u64> = first.header.metadata().find(TENSORS)?;
    match expected {
        Some(expected) if expected != names.len() as u64 => {
            let problem = format!(
                "{expected} tensors are announced, the parts of {} have {}",
                printable(first.name()),
                names.len()
            );
            Err(Error::Malformed { file: first.name().to_owned(), place: Place::key(TENSORS), problem })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
