//! Makes room for a new index where another version left one.

use nootropic_core::{Error, KeyRange, Result, Store, StoreExt, Table, WriteTxn};

use super::columns::COLUMNS;
use super::record::{FILES, INDEX_VERSION, IndexMeta, META, OUTLINES, stored_version};
use super::text::TEXTS;
use crate::lexical::{POSTINGS, SEGMENTS};
use crate::vectors::VectorTable;

/// Everything that is made from the files of the repository, and can be made again.
const DERIVED: [Table; 7] = [META, FILES, OUTLINES, TEXTS, COLUMNS, SEGMENTS, POSTINGS];

/// Empties an index that another version made, in one transaction. Says whether it did.
///
/// # Errors
/// As the store's.
pub(super) fn drop_other_version(store: &dyn Store) -> Result<bool> {
    let other = |found: Option<u32>| found.is_some_and(|found| found != INDEX_VERSION);
    if !store.read_with(|txn| Ok(other(stored_version(txn)?)))? {
        return Ok(false);
    }
    let (dropped, _) = store.write_with(|txn| {
        let still = other(stored_version(txn)?);
        if still {
            clear(txn)?;
        }
        Ok(still)
    })?;
    Ok(dropped)
}

fn clear(txn: &mut dyn WriteTxn) -> Result<()> {
    let meta = IndexMeta::successor(txn)?;
    for table in DERIVED {
        txn.delete_range(table, &KeyRange::all())?;
    }
    // Vectors are of passages, which may be cut differently now.
    match VectorTable::list(txn) {
        Err(crate::Error::Core(Error::UnknownTable(_))) => {}
        tables => {
            for table in tables? {
                table.clear(txn)?;
            }
        }
    }
    meta.write(txn)
}
