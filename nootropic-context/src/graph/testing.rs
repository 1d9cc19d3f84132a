//! A small repository to test with.

use std::path::Path;

use nootropic_core::reference::MemoryStore;
use nootropic_core::{ChunkId, KeyRange, StoreExt};

use crate::index::{OUTLINES, Outline, UpdateOptions, update};

pub(super) const REPOSITORY: &[(&str, &str)] = &[
    (
        "src/store.rs",
        r#"//! Keeps things.

use std::path::{Path, PathBuf};

/// Keeps things in a folder.
pub struct KeyStore {
    folder: PathBuf,
}

impl KeyStore {
    /// Opens a folder.
    pub fn open_folder(folder: &Path) -> Option<Self> {
        check_folder(folder).then(|| Self { folder: folder.into() })
    }

    /// The value of a key.
    pub fn read_value(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.join(key)).ok()
    }

    fn forget(&self) {}
}

fn check_folder(folder: &Path) -> bool {
    folder.is_dir()
}
"#,
    ),
    (
        "src/server.rs",
        r#"//! Answers.

use crate::store::KeyStore;

/// Answers requests from a store.
pub struct HttpServer {
    store: KeyStore,
}

impl HttpServer {
    /// Listens on a port.
    pub fn listen_on(port: u16) -> Self {
        let store = KeyStore::open_folder("data".as_ref()).unwrap();
        Self { store }
    }

    /// Answers one request.
    pub fn answer(&self, path: &str) -> Vec<u8> {
        self.store.read_value(path).unwrap_or_default()
    }
}
"#,
    ),
    (
        "src/main.rs",
        r#"mod server;
mod store;

fn main() {
    let server = server::HttpServer::listen_on(80);
    let store = store::KeyStore::open_folder(".".as_ref());
    server.answer("/");
}
"#,
    ),
    (
        "tests/store.rs",
        r#"use demo::store::KeyStore;

#[test]
fn opens_nothing() {
    assert!(KeyStore::open_folder("none".as_ref()).is_none());
}
"#,
    ),
    (
        "tools/größe.py",
        "def größe(pfad):\n    \"\"\"Wie groß: 大きさ.\"\"\"\n    return len(pfad)\n\n\nclass Überblick:\n    pass\n",
    ),
    ("README.md", "# Demo\n\nA store and a server.\n\n## Usage\n\nCall `KeyStore::open_folder`.\n"),
];

/// Indexes files given as paths and texts.
pub(super) fn index(files: &[(&str, &str)]) -> MemoryStore {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let store = MemoryStore::new(crate::TABLES);
    reindex(&store, folder.path());
    store
}

pub(super) fn reindex(store: &MemoryStore, folder: &Path) {
    update(store, folder, &UpdateOptions::default(), &mut |_| {}, &|| false).unwrap();
}

/// The chunk of the passage that holds a line.
pub(super) fn chunk_at(store: &MemoryStore, path: &str, line: u32) -> ChunkId {
    let mut found = None;
    store
        .read_with(|txn| {
            txn.scan(OUTLINES, &KeyRange::all(), &mut |_, bytes| {
                let outline = Outline::decode(bytes).unwrap();
                if outline.path == path {
                    let at = outline.passages.iter().position(|p| p.span.start_line <= line && line <= p.span.end_line);
                    found = at.map(|at| ChunkId(outline.first_chunk + at as u32));
                }
                Ok(std::ops::ControlFlow::Continue(()))
            })
        })
        .unwrap();
    found.unwrap()
}

/// Every chunk there is.
pub(super) fn all_chunks(store: &MemoryStore) -> Vec<ChunkId> {
    store
        .read_with(|txn| Ok(crate::index::Columns::load(txn)?.live().map(|(chunk, _)| ChunkId(chunk)).collect()))
        .unwrap()
}
