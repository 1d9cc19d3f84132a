//! What a few processes did to a store, one after the other, call by call.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;

use crate::check::Promises;
use crate::disk::{self, Disk, Medium, Tree};
use crate::fault_shim::log::{self, Log, Op};
use crate::fault_shim::{Watch, run_to_end, scratch};
use crate::store_support::{Random, child};
use crate::{SEED, TEST};

/// Processes of a recording at most.
const LIVES: u64 = 4;

/// What happens to the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Troubles {
    /// They close the store, or are killed.
    Kills,
    /// The disk fails now and then as well.
    Errors,
}

/// What a few processes did.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) dir: tempfile::TempDir,
    /// The seed of the story they told.
    pub(crate) story: u64,
    /// Inode number of the watched folder.
    pub(crate) root: u64,
    /// Operations that only describe what was there before.
    pub(crate) first: usize,
    pub(crate) log: Log,
}

impl Recording {
    /// Lets processes work in an empty folder, or go on with what a power cut left.
    pub(crate) fn make(story: u64, start: Option<(Tree, Promises)>, troubles: Troubles, random: &mut Random) -> Self {
        let dir = scratch();
        let watch = Watch::new(dir.path());
        let root = fs::metadata(&watch.root).unwrap().ino();
        if let Some((tree, promises)) = start {
            disk::write_tree(&tree, &watch.root);
            let mut ops = disk::describe(&tree, &watch.root);
            ops.extend(promises.as_said().into_iter().map(|line| (Op::Said(String::new()), line.into_bytes())));
            log::append(&watch.log, &ops);
        }
        let first = log::read(&watch.log).ops.len();
        for _ in 0..1 + random.below(LIVES) {
            let rule = match (random.below(5), troubles) {
                (0, _) => None,
                (1..4, Troubles::Errors) => {
                    // `eio` can happen to more calls than the others.
                    let (error, calls) = [("eio", 500), ("late", 150), ("enospc", 150)][random.below(3) as usize];
                    Some(format!("{error} {} {}", 1 + random.below(calls), 1 + random.below(3)))
                }
                _ => Some(format!("kill {} 1", 1 + random.below(400))),
            };
            let mut command = child(TEST, "live", &watch.root);
            command.env(SEED, format!("{story} {}", random.below(1 << 40)));
            watch.attach(&mut command, rule.as_deref());
            let (status, output) = run_to_end(&mut command, dir.path());
            let status = status.unwrap_or_else(|| panic!("the process hung under {rule:?}: {output}"));
            let killed = status.signal() == Some(9) && rule.as_ref().is_some_and(|rule| rule.starts_with("kill"));
            assert!(
                status.success() || killed,
                "story {story}: a process under {rule:?} ended with {status}: {output}"
            );
        }
        let log = log::read(&watch.log);
        let recording = Self { dir, story, root, first, log };
        recording.check_itself();
        recording
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch::new(self.dir.path())
    }

    /// Fails unless the log accounts for every byte: otherwise no crash state made from it means anything.
    fn check_itself(&self) {
        let (mut told, mut real) = (Disk::replay(&self.log, self.root), disk::read_tree(&self.watch().root));
        for tree in [&mut told, &mut real] {
            // LMDB writes its lock file through a map; nothing in it outlives a power cut.
            for (_, bytes) in tree.iter_mut().filter(|(path, _)| path.ends_with("lock.mdb")) {
                bytes.as_mut().unwrap().fill(0);
            }
        }
        assert!(told.keys().eq(real.keys()), "the log tells of {:?}, there are {:?}", told.keys(), real.keys());
        for (path, bytes) in &told {
            assert!(real[path] == *bytes, "the log does not account for the bytes of {}", path.display());
        }
    }

    /// What power cut number `state` leaves, and what has to be there then.
    pub(crate) fn power_cut(&self, state: u64, seed: u64, medium: Option<Medium>) -> (Tree, Promises, usize) {
        let mut random = Random::new(seed ^ (state + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let ops = &self.log.ops;
        let cut = self.moment(&mut random);
        let medium = medium.unwrap_or_else(|| Medium::honest(if random.below(2) == 0 { 512 } else { 64 }));
        let mut tree = Disk::power_cut(&self.log, self.root, cut, medium, &mut random);
        for (_, bytes) in tree.iter_mut().filter(|(path, _)| path.ends_with("lock.mdb")) {
            bytes.as_mut().unwrap().fill_with(|| random.below(256) as u8);
        }
        let mut promises = Promises::default();
        promises.hear(&ops[..cut]);
        (tree, promises, cut)
    }

    /// When power fails: the operation it cuts off.
    fn moment(&self, random: &mut Random) -> usize {
        let ops = &self.log.ops;
        let any = self.first + random.below((ops.len() - self.first) as u64 + 1) as usize;
        let moment = match random.below(3) {
            0 => any,
            // Around what makes things durable or changes names.
            1 => {
                let turn = |op: &Op| !matches!(op, Op::Write { durable: false, .. } | Op::Said(_) | Op::Fault { .. });
                (any..ops.len()).find(|at| turn(&ops[*at])).unwrap_or(any) + random.below(2) as usize
            }
            // Soon after a process was killed or met an error.
            _ => {
                let faults = || (self.first..ops.len()).filter(|at| matches!(ops[*at], Op::Fault { .. }));
                let fault = faults().nth(random.below(faults().count().max(1) as u64) as usize);
                fault.map_or(any, |fault| fault + random.below(30) as usize)
            }
        };
        moment.min(ops.len())
    }
}
