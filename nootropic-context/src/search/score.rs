//! BM25F over passages and, in the same pass, over whole files.
//!
//! Source: Robertson, Zaragoza and Taylor, *Simple BM25 extension to multiple weighted fields*, CIKM 2004. Names and
//! paths are not normalized by length; code and comments are.

use nootropic_core::{Error, ReadTxn, Result};

use super::query::{Query, QueryTerm};
use super::ranking::Ranking;
use crate::index::Columns;
use crate::lexical::posting::{self, Field, Frequencies, Posting};
use crate::lexical::words::TermKind;
use crate::lexical::{POSTINGS, SegmentInfo};

/// What every chunk and file of an index weighs against one question. Kept between questions to spare the allocations.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    /// By slot.
    pub(crate) chunks: Vec<f32>,
    /// By place in [`Columns::files`].
    pub(crate) files: Vec<f32>,
    /// Words of the question found in the file, as bits.
    pub(crate) words: Vec<u32>,
    /// Slots with a score.
    pub(crate) touched: Vec<u32>,
    /// Weight of each word of the question.
    pub(crate) word_idf: Vec<f32>,
}

/// What lengths do to scores, computed once a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Norms {
    /// By slot and by file: what counts of occurrences in running text are multiplied by.
    chunks: Vec<f32>,
    files: Vec<f32>,
    sizes: Vec<f32>,
    n_chunks: f32,
    made_for: ([f32; 2], f32),
}

impl Norms {
    pub(crate) fn of(columns: &Columns, ranking: &Ranking) -> Self {
        let n_chunks = columns.live().count().max(1) as f32;
        let n_files = columns.files().len().max(1) as f32;
        let total: f32 = columns.files().iter().map(|file| file.words as f32).sum::<f32>().max(1.0);
        let norm = |words: f32, mean: f32, b: f32| (1.0 - b + b * words / mean).recip();
        let chunks = (0..columns.slots())
            .map(|slot| columns.head(slot).map_or(1.0, |h| norm(h.words.into(), total / n_chunks, ranking.b[0])))
            .collect();
        let files = columns.files().iter().map(|file| norm(file.words as f32, total / n_files, ranking.b[1])).collect();
        let mean = (total / n_files).max(1.0);
        let size = |words: f32| (words / mean).clamp(0.05, 20.0).powf(ranking.size);
        let sizes = columns.files().iter().map(|file| size(file.words as f32)).collect();
        Self { chunks, files, sizes, n_chunks, made_for: (ranking.b, ranking.size) }
    }

    /// Whether they are what `ranking` asks for.
    pub(crate) fn suit(&self, ranking: &Ranking) -> bool {
        self.made_for == (ranking.b, ranking.size)
    }

    /// What a file's score is multiplied by for its length.
    #[inline]
    pub(crate) fn size(&self, file: usize) -> f32 {
        self.sizes[file]
    }
}

/// Everything scoring reads.
pub(crate) struct Scorer<'a> {
    pub(crate) txn: &'a dyn ReadTxn,
    pub(crate) columns: &'a Columns,
    pub(crate) norms: &'a Norms,
    pub(crate) segments: &'a [SegmentInfo],
    pub(crate) ranking: &'a Ranking,
}

impl Scorer<'_> {
    /// Scores every passage that holds a term of the question.
    pub(crate) fn score(&self, query: &Query, scores: &mut Scores) -> Result<()> {
        scores.clear(self.columns);
        scores.word_idf = vec![0.0; query.word_count.max(1)];
        for term in &query.terms {
            self.score_term(term, scores)?;
        }
        Ok(())
    }

    /// The lists of a term, with the first chunk of their segment.
    pub(crate) fn lists(&self, term: &[u8]) -> Result<Vec<(u32, &[u8])>> {
        let mut key = Vec::with_capacity(4 + term.len());
        let mut lists = Vec::with_capacity(self.segments.len());
        for segment in self.segments {
            key.clear();
            key.extend_from_slice(&segment.id.to_be_bytes());
            key.extend_from_slice(term);
            if let Some(list) = self.txn.get(POSTINGS, &key)? {
                lists.push((segment.first, list));
            }
        }
        Ok(lists)
    }

    /// How rare a term is among passages: `ln(1 + (N - n + ½) / (n + ½))`.
    pub(crate) fn idf(&self, lists: &[(u32, &[u8])]) -> Result<f32> {
        let mut n = 0.0;
        for (_, list) in lists {
            n += posting::count(list).map_err(|e| Error::corrupt(POSTINGS, &[], e.0))? as f32;
        }
        Ok(rarity(n, self.norms.n_chunks))
    }

    /// What a term adds to a passage that holds it with these frequencies, before its weight.
    pub(crate) fn weigh(&self, kind: TermKind, freq: Frequencies, slot: usize) -> f32 {
        let r = self.ranking;
        let scaled = match kind {
            TermKind::Definition => f32::from(freq.get(Field::Symbol)) * 0.5,
            _ => {
                let text = r.body * f32::from(freq.get(Field::Body)) + r.comment * f32::from(freq.get(Field::Comment));
                text * self.norms.chunks[slot] + self.names(freq)
            }
        };
        scaled * (r.k1[0] + 1.0) / (scaled + r.k1[0])
    }

    fn names(&self, freq: Frequencies) -> f32 {
        self.ranking.symbol * f32::from(freq.get(Field::Symbol)) + self.ranking.path * f32::from(freq.get(Field::Path))
    }

    pub(crate) fn kind_weight(&self, kind: TermKind) -> f32 {
        match kind {
            TermKind::Word => 1.0,
            TermKind::Identifier => self.ranking.identifier,
            TermKind::Definition => self.ranking.definition,
        }
    }

    fn score_term(&self, term: &QueryTerm, scores: &mut Scores) -> Result<()> {
        let lists = self.lists(&term.term)?;
        if lists.is_empty() {
            if let (TermKind::Word, Some(idf)) = (term.kind, scores.word_idf.get_mut(term.word)) {
                // Nobody has this word: not finding it says nothing about a file.
                *idf = 0.0;
            }
            return Ok(());
        }
        let idf = self.idf(&lists)?;
        let weight = term.weight * self.kind_weight(term.kind) * idf;
        if let (TermKind::Word, Some(of_word)) = (term.kind, scores.word_idf.get_mut(term.word)) {
            *of_word = idf;
        }
        lists.iter().try_for_each(|(first, list)| self.score_list(term, *first, list, weight, scores))
    }

    /// Scores one list; the passages of a file stand together in it.
    fn score_list(&self, term: &QueryTerm, first: u32, list: &[u8], weight: f32, scores: &mut Scores) -> Result<()> {
        let bit = 1 << term.word.min(31);
        let mut file = FileRun::default();
        posting::decode(list, |Posting { chunk, freq }| {
            let Some(slot) = self.columns.slot(first.wrapping_add(chunk)) else { return };
            let of = self.columns.file_of(slot);
            if of == u32::MAX {
                return;
            }
            let score = &mut scores.chunks[slot];
            if *score == 0.0 {
                scores.touched.push(slot as u32);
            }
            *score += weight * self.weigh(term.kind, freq, slot);
            if of != file.at {
                self.end_run(&file, weight, bit, term.kind, scores);
                file = FileRun { at: of, ..FileRun::default() };
            }
            file.add(freq);
        })
        .map_err(|e| Error::corrupt(POSTINGS, &term.term, e.0))?;
        self.end_run(&file, weight, bit, term.kind, scores);
        Ok(())
    }

    fn end_run(&self, run: &FileRun, weight: f32, bit: u32, kind: TermKind, scores: &mut Scores) {
        let at = run.at as usize;
        let Some(score) = scores.files.get_mut(at) else { return };
        let r = self.ranking;
        let scaled = if kind == TermKind::Definition {
            run.symbol * 0.5
        } else {
            (r.body * run.body + r.comment * run.comment) * self.norms.files[at]
                + r.symbol * run.symbol
                + r.path * run.path
        };
        *score += weight * scaled * (r.k1[1] + 1.0) / (scaled + r.k1[1]);
        scores.words[at] |= bit;
    }
}

fn rarity(n: f32, of: f32) -> f32 {
    (1.0 + (of - n + 0.5).max(0.0) / (n + 0.5)).ln()
}

/// A term's occurrences in the passages of one file.
#[derive(Debug, Clone, Copy)]
struct FileRun {
    at: u32,
    body: f32,
    comment: f32,
    symbol: f32,
    path: f32,
}

impl Default for FileRun {
    fn default() -> Self {
        Self { at: u32::MAX, body: 0.0, comment: 0.0, symbol: 0.0, path: 0.0 }
    }
}

impl FileRun {
    fn add(&mut self, freq: Frequencies) {
        self.body += f32::from(freq.get(Field::Body));
        self.comment += f32::from(freq.get(Field::Comment));
        self.symbol = self.symbol.max(freq.get(Field::Symbol).into());
        self.path = self.path.max(freq.get(Field::Path).into());
    }
}

impl Scores {
    fn clear(&mut self, columns: &Columns) {
        if self.chunks.len() == columns.slots() {
            for slot in self.touched.drain(..) {
                self.chunks[slot as usize] = 0.0;
            }
        } else {
            self.touched.clear();
            self.chunks.clear();
            self.chunks.resize(columns.slots(), 0.0);
        }
        self.files.clear();
        self.files.resize(columns.files().len(), 0.0);
        self.words.clear();
        self.words.resize(columns.files().len(), 0);
    }

    /// The share of the question's words, by rarity, that a file with these words holds.
    pub(crate) fn coverage(&self, held: u32) -> f32 {
        let total: f32 = self.word_idf.iter().sum();
        if total <= 0.0 {
            return 1.0;
        }
        let found: f32 =
            self.word_idf.iter().enumerate().filter(|(i, _)| held & (1 << (*i).min(31)) != 0).map(|(_, idf)| idf).sum();
        found / total
    }
}
