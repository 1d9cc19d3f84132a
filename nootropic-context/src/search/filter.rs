//! Turns `path:`, `lang:` and `symbol:`, and the same with a leading `-`, into the passages they let through.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use nootropic_core::{Error, KeyRange, Result};
use rustc_hash::FxHashSet;

use super::glob::PathFilter;
use super::name::{NameFit, NamePath};
use super::query::{Filters, Query, term};
use super::rank::Allowed;
use super::score::Scorer;
use crate::index::{FILES, FileRecord, Outline};
use crate::lexical::words::TermKind;
use crate::lexical::{POSTINGS, posting};
use crate::syntax::Language;

/// What the filters of a question let through.
///
/// # Errors
/// `InvalidInput` for a glob or a language that does not exist.
pub(crate) fn allowed(query: &Query, scorer: &Scorer<'_>) -> Result<Allowed> {
    let filters = &query.filters;
    let mut out = Allowed::default();
    if [&filters.paths, &filters.not_paths, &filters.languages, &filters.not_languages].iter().any(|f| !f.is_empty()) {
        out.files = Some(files(filters, scorer)?);
    }
    if !query.names.is_empty() {
        out.slots = Some(slots(&query.names, scorer)?);
    }
    if !filters.not_symbols.is_empty() {
        let names: Vec<NamePath> = filters.not_symbols.iter().map(|name| NamePath::parse(name)).collect();
        let left_out = slots(&names, scorer)?;
        match &mut out.slots {
            Some(slots) => slots.retain(|slot| !left_out.contains(slot)),
            None => out.slots = Some((0..scorer.columns.slots() as u32).filter(|s| !left_out.contains(s)).collect()),
        }
    }
    Ok(out)
}

fn files(filters: &Filters, scorer: &Scorer<'_>) -> Result<FxHashSet<u32>> {
    let languages = codes(&filters.languages)?;
    let not_languages = codes(&filters.not_languages)?;
    let paths: Vec<PathFilter> = filters.paths.iter().map(|p| PathFilter::new(p)).collect::<Result<_>>()?;
    let not_paths: Vec<PathFilter> = filters.not_paths.iter().map(|p| PathFilter::new(p)).collect::<Result<_>>()?;
    let mut by_path = None;
    if !paths.is_empty() || !not_paths.is_empty() {
        let mut ids = FxHashSet::default();
        scorer.txn.scan(FILES, &KeyRange::all(), &mut |key, value| {
            let record = FileRecord::decode(value).map_err(|e| Error::corrupt(FILES, key, e.0))?;
            let path = String::from_utf8_lossy(&record.path);
            let fits = paths.is_empty() || paths.iter().any(|filter| filter.fits(&path));
            if fits && !not_paths.iter().any(|filter| filter.fits(&path)) {
                ids.insert(record.id);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        by_path = Some(ids);
    }
    let columns = scorer.columns;
    let fits = |file: &crate::index::FileHead| {
        let language = columns.head(file.first_slot as usize).map_or(0, |head| head.language);
        by_path.as_ref().is_none_or(|ids| ids.contains(&file.id))
            && (languages.is_empty() || languages.contains(&language))
            && !not_languages.contains(&language)
    };
    Ok((0..).zip(columns.files()).filter(|(_, file)| fits(file)).map(|(i, _)| i).collect())
}

fn codes(names: &[String]) -> Result<Vec<u8>> {
    names.iter().map(|name| Ok(language(name)?.code())).collect()
}

/// The language of that name.
///
/// # Errors
/// `InvalidInput`, with the names there are.
pub(crate) fn language(name: &str) -> Result<Language> {
    Language::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Language::ALL.iter().map(|l| l.name()).collect();
        Error::invalid("lang", format!("no language named {name}; there are {}", known.join(", ")))
    })
}

/// The passages that define or continue any of these. What the path of a file is needed for counts only where there is
/// nothing else: `Store.open` is no free function in `store.rs` if there is a `Store` that has it.
fn slots(names: &[NamePath], scorer: &Scorer<'_>) -> Result<FxHashSet<u32>> {
    let mut slots = FxHashSet::default();
    for name in names {
        let (mut by_definitions, mut by_path) = (Vec::new(), Vec::new());
        for file in definers(name, scorer)? {
            let (outline, symbols) = Outline::read_named(scorer.txn, file, &|found| name.ends_in(found))?;
            for (i, symbol) in &symbols {
                let passages = match name.fit(symbol, &outline.path) {
                    Some(NameFit::Definitions) => &mut by_definitions,
                    Some(NameFit::Path) => &mut by_path,
                    None => continue,
                };
                let chunks = outline.chunks_of(*i, symbol);
                passages.extend(chunks.filter_map(|chunk| scorer.columns.slot(chunk)).map(|slot| slot as u32));
            }
        }
        slots.extend(if by_definitions.is_empty() { by_path } else { by_definitions });
    }
    Ok(slots)
}

/// The files that define a name.
fn definers(name: &NamePath, scorer: &Scorer<'_>) -> Result<BTreeSet<u32>> {
    let mut files = BTreeSet::new();
    for name in name.names() {
        let term = term(TermKind::Definition, name);
        for (segment, list) in scorer.lists(&term)? {
            posting::decode(list, |p| {
                let slot = scorer.columns.slot(segment.first.wrapping_add(p.chunk));
                files.extend(slot.and_then(|slot| scorer.columns.head(slot)).map(|head| head.file));
            })
            .map_err(|e| Error::corrupt(POSTINGS, &term, e.0))?;
        }
    }
    Ok(files)
}
