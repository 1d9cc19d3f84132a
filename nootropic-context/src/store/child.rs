//! A second opinion on a store, in a process of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use super::frame::Frame;
use super::tables::Opened;
use super::verify::{self, VerifyReport};
use super::{StoreOptions, VerifierCommand, env, identity};
use crate::{Error, Result};

/// Longest excerpt of what the child had to say, in bytes.
const MAX_TEXT: usize = 500;

/// Runs the verifier on `dir`.
///
/// # Errors
/// [`Error::Damaged`] if it fails or dies.
pub(super) fn check(dir: &Path, verifier: &VerifierCommand) -> Result<()> {
    let output = Command::new(&verifier.program)
        .args(&verifier.args)
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(|error| Error::io("run", &verifier.program, error))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let text: String = text.trim().chars().take(MAX_TEXT).collect();
    let problem = format!("the process that checked it ended with {}: {text}", output.status);
    Err(Error::Damaged { path: dir.to_owned(), problem, count: 1 })
}

/// What a verifier process does: [`verify`](super::verify), then a read of every record through LMDB's map.
///
/// Damage that `verify` cannot see may end the process that calls this: that is what the process is for. Ask only for
/// a store that nobody has open, or that is being opened by whoever started the process.
///
/// # Errors
/// As [`verify`](super::verify).
pub fn verify_mapped(dir: &Path) -> Result<VerifyReport> {
    let report = verify::verify(dir)?;
    if !report.is_clean() {
        return Ok(report);
    }
    let options = StoreOptions::default();
    let opened = match Opened::open(dir, &options, true, identity::FORMAT) {
        Err(Error::OlderFormat { .. }) => return Ok(report), // about to be written anew, record by record
        other => other?,
    };
    let txn = opened.env.read_txn().map_err(|error| env::failed("read", dir, error))?;
    for handle in &opened.tables {
        let Some(db) = handle.db else { continue };
        let frame = Frame::of(&handle.name);
        for entry in db.iter(&txn).map_err(|error| env::failed("read", dir, error))? {
            let (key, value) = entry.map_err(|error| env::failed("read", dir, error))?;
            frame.open(key, value).map_err(|error| Error::Damaged {
                path: dir.to_owned(),
                problem: format!("{}, key {}: {error}", handle.name, super::walk::hex(key)),
                count: 1,
            })?;
        }
    }
    Ok(report)
}
