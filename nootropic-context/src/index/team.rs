//! The threads that read and analyse files.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use nootropic_core::Result;

use super::analyze::{Analyzed, Job, analyze};
use super::room::{Held, Room};
use super::update::{Cancel, UpdateOptions};
use crate::walk::Reader;

/// Bytes of files that are read and analysed at once, on all threads: analysis takes several times as much memory.
const IN_FLIGHT: u64 = 16 << 20;
/// Larger files are all analysed by one thread, since allocators keep much of what a thread once needed.
const LARGE_FILE: u64 = IN_FLIGHT / 4;

/// What is left to do.
struct Jobs {
    large: std::vec::IntoIter<Job>,
    small: std::vec::IntoIter<Job>,
}

impl Jobs {
    fn new(jobs: Vec<Job>) -> Self {
        let (large, small): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.size > LARGE_FILE);
        Self { large: large.into_iter(), small: small.into_iter() }
    }
}

/// The threads that read and analyse.
pub(super) struct Team<'u> {
    reader: &'u Reader,
    options: &'u UpdateOptions,
    jobs: Mutex<Jobs>,
    room: Room,
    cancel: &'u Cancel<'u>,
}

impl<'u> Team<'u> {
    pub(super) fn new(reader: &'u Reader, options: &'u UpdateOptions, jobs: Vec<Job>, cancel: &'u Cancel<'u>) -> Self {
        Self { reader, options, jobs: Mutex::new(Jobs::new(jobs)), room: Room::new(IN_FLIGHT), cancel }
    }

    /// Hands every file to `each`, on this thread, until it fails or the run is cancelled.
    pub(super) fn analyze(&self, each: &mut dyn FnMut(Analyzed) -> Result<()>) -> Result<()> {
        let threads = match self.options.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        std::thread::scope(|scope| {
            let (sender, analyzed) = sync_channel(4 * threads);
            for thread in 0..threads {
                let sender = sender.clone();
                scope.spawn(move || self.work(thread == 0, &sender));
            }
            drop(sender);
            // The threads hang up once there are no more jobs; they stop once nobody takes what they made.
            while let Ok((file, _held)) = analyzed.recv() {
                if (self.cancel)() {
                    break;
                }
                // A large file is committed before it gives its room back.
                each(file)?;
            }
            Ok(())
        })
    }

    fn work<'t>(&'t self, takes_large: bool, out: &SyncSender<(Analyzed, Held<'t>)>) {
        while let Some((job, held)) = self.next(takes_large) {
            if (self.cancel)() {
                return;
            }
            let analyzed = analyze(self.reader, job, &self.options.chunks, self.options.vectors.as_ref());
            if out.send((analyzed, held)).is_err() {
                return;
            }
        }
    }

    /// The next job and the room for it. One thread waits at a time, so that small files do not keep a large one waiting.
    fn next(&self, takes_large: bool) -> Option<(Job, Held<'_>)> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let large = if takes_large { jobs.large.next() } else { None };
        let job = large.or_else(|| jobs.small.next())?;
        let held = self.room.take(job.size);
        Some((job, held))
    }
}
