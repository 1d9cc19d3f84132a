//! BM25F over passages and, in the same pass, over whole files.
//!
//! Source: Robertson, Zaragoza and Taylor, *Simple BM25 extension to multiple weighted fields*, CIKM 2004. Names and
//! paths are not normalized by length; code and comments are.

use nootropic_core::{Error, ReadTxn, Result};

use super::query::{Query, QueryTerm};
use super::ranking::{DEFINITION_LEVEL, Ranking, SIZES};
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
    /// By file: what none of its passages exceeds.
    pub(crate) tops: Vec<f32>,
    /// Words of the question found in the file, as bits; 0 for a file without a score.
    pub(crate) words: Vec<u32>,
    /// Weight of each word of the question.
    pub(crate) word_idf: Vec<f32>,
}

/// What scoring reads of a passage, side by side.
#[derive(Debug, Clone, Copy)]
struct SlotNorm {
    /// What counts of occurrences in running text are multiplied by.
    norm: f32,
    /// Place in [`Columns::files`]; `u32::MAX` if the passage was removed.
    file: u32,
}

/// What lengths and fields do to scores, computed once a snapshot.
#[derive(Debug)]
pub(crate) struct Norms {
    slots: Vec<SlotNorm>,
    /// By file, as for passages.
    files: Vec<f32>,
    sizes: Vec<f32>,
    n_chunks: f32,
    weights: FieldWeights,
    made_for: Ranking,
}

/// What packed frequencies weigh: one look-up for running text, one for names.
#[derive(Debug)]
struct FieldWeights {
    running: Box<[f32; Frequencies::RUNNING]>,
    names: [f32; Frequencies::NAMES],
    /// For terms of [`TermKind::Definition`], which count only where they name something.
    definition: [f32; Frequencies::NAMES],
}

impl FieldWeights {
    fn of(ranking: &Ranking) -> Self {
        let count = |bits: usize, field| f32::from(Frequencies::from_bits(bits as u16).get(field));
        let name = |bits: usize, field| count(bits * Frequencies::RUNNING, field);
        let mut running = Box::new([0.0; Frequencies::RUNNING]);
        for (bits, weight) in running.iter_mut().enumerate() {
            *weight = ranking.body * count(bits, Field::Body) + ranking.comment * count(bits, Field::Comment);
        }
        Self {
            running,
            names: std::array::from_fn(|bits| {
                ranking.symbol * name(bits, Field::Symbol) + ranking.path * name(bits, Field::Path)
            }),
            definition: std::array::from_fn(|bits| DEFINITION_LEVEL * name(bits, Field::Symbol)),
        }
    }
}

impl Norms {
    pub(crate) fn of(columns: &Columns, ranking: &Ranking) -> Self {
        let n_chunks = columns.live().count().max(1) as f32;
        let n_files = columns.files().len().max(1) as f32;
        let total: f32 = columns.files().iter().map(|file| file.words as f32).sum::<f32>().max(1.0);
        let norm = |words: f32, mean: f32, b: f32| (1.0 - b + b * words / mean).recip();
        let of_slot = |slot| SlotNorm {
            norm: columns.head(slot).map_or(1.0, |h| norm(h.words.into(), total / n_chunks, ranking.b[0])),
            file: columns.file_of(slot),
        };
        let slots = (0..columns.slots()).map(of_slot).collect();
        let files = columns.files().iter().map(|file| norm(file.words as f32, total / n_files, ranking.b[1])).collect();
        let mean = (total / n_files).max(1.0);
        let size = |words: f32| (words / mean).clamp(*SIZES.start(), *SIZES.end()).powf(ranking.size);
        let sizes = columns.files().iter().map(|file| size(file.words as f32)).collect();
        Self { slots, files, sizes, n_chunks, weights: FieldWeights::of(ranking), made_for: ranking.clone() }
    }

    /// Whether they are what `ranking` asks for.
    pub(crate) fn suit(&self, ranking: &Ranking) -> bool {
        self.made_for == *ranking
    }

    /// What a file's score is multiplied by for its length.
    #[inline]
    pub(crate) fn size(&self, file: usize) -> f32 {
        self.sizes[file]
    }
}

/// A segment with something to find in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LiveSegment {
    id: u32,
    pub(crate) first: u32,
    /// The share of its passages that were not removed since it was written; its lists still hold the others.
    live: f32,
}

impl LiveSegment {
    pub(crate) fn of(segments: &[SegmentInfo], columns: &Columns) -> Vec<Self> {
        let mut live = vec![0u32; segments.len()];
        for (chunk, _) in columns.live() {
            let at = segments.partition_point(|segment| segment.end <= chunk);
            if let Some(count) = live.get_mut(at) {
                *count += 1;
            }
        }
        let share = |live: u32, dead: u32| f64::from(live) / (f64::from(live) + f64::from(dead));
        let of = |(segment, live): (&SegmentInfo, u32)| {
            (live > 0).then(|| Self { id: segment.id, first: segment.first, live: share(live, segment.dead) as f32 })
        };
        segments.iter().zip(live).filter_map(of).collect()
    }
}

/// A posting list, and the segment it stands in.
pub(crate) type List<'t> = (LiveSegment, &'t [u8]);

/// Everything scoring reads.
pub(crate) struct Scorer<'a> {
    pub(crate) txn: &'a dyn ReadTxn,
    pub(crate) columns: &'a Columns,
    pub(crate) norms: &'a Norms,
    pub(crate) segments: &'a [LiveSegment],
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

    /// The lists of a term.
    pub(crate) fn lists(&self, term: &[u8]) -> Result<Vec<List<'_>>> {
        let mut key = Vec::with_capacity(4 + term.len());
        let mut lists = Vec::with_capacity(self.segments.len());
        for segment in self.segments {
            key.clear();
            key.extend_from_slice(&segment.id.to_be_bytes());
            key.extend_from_slice(term);
            if let Some(list) = self.txn.get(POSTINGS, &key)? {
                lists.push((*segment, list));
            }
        }
        Ok(lists)
    }

    /// How rare a term is among passages: `ln(1 + (N - n + ½) / (n + ½))`. A list of a segment that lost passages is taken
    /// to have lost as large a part.
    pub(crate) fn idf(&self, lists: &[List<'_>]) -> Result<f32> {
        let mut n = 0.0;
        for (segment, list) in lists {
            let count = posting::count(list).map_err(|e| Error::corrupt(POSTINGS, &[], e.0))?;
            n += count as f32 * segment.live;
        }
        Ok(rarity(n, self.norms.n_chunks))
    }

    /// As [`idf`](Self::idf); 0 for a term that is nowhere.
    pub(crate) fn rarity(&self, term: &[u8]) -> Result<f32> {
        let lists = self.lists(term)?;
        if lists.is_empty() { Ok(0.0) } else { self.idf(&lists) }
    }

    /// What a term adds to a passage that holds it with these frequencies, before its weight.
    pub(crate) fn weigh(&self, kind: TermKind, freq: Frequencies, slot: usize) -> f32 {
        self.occurrences(kind).saturated(freq, self.norms.slots[slot].norm)
    }

    fn occurrences(&self, kind: TermKind) -> Occurrences<'_> {
        let weights = &self.norms.weights;
        let (names, text) = match kind {
            TermKind::Definition => (&weights.definition, 0.0),
            _ => (&weights.names, 1.0),
        };
        Occurrences { running: &weights.running, names, text, k1: self.ranking.k1 }
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
        lists.iter().try_for_each(|(segment, list)| self.score_list(term, segment.first, list, weight, scores))
    }

    /// Scores one list; the passages of a file stand together in it.
    fn score_list(&self, term: &QueryTerm, first: u32, list: &[u8], weight: f32, scores: &mut Scores) -> Result<()> {
        let bit = 1 << term.word.min(31);
        let of_term = self.occurrences(term.kind);
        let mut file = FileRun::default();
        posting::decode(list, |Posting { chunk, freq }| {
            let Some(slot) = self.columns.slot(first.wrapping_add(chunk)) else { return };
            let SlotNorm { norm, file: of } = self.norms.slots[slot];
            if of == u32::MAX {
                return;
            }
            let score = weight * of_term.saturated(freq, norm);
            scores.chunks[slot] += score;
            if of != file.at {
                self.end_run(&file, &of_term, weight, bit, scores);
                file = FileRun { at: of, ..FileRun::default() };
            }
            file.add(&of_term, freq, score);
        })
        .map_err(|e| Error::corrupt(POSTINGS, &term.term, e.0))?;
        self.end_run(&file, &of_term, weight, bit, scores);
        Ok(())
    }

    fn end_run(&self, run: &FileRun, of_term: &Occurrences<'_>, weight: f32, bit: u32, scores: &mut Scores) {
        let at = run.at as usize;
        let Some(score) = scores.files.get_mut(at) else { return };
        let k1 = of_term.k1[1];
        let scaled = run.running * of_term.text * self.norms.files[at] + of_term.names[run.names];
        *score += weight * scaled * (k1 + 1.0) / (scaled + k1);
        scores.tops[at] += run.top;
        scores.words[at] |= bit;
    }
}

fn rarity(n: f32, of: f32) -> f32 {
    (1.0 + (of - n + 0.5).max(0.0) / (n + 0.5)).ln()
}

/// How the occurrences of terms of one kind count.
struct Occurrences<'a> {
    running: &'a [f32; Frequencies::RUNNING],
    names: &'a [f32; Frequencies::NAMES],
    /// 0 where running text does not count, else 1.
    text: f32,
    k1: [f32; 2],
}

impl Occurrences<'_> {
    /// What they are worth in a passage of this length norm: the more there are, the less one more adds.
    #[inline]
    fn saturated(&self, freq: Frequencies, norm: f32) -> f32 {
        let scaled = self.running[freq.running()] * self.text * norm + self.names[freq.names()];
        scaled * (self.k1[0] + 1.0) / (scaled + self.k1[0])
    }
}

/// A term's occurrences in the passages of one file.
#[derive(Debug, Clone, Copy)]
struct FileRun {
    at: u32,
    running: f32,
    names: usize,
    /// The most it adds to one of the passages.
    top: f32,
}

impl Default for FileRun {
    fn default() -> Self {
        Self { at: u32::MAX, running: 0.0, names: 0, top: 0.0 }
    }
}

impl FileRun {
    #[inline]
    fn add(&mut self, of_term: &Occurrences<'_>, freq: Frequencies, score: f32) {
        // `f32::max` minds numbers that are none, which costs more than the rest of this.
        self.top = if score > self.top { score } else { self.top };
        self.running += of_term.running[freq.running()];
        self.names = Frequencies::highest(self.names, freq.names());
    }
}

impl Scores {
    fn clear(&mut self, columns: &Columns) {
        let files = columns.files().len();
        for (scores, n) in [(&mut self.chunks, columns.slots()), (&mut self.files, files), (&mut self.tops, files)] {
            scores.clear();
            scores.resize(n, 0.0);
        }
        self.words.clear();
        self.words.resize(files, 0);
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
