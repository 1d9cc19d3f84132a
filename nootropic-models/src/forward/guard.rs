//! Failures below us, as errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::printable_up_to;
use crate::{Error, Result};

/// Runs `work`; a panic in it becomes an error. What `work` changed before it is not undone.
pub(crate) fn guard<T>(op: &'static str, device: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(failure(op, device, &message(panic.as_ref()))))
}

/// The error of a device that failed.
pub(super) fn failure(op: &'static str, device: &str, problem: &str) -> Error {
    Error::Device { device: device.into(), op, problem: printable_up_to(problem, 400) }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".into())
}
