//! Where there is no memory for a model, opening it is an error, however little is missing.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::Command;

use nootropic_core::ErrorKind;
use nootropic_models::{Device, LocalModel, SyntheticModel};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CHILD: &str = "NOOTROPIC_TEST_WITHOUT_MEMORY";
const MIB: u64 = 1 << 20;

/// Address space of this process so far, in bytes.
fn held() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// Allows this process so many more bytes.
fn allow(bytes: u64) {
    let limit = Rlimit { current: Some(held() + bytes), ..getrlimit(Resource::As) };
    setrlimit(Resource::As, limit).unwrap();
}

/// Opens the model with ever more memory, until there is enough.
fn open_with_little(path: &Path) {
    let device = Device::Cpu.open(None).unwrap();
    let (mut refused, size) = (0, std::fs::metadata(path).unwrap().len());
    for allowed in (0..).map(|step| step * 8 * MIB) {
        allow(allowed);
        match LocalModel::open_on(path, &device) {
            Ok(_) => {
                assert!(allowed >= size, "{allowed} bytes are not enough for a model of {size}");
                println!("refused {refused} times, opened with {} MiB for {} MiB", allowed / MIB, size / MIB);
                break;
            }
            Err(error) => {
                refused += 1;
                let kind = nootropic_core::Error::from(error).kind();
                assert!(matches!(kind, ErrorKind::TooLarge), "{kind:?} with {allowed} bytes");
            }
        }
    }
    assert!(refused > 5, "{refused}");
}

#[test]
fn a_model_that_does_not_fit_is_refused() {
    if let Some(path) = std::env::var_os(CHILD) {
        return open_with_little(Path::new(&path));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    SyntheticModel::llama_125m().write(&path).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_model_that_does_not_fit_is_refused", "--nocapture"]).env(CHILD, &path);
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    print!("{}", String::from_utf8_lossy(&output.stdout));
}
