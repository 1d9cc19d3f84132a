//! Segments and posting lists against the chunks they find.

use std::ops::ControlFlow;

use nootropic_core::{KeyRange, Result};

use super::Checker;
use super::words::hash;
use crate::lexical::posting::{self, Field, Posting};
use crate::lexical::words::TermKind;
use crate::lexical::{POSTINGS, SegmentInfo, segments};

impl Checker<'_> {
    /// The catalogue: no two segments overlap, and every live chunk lies in one.
    pub(super) fn segments(&mut self) -> Result<Vec<SegmentInfo>> {
        let infos = segments(self.txn)?;
        self.state.report.segments = infos.len() as u64;
        let mut end = 0;
        for info in &infos {
            if info.first < end || info.end < info.first || info.end > self.state.meta.next_chunk {
                let (first, last) = (info.first, info.end);
                self.state.segment(info.id, format!("spans chunks {first}..{last}, after {end}"));
            }
            if info.id >= self.state.meta.next_segment {
                self.state.segment(info.id, "has a number that was never given out");
            }
            end = end.max(info.end);
        }
        let mut live = vec![0u32; infos.len()];
        for (chunk, _) in self.columns.live() {
            let at = infos.partition_point(|info| info.end <= chunk);
            match (infos.get(at), live.get_mut(at)) {
                (Some(info), Some(live)) if info.first <= chunk => *live += 1,
                _ => {
                    let detail = "lies in no segment".into();
                    self.state.note(super::IndexProblem::Chunk { chunk, detail });
                }
            }
        }
        for (info, live) in infos.iter().zip(live) {
            if u64::from(info.dead) + u64::from(live) > u64::from(info.end.saturating_sub(info.first)) {
                let dead = info.dead;
                self.state.segment(info.id, format!("counts {dead} removed chunks, and {live} are left"));
            }
        }
        Ok(infos)
    }

    /// Every list: of a segment that is there, in order, and of chunks of that segment.
    pub(super) fn postings(&mut self, infos: &[SegmentInfo]) -> Result<()> {
        let mut by_id: Vec<(SegmentInfo, u64)> = infos.iter().map(|info| (*info, 0)).collect();
        by_id.sort_by_key(|(info, _)| info.id);
        let txn = self.txn;
        txn.scan(POSTINGS, &KeyRange::all(), &mut |key, list| {
            let known = key.split_first_chunk::<4>().and_then(|(id, term)| {
                let at = by_id.binary_search_by_key(&u32::from_be_bytes(*id), |(info, _)| info.id).ok()?;
                Some((by_id.get_mut(at)?, term))
            });
            match known {
                None => self.state.record(POSTINGS, key, "is of a segment that is not there"),
                Some(((info, bytes), term)) => {
                    *bytes += (term.len() + list.len()) as u64;
                    if let Err(problem) = self.list(info, term, list) {
                        self.state.record(POSTINGS, key, problem);
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (info, bytes) in by_id {
            if bytes != info.bytes {
                let stored = info.bytes;
                self.state.segment(info.id, format!("counts {stored} bytes of lists, and there are {bytes}"));
            }
        }
        Ok(())
    }

    fn list(&mut self, info: &SegmentInfo, term: &[u8], list: &[u8]) -> Result<(), &'static str> {
        let definition = term.first() == Some(&(TermKind::Definition as u8));
        let kinds = [TermKind::Word, TermKind::Identifier, TermKind::Definition];
        if !term.first().is_some_and(|first| kinds.iter().any(|kind| *kind as u8 == *first)) {
            return Err("is of no kind of term");
        }
        let (hash, mut previous, mut problem) = (hash(term), None, None);
        let (columns, terms) = (&self.columns, &mut self.state.terms);
        posting::decode(list, |Posting { chunk, freq }| {
            if previous.is_some_and(|previous| previous >= chunk) {
                problem = Some("does not ascend");
            }
            previous = Some(chunk);
            let Some(chunk) = info.first.checked_add(chunk).filter(|chunk| *chunk < info.end) else {
                problem = Some("names a chunk of another segment");
                return;
            };
            let in_text = freq.get(Field::Body) > 0 || freq.get(Field::Comment) > 0;
            let live = columns.slot(chunk).filter(|_| columns.is_live(chunk));
            if let (true, Some(terms)) = (in_text || definition, live.and_then(|slot| terms.get_mut(slot))) {
                terms.listed.add(hash);
            }
        })
        .map_err(|e| e.0)?;
        self.state.report.lists += 1;
        problem.map_or(Ok(()), Err)
    }
}
