//! The real binary, run in repositories of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod configuration;
mod discovery;
mod faults;
#[path = "../../../nootropic-models/tests/hub_server/mod.rs"]
mod hub_server;
mod models;
mod pull;
mod registry;
mod search;
mod speaking;
mod upkeep;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A repository with a home of its own, so that nothing of the machine's user counts.
struct Repository {
    temp: tempfile::TempDir,
}

/// What a run left behind.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Repository {
    fn new(files: &[(&str, &str)]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let repository = Self { temp };
        fs::create_dir_all(repository.path().join(".git")).unwrap();
        fs::create_dir_all(repository.home()).unwrap();
        for (path, text) in files {
            repository.write(path, text);
        }
        repository
    }

    /// A few files of several languages.
    fn sample() -> Self {
        Self::new(&[
            (
                "src/lock.rs",
                "/// Waits for the lock and takes it.\npub fn acquire_lock(path: &Path) -> Result<Guard> {\n    loop {\n        \
                 if try_lock(path)? {\n            return Ok(Guard::new(path));\n        }\n    }\n}\n",
            ),
            (
                "tools/retry.py",
                "def backoff(attempt):\n    \"\"\"How long to wait before the next retry.\"\"\"\n    return 2 ** attempt\n",
            ),
            ("README.md", "# Sample\n\nKeeps things behind a lock.\n"),
        ])
    }

    fn path(&self) -> PathBuf {
        fs::canonicalize(self.temp.path()).unwrap().join("repository")
    }

    fn home(&self) -> PathBuf {
        self.temp.path().join("home")
    }

    fn write(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nootropic"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("NOOTROPIC_") {
                command.env_remove(name);
            }
        }
        let proxies = ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"];
        let elsewhere = ["HF_ENDPOINT", "HF_TOKEN", "HF_HOME", "HF_HUB_CACHE", "OLLAMA_MODELS", "LLAMA_CACHE"];
        for name in proxies.into_iter().chain(elsewhere) {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        for name in ["NO_COLOR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env_remove(name);
        }
        // Without it drivers in software complain where errors are to be read.
        command.env("HOME", self.home()).env("XDG_RUNTIME_DIR", self.home());
        command
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        Run::of(self.command(arguments))
    }

    /// What a run writes to a terminal.
    #[cfg(unix)]
    fn on_terminal<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        use std::io::Read;

        use rustix::fs::{Mode, OFlags, open};
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let theirs = open(ptsname(&ours, Vec::new()).unwrap(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let mut command = self.command(arguments);
        command.env("TERM", "xterm").stdout(theirs.try_clone().unwrap()).stderr(theirs);
        let mut child = command.spawn().unwrap();
        drop(command); // it holds the terminal's other end
        let mut text = Vec::new();
        // Once nobody holds the other end, Linux says so by an error.
        let _ = fs::File::from(ours).read_to_end(&mut text);
        assert!(child.wait().unwrap().success());
        String::from_utf8(text).unwrap().replace("\r\n", "\n")
    }

    /// The result of a run that has to succeed, as data.
    fn json<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Value {
        let mut command = self.command(arguments);
        command.arg("--json");
        let run = Run::of(command);
        assert_eq!(run.code, Some(0), "{run:?}");
        serde_json::from_str(&run.out).unwrap()
    }

    /// The error of a run that has to fail with this code, as data.
    fn error<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, code: i32) -> Value {
        let mut command = self.command(arguments);
        command.arg("--json");
        let run = Run::of(command);
        assert_eq!(run.code, Some(code), "{run:?}");
        assert_eq!(run.out, "", "an error writes no result");
        let error: Value = serde_json::from_str(&run.err).unwrap();
        assert_eq!(keys(&error), ["error"]);
        assert_eq!(keys(&error["error"]), ["hint", "kind", "message"]);
        error["error"].clone()
    }
}

impl Run {
    fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Whether this process may make mounts of its own. If not, the test that needs them says that it is not run; where every
/// test has to run, in continuous integration and in `make test`, it fails.
#[cfg(target_os = "linux")]
fn can_mount() -> bool {
    let able = Command::new("unshare").args(["-Urm", "true"]).status().is_ok_and(|status| status.success());
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let required = ["CI", "NOOTROPIC_REQUIRE_MOUNTS"].into_iter().find(set);
    let missing = "`unshare -Urm` does not work here, and this test mounts something";
    assert!(able || required.is_none(), "{missing}; {} asks for every test to run", required.unwrap_or_default());
    if !able {
        eprintln!("NOT RUN: {missing}");
    }
    able
}

/// The same arguments, folder and environment for another program.
#[cfg(unix)]
fn through(program: impl AsRef<OsStr>, of: &Command) -> Command {
    let mut command = Command::new(program);
    command.args(of.get_args()).current_dir(of.get_current_dir().unwrap_or(Path::new(".")));
    for (name, value) in of.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
