//! Walks every page of a data file without LMDB and without mapping it.
//!
//! LMDB trusts its pages: a damaged one can end the process. The walker trusts nothing. It reads with `pread`, checks each
//! number before it is used, and proves what LMDB takes for granted: each page is used exactly once, trees have the
//! shape their records claim, keys ascend, and every value is the one that was written there.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::frame::{self, Frame};
use super::identity;
use super::layout::{
    BIG_DATA, BRANCH, DB_LEN, Db, LEAF, Metas, NO_PAGE, NODE_HEADER, Node, OVERFLOW, PAGE_HEADER, SUB_DATA, u16_at,
    u32_at, u64_at,
};
use super::verify::{Problem, TableReport};

/// Problems told one by one; more are only counted.
const MAX_PROBLEMS: usize = 100;
/// LMDB's own limit (`CURSOR_STACK`).
const MAX_DEPTH: u16 = 32;
/// Pages at the end of a file that LMDB may have numbered and freed within one transaction, and so never written.
const MAX_UNWRITTEN: u64 = 1 << 20;
/// Bytes of a long value looked at together.
const CHUNK: usize = 256 << 10;

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// The first problems.
    pub(super) problems: Vec<Problem>,
    /// How many there are in all.
    pub(super) problem_count: u64,
    /// The tables, as walked.
    pub(super) tables: Vec<TableReport>,
    /// What the store says about itself, as far as it could be read.
    pub(super) identity: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Pages on the free list.
    pub(super) free_pages: u64,
    /// Pages that are neither used nor free: lost space, not lost data.
    pub(super) leaked_pages: u64,
}

/// Which tree is being walked.
#[derive(Debug, Clone, Copy)]
enum Tree {
    /// Pages free for use, by the transaction that freed them.
    Free,
    /// Tables by name.
    Names,
    /// A table of framed values.
    Table(Frame),
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    branch_pages: u64,
    leaf_pages: u64,
    overflow_pages: u64,
    entries: u64,
}

struct Walker<'f> {
    file: &'f File,
    page_size: usize,
    last_page: u64,
    /// One bit a page: met already.
    met: Vec<u64>,
    met_count: u64,
    /// Page buffers to use again.
    pool: Vec<Vec<u8>>,
    chunk: Vec<u8>,
    /// Name of the tree being walked.
    name: String,
    counts: Counts,
    bytes: u64,
    named: Vec<(String, Db)>,
    /// The last transaction that the free list knows of.
    last_freed: u64,
    out: Walked,
}

/// Walks the newest snapshot of `file`.
///
/// # Errors
/// If reading fails for another reason than the file's end. Damage is no error but a problem in the answer.
pub(super) fn walk(file: &File, metas: &Metas) -> io::Result<Walked> {
    let file_pages = file.metadata()?.len().div_ceil(metas.page_size as u64);
    let meta = &metas.newest;
    if meta.last_page >= file_pages.saturating_add(MAX_UNWRITTEN) {
        let what = format!("the file ends after {file_pages} pages, the last in use is {}", meta.last_page);
        let problems = vec![Problem { page: meta.last_page, table: None, what }];
        return Ok(Walked { problems, problem_count: 1, ..Walked::default() });
    }
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::WillNeed); // advice may be declined
    let mut walker = Walker {
        file,
        page_size: metas.page_size,
        last_page: meta.last_page,
        met: vec![0; usize::try_from(meta.last_page / 64 + 1).unwrap_or(0)],
        met_count: 0,
        pool: Vec::new(),
        chunk: Vec::new(),
        name: String::new(),
        counts: Counts::default(),
        bytes: 0,
        named: Vec::new(),
        last_freed: 0,
        out: Walked::default(),
    };
    walker.tree("(free list)", &meta.free, Tree::Free)?;
    walker.check_last_freed(meta.txn);
    walker.tree("(table list)", &meta.main, Tree::Names)?;
    for (name, db) in std::mem::take(&mut walker.named) {
        walker.tree(&name, &db, Tree::Table(Frame::of(&name)))?;
        let Counts { branch_pages, leaf_pages, overflow_pages, entries } = walker.counts;
        let pages = branch_pages + leaf_pages + overflow_pages;
        walker.out.tables.push(TableReport { name, entries, bytes: walker.bytes, pages });
    }
    walker.out.leaked_pages = (meta.last_page + 1).saturating_sub(2 + walker.met_count);
    Ok(walker.out)
}

impl Walker<'_> {
    fn problem(&mut self, page: u64, what: impl Into<String>) {
        self.out.problem_count += 1;
        if self.out.problems.len() < MAX_PROBLEMS {
            let table = Some(self.name.clone());
            self.out.problems.push(Problem { page, table, what: what.into() });
        }
    }

    /// Every commit but the first frees at least the page that listed the tables, and says so under its own number. A meta
    /// page whose number was damaged, and which now passes for the newest, does not match.
    fn check_last_freed(&mut self, txn: u64) {
        if txn > 1 && self.last_freed != txn && self.out.problem_count == 0 {
            self.problem(txn & 1, format!("the snapshot is number {txn}, its free list ends at {}", self.last_freed));
        }
    }

    fn tree(&mut self, name: &str, db: &Db, kind: Tree) -> io::Result<()> {
        self.name = name.to_owned();
        self.counts = Counts::default();
        self.bytes = 0;
        if matches!(kind, Tree::Table(_)) && db.flags != 0 {
            self.problem(db.root, format!("a table has flags {:#x}, not 0", db.flags));
        }
        if db.depth > MAX_DEPTH || (db.depth == 0) != (db.root == NO_PAGE) {
            self.problem(db.root, format!("a tree of depth {} starts at page {}", db.depth, db.root));
            return Ok(());
        }
        if db.root != NO_PAGE {
            self.page(db.root, Place { level: 1, depth: db.depth, low: None, high: None }, kind)?;
        }
        let Db { branch_pages, leaf_pages, overflow_pages, entries, .. } = *db;
        let claimed = Counts { branch_pages, leaf_pages, overflow_pages, entries };
        if self.counts != claimed && self.out.problem_count == 0 {
            self.problem(db.root, format!("found {:?}, the tree's record says {claimed:?}", self.counts));
        }
        Ok(())
    }

    /// Notes that `count` pages from `first` are in use; false if one of them cannot be.
    fn claim(&mut self, first: u64, count: u64) -> bool {
        let in_range = first >= 2 && first.checked_add(count).is_some_and(|end| end <= self.last_page + 1);
        if !in_range {
            self.problem(first, format!("{count} pages from page {first} on; the last page is {}", self.last_page));
            return false;
        }
        for page in first..first + count {
            let bit = 1 << (page % 64);
            let Some(word) = usize::try_from(page / 64).ok().and_then(|word| self.met.get_mut(word)) else {
                return false;
            };
            if *word & bit != 0 {
                self.problem(page, "the page is used twice");
                return false;
            }
            *word |= bit;
        }
        self.met_count += count;
        true
    }

    /// Fills `buffer` from that offset; false if the file ends before.
    fn read(&mut self, page: u64, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
        match self.file.read_exact_at(buffer, page * self.page_size as u64 + offset) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.problem(page, "the page lies beyond the end of the file");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn page(&mut self, number: u64, place: Place<'_>, kind: Tree) -> io::Result<()> {
        if !self.claim(number, 1) {
            return Ok(());
        }
        let mut page = self.pool.pop().unwrap_or_default();
        page.resize(self.page_size, 0);
        if self.read(number, 0, &mut page)? {
            match Shape::of(&page, number, place) {
                Ok(shape) if place.level < place.depth => self.branch(number, &page, shape, place, kind)?,
                Ok(shape) => self.leaf(number, &page, shape, place, kind)?,
                Err(what) => self.problem(number, what),
            }
        }
        self.pool.push(page);
        Ok(())
    }

    fn branch(&mut self, number: u64, page: &[u8], shape: Shape, place: Place<'_>, kind: Tree) -> io::Result<()> {
        self.counts.branch_pages += 1;
        // The free list may keep a branch with one child (`mdb_page_search_root` says so).
        if shape.count < 2 && !matches!(kind, Tree::Free) {
            self.problem(number, "a branch with a single child");
        }
        let mut used = 0;
        let mut previous: Option<Node<'_>> = None;
        let mut low = place.low; // the first key of a branch is not stored
        for index in 0..=shape.count {
            let node = if index < shape.count {
                let Some(node) = Node::read(page, index, shape.upper) else {
                    self.problem(number, format!("entry {index} lies outside the page"));
                    return Ok(());
                };
                used += (NODE_HEADER + node.key.len()).next_multiple_of(2);
                Some(node)
            } else {
                None
            };
            if let Some(previous) = previous {
                let high = node.map(|node| node.key).or(place.high);
                if index > 1 && !self.in_order(number, index - 1, previous.key, place, low, kind) {
                    return Ok(());
                }
                if index > 1 {
                    low = Some(previous.key);
                }
                let below = Place { level: place.level + 1, depth: place.depth, low, high };
                self.page(previous.child(), below, kind)?;
            }
            previous = node;
        }
        self.check_used(number, used, page.len() - shape.upper);
        Ok(())
    }

    fn leaf(&mut self, number: u64, page: &[u8], shape: Shape, place: Place<'_>, kind: Tree) -> io::Result<()> {
        self.counts.leaf_pages += 1;
        let mut used = 0;
        let mut previous: Option<&[u8]> = None;
        for index in 0..shape.count {
            let Some(node) = Node::read(page, index, shape.upper) else {
                self.problem(number, format!("entry {index} lies outside the page"));
                return Ok(());
            };
            let ordered = match previous {
                // Within a page keys ascend strictly; the first may equal the branch's key.
                Some(previous) if compare(kind, previous, node.key) != Ordering::Less => {
                    self.problem(number, format!("the key of entry {index} is out of order"));
                    false
                }
                Some(_) => self.in_order(number, index, node.key, place, None, kind),
                None => self.in_order(number, index, node.key, place, place.low, kind),
            };
            if !ordered {
                return Ok(());
            }
            previous = Some(node.key);
            let inline = if node.flags & BIG_DATA == 0 { node.data_len as usize } else { 8 };
            let Some(data) = node.data(inline) else {
                self.problem(number, format!("the value of entry {index} leaves the page"));
                return Ok(());
            };
            used += (NODE_HEADER + node.key.len() + inline).next_multiple_of(2);
            self.counts.entries += 1;
            self.entry(number, node, data, kind)?;
        }
        self.check_used(number, used, page.len() - shape.upper);
        Ok(())
    }

    /// Whether `key` lies in `low..place.high`.
    fn in_order(
        &mut self,
        page: u64,
        index: usize,
        key: &[u8],
        place: Place<'_>,
        low: Option<&[u8]>,
        kind: Tree,
    ) -> bool {
        let ordered = low.is_none_or(|low| compare(kind, low, key) != Ordering::Greater)
            && place.high.is_none_or(|high| compare(kind, key, high) == Ordering::Less);
        if !ordered {
            self.problem(page, format!("the key of entry {index} does not belong on this page"));
        }
        ordered
    }

    fn check_used(&mut self, page: u64, used: usize, claimed: usize) {
        if used != claimed {
            self.problem(page, format!("entries fill {used} bytes, the page says {claimed}"));
        }
    }

    fn entry(&mut self, page: u64, node: Node<'_>, data: &[u8], kind: Tree) -> io::Result<()> {
        match (kind, node.flags) {
            (Tree::Names, SUB_DATA) => {
                match (str::from_utf8(node.key), Db::parse(data, 0)) {
                    (Ok(name), Some(db)) if data.len() == DB_LEN => self.named.push((name.to_owned(), db)),
                    _ => self.problem(page, "the record of a table is malformed"),
                }
                Ok(())
            }
            (Tree::Free, 0) => {
                self.free_list(page, node.key, data);
                Ok(())
            }
            (Tree::Free, BIG_DATA) => {
                let mut list = Vec::new();
                if self.overflow(page, node, data, &mut |bytes| list.extend_from_slice(bytes))? {
                    self.free_list(page, node.key, &list);
                }
                Ok(())
            }
            (Tree::Table(frame), 0) => {
                self.bytes += node.key.len() as u64 + data.len().saturating_sub(frame::FRAME_LEN) as u64;
                match frame.open(node.key, data) {
                    Ok(payload) if self.name == identity::TABLE.name() => {
                        self.out.identity.insert(node.key.to_vec(), payload.to_vec());
                    }
                    Ok(_) => {}
                    Err(error) => self.problem(page, format!("key {}: {error}", hex(node.key))),
                }
                Ok(())
            }
            (Tree::Table(frame), BIG_DATA) => self.long_value(page, node, data, frame),
            (_, flags) => {
                self.problem(page, format!("an entry has flags {flags:#x}"));
                Ok(())
            }
        }
    }

    fn long_value(&mut self, page: u64, node: Node<'_>, data: &[u8], frame: Frame) -> io::Result<()> {
        self.bytes += node.key.len() as u64 + u64::from(node.data_len).saturating_sub(frame::FRAME_LEN as u64);
        let mut running = frame.begin(node.key);
        let mut expected = Err(frame::FrameError::Short(0));
        let mut first = true;
        let mut sink = |bytes: &[u8]| {
            let mut rest = bytes;
            if std::mem::take(&mut first) {
                // The first chunk holds at least a page, so the whole frame.
                expected = frame::split(bytes).map(|(checksum, payload)| {
                    rest = payload;
                    checksum
                });
            }
            running = running.update(rest);
        };
        if !self.overflow(page, node, data, &mut sink)? {
            return Ok(());
        }
        if let Err(error) = expected.and_then(|expected| running.compare(expected)) {
            self.problem(page, format!("key {}: {error}", hex(node.key)));
        }
        Ok(())
    }

    /// Gives a long value to `sink`, piece by piece; false if its pages are not sound.
    fn overflow(&mut self, page: u64, node: Node<'_>, data: &[u8], sink: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let Some(first) = u64_at(data, 0) else { return Ok(false) };
        let len = u64::from(node.data_len);
        let needed = (PAGE_HEADER as u64 - 1 + len) / self.page_size as u64 + 1;
        if !(2..=self.last_page).contains(&first) {
            self.problem(page, format!("a value lies on page {first} of {}", self.last_page));
            return Ok(false);
        }
        let mut header = [0; PAGE_HEADER];
        if !self.read(first, 0, &mut header)? {
            return Ok(false);
        }
        let pages = u64::from(u32_at(&header, 12).unwrap_or(0));
        // A shorter value may have taken the place of a longer one.
        if u64_at(&header, 0) != Some(first) || u16_at(&header, 10) != Some(OVERFLOW) || pages < needed {
            self.problem(first, "not the overflow page it should be");
            return Ok(false);
        }
        if !self.claim(first, pages) {
            return Ok(false);
        }
        self.counts.overflow_pages += pages;
        let mut chunk = std::mem::take(&mut self.chunk);
        let mut done = 0;
        let mut sound = true;
        while sound && done < len {
            let take = usize::try_from(len - done).unwrap_or(CHUNK).min(CHUNK);
            chunk.resize(take, 0);
            sound = self.read(first, PAGE_HEADER as u64 + done, &mut chunk)?;
            if sound {
                sink(&chunk);
            }
            done += take as u64;
        }
        self.chunk = chunk;
        Ok(sound)
    }

    /// Checks one record of the free list: a count, then page numbers, descending.
    fn free_list(&mut self, page: u64, key: &[u8], list: &[u8]) {
        let mut numbers = list.chunks_exact(8).filter_map(|number| u64_at(number, 0));
        let count =
            numbers.next().and_then(|count| usize::try_from(count).ok()).filter(|count| *count < list.len() / 8);
        let (8, Some(count)) = (key.len(), count) else {
            self.problem(page, "a record of the free list is malformed");
            return;
        };
        self.last_freed = self.last_freed.max(u64_at(key, 0).unwrap_or(0));
        let mut previous = NO_PAGE;
        for number in numbers.take(count) {
            if number >= previous {
                self.problem(page, "the free list is out of order");
                return;
            }
            previous = number;
            if !self.claim(number, 1) {
                return;
            }
            self.out.free_pages += 1;
        }
    }
}

/// Where in its tree a page stands, and which keys may be on it.
#[derive(Debug, Clone, Copy)]
struct Place<'k> {
    level: u16,
    depth: u16,
    low: Option<&'k [u8]>,
    high: Option<&'k [u8]>,
}

/// What a page's header says.
#[derive(Debug, Clone, Copy)]
struct Shape {
    count: usize,
    upper: usize,
}

impl Shape {
    fn of(page: &[u8], number: u64, place: Place<'_>) -> Result<Self, String> {
        let expected = if place.level < place.depth { BRANCH } else { LEAF };
        let (found, flags) = (u64_at(page, 0).unwrap_or(0), u16_at(page, 10).unwrap_or(0));
        if found != number {
            return Err(format!("the page says it is page {found}"));
        }
        if flags != expected {
            return Err(format!("the page has flags {flags:#x}, not {expected:#x}"));
        }
        let lower = usize::from(u16_at(page, 12).unwrap_or(0));
        let upper = usize::from(u16_at(page, 14).unwrap_or(0));
        let sound = PAGE_HEADER < lower && lower <= upper && upper <= page.len() && lower.is_multiple_of(2);
        if !sound {
            return Err(format!("entries from byte {lower} to {upper} of {}", page.len()));
        }
        Ok(Self { count: (lower - PAGE_HEADER) / 2, upper })
    }
}

/// The order of a tree's keys.
fn compare(kind: Tree, a: &[u8], b: &[u8]) -> Ordering {
    match (kind, u64_at(a, 0), u64_at(b, 0)) {
        (Tree::Free, Some(a), Some(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}

/// A key, for messages.
pub(super) fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}
