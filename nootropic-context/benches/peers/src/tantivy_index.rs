//! Tantivy over passages: path and symbol as fields of their own, the text stored, no positions (nothing asks for
//! phrases), its own tokenizer.

use std::path::Path;
use std::sync::Mutex;

use nootropic_context::syntax::{self, ChunkOptions};
use nootropic_context::walk::{Found, Reader, RelPath, WalkOptions, walk};
use tantivy::schema::{Field, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, IndexWriter, TantivyDocument};

use super::shared::Problem;

/// A passage as both sides see it.
#[derive(Debug, Clone)]
pub struct Passage {
    pub path: String,
    pub symbol: String,
    pub lines: (u32, u32),
    pub text: String,
}

#[derive(Clone, Copy)]
pub struct Fields {
    pub path: Field,
    pub symbol: Field,
    pub body: Field,
    lines: Field,
}

pub fn schema() -> (Schema, Fields) {
    let indexing = TextFieldIndexing::default().set_tokenizer("default").set_index_option(IndexRecordOption::WithFreqs);
    let text = TextOptions::default().set_indexing_options(indexing).set_stored();
    let mut schema = Schema::builder();
    let fields = Fields {
        path: schema.add_text_field("path", text.clone()),
        symbol: schema.add_text_field("symbol", text.clone()),
        body: schema.add_text_field("body", text),
        lines: schema.add_u64_field("lines", STORED),
    };
    (schema.build(), fields)
}

fn document(fields: Fields, passage: &Passage) -> TantivyDocument {
    let mut document = TantivyDocument::default();
    document.add_text(fields.path, &passage.path);
    document.add_text(fields.symbol, &passage.symbol);
    document.add_text(fields.body, &passage.text);
    document.add_u64(fields.lines, u64::from(passage.lines.0) << 32 | u64::from(passage.lines.1));
    document
}

/// Reads and cuts every file below `root` on every core.
pub fn passages(root: &Path, take: &(dyn Fn(Passage) + Sync)) -> Result<(), Problem> {
    let options = WalkOptions::default();
    let reader = Reader::new(root, &options)?;
    let (sender, paths) = std::sync::mpsc::sync_channel::<RelPath>(4096);
    let paths = Mutex::new(paths);
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                loop {
                    let next = paths.lock().map(|paths| paths.recv());
                    let Ok(Ok(path)) = next else { return };
                    cut(&reader, &path, take);
                }
            });
        }
        let walked = walk(root, &options, &|| false, &mut |found| {
            if let Found::File { path, .. } = found {
                let _ = sender.send(path);
            }
        });
        drop(sender);
        walked
    })?;
    Ok(())
}

fn cut(reader: &Reader, path: &RelPath, take: &(dyn Fn(Passage) + Sync)) {
    let Ok(content) = reader.read(path) else { return };
    let shown = path.to_text();
    let parsed = syntax::parse(&shown, &content.text, &ChunkOptions::default());
    for piece in &parsed.pieces {
        let symbol = piece.symbol.and_then(|i| parsed.symbols.get(i as usize));
        take(Passage {
            path: shown.to_string(),
            symbol: symbol.map(|s| s.name.clone()).unwrap_or_default(),
            lines: (piece.span.start_line, piece.span.end_line),
            text: content.text.get(piece.span.bytes()).unwrap_or_default().to_owned(),
        });
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A writer with as many threads as there are cores.
pub fn writer(folder: &Path) -> Result<(IndexWriter, Fields), Problem> {
    std::fs::create_dir_all(folder)?;
    let (schema, fields) = schema();
    let index = Index::create_in_dir(folder, schema)?;
    Ok((index.writer_with_num_threads(threads(), threads() * 50_000_000)?, fields))
}

pub fn add(writer: &IndexWriter, fields: Fields, passage: &Passage) -> Result<(), Problem> {
    writer.add_document(document(fields, passage))?;
    Ok(())
}
