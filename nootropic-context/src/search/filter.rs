//! Turns `path:`, `lang:` and `symbol:`, and the same with a leading `-`, into the passages they let through.

use std::ops::ControlFlow;

use ignore::overrides::OverrideBuilder;
use nootropic_core::{Error, KeyRange, Result};
use rustc_hash::FxHashSet;

use super::query::{Filters, last_name};
use super::rank::Allowed;
use super::score::Scorer;
use crate::index::{FILES, FileRecord};
use crate::lexical::words::TermKind;
use crate::lexical::{POSTINGS, fold, posting};
use crate::syntax::Language;

/// What `filters` let through.
///
/// # Errors
/// `InvalidInput` for a glob or a language that does not exist.
pub(crate) fn allowed(filters: &Filters, scorer: &Scorer<'_>) -> Result<Allowed> {
    let mut out = Allowed::default();
    if [&filters.paths, &filters.not_paths, &filters.languages, &filters.not_languages].iter().any(|f| !f.is_empty()) {
        out.files = Some(files(filters, scorer)?);
    }
    if !filters.symbols.is_empty() {
        out.slots = Some(slots(&filters.symbols, scorer)?);
    }
    if !filters.not_symbols.is_empty() {
        let left_out = slots(&filters.not_symbols, scorer)?;
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

/// The passages that define or continue any of these.
fn slots(names: &[String], scorer: &Scorer<'_>) -> Result<FxHashSet<u32>> {
    let mut slots = FxHashSet::default();
    let mut folded = Vec::new();
    for name in names {
        if !fold(last_name(name), &mut folded) {
            continue;
        }
        let mut term = vec![TermKind::Definition as u8];
        term.extend_from_slice(&folded);
        for (segment, list) in scorer.lists(&term)? {
            posting::decode(list, |p| {
                slots.extend(scorer.columns.slot(segment.first.wrapping_add(p.chunk)).map(|s| s as u32))
            })
            .map_err(|e| Error::corrupt(POSTINGS, &term, e.0))?;
        }
    }
    Ok(slots)
}

/// A glob as in ignore files where there is a wildcard, else a part of the path.
pub(crate) enum PathFilter {
    Glob(Box<ignore::overrides::Override>),
    Part(String),
}

impl PathFilter {
    pub(crate) fn new(text: &str) -> Result<Self> {
        if !text.contains(['*', '?', '[', '{']) {
            return Ok(Self::Part(text.trim_start_matches("./").to_lowercase()));
        }
        let mut builder = OverrideBuilder::new("");
        let bad = |e: ignore::Error| Error::invalid("path", e.to_string());
        builder.add(text).map_err(bad)?;
        Ok(Self::Glob(Box::new(builder.build().map_err(bad)?)))
    }

    pub(crate) fn fits(&self, path: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.matched(path, false).is_whitelist(),
            Self::Part(part) => path.to_lowercase().contains(part),
        }
    }
}
