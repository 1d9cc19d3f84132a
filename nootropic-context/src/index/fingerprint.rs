//! Which options an index was made with: once they would treat a file differently, it is looked at again, though it
//! has not changed itself.

use std::ops::{Bound, ControlFlow};

use nootropic_core::{Error, KeyRange, ReadTxn, Result, Store, StoreExt, WriteTxn};

use super::record::{FILES, FileRecord, META, path_key};
use super::update::UpdateOptions;
use crate::codec::put_varint;
use crate::walk::FileStamp;

const KEY: &[u8] = b"options";

/// Count up when the same file and options give another text, or other passages of the same text.
const READING: u64 = 1;
const CUTTING: u64 = 1;

/// Records rewritten between two looks at the store.
const AT_ONCE: usize = 1024;

/// Stands for the options that decide what the text of a file is, and for those that decide how it is cut. Which files
/// are wanted at all is not in it: the walk finds out each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fingerprint {
    reading: [u8; 16],
    pub(super) cutting: [u8; 16],
}

impl Fingerprint {
    pub(super) fn of(options: &UpdateOptions) -> Self {
        let chunks = &options.chunks;
        let nanos = u64::try_from(chunks.max_parse_time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            reading: hash(&[READING, options.walk.generated.into()]),
            cutting: hash(&[
                CUTTING,
                cfg!(feature = "languages").into(),
                chunks.max_lines.into(),
                chunks.max_bytes as u64,
                chunks.ideal_lines.into(),
                chunks.max_parse_bytes as u64,
                nanos,
            ]),
        }
    }

    /// That of the options the index was made with; `None` before the first.
    pub(super) fn read(txn: &dyn ReadTxn) -> Result<Option<Self>> {
        let Some(bytes) = txn.get(META, KEY)? else { return Ok(None) };
        match bytes.as_chunks::<16>() {
            (&[reading, cutting], []) => Ok(Some(Self { reading, cutting })),
            _ => Err(Error::corrupt(META, KEY, "of another length")),
        }
    }

    fn write(&self, txn: &mut dyn WriteTxn) -> Result<()> {
        txn.put(META, KEY, &[self.reading, self.cutting].concat())
    }
}

fn hash(values: &[u64]) -> [u8; 16] {
    let mut bytes = Vec::new();
    values.iter().for_each(|value| put_varint(&mut bytes, *value));
    let mut half = [0; 16];
    half.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
    half
}

/// Makes the index one of these options: where it was made with others, no stamp counts any more, and where files would
/// be cut differently, no hash does. All in one transaction, so that an interrupted pass goes on where it was.
///
/// # Errors
/// As the store's.
pub(super) fn adopt(store: &dyn Store, ours: Fingerprint) -> Result<()> {
    if store.read_with(|txn| Fingerprint::read(txn))? == Some(ours) {
        return Ok(());
    }
    store.write_with(|txn| {
        let theirs = Fingerprint::read(txn)?;
        if theirs == Some(ours) {
            return Ok(());
        }
        let cut_anew = theirs.is_none_or(|theirs| theirs.cutting != ours.cutting);
        forget(txn, cut_anew)?;
        ours.write(txn)
    })?;
    Ok(())
}

/// Makes every file one that has to be looked at.
fn forget(txn: &mut dyn WriteTxn, cut_anew: bool) -> Result<()> {
    let mut range = KeyRange::all();
    loop {
        let mut records = Vec::new();
        txn.scan(FILES, &range, &mut |key, value| {
            records.push(FileRecord::decode(value).map_err(|e| Error::corrupt(FILES, key, e.0))?);
            Ok(if records.len() < AT_ONCE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let Some(last) = records.last() else { return Ok(()) };
        range.start = Bound::Excluded(path_key(&last.path).into_owned());
        for mut record in records {
            record.stamp = FileStamp::NEVER;
            if cut_anew {
                record.hash = FileRecord::NO_HASH;
            }
            txn.put(FILES, &path_key(&record.path), &record.encode())?;
        }
    }
}
