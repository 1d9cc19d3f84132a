//! Proves that the records of the index agree with each other: every file with its outline, text, passages and columns,
//! and every passage with the lists that find it.
//!
//! The store checks that records are those that were written; this checks that what was written makes sense.

mod files;
mod postings;
mod words;

use std::ops::ControlFlow;

use nootropic_core::{ChunkId, Error, KeyRange, ReadTxn, Result, Store, StoreExt, Table};
use rustc_hash::FxHashSet;
use serde::Serialize;

use super::columns::Columns;
use super::record::{INDEX_VERSION, IndexMeta, OUTLINES, Outline, stored_version};
use super::text::TEXTS;
use crate::vectors::VectorTable;
use words::Sum;

/// Problems that are kept; the others are counted.
const MAX_PROBLEMS: usize = 100;

/// What [`check`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The snapshot that was checked.
    pub snapshot: String,
    /// Indexed files.
    pub files: u64,
    /// Files that are known and not indexed.
    pub skipped: u64,
    /// Passages that can be found.
    pub chunks: u64,
    /// Segments of the inverted index.
    pub segments: u64,
    /// Posting lists.
    pub lists: u64,
    /// The first problems; empty if the index is whole.
    pub problems: Vec<IndexProblem>,
    /// How many problems there are in all.
    pub problem_count: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }
}

/// One thing in the index that does not fit the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "problem", rename_all = "snake_case")]
#[non_exhaustive]
pub enum IndexProblem {
    /// Another version wrote the index; the next update builds it anew. Nothing else was checked.
    #[error("the index has version {found}, this program reads {supported}")]
    Version {
        /// Its version.
        found: u32,
        /// The version that can be read.
        supported: u32,
    },
    /// A record does not decode.
    #[error("record {key} of {table}: {detail}")]
    Record {
        /// The table.
        table: String,
        /// The key, in hexadecimal.
        key: String,
        /// What does not fit.
        detail: String,
    },
    /// A file that its own records contradict.
    #[error("{path}: {detail}")]
    File {
        /// Its path, lossily.
        path: String,
        /// What does not fit.
        detail: String,
    },
    /// A record that belongs to no file.
    #[error("record {file} of {table} belongs to no file")]
    Orphan {
        /// The table.
        table: &'static str,
        /// The file's number.
        file: u32,
    },
    /// A chunk that no file has, or that the columns describe otherwise than its file.
    #[error("chunk {chunk}: {detail}")]
    Chunk {
        /// Its number.
        chunk: u32,
        /// What does not fit.
        detail: String,
    },
    /// A passage that its words do not find, or that is found by words it does not hold.
    #[error("chunk {chunk} of {path} has {held} terms, and {listed} lists name it")]
    Terms {
        /// Its number.
        chunk: u32,
        /// The path of its file, lossily.
        path: String,
        /// Different terms in its text.
        held: u32,
        /// Posting lists that name it for its text. As many as `held` if they are the wrong ones.
        listed: u32,
    },
    /// A segment that does not fit the others, or its own lists.
    #[error("segment {segment}: {detail}")]
    Segment {
        /// Its number.
        segment: u32,
        /// What does not fit.
        detail: String,
    },
    /// A counter that is not the sum of what it counts.
    #[error("the index counts {stored} {what}, and there are {counted}")]
    Counter {
        /// What is counted.
        what: &'static str,
        /// What the index says.
        stored: u64,
        /// What there is.
        counted: u64,
    },
}

/// Checks the whole index in one snapshot: reads every record and cuts every passage into words again. Takes about as
/// long as indexing without parsing, and about 40 bytes of memory a chunk.
///
/// # Errors
/// Why the store could not be read. What does not fit is reported, not raised.
pub fn check(store: &dyn Store) -> Result<CheckReport> {
    store.read_with(|txn| {
        let mut checker = Checker { txn, state: State::default(), columns: Columns::default() };
        match checker.run() {
            Err(Error::Corrupt { table, key, problem }) => {
                checker.state.note(IndexProblem::Record { table, key, detail: problem });
            }
            other => other?,
        }
        let mut report = checker.state.report;
        report.snapshot = txn.snapshot().to_string();
        Ok(report)
    })
}

/// What has been seen so far.
#[derive(Debug, Default)]
struct State {
    report: CheckReport,
    meta: IndexMeta,
    /// Numbers of the files that have an outline and a text.
    indexed: FxHashSet<u32>,
    /// Numbers of the other known files.
    skipped: FxHashSet<u32>,
    /// By slot, for the chunks of files that were read.
    terms: Vec<Terms>,
    words: u64,
    bytes: u64,
}

/// What is known of the words of one chunk.
#[derive(Debug, Clone, Copy, Default)]
struct Terms {
    claimed: bool,
    file: u32,
    held: Sum,
    listed: Sum,
}

impl State {
    fn note(&mut self, problem: IndexProblem) {
        self.report.problem_count += 1;
        if self.report.problems.len() < MAX_PROBLEMS {
            self.report.problems.push(problem);
        }
    }

    fn file(&mut self, path: &[u8], detail: impl Into<String>) {
        self.note(IndexProblem::File { path: String::from_utf8_lossy(path).into_owned(), detail: detail.into() });
    }

    fn segment(&mut self, segment: u32, detail: impl Into<String>) {
        self.note(IndexProblem::Segment { segment, detail: detail.into() });
    }

    fn record(&mut self, table: Table, key: &[u8], detail: &str) {
        let key = key.iter().map(|b| format!("{b:02x}")).collect();
        self.note(IndexProblem::Record { table: table.name().to_owned(), key, detail: detail.to_owned() });
    }
}

struct Checker<'t> {
    txn: &'t dyn ReadTxn,
    state: State,
    columns: Columns,
}

impl Checker<'_> {
    fn run(&mut self) -> Result<()> {
        match stored_version(self.txn)? {
            Some(found) if found != INDEX_VERSION => {
                self.state.note(IndexProblem::Version { found, supported: INDEX_VERSION });
                return Ok(());
            }
            _ => {}
        }
        self.state.meta = IndexMeta::read(self.txn)?.unwrap_or_default();
        self.columns = Columns::load(self.txn)?;
        self.state.terms = vec![Terms::default(); self.columns.slots()];
        self.files()?;
        self.orphans(OUTLINES)?;
        self.orphans(TEXTS)?;
        self.unclaimed();
        let covered = self.segments()?;
        self.postings(&covered)?;
        self.unreachable();
        self.vectors()?;
        self.counters();
        Ok(())
    }

    /// Outlines and texts of files that are not there.
    fn orphans(&mut self, table: Table) -> Result<()> {
        let state = &mut self.state;
        self.txn.scan(table, &KeyRange::all(), &mut |key, _| {
            match key.try_into().map(u32::from_be_bytes) {
                Err(_) => state.record(table, key, "bad key"),
                Ok(file) if !state.indexed.contains(&file) => {
                    state.note(IndexProblem::Orphan { table: table.name(), file });
                }
                Ok(_) => {}
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Live chunks that no file has.
    fn unclaimed(&mut self) {
        let (columns, state) = (&self.columns, &mut self.state);
        for (slot, terms) in std::mem::take(&mut state.terms).into_iter().enumerate() {
            if columns.head(slot).is_some() && !terms.claimed {
                let chunk = columns.chunk(slot);
                state.note(IndexProblem::Chunk { chunk, detail: "belongs to no file".into() });
            }
            state.terms.push(terms);
        }
    }

    /// Chunks that a search cannot find by what they say, or finds by what they do not say.
    fn unreachable(&mut self) {
        let wrong: Vec<(usize, Terms)> = (self.state.terms.iter().copied().enumerate())
            .filter(|(_, terms)| terms.claimed && terms.held != terms.listed)
            .collect();
        for (slot, terms) in wrong {
            let outline = Outline::read(self.txn, terms.file);
            self.state.note(IndexProblem::Terms {
                chunk: self.columns.chunk(slot),
                path: outline.map(|outline| outline.path).unwrap_or_default(),
                held: terms.held.count,
                listed: terms.listed.count,
            });
        }
    }

    /// Vectors of chunks that are gone.
    fn vectors(&mut self) -> Result<()> {
        let tables = match VectorTable::list(self.txn) {
            Err(crate::Error::Core(Error::UnknownTable(_))) => return Ok(()),
            tables => tables?,
        };
        for table in tables {
            let mut live = 0;
            for (chunk, _) in self.columns.live() {
                live += u64::from(table.contains(self.txn, ChunkId(chunk))?);
            }
            let stored = table.len(self.txn)?;
            if stored != live {
                self.state.note(IndexProblem::Counter { what: "vectors", stored, counted: live });
            }
        }
        Ok(())
    }

    fn counters(&mut self) {
        let (meta, report) = (self.state.meta, &self.state.report);
        let counters = [
            ("files", meta.files.into(), report.files),
            ("chunks", meta.chunks.into(), report.chunks),
            ("words", meta.words, self.state.words),
            ("bytes", meta.bytes, self.state.bytes),
        ];
        for (what, stored, counted) in counters {
            if stored != counted {
                self.state.note(IndexProblem::Counter { what, stored, counted });
            }
        }
    }
}
