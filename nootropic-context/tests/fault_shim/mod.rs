//! A child process whose system calls are written down and made to fail: `shim.c`, and how to use it from a test.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

pub mod log;
pub mod story;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const SOURCE: &str = include_str!("shim.c");

/// The shim as a shared library, compiled at its first use.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let draft = tempfile::Builder::new().prefix("fault-shim-").suffix(".so").tempfile_in(dir).unwrap();
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut compile = Command::new(compiler);
        compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-xc", "-", "-ldl", "-lpthread", "-o"]);
        let mut compile = compile.arg(draft.path()).stdin(Stdio::piped()).spawn().expect("a C compiler");
        compile.stdin.take().unwrap().write_all(SOURCE.as_bytes()).unwrap();
        assert!(compile.wait().unwrap().success(), "the shim does not compile");
        let library = dir.join("fault-shim.so");
        fs::rename(draft.into_temp_path().keep().unwrap(), &library).unwrap(); // tests that run beside this one may use it
        library
    })
}

/// A folder for files that need not outlive the test: in memory where there is such a place, for the sake of speed.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Where a watched child works and what it leaves.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The folder whose files are watched.
    pub root: PathBuf,
    /// What was done, for [`log::read`].
    pub log: PathBuf,
    /// The child writes here what it knows.
    pub said: PathBuf,
}

impl Watch {
    /// Inside `dir`; makes the watched folder.
    pub fn new(dir: &Path) -> Self {
        let dir = dir.canonicalize().unwrap();
        let root = dir.join("root");
        fs::create_dir_all(&root).unwrap();
        Self { root, log: dir.join("log"), said: dir.join("said") }
    }

    /// Lets `command` run under the shim; `rule` says what fails: `<error> <which call> <how many>`.
    pub fn attach(&self, command: &mut Command, rule: Option<&str>) {
        command.env("LD_PRELOAD", library()).env("FAULTS_ROOT", &self.root);
        command.env("FAULTS_LOG", &self.log).env("FAULTS_SAID", &self.said);
        if let Some(rule) = rule {
            command.env("FAULTS_RULE", rule);
        }
    }
}

/// Runs a child to its end and gives its status and what it said. A child that takes longer than a minute is killed: that is
/// a hang, and no status.
pub fn run_to_end(command: &mut Command, dir: &Path) -> (Option<ExitStatus>, String) {
    let path = dir.join("output");
    let output = fs::File::create(&path).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if begun.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    (status, String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned())
}
