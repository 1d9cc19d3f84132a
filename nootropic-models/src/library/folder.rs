//! Folders of model files: our own, LM Studio's, llama.cpp's.

use std::fs;
use std::path::Path;

use super::{FoundModel, ModelSource, shards};

/// How many folders deep files are looked for.
const DEPTH: usize = 4;
/// How many entries of one tree are looked at.
const ENTRIES: usize = 100_000;

/// The models below `root`, called by their paths in it without `.gguf`.
pub(super) fn models(root: &Path, source: ModelSource) -> Vec<FoundModel> {
    let mut found = Vec::new();
    let mut left = ENTRIES;
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        if depth > 0
            && let Some(bytes) = safetensors_bytes(&folder)
        {
            found.push(FoundModel { name: name(root, &folder), path: folder, bytes, source });
            continue;
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Some(rest) = left.checked_sub(1) else { return found };
            left = rest;
            let path = entry.path();
            // A link to a file is followed, as the hub's cache is made of them; one to a folder might lead in circles.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEPTH => folders.push((path, depth + 1)),
                _ => found.extend(model(root, &path, source)),
            }
        }
    }
    found
}

/// The model in one file, if it ends in `.gguf` and is the first of its parts.
pub(super) fn model(root: &Path, path: &Path, source: ModelSource) -> Option<FoundModel> {
    let stem = path.file_stem()?.to_str()?;
    let gguf = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"));
    // What projects pictures into a model's space is no language model.
    if !gguf || stem.starts_with("mmproj") || shards::part(stem).is_some_and(|part| part.number > 1) {
        return None;
    }
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let called = match shards::part(stem) {
        Some(part) => path.with_file_name(part.base),
        None => path.with_extension(""),
    };
    let bytes = shards::bytes(path, metadata.len());
    Some(FoundModel { name: name(root, &called), path: path.to_owned(), bytes, source })
}

/// The bytes of the safetensors files in a folder that describes a model with `config.json`.
pub(super) fn safetensors_bytes(folder: &Path) -> Option<u64> {
    if !folder.join("config.json").is_file() {
        return None;
    }
    let files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let weights = files.filter(|path| path.extension().is_some_and(|ending| ending == "safetensors"));
    let lengths: Vec<u64> = weights.filter_map(|path| Some(fs::metadata(path).ok()?.len())).collect();
    (!lengths.is_empty()).then(|| lengths.iter().sum())
}

/// A path below `root` with `/` between its parts.
fn name(root: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    inner.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}
