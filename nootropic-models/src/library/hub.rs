//! The Hugging Face hub's cache: `models--OWNER--NAME/snapshots/REVISION/…`, links to `blobs/`.

use std::fs;
use std::path::Path;

use super::{FoundModel, ModelSource, folder};

/// The models in the cache, called `OWNER/NAME` or `OWNER/NAME/FILE`.
pub(super) fn models(cache: &Path) -> Vec<FoundModel> {
    let mut found = Vec::new();
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let folder = entry.file_name();
        let Some(repository) = folder.to_str().and_then(|name| name.strip_prefix("models--")) else { continue };
        let repository = repository.replacen("--", "/", 1);
        for snapshot in fs::read_dir(entry.path().join("snapshots")).into_iter().flatten().flatten() {
            found.extend(in_snapshot(&repository, &snapshot.path()));
        }
    }
    found
}

fn in_snapshot(repository: &str, snapshot: &Path) -> Vec<FoundModel> {
    if let Some(bytes) = folder::safetensors_bytes(snapshot) {
        let (name, path) = (repository.to_owned(), snapshot.to_owned());
        return vec![FoundModel { name, path, bytes, source: ModelSource::Hub }];
    }
    let mut found = folder::models(snapshot, ModelSource::Hub);
    for model in &mut found {
        model.name = format!("{repository}/{}", model.name);
    }
    found
}
