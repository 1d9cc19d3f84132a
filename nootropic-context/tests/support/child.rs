//! Test programs that run themselves again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The user that owns nothing.
const NOBODY: u32 = 65534;
const FOLDER: &str = "NOOTROPIC_TEST_CHILD";

/// The folder this process was started for, if it is a child.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// This program as a child that runs only `test`, in which [`folder`] is `folder`.
pub(crate) fn command(test: &str, folder: &Path) -> Command {
    command_of(&std::env::current_exe().unwrap(), test, folder)
}

pub(crate) fn command_of(program: &Path, test: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    command
}

/// As [`command`], by a user to whom permissions apply: another one than root. The folder is opened to everybody.
pub(crate) fn unprivileged(test: &str, folder: &Path) -> (Command, Option<tempfile::TempDir>) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    if !rustix::process::geteuid().is_root() {
        return (command(test, folder), None);
    }
    // Where this program lies, others may not look.
    let own = std::env::current_exe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("test");
    if fs::hard_link(&own, &program).is_err() {
        fs::copy(&own, &program).unwrap();
    }
    for path in [dir.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = command_of(&program, test, folder);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    (command, Some(dir))
}

/// Runs a child to its end; fails unless it ends well.
pub(crate) fn expect_success(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    print!("{stdout}");
}

/// The most memory this process has had, in bytes.
pub(crate) fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}
