//! LMDB's data file, read without LMDB: meta pages, page headers, nodes.
//!
//! Every read is bounds-checked, so that bytes of any kind yield an answer or a problem, never a signal.
//! Source: `mdb.c` of LMDB 0.9.70 (data version 1), structures `MDB_page`, `MDB_node`, `MDB_db`, `MDB_meta`.
//! Integers are in the machine's byte order.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const _: () = assert!(usize::BITS == 64, "page numbers in the data file have 64 bits");

/// Bytes of a page header.
pub(super) const PAGE_HEADER: usize = 16;
/// Bytes of a node header.
pub(super) const NODE_HEADER: usize = 8;
/// Bytes of a database record.
pub(super) const DB_LEN: usize = 48;
/// Stands for "no page": the root of an empty tree.
pub(super) const NO_PAGE: u64 = u64::MAX;
/// A page that leads to others.
pub(super) const BRANCH: u16 = 0x01;
/// A page that holds entries.
pub(super) const LEAF: u16 = 0x02;
/// The first page of a long value.
pub(super) const OVERFLOW: u16 = 0x04;
/// The value lies on overflow pages.
pub(super) const BIG_DATA: u16 = 0x01;
/// The value is a database record.
pub(super) const SUB_DATA: u16 = 0x02;

const META: u16 = 0x08;
const MAGIC: u32 = 0xBEEF_C0DE;
const DATA_VERSION: u32 = 1;
const META_LEN: usize = 152;

/// `N` bytes at `at`, if they are there.
fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..)?.first_chunk::<N>().copied()
}

/// Two bytes as a number.
pub(super) fn u16_at(from: &[u8], at: usize) -> Option<u16> {
    bytes(from, at).map(u16::from_ne_bytes)
}

/// Four bytes as a number.
pub(super) fn u32_at(from: &[u8], at: usize) -> Option<u32> {
    bytes(from, at).map(u32::from_ne_bytes)
}

/// Eight bytes as a number.
pub(super) fn u64_at(from: &[u8], at: usize) -> Option<u64> {
    bytes(from, at).map(u64::from_ne_bytes)
}

/// One B+tree, as its record describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Db {
    /// For the free list's tree: the page size.
    pub(super) pad: u32,
    /// Flags it was created with.
    pub(super) flags: u16,
    /// Levels, leaves included.
    pub(super) depth: u16,
    /// Pages that lead to others.
    pub(super) branch_pages: u64,
    /// Pages that hold entries.
    pub(super) leaf_pages: u64,
    /// Pages that hold long values.
    pub(super) overflow_pages: u64,
    /// How many entries.
    pub(super) entries: u64,
    /// Where to begin.
    pub(super) root: u64,
}

impl Db {
    /// Reads the record at `at`.
    pub(super) fn parse(from: &[u8], at: usize) -> Option<Self> {
        Some(Self {
            pad: u32_at(from, at)?,
            flags: u16_at(from, at + 4)?,
            depth: u16_at(from, at + 6)?,
            branch_pages: u64_at(from, at + 8)?,
            leaf_pages: u64_at(from, at + 16)?,
            overflow_pages: u64_at(from, at + 24)?,
            entries: u64_at(from, at + 32)?,
            root: u64_at(from, at + 40)?,
        })
    }
}

/// One of the two pages that a snapshot starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    /// Bytes of address space the writer had reserved.
    pub(super) map_size: u64,
    /// The free list.
    pub(super) free: Db,
    /// The tree of named tables.
    pub(super) main: Db,
    /// The last page in use.
    pub(super) last_page: u64,
    /// The transaction that wrote it.
    pub(super) txn: u64,
}

/// Both meta pages, checked against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metas {
    /// Bytes of a page.
    pub(super) page_size: usize,
    /// The newest.
    pub(super) newest: Meta,
    /// Checksum of the newest, to tell whether it changed.
    pub(super) checksum: u32,
}

/// Why the meta pages cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MetaError {
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It ends before the second meta page does.
    #[error("the file ends inside its meta pages, after {0} bytes")]
    Short(u64),
    /// Not a data file, or not a sound one.
    #[error("{0}")]
    Bad(String),
}

impl Metas {
    /// Reads both meta pages of `file`.
    pub(super) fn read(file: &File) -> Result<Self, MetaError> {
        let len = file.metadata()?.len();
        let first = meta_bytes(file, 0, len)?;
        let page_size = u32_at(&first, 40).unwrap_or(0);
        check_header(&first, 0)?;
        if !(512..=32_768).contains(&page_size) || !page_size.is_power_of_two() {
            return Err(MetaError::Bad(format!("page size {page_size} is impossible")));
        }
        let second = meta_bytes(file, u64::from(page_size), len)?;
        check_header(&second, 1)?;
        let (Some(a), Some(b)) = (parse(&first), parse(&second)) else {
            return Err(MetaError::Short(len));
        };
        if a.free.pad != b.free.pad {
            return Err(MetaError::Bad(format!("page sizes {} and {} differ", a.free.pad, b.free.pad)));
        }
        // The older page may be torn by a commit that was cut off; nothing is read from it.
        let (index, newest, bytes) = if a.txn < b.txn { (1, b, &second) } else { (0, a, &first) };
        if newest.txn & 1 != index {
            return Err(MetaError::Bad(format!("transaction {} stands on meta page {index}", newest.txn)));
        }
        newest.check()?;
        Ok(Self { page_size: page_size as usize, newest, checksum: crc32c::crc32c(bytes) })
    }

    /// How long the file has to be to hold every page in use, in bytes. `None` if no file could.
    pub(super) fn expected_len(&self) -> Option<u64> {
        self.newest
            .last_page
            .checked_add(1)?
            .checked_mul(self.page_size as u64)
            .filter(|len| i64::try_from(*len).is_ok())
    }
}

impl Meta {
    fn check(&self) -> Result<(), MetaError> {
        for (tree, db) in [("free list", &self.free), ("table list", &self.main)] {
            let rooted = (2..=self.last_page).contains(&db.root) && db.depth > 0;
            let empty = db.root == NO_PAGE && db.depth == 0 && db.entries == 0;
            if !rooted && !empty {
                return Err(MetaError::Bad(format!("the {tree} starts at page {} of {}", db.root, self.last_page)));
            }
        }
        Ok(())
    }
}

fn meta_bytes(file: &File, at: u64, len: u64) -> Result<[u8; META_LEN], MetaError> {
    let mut out = [0; META_LEN];
    match file.read_exact_at(&mut out, at) {
        Ok(()) => Ok(out),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(MetaError::Short(len)),
        Err(error) => Err(error.into()),
    }
}

fn check_header(page: &[u8], number: u64) -> Result<(), MetaError> {
    let magic = u32_at(page, 16).unwrap_or(0);
    if magic != MAGIC {
        return Err(MetaError::Bad(format!("meta page {number} begins with {magic:08x}, not {MAGIC:08x}")));
    }
    let version = u32_at(page, 20).unwrap_or(0);
    if version != DATA_VERSION {
        return Err(MetaError::Bad(format!("LMDB data version {version}, not {DATA_VERSION}")));
    }
    if u64_at(page, 0) != Some(number) || u16_at(page, 10).unwrap_or(0) & META == 0 {
        return Err(MetaError::Bad(format!("page {number} is not a meta page")));
    }
    Ok(())
}

fn parse(page: &[u8]) -> Option<Meta> {
    Some(Meta {
        map_size: u64_at(page, 32)?,
        free: Db::parse(page, 40)?,
        main: Db::parse(page, 88)?,
        last_page: u64_at(page, 136)?,
        txn: u64_at(page, 144)?,
    })
}

/// One entry of a branch or leaf page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'p> {
    /// Its flags; on a branch page, part of the page number.
    pub(super) flags: u16,
    /// Its key.
    pub(super) key: &'p [u8],
    /// On a leaf: bytes of the value.
    pub(super) data_len: u32,
    /// What follows the key on the page.
    rest: &'p [u8],
}

impl<'p> Node<'p> {
    /// Reads the node with that index, if it lies inside the page's upper part.
    pub(super) fn read(page: &'p [u8], index: usize, upper: usize) -> Option<Self> {
        let at = usize::from(u16_at(page, PAGE_HEADER + 2 * index)?);
        if at < upper {
            return None;
        }
        let low = u32::from(u16_at(page, at)?);
        let high = u32::from(u16_at(page, at + 2)?);
        let key_len = usize::from(u16_at(page, at + 6)?);
        let (key, rest) = page.get(at + NODE_HEADER..)?.split_at_checked(key_len)?;
        Some(Self { flags: u16_at(page, at + 4)?, key, data_len: low | (high << 16), rest })
    }

    /// On a branch page: where it leads.
    pub(super) fn child(&self) -> u64 {
        u64::from(self.data_len) | (u64::from(self.flags) << 32)
    }

    /// The first `len` bytes of the value on the page.
    pub(super) fn data(&self, len: usize) -> Option<&'p [u8]> {
        self.rest.get(..len)
    }
}
