//! Files that are split: `NAME-00001-of-00003.gguf` and so on.

use std::path::Path;

/// Which part of how many a file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) base: &'a str,
    pub(crate) number: u32,
    pub(crate) of: u32,
}

/// Reads `stem`, a file's name without its ending.
pub(crate) fn part(stem: &str) -> Option<Part<'_>> {
    let number = |digits: &str| (digits.len() == 5).then(|| digits.parse::<u32>().ok())?;
    let (rest, of) = stem.rsplit_once("-of-")?;
    let (base, this) = rest.rsplit_once('-')?;
    let part = Part { base, number: number(this)?, of: number(of)? };
    (1..=part.of).contains(&part.number).then_some(part)
}

/// The bytes of all parts of the file at `path`, which has `len` itself.
pub(crate) fn bytes(path: &Path, len: u64) -> u64 {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let Some(first) = part(&stem).filter(|part| part.number == 1) else { return len };
    let other = |number: u32| {
        let name = format!("{}-{number:05}-of-{:05}.gguf", first.base, first.of);
        std::fs::metadata(path.with_file_name(name)).map_or(0, |metadata| metadata.len())
    };
    len + (2..=first.of.min(1_000)).map(other).sum::<u64>()
}
