//! What the store's fault tests share: a second life of the test binary as a child process.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

#[path = "../support/not_run.rs"]
mod not_run;

use std::path::Path;
use std::process::Command;

use nootropic_context::store::StoreOptions;
use nootropic_core::Table;

pub const A: Table = Table::new("a");
pub const B: Table = Table::new("b");

/// Set in a child: what it is to do.
const ROLE: &str = "NOOTROPIC_TEST_ROLE";
/// Set in a child: where.
const PLACE: &str = "NOOTROPIC_TEST_PLACE";

pub fn options() -> StoreOptions {
    StoreOptions { min_free_bytes: 0, ..StoreOptions::with_tables(&[A, B]) }
}

/// The role and the place this process was started for, if it is a child.
pub fn role() -> Option<(String, std::path::PathBuf)> {
    Some((std::env::var(ROLE).ok()?, std::env::var_os(PLACE)?.into()))
}

/// This test binary again, running only `test`, as a child.
pub fn child(test: &str, role: &str, place: &Path) -> Command {
    prefixed(&[], test, role, place)
}

/// As [`child`], started through another command (`unshare`, `sh -c`).
pub fn prefixed(prefix: &[&str], test: &str, role: &str, place: &Path) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut command = match prefix.split_first() {
        Some((program, args)) => {
            let mut command = Command::new(program);
            command.args(args).arg(exe);
            command
        }
        None => Command::new(exe),
    };
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(ROLE, role).env(PLACE, place);
    command
}

/// Runs a child to its end and shows what it said if it failed.
pub fn run(mut command: Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Numbers that look random and can be had again (xorshift64*).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From `NOOTROPIC_SEED`, or from the clock; says which on failure.
    pub fn seeded() -> Self {
        let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = std::env::var("NOOTROPIC_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(clock);
        println!("NOOTROPIC_SEED={seed}");
        Self::new(seed)
    }

    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// Whether this process may make mounts of its own. If not, the test that needs them is not run.
pub fn can_mount() -> bool {
    let status = Command::new("unshare").args(["-Urm", "true"]).status();
    let able = status.is_ok_and(|status| status.success());
    if !able {
        not_run::not_run("`unshare -Urm` does not work here, and this test mounts something");
    }
    able
}
