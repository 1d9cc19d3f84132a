//! Ollama's store: manifests that name layers by their SHA-256, and the layers in `blobs/`.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{FoundModel, ModelSource};

/// Longest manifest that is read; real ones have a few hundred bytes.
const MANIFEST_BYTES: u64 = 1 << 20;
/// The layer that is the model, in the words of the manifest.
const MODEL: &str = "application/vnd.ollama.image.model";
/// The registry and owner that Ollama leaves out of names.
const USUAL: [&str; 2] = ["registry.ollama.ai", "library"];

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: String,
}

/// The models in the store, called as Ollama calls them: `NAME:TAG`, `OWNER/NAME:TAG` or `HOST/OWNER/NAME:TAG`.
pub(super) fn models(store: &Path) -> Vec<FoundModel> {
    let mut found = Vec::new();
    let manifests = store.join("manifests");
    // HOST/OWNER/NAME/TAG
    for path in below(&manifests, 4) {
        let Ok(inner) = path.strip_prefix(&manifests) else { continue };
        let parts: Vec<&str> = inner.iter().filter_map(|part| part.to_str()).collect();
        let &[host, owner, name, tag] = parts.as_slice() else { continue };
        let Some((path, bytes)) = model_layer(store, &path) else { continue };
        let called = match [host, owner] {
            USUAL => format!("{name}:{tag}"),
            [host, owner] if host == USUAL[0] => format!("{owner}/{name}:{tag}"),
            _ => format!("{host}/{owner}/{name}:{tag}"),
        };
        found.push(FoundModel { name: called, path, bytes, source: ModelSource::Ollama });
    }
    found
}

/// Whether `asked`, without a tag, means the model called `name`.
pub(super) fn is_latest(name: &str, asked: &str) -> bool {
    name.strip_suffix(":latest").is_some_and(|base| base.eq_ignore_ascii_case(asked))
}

/// Every path `depth` levels below a folder.
fn below(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let mut level = vec![folder.to_owned()];
    for _ in 0..depth {
        level = level.iter().flat_map(fs::read_dir).flatten().flatten().map(|entry| entry.path()).collect();
    }
    level
}

/// The file that a manifest names as the model, if it is there, and its length.
fn model_layer(store: &Path, manifest: &Path) -> Option<(PathBuf, u64)> {
    let file = File::open(manifest).ok().filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file()))?;
    let mut text = String::new();
    file.take(MANIFEST_BYTES).read_to_string(&mut text).ok()?;
    let manifest: Manifest = serde_json::from_str(&text).ok()?;
    let layer = manifest.layers.into_iter().find(|layer| layer.media_type == MODEL)?;
    let hash = layer.digest.strip_prefix("sha256:")?;
    // It becomes part of a path.
    if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let path = store.join("blobs").join(format!("sha256-{hash}"));
    let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    Some((path, metadata.len()))
}
