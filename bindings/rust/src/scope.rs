//! What requests have in common: where they look, and how much they may ask for.

use std::fmt::Display;
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Where a request looks, and whether the index is brought into step first. In JSON its fields stand among the request's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Scope {
    /// Only in paths that match: a part of the path or a glob.
    #[schemars(extend("x-short" = "p", "x-value-name" = "PATH", "x-complete" = "path"))]
    pub path: Vec<String>,
    /// Only in this language.
    #[schemars(extend("x-short" = "l", "x-value-name" = "LANGUAGE"))]
    pub lang: Vec<String>,
    /// Use the index as it is, without reading what changed.
    pub no_update: bool,
}

/// How many passages or definitions may be asked for.
pub(crate) const COUNTS: RangeInclusive<u32> = 1..=1000;
/// How many milliseconds a watch may wait for another change.
pub(crate) const DEBOUNCE_MS: RangeInclusive<u64> = 10..=60_000;
/// How many tokens a map may have.
pub(crate) const MAP_TOKENS: RangeInclusive<u32> = 1..=1_000_000;
/// How many tokens a pack may have.
pub(crate) const PACK_TOKENS: RangeInclusive<u32> = 1..=10_000_000;

/// A number that is asked for, if it is one of those that may be.
///
/// # Errors
/// [`Error::Input`] naming the field and what it may be.
pub(crate) fn within<N: PartialOrd + Display>(what: &'static str, n: N, range: &RangeInclusive<N>) -> Result<N> {
    if range.contains(&n) {
        return Ok(n);
    }
    Err(Error::Input { what, problem: format!("{n} is not from {} to {}", range.start(), range.end()) })
}
