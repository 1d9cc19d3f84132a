//! A store that writes down what it is about to commit, and that it did.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use nootropic_context::index::FILES;
use nootropic_context::store::LmdbStore;
use nootropic_core::{KeyRange, ReadTxn, Result, Snapshot, Store, StoreExt, Table, Visit, WriteTxn};

/// Key of a file's record to the hash of the record; `None` for one that is deleted.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<u64>>;
/// Every file's record, as key and hash.
pub(crate) type Records = BTreeMap<Vec<u8>, u64>;

/// FNV-1a.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The records of all files.
pub(crate) fn records(store: &dyn Store) -> Records {
    store
        .read_with(|txn| {
            let mut records = Records::new();
            txn.scan(FILES, &KeyRange::all(), &mut |key, value| {
                records.insert(key.to_vec(), fingerprint(value));
                Ok(std::ops::ControlFlow::Continue(()))
            })?;
            Ok(records)
        })
        .unwrap()
}

/// Passes everything on to a store, and keeps a log of it in a file: a line before each commit, with the records of
/// files that it changes, and one after it.
#[derive(Debug)]
pub(crate) struct Spy {
    store: LmdbStore,
    log: File,
}

impl Spy {
    pub(crate) fn new(store: LmdbStore, log: &Path) -> Self {
        Self { store, log: File::options().create(true).append(true).open(log).unwrap() }
    }

    fn line(&self, text: &str) {
        (&self.log).write_all(text.as_bytes()).unwrap(); // one call, so that no line is mixed with another
    }
}

impl Store for Spy {
    fn read(&self, body: &mut dyn FnMut(&dyn ReadTxn) -> Result<()>) -> Result<()> {
        self.store.read(body)
    }

    fn write(&self, body: &mut dyn FnMut(&mut dyn WriteTxn) -> Result<()>) -> Result<Snapshot> {
        let snapshot = self.store.write(&mut |txn| {
            let mut spied = Spied { txn, changes: Changes::new() };
            body(&mut spied)?;
            let hex = |key: &[u8]| key.iter().map(|b| format!("{b:02x}")).collect::<String>();
            let mut line = String::from("intent");
            for (key, hash) in &spied.changes {
                line += &format!(" {}={}", hex(key), hash.map_or("-".into(), |hash| format!("{hash:016x}")));
            }
            self.line(&(line + "\n"));
            Ok(())
        })?;
        self.line(&format!("ack {}\n", snapshot.commit));
        Ok(snapshot)
    }
}

struct Spied<'t> {
    txn: &'t mut dyn WriteTxn,
    changes: Changes,
}

impl ReadTxn for Spied<'_> {
    fn snapshot(&self) -> Snapshot {
        self.txn.snapshot()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>> {
        self.txn.get(table, key)
    }

    fn scan<'t>(&'t self, table: Table, range: &KeyRange, visit: &mut Visit<'_, 't>) -> Result<()> {
        self.txn.scan(table, range, visit)
    }

    fn count(&self, table: Table) -> Result<u64> {
        self.txn.count(table)
    }
}

impl WriteTxn for Spied<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<()> {
        if table == FILES {
            self.changes.insert(key.to_vec(), Some(fingerprint(value)));
        }
        self.txn.put(table, key, value)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool> {
        if table == FILES {
            self.changes.insert(key.to_vec(), None);
        }
        self.txn.delete(table, key)
    }

    fn delete_range(&mut self, table: Table, range: &KeyRange) -> Result<u64> {
        assert_ne!(table, FILES, "nobody deletes files by range");
        self.txn.delete_range(table, range)
    }
}

/// What a log says was committed, and what may have been.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) acknowledged: Vec<Changes>,
    pub(crate) in_doubt: Option<Changes>,
    pub(crate) last_commit: Option<u64>,
}

impl Log {
    /// Reads a log whose last line may have been cut off.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut log = Self::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("intent", changes) => log.in_doubt = Some(changes.split_whitespace().map(change).collect()),
                ("ack", commit) => {
                    log.acknowledged.push(log.in_doubt.take().unwrap());
                    log.last_commit = Some(commit.parse().unwrap());
                }
                _ => panic!("unknown line {line}"),
            }
        }
        log
    }
}

fn change(text: &str) -> (Vec<u8>, Option<u64>) {
    let (key, hash) = text.split_once('=').unwrap();
    let byte = |at| u8::from_str_radix(&key[at..at + 2], 16).unwrap();
    let key = (0..key.len()).step_by(2).map(byte).collect();
    (key, (hash != "-").then(|| u64::from_str_radix(hash, 16).unwrap()))
}

/// Does to `records` what `changes` say.
pub(crate) fn apply(records: &mut Records, changes: &Changes) {
    for (key, hash) in changes {
        match hash {
            Some(hash) => records.insert(key.clone(), *hash),
            None => records.remove(key),
        };
    }
}
