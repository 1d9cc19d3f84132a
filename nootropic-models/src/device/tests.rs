//! Devices are named, tested once, and compared with the CPU.

use std::cell::Cell;

use super::self_test::{Outcome, compare, remember};
use super::*;

#[test]
fn devices_are_read_and_written_by_name() {
    for (device, name) in NAMES {
        assert_eq!(name.parse::<Device>().unwrap(), device);
        assert_eq!(device.to_string(), name);
        assert_eq!(serde_json::to_string(&device).unwrap(), format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<Device>(&format!("\"{name}\"")).unwrap(), device);
    }
    let error = "cuda\u{1b}".parse::<Device>().unwrap_err();
    assert_eq!(error.to_string(), "device: cuda\\u{1b} is none of auto, cpu, wgpu");
    assert_eq!(Device::default(), Device::Auto);
}

#[test]
fn the_cpu_is_always_there() {
    let device = Device::Cpu.open(None).unwrap();
    assert_eq!((device.name(), device.notice()), ("the CPU", None));
}

#[test]
fn auto_takes_no_imitation() {
    let device = Device::Auto.open(None).unwrap();
    match wgpu::adapter() {
        Ok(adapter) if !adapter.software => assert!([adapter.name.as_str(), "the CPU"].contains(&device.name())),
        _ => assert_eq!(device.name(), "the CPU"),
    }
}

#[test]
fn each_driver_is_tested_once() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("made/when/needed");
    let tests = Cell::new(0);
    let test = |key: &str, problem: Option<&str>| {
        let outcome = || {
            tests.set(tests.get() + 1);
            Outcome { problem: problem.map(str::to_owned), speeds: None }
        };
        remember(Some(&inner), key, outcome)
    };
    let failed = Some("wrong".to_owned());
    assert_eq!(test("a", Some("wrong")).problem, failed);
    assert_eq!(test("b", None).problem, None);
    assert_eq!((test("a", None).problem, test("b", Some("wrong")).problem, tests.get()), (failed, None, 2));

    std::fs::write(inner.join("device-tests.json"), "{").unwrap();
    assert_eq!((test("a", None).problem, tests.get()), (None, 3), "a damaged note costs another test");
    assert_eq!((test("a", Some("wrong")).problem, tests.get()), (None, 3), "and is written anew");
}

#[test]
fn auto_takes_what_generates_faster() {
    let outcome = |speeds| Outcome { problem: None, speeds };
    assert!(outcome(Some((2.0, 1.0))).is_faster());
    assert!(!outcome(Some((1.0, 2.0))).is_faster() && !outcome(None).is_faster());
}

#[test]
fn wrong_logits_are_found() {
    assert_eq!(compare(&[1.0, -8.0], &[1.007, -8.0]), Ok(()));
    assert_eq!(compare(&[1.0, -8.0], &[1.1, -8.0]).unwrap_err(), "its logits are off by 1.25 % of the largest");
    assert!(compare(&[1.0, -8.0], &[f32::NAN, -8.0]).is_err());
    assert!(compare(&[1.0, -8.0], &[1.0]).is_err());
}
