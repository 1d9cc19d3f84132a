//! The bytes themselves: asked for, resumed, and never more than were announced.

use std::fs;
use std::path::{Path, PathBuf};

use nootropic_core::{CancelToken, ErrorKind};

use super::choose::Chosen;
use super::hub::{Hub, HubFile, pause};
use super::part::Part;
use super::place::{Turn, beside, check_room};
use super::{Progress, Pull, PullError, PullState, PulledFile, TASK, present};
use crate::http::Response;

/// What a connection has to bring to count as a success, if it breaks off then.
const WORTH_A_CONNECTION: u64 = 64 << 10;

/// A file that is there now.
pub(super) struct Fetched {
    pub(super) path: PathBuf,
    /// How many bytes came.
    pub(super) came: u64,
    pub(super) state: PullState,
}

impl Hub {
    /// Brings every file of `chosen` to its target.
    pub(super) fn fetch_all(
        &self,
        pull: &Pull<'_>,
        chosen: &Chosen,
        targets: &[PathBuf],
        cancel: &CancelToken,
    ) -> Result<Vec<(PulledFile, u64)>, PullError> {
        let mut progress = Progress::new(&*self.events, TASK, chosen.bytes());
        let mut left: u64 = 0;
        for (file, target) in chosen.files.iter().zip(targets) {
            let folder = target.parent().unwrap_or(target);
            fs::create_dir_all(folder).map_err(PullError::io("make", folder))?;
            left = left.saturating_add(missing(target, file));
        }
        check_room(targets.first().and_then(|target| target.parent()).unwrap_or(pull.folder), left)?;
        let mut files = Vec::new();
        for (file, target) in chosen.files.iter().zip(targets) {
            files.push(self.fetch(pull, file, target, &mut progress, cancel)?.of(file));
            progress.file_done(&file.path, file.size);
        }
        Ok(files)
    }

    /// Brings one file to its target, unless it is there.
    fn fetch(
        &self,
        pull: &Pull<'_>,
        file: &HubFile,
        target: &Path,
        progress: &mut Progress<'_>,
        cancel: &CancelToken,
    ) -> Result<Fetched, PullError> {
        let path = target.to_owned();
        if present::is_same(target, file, progress, cancel)? {
            return Ok(Fetched { path, came: 0, state: PullState::Present });
        }
        let turn = Turn::wait(self, target, cancel)?;
        // Whoever had its turn before may have fetched it.
        if present::is_same(target, file, progress, cancel)? {
            turn.done();
            return Ok(Fetched { path, came: 0, state: PullState::Present });
        }
        let mut part = Part::open(target, file, progress, cancel)?;
        let state = if part.len() > 0 { PullState::Resumed } else { PullState::Fetched };
        let mut came = 0;
        match self.fill(pull, file, &mut part, &mut came, progress, cancel) {
            Ok(()) => {}
            Err(error) => {
                // What a server sent beyond all measure, or under false pretences, is not worth keeping.
                if part.len() == 0 || matches!(error, PullError::BadAnswer { .. }) {
                    part.discard();
                }
                return Err(error);
            }
        }
        part.finish(target)?;
        turn.done();
        Ok(Fetched { path, came, state })
    }

    /// Asks for what is missing until nothing is.
    fn fill(
        &self,
        pull: &Pull<'_>,
        file: &HubFile,
        part: &mut Part<'_>,
        came: &mut u64,
        progress: &mut Progress<'_>,
        cancel: &CancelToken,
    ) -> Result<(), PullError> {
        let mut failures = 0;
        let mut wait = self.patience.first_wait;
        while part.len() < file.size {
            let before = *came;
            let error = match self.ask(pull, file, part, came, progress, cancel) {
                Ok(()) => return Ok(()),
                Err(error @ PullError::Unreachable { .. }) => error,
                Err(error) => return Err(error),
            };
            if *came - before >= WORTH_A_CONNECTION {
                (failures, wait) = (0, self.patience.first_wait);
            }
            if failures >= self.patience.retries {
                return Err(error);
            }
            failures += 1;
            self.warn(ErrorKind::Unavailable, format!("{error} at byte {} of {}: trying again", part.len(), file.size));
            pause(wait, cancel)?;
            wait = wait.saturating_mul(2);
        }
        Ok(())
    }

    /// One request for all that is missing; an error if it does not bring all.
    fn ask(
        &self,
        pull: &Pull<'_>,
        file: &HubFile,
        part: &mut Part<'_>,
        came: &mut u64,
        progress: &mut Progress<'_>,
        cancel: &CancelToken,
    ) -> Result<(), PullError> {
        let from = (part.len(), part.etag());
        let mut response = self.open(&pull.model, pull.revision, &file.path, from, cancel)?;
        match response.status() {
            200 if part.len() > 0 => part.restart()?, // the bytes changed, or no part of them is to be had
            200 => {}
            206 => check_range(&response, part.len(), file.size)?,
            416 if part.len() > 0 => {
                part.restart()?;
                return Err(broken_off(&response));
            }
            _ => return Err(self.refusal(response, &pull.model, ("file", &file.path))),
        }
        let left = file.size - part.len();
        check_length(&response, left)?;
        part.set_etag(response.header("etag"))?;
        while let Some(chunk) = response.chunk()? {
            if part.len() + chunk.len() as u64 > file.size {
                let problem = format!("it sends more than the {} bytes that {} has", file.size, file.path);
                return Err(PullError::bad_answer(&response.endpoint, problem));
            }
            part.append(&chunk)?;
            *came += chunk.len() as u64;
            progress.at(&file.path, part.len());
        }
        if part.len() < file.size { Err(broken_off(&response)) } else { Ok(()) }
    }
}

fn broken_off(response: &Response) -> PullError {
    let source = std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into();
    PullError::Unreachable { endpoint: response.endpoint.clone(), source }
}

/// Checks that what comes is plain, and as long as what is missing.
fn check_length(response: &Response, left: u64) -> Result<(), PullError> {
    let bad = |problem| Err(PullError::bad_answer(&response.endpoint, problem));
    match response.header("content-encoding") {
        None | Some("identity") => {}
        Some(encoding) => {
            return bad(format!("it sends {}, which was not asked for", crate::error::printable(encoding)));
        }
    }
    match response.length() {
        Some(length) if length != left => bad(format!("it announces {length} bytes where {left} are missing")),
        _ => Ok(()),
    }
}

/// Checks that the part that comes is the one that was asked for (RFC 9110, section 14.4).
fn check_range(response: &Response, from: u64, size: u64) -> Result<(), PullError> {
    let header = response.header("content-range").unwrap_or_default();
    let expected = format!("bytes {from}-{}/{size}", size.saturating_sub(1));
    if header.trim() == expected {
        return Ok(());
    }
    let problem = format!("it sends `{}` where `{expected}` is missing", crate::error::printable(header));
    Err(PullError::bad_answer(&response.endpoint, problem))
}

/// How many bytes of a file are still to come.
fn missing(target: &Path, file: &HubFile) -> u64 {
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    if length(target) == file.size {
        return 0;
    }
    file.size.saturating_sub(length(&beside(target, ".part")))
}
