//! Every system call on the store's files fails once, and from some point on all of them do: errors say so, nothing
//! acknowledged is lost, and after one error the process goes on.
//!
//! `NOOTROPIC_STRIDE=1` lets every call fail, more leaves some out.
#![cfg(all(target_os = "linux", target_env = "gnu"))] // LD_PRELOAD
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fault_shim;
mod store_support;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use fault_shim::log::{self, Op};
use fault_shim::story::Story;
use fault_shim::{Watch, run_to_end, scratch};
use nootropic_context::store::{LmdbStore, StoreOptions, restore, verify};
use nootropic_core::{ErrorKind, Store, StoreExt};
use store_support::{Random, child, options, role};

const TEST: &str = "every_call_that_fails_is_an_error_and_loses_nothing";
/// Calls that fail "from now on".
const ALL: u64 = 1_000_000;

fn story() -> Story {
    Story::new(5, 20)
}

fn careful() -> StoreOptions {
    StoreOptions { map_size: 1 << 20, lock_timeout: std::time::Duration::from_millis(500), ..options() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Open,
    Step,
    Read,
    Stats,
    Compact,
    Backup,
    Verify,
    Close,
    Restore,
}

const TASKS: [Task; 24] = {
    use Task::*;
    [
        Open, Step, Step, Step, Read, Step, Step, Compact, Step, Step, Backup, Step, Step, Close, Verify, Open, Read,
        Step, Stats, Step, Close, Restore, Open, Step,
    ]
};

/// A process that does all there is to do, and meets errors as a caller would.
struct Worker {
    place: PathBuf,
    said: File,
    story: Story,
    store: Option<LmdbStore>,
    head: u64,
    backed_up: u64,
}

impl Worker {
    fn say(&mut self, what: &str) {
        self.said.write_all(format!("{what}\n").as_bytes()).unwrap();
    }

    fn open(&mut self) -> Result<(), nootropic_context::Error> {
        if self.store.is_none() {
            self.store = Some(LmdbStore::open(&self.place, &careful())?);
        }
        Ok(())
    }

    fn perform(&mut self, task: Task) -> Result<(), nootropic_core::Error> {
        if !matches!(task, Task::Close | Task::Verify | Task::Restore) {
            self.open()?;
        }
        let backup = self.place.with_file_name("backup");
        let store = self.store.clone();
        let store = || store.as_ref().unwrap();
        match task {
            Task::Open => {}
            Task::Step => {
                let step = self.head + 1;
                self.say(&format!("begin {step}"));
                if let Err(error) = store().write(&mut |txn| self.story.take(txn, step)) {
                    if let Ok(found) = store().read_with(|txn| self.story.recognize(txn)) {
                        assert_eq!(found, Ok(self.head), "a write that failed changed something: {error:?}");
                    }
                    return Err(error);
                }
                self.head = step;
                self.say(&format!("has {step}"));
            }
            Task::Read => {
                let found = store().read_with(|txn| self.story.recognize(txn))?;
                assert_eq!(found, Ok(self.head));
            }
            Task::Stats => drop(store().stats()?),
            Task::Compact => drop(store().compact()?),
            Task::Backup => {
                store().backup(&backup)?;
                self.backed_up = self.head;
            }
            Task::Close => self.store = None,
            Task::Verify => assert!(verify(&self.place)?.is_clean()),
            Task::Restore => {
                self.say(&format!("begin {}", self.backed_up));
                restore(&backup, &self.place, &options())?;
                self.head = self.backed_up;
                self.say(&format!("has {}", self.head));
            }
        }
        Ok(())
    }

    /// Tries a task a second time after an error.
    fn insist(&mut self, task: Task) -> bool {
        for _ in 0..2 {
            let Err(error) = self.perform(task) else { return true };
            let (kind, hint) = (error.kind(), error.hint().unwrap_or_default());
            assert!(!hint.is_empty() || kind == ErrorKind::Internal || kind == ErrorKind::InvalidInput, "{error:?}");
            println!("\n{task:?}: {kind:?}, {error:?}: {hint}");
        }
        false
    }
}

fn work(root: &Path) {
    let said = File::options().append(true).create(true).open(root.with_file_name("said")).unwrap();
    let place = root.join("store");
    let mut worker = Worker { place, said, story: story(), store: None, head: 0, backed_up: 0 };
    let done = TASKS.iter().all(|task| worker.insist(*task));
    println!("\n{}", if done { "finished" } else { "gave up" });
}

/// What another process finds afterwards.
fn look(root: &Path) {
    let allowed: Vec<u64> =
        std::env::var("NOOTROPIC_TEST_HEADS").unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
    let place = root.join("store");
    if !place.exists() {
        assert_eq!(allowed, [0], "the store is gone");
        return;
    }
    let store = LmdbStore::open(&place, &careful()).unwrap();
    let head = store.read_with(|txn| story().recognize(txn)).unwrap().unwrap();
    assert!(allowed.contains(&head), "at {head}, not at one of {allowed:?}");
    store.write(&mut |txn| story().take(txn, head + 1)).unwrap();
    drop(store);
    assert!(verify(&place).unwrap().is_clean());
}

/// Lets the workload run under one rule. Gives what the child said, or nothing if no call failed.
fn run_under(rule: &str) -> Option<Result<(), String>> {
    let dir = scratch();
    let watch = Watch::new(dir.path());
    let mut command = child(TEST, "work", &watch.root);
    watch.attach(&mut command, Some(rule));
    let (status, output) = run_to_end(&mut command, dir.path());
    let log = log::read(&watch.log);
    let faults: Vec<&String> =
        log.ops.iter().filter_map(|op| if let Op::Fault { call } = op { Some(call) } else { None }).collect();
    let about = || format!("under `{rule}` ({:?}): {output}", faults.first());
    if !status.is_some_and(|status| status.success()) {
        return Some(Err(format!("{status:?} {}", about())));
    }

    let mut heads = vec![0];
    for line in log.ops.iter().filter_map(|op| if let Op::Said(line) = op { Some(line.trim()) } else { None }) {
        match line.split_once(' ').unwrap() {
            ("has", head) => heads = vec![head.parse().unwrap()],
            (_, head) => heads.push(head.parse().unwrap()),
        }
    }
    let mut command = child(TEST, "look", &watch.root);
    let heads: Vec<String> = heads.iter().map(u64::to_string).collect();
    command.env("NOOTROPIC_TEST_HEADS", heads.join(" "));
    let (status, found) = run_to_end(&mut command, dir.path());
    if !status.is_some_and(|status| status.success()) {
        return Some(Err(format!("afterwards, {status:?} {found}\n{}", about())));
    }
    let once = !rule.ends_with(&ALL.to_string());
    if once && !output.contains("\nfinished") {
        return Some(Err(format!("it did not recover: {}", about())));
    }
    (!faults.is_empty()).then_some(Ok(()))
}

#[test]
fn every_call_that_fails_is_an_error_and_loses_nothing() {
    if let Some((role, root)) = role() {
        return if role == "work" { work(&root) } else { look(&root) };
    }
    let stride: u64 = std::env::var("NOOTROPIC_STRIDE").ok().map_or(40, |stride| stride.parse().unwrap());
    let mut random = Random::seeded();
    let rules = [
        ("eio", 1),
        ("late", 1),
        ("enospc", 1),
        ("eintr", 3),
        ("short", 1),
        ("eio", ALL),
        ("late", ALL),
        ("enospc", ALL),
        ("short", ALL),
    ];
    let mut problems = Vec::new();
    for (error, count) in rules {
        let mut call = 1 + random.below(stride);
        let mut runs = 0;
        while let Some(result) = run_under(&format!("{error} {call} {count}")) {
            problems.extend(result.err());
            call += stride;
            runs += 1;
        }
        println!(
            "{error}, {} calls from each: {runs} runs, up to call {call}",
            if count == ALL { "all".to_owned() } else { count.to_string() }
        );
        assert!(runs > 0);
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
