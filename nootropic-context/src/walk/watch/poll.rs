//! Walks again and again and compares.

use std::cmp::Ordering;
use std::time::Instant;

use super::super::crawl::{Found, list};
use super::super::{FileStamp, RelPath};
use super::{Job, TICK, WatchBatch, batch};
use crate::Result;

/// Watches by walks until cancelled.
pub(super) fn run(job: &Job<'_>, each: &mut dyn FnMut(WatchBatch)) -> Result<()> {
    let mut before = stamps(job)?;
    each(batch([], true, true));
    while pause(job) {
        let now = stamps(job)?;
        let changed = differences(&before, &now);
        if !changed.is_empty() {
            each(batch(changed, false, true));
        }
        before = now;
    }
    Ok(())
}

/// Waits for the next walk; false once cancelled.
fn pause(job: &Job<'_>) -> bool {
    let start = Instant::now();
    loop {
        if (job.cancel)() {
            return false;
        }
        match job.how.poll_interval.checked_sub(start.elapsed()) {
            Some(left) if !left.is_zero() => std::thread::sleep(left.min(TICK)),
            _ => return true,
        }
    }
}

/// Every file and its stamp, sorted by path.
fn stamps(job: &Job<'_>) -> Result<Vec<(RelPath, FileStamp)>> {
    let file = |found| match found {
        Found::File { path, stamp } => Some((path, stamp)),
        Found::Skipped { .. } => None,
    };
    Ok(list(job.filter, job.cancel)?.found.into_iter().filter_map(file).collect())
}

/// The paths in one list only, or with different stamps.
fn differences(before: &[(RelPath, FileStamp)], now: &[(RelPath, FileStamp)]) -> Vec<RelPath> {
    let (mut before, mut now) = (before.iter().peekable(), now.iter().peekable());
    let mut changed = Vec::new();
    loop {
        let order = match (before.peek(), now.peek()) {
            (None, None) => return changed,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.0.cmp(&new.0),
        };
        let old = if order.is_le() { before.next() } else { None };
        let new = if order.is_ge() { now.next() } else { None };
        if old != new {
            changed.extend(old.or(new).map(|(path, _)| path.clone()));
        }
    }
}
