//! Bringing an older store up to date: its records are written anew, and the new store takes the old one's place whole.
//!
//! The format's number lies in the store, in the transaction that completes it. A crash on the way leaves the old store.
//!
//! **Invariant.** The table that holds the identity, its four records and their frame are the same in every format, so that
//! any version can tell what lies in front of it.

use std::path::Path;

use heed::{RoTxn, WithoutTls};

use super::files::Draft;
use super::identity::{self, Identity};
use super::rewrite::Target;
use super::shared::note_state;
use super::tables::Opened;
use super::{StoreOptions, env, verify};
use crate::{Error, Result};

/// The formats a build knows: what it writes, and how to reach it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// The format it writes.
    pub(super) format: u32,
    /// One step for each older format it can bring up to date.
    pub(super) steps: &'static [Step],
}

/// What this version knows. Format 1 is the first.
pub(super) const PLAN: Plan = Plan { format: identity::FORMAT, steps: &[] };

/// From one format to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// The format it reads; it writes the one after it.
    pub(super) from: u32,
    /// The new store's tables, given the old one's.
    pub(super) tables: fn(&[String]) -> Vec<String>,
    /// Writes every record anew. Keys of a table must be put in order.
    pub(super) run: fn(&Old<'_>, &mut Target<'_>) -> Result<()>,
}

/// What is called for each key and value.
type VisitRaw<'v> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'v;

/// One snapshot of an older store, as bytes.
pub(super) struct Old<'e> {
    opened: &'e Opened,
    dir: &'e Path,
    txn: RoTxn<'e, WithoutTls>,
}

#[cfg_attr(not(test), expect(dead_code, reason = "called by migration steps, of which only the tests have one so far"))]
impl Old<'_> {
    /// Calls `visit` with each key and value of a table, in order, as they lie there: framed in the old format's way.
    pub(super) fn each(&self, table: &str, visit: &mut VisitRaw<'_>) -> Result<()> {
        let lmdb = |error| env::failed("read", self.dir, error);
        let handle = self.opened.tables.iter().find(|handle| handle.name == table);
        let Some(db) = handle.and_then(|handle| handle.db) else { return Ok(()) };
        for entry in db.iter(&self.txn).map_err(lmdb)? {
            let (key, value) = entry.map_err(lmdb)?;
            visit(key, value)?;
        }
        Ok(())
    }
}

/// Brings the store in `dir` from format `found` to the plan's.
///
/// # Errors
/// [`Error::OlderFormat`] if that cannot be done here or at all; whatever a step returns. The old store stays.
pub(super) fn run(
    dir: &Path,
    options: &StoreOptions,
    plan: &Plan,
    found: u32,
    alone: bool,
    read_only: bool,
) -> Result<()> {
    let refuse = |reason| Error::OlderFormat { path: dir.to_owned(), found, supported: plan.format, reason };
    if read_only {
        return Err(refuse("it cannot be written here"));
    }
    if !alone {
        return Err(refuse("others have it open"));
    }
    for format in found..plan.format {
        let step = plan.steps.iter().find(|step| step.from == format);
        let step = step.ok_or_else(|| refuse("nothing says how to bring it up to date"))?;
        run_step(dir, options, step)?;
    }
    Ok(())
}

fn run_step(dir: &Path, options: &StoreOptions, step: &Step) -> Result<()> {
    let bare = StoreOptions { tables: Vec::new(), ..options.clone() };
    let opened = Opened::open(dir, &bare, true, step.from)?;
    let draft = Draft::beside(dir)?;
    let map_size = opened.env.info().map_size;
    let env = env::open(draft.path(), map_size, false).map_err(|error| env::failed("create", draft.path(), error))?;
    let txn = opened.env.read_txn().map_err(|error| env::failed("read", dir, error))?;
    let commit = opened.identity.base.wrapping_add(txn.id() as u64);
    let old = Old { opened: &opened, dir, txn };
    let mut target = Target::new(&env, draft.path(), &(step.tables)(&opened.identity.tables))?;
    (step.run)(&old, &mut target)?;
    target.finish(Identity { format: step.from + 1, ..opened.identity.clone() }, commit)?;
    drop((old, env));
    drop(opened);
    verify::verify(draft.path())?.into_result(draft.path())?;
    note_state(draft.path());
    draft.replace(dir)
}
