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

/// Memory is given out in slabs of this size, for weights as they are computed with.
const SLAB: u64 = 66 * MIB;

/// Opens the model where there is no memory to map it, then none for the first of its weights, then none for the second half, then enough.
/// Each time there is some for what is small: without memory for a name or a message a Rust program ends.
fn open_with_little(path: &Path) {
    let device = Device::Cpu.open(None).unwrap();
    let (small, size) = (40 * MIB, std::fs::metadata(path).unwrap().len());
    assert!((SLAB..2 * SLAB).contains(&size), "{size}");
    for allowed in [0, size, size + SLAB] {
        allow(allowed + small);
        let error = nootropic_core::Error::from(LocalModel::open_on(path, &device).err().unwrap());
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    }
    allow(size + 3 * SLAB + small);
    LocalModel::open_on(path, &device).unwrap();
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
    child.env("MALLOC_ARENA_MAX", "1"); // others would be reserved for each thread, and take what is allowed
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}
