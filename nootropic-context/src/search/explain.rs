//! Says what made a score.

use nootropic_core::{Error, Result};
use serde::Serialize;

use super::query::Query;
use super::rank::Candidate;
use super::score::Scorer;
use crate::lexical::words::TermKind;
use crate::lexical::{POSTINGS, posting};

/// One signal's share of a score.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Signal {
    /// Which, e.g. `word commit`.
    pub name: String,
    /// What it added, or the factor it multiplied by.
    pub value: f32,
    /// Whether `value` is a factor.
    pub factor: bool,
}

/// The signals of a hit: what each term added to the passage, then the file, nearness and the factors.
pub(crate) fn explain(scorer: &Scorer<'_>, query: &Query, candidate: &Candidate) -> Result<Vec<Signal>> {
    let add = |name: String, value| Signal { name, value, factor: false };
    let times = |name: &str, value| Signal { name: name.to_owned(), value, factor: true };
    let chunk = scorer.columns.chunk(candidate.slot as usize);
    let mut signals = Vec::new();
    for term in &query.terms {
        let lists = scorer.lists(&term.term)?;
        if lists.is_empty() {
            continue;
        }
        let weight = term.weight * scorer.kind_weight(term.kind) * scorer.idf(&lists)?;
        for (segment, list) in lists {
            posting::decode(list, |p| {
                if segment.first.wrapping_add(p.chunk) == chunk {
                    let kind = match term.kind {
                        TermKind::Word => "word",
                        TermKind::Identifier => "identifier",
                        TermKind::Definition => "defines",
                    };
                    let text = String::from_utf8_lossy(&term.term[1..]);
                    let value = weight * scorer.weigh(term.kind, p.freq, candidate.slot as usize);
                    signals.push(add(format!("{kind} {text}"), value));
                }
            })
            .map_err(|e| Error::corrupt(POSTINGS, &term.term, e.0))?;
        }
    }
    signals.push(add("file".into(), candidate.of_file));
    signals.push(times("coverage", candidate.coverage));
    if candidate.nearness != 0.0 {
        signals.push(add("nearness".into(), candidate.nearness));
    }
    let class = scorer.columns.head(candidate.slot as usize).map_or(crate::index::PathClass::Source, |h| h.class);
    signals.push(times(&format!("prior {}", class.as_str()), candidate.prior));
    signals.push(times("length", candidate.length));
    signals.push(times("repeat", candidate.repeat));
    Ok(signals)
}
