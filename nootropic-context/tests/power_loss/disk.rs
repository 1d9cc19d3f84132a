//! A model of a disk under a filesystem that promises no more than POSIX does, and what a power cut leaves on it.
//!
//! What was written is durable once the file was made so, a name once its folder was. Everything else may be there, be
//! missing, or, for bytes, be there in part.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fault_shim::log::{Log, Op};
use crate::store_support::Random;

/// A write of so many bytes, inside one block of that size, happens whole or not at all.
const ATOMIC: u64 = 512;
/// A disk that lies still gets so far behind at most, in writes.
const VOLATILE: usize = 64;

/// A folder's files, by path; folders have no bytes.
pub(crate) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// How a disk behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Medium {
    /// A longer write is torn at multiples of so many bytes.
    pub(crate) sector: u64,
    /// Files are not made durable, and it is said that they were.
    pub(crate) lies_about_files: bool,
    /// Names are not made durable, and it is said that they were.
    pub(crate) lies_about_names: bool,
}

impl Medium {
    /// It keeps its promises.
    pub(crate) fn honest(sector: u64) -> Self {
        Self { sector, lies_about_files: false, lies_about_names: false }
    }
}

#[derive(Debug, Clone)]
enum What {
    Write { offset: u64, data: Range<usize> },
    Cut(u64),
}

#[derive(Debug, Clone)]
struct Change {
    what: What,
    /// It is durable already; it waits here for those before it, which may not be.
    certain: bool,
}

#[derive(Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug)]
struct Naming {
    /// When, among all namings.
    order: u64,
    /// What each name stands for from then on; all at once.
    names: Vec<(String, Option<usize>)>,
}

#[derive(Debug, Default)]
struct Folder {
    /// As processes see it.
    live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    pending: Vec<Naming>,
}

#[derive(Debug)]
enum Node {
    File(File),
    Folder(Folder),
}

/// Which of the things that may have happened did.
#[derive(Debug)]
struct Fate<'r> {
    random: &'r mut Random,
    /// Of 100, so many changes happen.
    kept: u64,
    /// Of 100 that do not, so many happen in part.
    torn: u64,
    /// They happen in their order: after the first that does not, none does.
    ordered: bool,
    over: bool,
}

/// How much of a change happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    Whole,
    Part,
    Nothing,
}

impl<'r> Fate<'r> {
    fn new(random: &'r mut Random) -> Self {
        let kept = [0, 10, 50, 90, 100][random.below(5) as usize];
        let torn = [0, 20, 80][random.below(3) as usize];
        let ordered = random.below(3) == 0;
        Self { random, kept, torn, ordered, over: false }
    }

    fn next(&mut self) -> Share {
        if self.over {
            return Share::Nothing;
        }
        if self.random.below(100) < self.kept {
            return Share::Whole;
        }
        self.over = self.ordered;
        if self.random.below(100) < self.torn { Share::Part } else { Share::Nothing }
    }
}

/// The disk while a log is played back.
#[derive(Debug)]
pub(crate) struct Disk<'l> {
    log: &'l Log,
    medium: Medium,
    nodes: Vec<Node>,
    /// Inode numbers in use.
    numbers: HashMap<u64, usize>,
    namings: u64,
}

impl<'l> Disk<'l> {
    /// With an empty folder of that inode number.
    fn new(log: &'l Log, root: u64, medium: Medium) -> Self {
        let nodes = vec![Node::Folder(Folder::default())];
        Self { log, medium, nodes, numbers: HashMap::from([(root, 0)]), namings: 0 }
    }

    /// What is there after all of `log`, without a power cut.
    pub(crate) fn replay(log: &'l Log, root: u64) -> Tree {
        let mut random = Random::new(1);
        let mut disk = Self::new(log, root, Medium::honest(ATOMIC));
        // What a failed sync may have kept from the disk is still what processes see.
        for op in log.ops.iter().filter(|op| !matches!(op, Op::Sync { failed: true, .. })) {
            disk.apply(op, true, &mut random);
        }
        let mut all = Fate { random: &mut random, kept: 100, torn: 0, ordered: false, over: false };
        disk.settle(&mut all)
    }

    /// What is there when power fails during operation `cut`, one of many possibilities.
    pub(crate) fn power_cut(log: &'l Log, root: u64, cut: usize, medium: Medium, random: &mut Random) -> Tree {
        let mut disk = Self::new(log, root, medium);
        for op in &log.ops[..cut] {
            disk.apply(op, true, random);
        }
        if let Some(op) = log.ops.get(cut) {
            disk.apply(op, false, random);
        }
        disk.settle(&mut Fate::new(random))
    }

    fn file(&mut self, number: u64) -> &mut File {
        match &mut self.nodes[self.numbers[&number]] {
            Node::File(file) => file,
            Node::Folder(_) => panic!("{number} is a folder"),
        }
    }

    fn folder(&mut self, number: u64) -> &mut Folder {
        match &mut self.nodes[self.numbers[&number]] {
            Node::Folder(folder) => folder,
            Node::File(_) => panic!("{number} is a file"),
        }
    }

    fn name(&mut self, parent: u64, names: Vec<(String, Option<usize>)>) {
        let order = self.namings;
        self.namings += 1;
        let folder = self.folder(parent);
        for (name, node) in &names {
            match node {
                Some(node) => folder.live.insert(name.clone(), *node),
                None => folder.live.remove(name),
            };
        }
        folder.pending.push(Naming { order, names });
    }

    /// `done`: the call had returned.
    fn apply(&mut self, op: &Op, done: bool, random: &mut Random) {
        match op {
            Op::Create { parent, name, file, is_folder } => {
                let node = if *is_folder { Node::Folder(Folder::default()) } else { Node::File(File::default()) };
                self.nodes.push(node);
                let id = self.nodes.len() - 1;
                self.numbers.insert(*file, id);
                self.name(*parent, vec![(name.clone(), Some(id))]);
            }
            Op::Write { file, offset, data, durable } => {
                let certain = *durable && done && !self.medium.lies_about_files;
                let what = What::Write { offset: *offset, data: data.clone() };
                self.file(*file).pending.push(Change { what, certain });
            }
            Op::Truncate { file, len } => {
                self.file(*file).pending.push(Change { what: What::Cut(*len), certain: false });
            }
            Op::Sync { file, failed } if done => self.sync(*file, *failed, random),
            Op::Remove { parent, name } => self.name(*parent, vec![(name.clone(), None)]),
            Op::Rename { from_parent, from, to_parent, to, exchange } => {
                assert_eq!(from_parent, to_parent, "the model knows no moves between folders");
                let live = &self.folder(*from_parent).live;
                let (source, target) = (live[from], live.get(to).copied());
                let left = if *exchange { target } else { None };
                self.name(*from_parent, vec![(to.clone(), Some(source)), (from.clone(), left)]);
            }
            Op::Sync { .. } | Op::Said(_) | Op::Fault { .. } => {}
        }
    }

    fn sync(&mut self, number: u64, failed: bool, random: &mut Random) {
        let (log, medium) = (self.log, self.medium);
        match &mut self.nodes[self.numbers[&number]] {
            Node::File(file) if medium.lies_about_files => {
                let old = file.pending.len().saturating_sub(VOLATILE);
                for change in file.pending.drain(..old) {
                    happen(&mut file.durable, log, &change.what, Share::Whole, medium.sector, random);
                }
            }
            // After an error the kernel takes the pages for written: what is lost now no later sync brings back.
            Node::File(file) if failed => {
                let mut fate = Fate::new(random);
                file.settle(log, medium.sector, &mut fate);
            }
            Node::File(file) => {
                for change in file.pending.drain(..) {
                    happen(&mut file.durable, log, &change.what, Share::Whole, medium.sector, random);
                }
            }
            Node::Folder(_) if failed || medium.lies_about_names => {}
            Node::Folder(folder) => {
                folder.durable.clone_from(&folder.live);
                folder.pending.clear();
            }
        }
    }

    /// Decides what happened of everything that may have, and reads the disk.
    fn settle(mut self, fate: &mut Fate<'_>) -> Tree {
        let mut namings: Vec<(usize, Naming)> = Vec::new();
        for (id, node) in self.nodes.iter_mut().enumerate() {
            if let Node::Folder(folder) = node {
                namings.extend(folder.pending.drain(..).map(|naming| (id, naming)));
            }
        }
        namings.sort_by_key(|(_, naming)| naming.order);
        for (id, naming) in namings {
            let (Share::Whole, Node::Folder(folder)) = (fate.next(), &mut self.nodes[id]) else { continue };
            for (name, node) in naming.names {
                match node {
                    Some(node) => folder.durable.insert(name, node),
                    None => folder.durable.remove(&name),
                };
            }
        }
        let mut tree = Tree::new();
        self.read(0, Path::new(""), fate, &mut tree);
        tree
    }

    fn read(&mut self, id: usize, at: &Path, fate: &mut Fate<'_>, tree: &mut Tree) {
        match &mut self.nodes[id] {
            Node::File(file) => {
                fate.over = false;
                file.settle(self.log, self.medium.sector, fate);
                tree.insert(at.to_owned(), Some(file.durable.clone()));
            }
            Node::Folder(folder) => {
                let entries: Vec<_> = folder.durable.iter().map(|(name, id)| (at.join(name), *id)).collect();
                tree.insert(at.to_owned(), None);
                for (path, id) in entries {
                    self.read(id, &path, fate, tree);
                }
            }
        }
    }
}

impl File {
    fn settle(&mut self, log: &Log, sector: u64, fate: &mut Fate<'_>) {
        for change in std::mem::take(&mut self.pending) {
            let share = if change.certain { Share::Whole } else { fate.next() };
            happen(&mut self.durable, log, &change.what, share, sector, fate.random);
        }
    }
}

/// Lets a change happen to a file's bytes.
fn happen(bytes: &mut Vec<u8>, log: &Log, what: &What, share: Share, sector: u64, random: &mut Random) {
    match what {
        What::Cut(len) => {
            if share == Share::Whole {
                bytes.resize(*len as usize, 0);
            }
        }
        What::Write { offset, data } => {
            let end = offset + data.len() as u64;
            let whole = offset / ATOMIC == end.saturating_sub(1) / ATOMIC;
            let mut at = *offset;
            while at < end {
                let next = if share == Share::Part && !whole { (at / sector + 1) * sector } else { end }.min(end);
                let happens = match share {
                    Share::Whole => true,
                    Share::Part => random.below(2) == 0,
                    Share::Nothing => false,
                };
                if happens {
                    let range = at as usize..next as usize;
                    if bytes.len() < range.end {
                        bytes.resize(range.end, 0);
                    }
                    let from = data.start + (at - offset) as usize;
                    bytes[range.clone()].copy_from_slice(&log.bytes[from..from + range.len()]);
                }
                at = next;
            }
        }
    }
}

/// Reads a folder.
pub(crate) fn read_tree(root: &Path) -> Tree {
    fn visit(root: &Path, at: &Path, tree: &mut Tree) {
        tree.insert(at.to_owned(), None);
        for entry in fs::read_dir(root.join(at)).unwrap() {
            let entry = entry.unwrap();
            let path = at.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                visit(root, &path, tree);
            } else {
                tree.insert(path.clone(), Some(fs::read(root.join(&path)).unwrap()));
            }
        }
    }
    let mut tree = Tree::new();
    visit(root, Path::new(""), &mut tree);
    tree
}

/// Writes a tree into the folder `root`, which is empty.
pub(crate) fn write_tree(tree: &Tree, root: &Path) {
    for (path, bytes) in tree {
        match bytes {
            Some(bytes) => fs::write(root.join(path), bytes).unwrap(),
            None => fs::create_dir_all(root.join(path)).unwrap(),
        }
    }
}

/// The operations that make an empty folder `root` into what it is, all of them durable.
pub(crate) fn describe(tree: &Tree, root: &Path) -> Vec<(Op, Vec<u8>)> {
    let number = |path: &Path| fs::metadata(root.join(path)).unwrap().ino();
    let mut ops = Vec::new();
    for (path, bytes) in tree {
        let Some(parent) = path.parent() else { continue };
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (parent, file) = (number(parent), number(path));
        ops.push((Op::Create { parent, name, file, is_folder: bytes.is_none() }, Vec::new()));
        if let Some(bytes) = bytes {
            ops.push((Op::Write { file, offset: 0, data: 0..bytes.len(), durable: true }, bytes.clone()));
        }
        ops.push((Op::Sync { file: parent, failed: false }, Vec::new()));
    }
    ops
}
