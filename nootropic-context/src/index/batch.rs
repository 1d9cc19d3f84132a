//! Files that change together: one transaction makes the whole batch visible.

use std::collections::BTreeMap;

use nootropic_core::{ChunkId, Error, ReadTxn, Result, Snapshot, Store, StoreExt, WriteTxn};

use super::analyze::{Analyzed, Outcome, Text};
use super::columns::{ChunkHead, ColumnEdits};
use super::embed::InlineVectors;
use super::fingerprint::Fingerprint;
use super::jobs::Skipped;
use super::join::join_newest;
use super::record::{FILES, FileRecord, IndexMeta, OUTLINES, path_key};
use super::text::TEXTS;
use crate::lexical::segment::{self, Lists, SegmentBuilder, put_info};
use crate::lexical::words::FileWords;
use crate::vectors::{EncodedVector, VectorTable};
use crate::walk::{FileStamp, RelPath, SkipReason};

/// Gathers analysed files until there are enough for a transaction.
#[derive(Debug)]
pub(crate) struct Batch {
    made_with: Fingerprint,
    files: Vec<(Analyzed, u32)>,
    /// With why they cannot be indexed, where they were looked at.
    removed: Vec<(RelPath, Option<SkipReason>)>,
    builder: SegmentBuilder,
    bytes: usize,
}

/// What became of the files of a batch, or of several.
#[derive(Debug, Clone, Default)]
pub(super) struct Applied {
    pub(super) indexed: u64,
    pub(super) removed: u64,
    pub(super) unchanged: u64,
    pub(super) skipped: Skipped,
}

impl Applied {
    pub(super) fn add(&mut self, other: &Self) {
        self.indexed += other.indexed;
        self.removed += other.removed;
        self.unchanged += other.unchanged;
        self.skipped.add(&other.skipped);
    }
}

impl Batch {
    /// For files that are read and cut with the options of that fingerprint.
    pub(super) fn new(made_with: Fingerprint) -> Self {
        Self { made_with, files: Vec::new(), removed: Vec::new(), builder: SegmentBuilder::default(), bytes: 0 }
    }

    pub(crate) fn push(&mut self, mut file: Analyzed) {
        let first = match &mut file.outcome {
            Outcome::Text(text) => {
                self.bytes += text.bytes as usize;
                let first = self.builder.add(&text.words);
                // The builder has them now; a batch holds thousands of files.
                text.words = FileWords { lengths: std::mem::take(&mut text.words.lengths), ..FileWords::default() };
                first
            }
            _ => 0,
        };
        self.files.push((file, first));
    }

    pub(super) fn remove(&mut self, path: RelPath, reason: Option<SkipReason>) {
        self.removed.push((path, reason));
    }

    /// Bytes of text gathered.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len() + self.removed.len()
    }

    /// Commits everything gathered; `vectors` made what there is of them.
    pub(super) fn commit(
        mut self,
        store: &dyn Store,
        vectors: Option<&InlineVectors>,
    ) -> Result<(Applied, Option<Snapshot>)> {
        if self.len() == 0 {
            return Ok((Applied::default(), None));
        }
        let chunks = self.builder.chunks();
        let lists = std::mem::take(&mut self.builder).finish();
        let (applied, snapshot) = store.write_with(|txn| self.apply(txn, &lists, chunks, vectors))?;
        Ok((applied, Some(snapshot)))
    }

    fn apply(
        &self,
        txn: &mut dyn WriteTxn,
        lists: &Lists,
        chunks: u32,
        vectors: Option<&InlineVectors>,
    ) -> Result<Applied> {
        let mut edit = Edit::begin(txn, self.made_with)?;
        let base = edit.meta.next_chunk;
        edit.meta.next_chunk =
            base.checked_add(chunks).ok_or_else(|| Error::invalid("index", "out of chunk numbers; rebuild it"))?;
        for (file, first) in &self.files {
            edit.put(txn, file, base + first)?;
        }
        for (path, reason) in &self.removed {
            edit.remove(txn, path, *reason)?;
        }
        // Unless someone has forgotten the embedder since.
        let table = vectors.and_then(InlineVectors::table);
        if let Some(table) = table.filter(|table| edit.vectors.iter().any(|known| known.is(table))) {
            let made = edit.made.iter().flat_map(|(first, made)| (*first..).map(ChunkId).zip(*made));
            table.put_encoded(txn, made)?;
        }
        edit.finish(txn, lists, base, chunks)
    }
}

/// One transaction's changes, as far as they are shared between files.
struct Edit<'a> {
    meta: IndexMeta,
    columns: ColumnEdits,
    vectors: Vec<VectorTable>,
    /// Vectors of new passages, by the number of the first of their file.
    made: BTreeMap<u32, &'a [EncodedVector]>,
    dead: Vec<(u32, u32)>,
    applied: Applied,
    /// Whether the files were read, and cut, with the options that the index is made with.
    read_alike: bool,
    cut_alike: bool,
}

impl<'a> Edit<'a> {
    fn begin(txn: &dyn ReadTxn, made_with: Fingerprint) -> Result<Self> {
        let index_with = Fingerprint::read(txn)?;
        Ok(Self {
            meta: IndexMeta::read(txn)?.unwrap_or_else(IndexMeta::empty),
            columns: ColumnEdits::default(),
            vectors: VectorTable::list(txn)?,
            made: BTreeMap::new(),
            dead: Vec::new(),
            applied: Applied::default(),
            read_alike: index_with == Some(made_with),
            cut_alike: index_with.is_some_and(|with| with.cutting == made_with.cutting),
        })
    }

    fn put(&mut self, txn: &mut dyn WriteTxn, file: &'a Analyzed, first_chunk: u32) -> Result<()> {
        let path = file.path.as_bytes();
        let old = FileRecord::read(txn, path)?;
        let record = match &file.outcome {
            Outcome::Same(hash) => {
                // Another process may have removed or changed it since; then the next pass will see it anew.
                let Some(old) = old else { return Ok(()) };
                self.applied.unchanged += 1;
                let same = old.skipped.is_none() && old.hash == *hash;
                FileRecord { stamp: if same { file.stamp } else { FileStamp::NEVER }, ..old }
            }
            Outcome::Skipped(SkipReason::Vanished) => {
                return self.remove(txn, &file.path, Some(SkipReason::Vanished));
            }
            Outcome::Skipped(reason) if reason.is_passing() => {
                self.applied.skipped.note(*reason);
                // It is there and cannot be read now: what is indexed of it stays until it can.
                let Some(old) = old else { return Ok(()) };
                FileRecord { stamp: FileStamp::NEVER, ..old }
            }
            Outcome::Skipped(reason) => {
                self.applied.skipped.note(*reason);
                let id = self.forget(txn, old.as_ref())?;
                FileRecord {
                    id,
                    stamp: file.stamp,
                    hash: FileRecord::NO_HASH,
                    skipped: Some(*reason),
                    first_chunk: 0,
                    chunks: 0,
                    words: 0,
                    bytes: 0,
                    path: path.to_vec(),
                }
            }
            Outcome::Text(text) => {
                let id = self.forget(txn, old.as_ref())?;
                self.store_text(txn, text, id, first_chunk)?;
                FileRecord {
                    id,
                    stamp: file.stamp,
                    hash: text.hash,
                    skipped: None,
                    first_chunk,
                    chunks: text.words.lengths.len() as u32,
                    words: word_total(text),
                    bytes: text.bytes,
                    path: path.to_vec(),
                }
            }
        };
        // Another process may have other options; whoever looks next with those of the index must read the file.
        let stamp = if self.read_alike { record.stamp } else { FileStamp::NEVER };
        let hash = if self.cut_alike { record.hash } else { FileRecord::NO_HASH };
        txn.put(FILES, &path_key(path), &FileRecord { stamp, hash, ..record }.encode())
    }

    fn store_text(&mut self, txn: &mut dyn WriteTxn, text: &'a Text, id: u32, first_chunk: u32) -> Result<()> {
        let mut outline = text.outline.clone();
        outline.first_chunk = first_chunk;
        txn.put(OUTLINES, &id.to_be_bytes(), &outline.encode())?;
        txn.put(TEXTS, &id.to_be_bytes(), &text.packed)?;
        for (i, words) in text.words.lengths.iter().enumerate() {
            let symbol = outline.passages[i].symbol.and_then(|s| outline.symbols.get(s as usize));
            let head = ChunkHead {
                file: id,
                ordinal: u16::try_from(i).unwrap_or(u16::MAX),
                words: *words,
                class: text.class,
                language: outline.language.map_or(0, |l| l.code()),
                kind: symbol.map_or(0, |s| s.kind.code()),
            };
            self.columns.set(txn, first_chunk + i as u32, &head)?;
        }
        if !text.vectors.is_empty() {
            self.made.insert(first_chunk, &text.vectors);
        }
        let n = text.words.lengths.len() as u32;
        self.meta.files += 1;
        self.meta.chunks += n;
        self.meta.words += u64::from(word_total(text));
        self.meta.bytes += u64::from(text.bytes);
        self.applied.indexed += 1;
        Ok(())
    }

    /// Takes a file's content out; returns the number the path keeps, or a new one.
    fn forget(&mut self, txn: &mut dyn WriteTxn, old: Option<&FileRecord>) -> Result<u32> {
        let Some(old) = old else {
            let id = self.meta.next_file;
            self.meta.next_file += 1;
            return Ok(id);
        };
        if old.skipped.is_none() {
            txn.delete(OUTLINES, &old.id.to_be_bytes())?;
            txn.delete(TEXTS, &old.id.to_be_bytes())?;
            let range = old.first_chunk..old.first_chunk.saturating_add(old.chunks);
            for chunk in range.clone() {
                self.columns.kill(txn, chunk)?;
            }
            let ids: Vec<ChunkId> = range.map(ChunkId).collect();
            for table in &self.vectors {
                table.delete(txn, &ids)?;
            }
            if old.chunks > 0 {
                self.made.remove(&old.first_chunk); // else that number is another file's
            }
            self.dead.push((old.first_chunk, old.chunks));
            self.meta.files = self.meta.files.saturating_sub(1);
            self.meta.chunks = self.meta.chunks.saturating_sub(old.chunks);
            self.meta.words = self.meta.words.saturating_sub(old.words.into());
            self.meta.bytes = self.meta.bytes.saturating_sub(old.bytes.into());
        }
        Ok(old.id)
    }

    /// Takes a file out; one that was not in the index is counted by the reason, if there is one.
    fn remove(&mut self, txn: &mut dyn WriteTxn, path: &RelPath, reason: Option<SkipReason>) -> Result<()> {
        let old = FileRecord::read(txn, path.as_bytes())?;
        match (&old, reason) {
            (Some(FileRecord { skipped: None, .. }), _) => self.applied.removed += 1,
            (_, Some(reason)) => self.applied.skipped.note(reason),
            (_, None) => {}
        }
        if old.is_some() {
            self.forget(txn, old.as_ref())?;
            txn.delete(FILES, &path_key(path.as_bytes()))?;
        }
        Ok(())
    }

    fn finish(mut self, txn: &mut dyn WriteTxn, lists: &Lists, base: u32, chunks: u32) -> Result<Applied> {
        self.columns.flush(txn)?;
        if chunks > 0 {
            let id = self.meta.next_segment;
            self.meta.next_segment += 1;
            lists.write(txn, id, base, base + chunks)?;
        }
        count_dead(txn, &self.dead)?;
        join_newest(txn, &mut self.meta)?;
        self.meta.write(txn)?;
        Ok(self.applied)
    }
}

fn word_total(text: &Text) -> u32 {
    text.words.lengths.iter().map(|n| u32::from(*n)).sum()
}

fn count_dead(txn: &mut dyn WriteTxn, dead: &[(u32, u32)]) -> Result<()> {
    if dead.is_empty() {
        return Ok(());
    }
    let mut infos = segment::segments(txn)?;
    for (first, n) in dead {
        let at = infos.partition_point(|info| info.end <= *first);
        if let Some(info) = infos.get_mut(at) {
            info.dead = info.dead.saturating_add(*n);
            put_info(txn, info)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nootropic_core::reference::MemoryStore;

    use super::*;
    use crate::index::{UpdateOptions, update};

    /// The stamp kept for `a.txt`, with the text `one`, after someone found it unchanged and of that hash.
    fn stamp_after(hash: impl Fn([u8; 16]) -> [u8; 16]) -> (FileStamp, FileStamp) {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.txt"), "one").unwrap();
        let store = MemoryStore::new(crate::TABLES);
        update(&store, root.path(), &UpdateOptions::default(), &mut |_| {}, &|| false).unwrap();
        let record = || store.read_with(|txn| FileRecord::read(txn, b"a.txt")).unwrap().unwrap();
        let stamp = FileStamp { size: 3, mtime_ns: 7, ctime_ns: 7, inode: 7 };
        let path = RelPath::new("a.txt").unwrap();
        let mut batch = Batch::new(Fingerprint::of(&UpdateOptions::default()));
        batch.push(Analyzed { path, stamp, outcome: Outcome::Same(hash(record().hash)) });
        batch.commit(&store, None).unwrap();
        (record().stamp, stamp)
    }

    #[test]
    fn a_stamp_is_kept_only_with_the_content_it_was_taken_of() {
        let (kept, stamp) = stamp_after(|hash| hash);
        assert_eq!(kept, stamp);
        // Another process has indexed something else meanwhile: whoever looks next must read the file.
        let (kept, _) = stamp_after(|_| [9; 16]);
        assert_eq!(kept, FileStamp::NEVER);
    }
}
