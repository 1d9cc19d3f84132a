//! Fetching models from a hub: chosen, resumed, checked, and only from where the egress broker allows.

mod choose;
mod digest;
mod error;
mod fetch;
mod hub;
mod name;
mod part;
mod place;
mod present;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nootropic_core::{CancelToken, Endpoint, Event, EventSink, Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use choose::HubChoice;
pub use error::PullError;
pub use hub::Hub;
pub use name::HubModel;

use crate::library::{ModelLibrary, ModelSource};
use choose::Chosen;
use fetch::Fetched;
use hub::HubFile;

/// What progress and warnings are reported as.
const TASK: &str = "pull";
/// What looking for the same files elsewhere is reported as.
const CHECK: &str = "check";
/// Progress is reported this often at most.
const REPORT_EVERY: Duration = Duration::from_millis(40);

/// What to fetch, and where to put it.
#[derive(Debug, Clone)]
pub struct Pull<'a> {
    /// The model, and which of its files.
    pub model: HubModel,
    /// A branch, tag or commit; `main` is the usual one.
    pub revision: &'a str,
    /// The folder of our own models; the files go to `OWNER/NAME/` below it.
    pub folder: &'a Path,
    /// Where to look for the same files before any is fetched.
    pub library: &'a ModelLibrary,
}

/// A model that was fetched, or was there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PullReport {
    /// The file; the first of its parts, if it is split; the folder, if it is safetensors.
    pub path: PathBuf,
    /// `OWNER/NAME` on the hub.
    pub repository: String,
    /// Its branch, tag or commit.
    pub revision: String,
    /// Its length in bytes, all files together.
    pub bytes: u64,
    /// How many of them came in this run.
    pub fetched: u64,
    /// Whose folder it lies in.
    pub source: ModelSource,
    /// Its files.
    pub files: Vec<PulledFile>,
    /// What else there is to choose.
    pub others: Vec<HubChoice>,
    /// Where was connected to.
    pub connected: Vec<Endpoint>,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PulledFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// `sha256:` or `git:` with the checksum in hexadecimal. The file was checked against it.
    pub checksum: String,
    /// How it came to be there.
    pub state: PullState,
}

/// How a file came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PullState {
    /// It was fetched.
    Fetched,
    /// An earlier run fetched its beginning.
    Resumed,
    /// It was there already.
    Present,
}

impl Hub {
    /// Fetches a model, unless it is on this machine already: in our own folder, or in another program's.
    ///
    /// What came is kept when the call fails or is cancelled, and the next one goes on from there. A file takes its name only
    /// once it is whole and its checksum is that which the hub lists. Progress is reported in bytes, as task `pull`, and as task
    /// `check` while files of other programs are read for their checksums.
    ///
    /// # Errors
    /// As [`PullError`] lists them.
    pub fn pull(&self, pull: &Pull<'_>, cancel: &CancelToken) -> Result<PullReport, PullError> {
        let repository = pull.model.repository();
        let files = self.files(&pull.model, pull.revision, cancel)?;
        let (chosen, others) = choose::choose(files, pull.model.choice(), self.endpoint(), &repository)?;
        let folder = place::folder(pull.folder, &pull.model);
        let targets: Vec<PathBuf> =
            chosen.files.iter().map(|file| place::target(&folder, &file.path)).collect::<Result<_, _>>()?;
        let ours = targets.iter().all(|target| target.is_file());
        let other = if ours { None } else { self.elsewhere(pull.library, &chosen, cancel)? };
        let (source, files) = match other {
            Some(present) => {
                let files = present.paths.into_iter().zip(&chosen.files);
                (
                    present.source,
                    files.map(|(path, file)| Fetched { path, came: 0, state: PullState::Present }.of(file)).collect(),
                )
            }
            None => (ModelSource::Nootropic, self.fetch_all(pull, &chosen, &targets, cancel)?),
        };
        let fetched = files.iter().map(|(_, came)| came).sum();
        let files: Vec<PulledFile> = files.into_iter().map(|(file, _)| file).collect();
        let place = chosen.files.iter().position(|file| chosen.first.as_ref() == Some(&file.path));
        let path = match (place.and_then(|place| files.get(place)), files.first()) {
            (Some(file), _) => file.path.clone(),
            (None, first) => first.and_then(|file| file.path.parent()).unwrap_or(&folder).to_owned(),
        };
        let (bytes, connected) = (chosen.bytes(), self.client.connected());
        let revision = pull.revision.to_owned();
        Ok(PullReport { path, repository, revision, bytes, fetched, source, files, others, connected })
    }

    fn elsewhere(
        &self,
        library: &ModelLibrary,
        chosen: &Chosen,
        cancel: &CancelToken,
    ) -> Result<Option<present::Present>, PullError> {
        let mut progress = Progress::new(&*self.events, CHECK, chosen.bytes());
        present::find(library, chosen, &mut progress, cancel)
    }
}

impl Fetched {
    /// With what is known of the file, and how many of its bytes came.
    fn of(self, file: &HubFile) -> (PulledFile, u64) {
        let checksum = file.digest.to_string();
        (PulledFile { path: self.path, bytes: file.size, checksum, state: self.state }, self.came)
    }
}

/// How far all files together are.
pub(crate) struct Progress<'a> {
    events: &'a dyn EventSink,
    task: &'static str,
    /// The bytes of the files that are done.
    before: u64,
    total: u64,
    /// What was reported last; it never goes down.
    shown: u64,
    last: Option<Instant>,
}

impl<'a> Progress<'a> {
    fn new(events: &'a dyn EventSink, task: &'static str, total: u64) -> Self {
        Self { events, task, before: 0, total, shown: 0, last: None }
    }

    /// `done` bytes of the current file are there.
    fn at(&mut self, current: &str, done: u64) {
        let done = self.before.saturating_add(done);
        let due = self.last.is_none_or(|last| last.elapsed() >= REPORT_EVERY) || done >= self.total;
        if !due || (done <= self.shown && self.last.is_some()) {
            return;
        }
        self.shown = self.shown.max(done);
        self.last = Some(Instant::now());
        let (task, done, total) = (self.task.into(), self.shown, Some(self.total));
        self.events.emit(&Event::Progress { task, done, total, unit: Unit::Bytes, current: Some(current.to_owned()) });
    }

    /// The current file, of `size` bytes, is done.
    fn file_done(&mut self, current: &str, size: u64) {
        self.at(current, size);
        self.before = self.before.saturating_add(size);
    }
}
