//! What a store says about itself, in a table of its own, written in the same transactions as everything else.

use std::collections::BTreeMap;

use nootropic_core::Table;

/// The format this version writes.
pub(super) const FORMAT: u32 = 1;
/// The table that holds the records below.
pub(super) const TABLE: Table = Table::new("nootropic");
/// Tables a store may have at most, this one included.
pub(super) const MAX_TABLES: usize = 64;

const KEY_FORMAT: &[u8] = b"format";
const KEY_STORE: &[u8] = b"store";
const KEY_BASE: &[u8] = b"base";
const KEY_TABLES: &[u8] = b"tables";

/// What a store says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// Version of the format everything else is in.
    pub(super) format: u32,
    /// The store part of its snapshots.
    pub(super) store: u32,
    /// Added to LMDB's transaction number, which starts again in a rewritten file, to give the commit number.
    pub(super) base: u64,
    /// Names of its tables.
    pub(super) tables: Vec<String>,
}

impl Identity {
    /// Of a store that is about to be made.
    pub(super) fn new(format: u32, tables: &[Table]) -> Self {
        let tables = tables.iter().map(|table| table.name().to_owned()).collect();
        Self { format, store: random(), base: 0, tables }
    }

    /// As records.
    pub(super) fn records(&self) -> [(&'static [u8], Vec<u8>); 4] {
        [
            (KEY_FORMAT, self.format.to_le_bytes().to_vec()),
            (KEY_STORE, self.store.to_le_bytes().to_vec()),
            (KEY_BASE, self.base.to_le_bytes().to_vec()),
            (KEY_TABLES, self.tables.join("\n").into_bytes()),
        ]
    }

    /// From records.
    ///
    /// # Errors
    /// Says which record is missing or malformed.
    pub(super) fn from_records(records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Self, String> {
        let get = |key: &[u8]| {
            records.get(key).ok_or_else(|| format!("the record `{}` is missing", String::from_utf8_lossy(key)))
        };
        let bad = |key: &[u8]| format!("the record `{}` is malformed", String::from_utf8_lossy(key));
        let number = |key: &[u8]| -> Result<u32, String> {
            Ok(u32::from_le_bytes(get(key)?.as_slice().try_into().map_err(|_| bad(key))?))
        };
        let base = get(KEY_BASE)?.as_slice().try_into().map_err(|_| bad(KEY_BASE))?;
        let tables = String::from_utf8(get(KEY_TABLES)?.clone()).map_err(|_| bad(KEY_TABLES))?;
        Ok(Self {
            format: number(KEY_FORMAT)?,
            store: number(KEY_STORE)?,
            base: u64::from_le_bytes(base),
            tables: tables.lines().map(str::to_owned).collect(),
        })
    }
}

/// Four random bytes: enough to tell stores and temporary names apart, not for secrets.
pub(super) fn random() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library keys its hash maps from the operating system's randomness.
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    if let Ok(now) = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        hasher.write_u128(now.as_nanos());
    }
    hasher.finish() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_being_written_and_read() {
        let identity = Identity::new(3, &[Table::new("a"), Table::new("b")]);
        let mut records: BTreeMap<_, _> = identity.records().into_iter().map(|(k, v)| (k.to_vec(), v)).collect();
        assert_eq!(Identity::from_records(&records), Ok(identity));
        records.insert(KEY_STORE.to_vec(), vec![1, 2, 3]);
        assert_eq!(Identity::from_records(&records), Err("the record `store` is malformed".into()));
        records.remove(KEY_STORE);
        assert_eq!(Identity::from_records(&records), Err("the record `store` is missing".into()));
    }
}
