//! What a watched child did, as `shim.c` wrote it down.

use std::ops::Range;
use std::path::Path;

/// One thing that was done. Files and folders are inode numbers, which are used again once a file is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A file or folder was made.
    Create { parent: u64, name: String, file: u64, is_folder: bool },
    /// Bytes were written; `durable` if the call also made them so (`O_DSYNC`).
    Write { file: u64, offset: u64, data: Range<usize>, durable: bool },
    /// A file got another length.
    Truncate { file: u64, len: u64 },
    /// A file or folder was made durable, or that failed.
    Sync { file: u64, failed: bool },
    /// A name was removed.
    Remove { parent: u64, name: String },
    /// A name was moved, or swapped with another one.
    Rename { from_parent: u64, from: String, to_parent: u64, to: String, exchange: bool },
    /// The child said something.
    Said(String),
    /// A call was made to fail.
    Fault { call: String },
}

/// A log and the bytes its writes refer to.
#[derive(Debug, Default)]
pub struct Log {
    pub ops: Vec<Op>,
    pub bytes: Vec<u8>,
}

const HEAD: usize = 32;

/// Reads the log at `path`.
pub fn read(path: &Path) -> Log {
    let bytes = std::fs::read(path).unwrap_or_default();
    let u32_at = |at: usize| u32::from_ne_bytes(*bytes[at..].first_chunk().unwrap());
    let u64_at = |at: usize| u64::from_ne_bytes(*bytes[at..].first_chunk().unwrap());
    let text = |range: Range<usize>| String::from_utf8(bytes[range].to_vec()).unwrap();
    let mut ops = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (kind, flag, a, b) = (u32_at(at), u32_at(at + 4) != 0, u64_at(at + 8), u64_at(at + 16));
        let name = at + HEAD..at + HEAD + u32_at(at + 24) as usize;
        let data = name.end..name.end + u32_at(at + 28) as usize;
        at = data.end;
        ops.push(match kind {
            1 => Op::Create { parent: a, name: text(name), file: b, is_folder: flag },
            2 => Op::Write { file: a, offset: b, data, durable: flag },
            3 => Op::Truncate { file: a, len: b },
            4 => Op::Sync { file: a, failed: flag },
            5 => Op::Remove { parent: a, name: text(name) },
            6 => {
                let names = text(name);
                let (from, to) = names.split_once('/').unwrap();
                let (from, to) = (from.to_owned(), to.to_owned());
                Op::Rename { from_parent: a, from, to_parent: b, to, exchange: flag }
            }
            7 => Op::Said(text(data)),
            8 => Op::Fault { call: text(name) },
            _ => panic!("record {kind} at byte {at}"),
        });
    }
    Log { ops, bytes }
}

/// Adds operations to the log at `path`, each with the bytes it writes or says.
pub fn append(path: &Path, ops: &[(Op, Vec<u8>)]) {
    let mut out = std::fs::read(path).unwrap_or_default();
    for (op, bytes) in ops {
        let (kind, flag, a, b, name) = match op {
            Op::Said(_) => (7_u32, false, 0, 0, ""),
            Op::Create { parent, name, file, is_folder } => (1, *is_folder, *parent, *file, name.as_str()),
            Op::Write { file, offset, durable, .. } => (2, *durable, *file, *offset, ""),
            Op::Sync { file, failed } => (4, *failed, *file, 0, ""),
            other => panic!("{other:?} is only read"),
        };
        out.extend([kind, u32::from(flag)].into_iter().flat_map(u32::to_ne_bytes));
        out.extend([a, b].into_iter().flat_map(u64::to_ne_bytes));
        out.extend([name.len() as u32, bytes.len() as u32].into_iter().flat_map(u32::to_ne_bytes));
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(bytes);
    }
    std::fs::write(path, out).unwrap();
}
