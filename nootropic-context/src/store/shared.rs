//! One open store, shared by every handle of this process.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use heed::MdbError;
use nootropic_core::{ErrorKind, ReadTxn, Snapshot, WriteTxn};

use super::env::{self, is_map_full};
use super::lock::Presence;
use super::shutdown::{self, Anchor, FileState, Mark};
use super::tables::Opened;
use super::txn::{View, Writer};
use super::{StoreOptions, files, open, platform, registry, verify};
use crate::{Error, Result};

type CoreResult<T> = nootropic_core::Result<T>;

/// How often a writer looks for readers that died.
const SWEEP: Duration = Duration::from_secs(60);
/// How long readers may come and go before new ones are held back while the map grows.
const GENTLE: Duration = Duration::from_millis(250);
/// Times a transaction is begun again, because the map grew or every reader slot was taken.
const MAX_ATTEMPTS: usize = 64;

/// One open store.
#[derive(Debug)]
pub(super) struct Shared {
    /// Its folder.
    pub(super) dir: PathBuf,
    /// How it was opened.
    pub(super) options: StoreOptions,
    /// The format its records are in.
    pub(super) format: u32,
    /// Whether it cannot be written.
    pub(super) read_only: bool,
    /// A damaged record was read: nothing is written any more.
    pub(super) damaged: AtomicBool,
    /// What is there is durable, as far as this process knows: it made sure, and no failure came after.
    settled: AtomicBool,
    /// Transactions hold it for reading, whoever moves the map for writing. `None` once closed.
    state: RwLock<Option<Opened>>,
    /// Someone waits for the write side of `state`; new readers hold back.
    waiting: AtomicBool,
    writer: Mutex<WriterState>,
    presence: Mutex<Presence>,
    pid: u32,
}

/// What only the writer touches.
#[derive(Debug)]
pub(super) struct WriterState {
    swept: Instant,
    /// Set before the first write.
    pub(super) mark: Option<Mark>,
}

/// How one try at a transaction ended.
enum Attempt<T> {
    /// For good.
    Done(CoreResult<T>),
    /// With a map that is too small: because it is full, or because another process made the file longer.
    Grow { full: bool },
    /// With every reader slot taken.
    Wait,
    /// Without LMDB, which has to be opened again.
    Reopen,
}

thread_local! {
    /// The stores this thread is in a transaction of.
    static ACTIVE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A thread's stay in a transaction.
pub(super) struct Stay;

impl Drop for Stay {
    fn drop(&mut self) {
        ACTIVE.with_borrow_mut(Vec::pop);
    }
}

impl Shared {
    pub(super) fn new(
        dir: PathBuf,
        options: StoreOptions,
        format: u32,
        read_only: bool,
        opened: Opened,
        presence: Presence,
    ) -> Self {
        Self {
            dir,
            options,
            format,
            read_only,
            damaged: AtomicBool::new(false),
            settled: AtomicBool::new(false),
            state: RwLock::new(Some(opened)),
            waiting: AtomicBool::new(false),
            writer: Mutex::new(WriterState { swept: Instant::now(), mark: None }),
            presence: Mutex::new(presence),
            pid: std::process::id(),
        }
    }

    /// The snapshot that LMDB's transaction number stands for.
    pub(super) fn snapshot(&self, opened: &Opened, txn: u64) -> Snapshot {
        Snapshot { store: opened.identity.store, commit: opened.identity.base.wrapping_add(txn) }
    }

    /// LMDB's error as ours; damage is remembered.
    pub(super) fn failed(&self, op: &'static str, error: heed::Error) -> Error {
        let error = env::failed(op, &self.dir, error);
        if error.kind() == ErrorKind::Corrupt {
            self.damaged.store(true, Ordering::Relaxed);
        }
        error
    }

    pub(super) fn read(&self, body: &mut dyn FnMut(&dyn ReadTxn) -> CoreResult<()>) -> CoreResult<()> {
        let _stay = self.enter()?;
        for attempt in 0..MAX_ATTEMPTS {
            match self.try_read(body) {
                Attempt::Done(result) => return result,
                Attempt::Grow { full } => self.grow(full)?,
                Attempt::Reopen => self.reopen()?,
                Attempt::Wait => thread::sleep(Duration::from_millis(1 << (attempt / 8))),
            }
        }
        Err(Error::InUse { op: "read", path: self.dir.clone() }.into())
    }

    fn try_read(&self, body: &mut dyn FnMut(&dyn ReadTxn) -> CoreResult<()>) -> Attempt<()> {
        let state = self.state();
        let Some(opened) = state.as_ref() else { return Attempt::Reopen };
        match opened.env.read_txn() {
            Ok(txn) => Attempt::Done(body(&View::new(self, opened, txn))),
            Err(heed::Error::Mdb(MdbError::MapResized)) => Attempt::Grow { full: false },
            Err(heed::Error::Mdb(MdbError::ReadersFull)) => {
                let _ = opened.env.clear_stale_readers(); // if none is stale, one may end soon
                Attempt::Wait
            }
            Err(heed::Error::Mdb(MdbError::Panic)) => Attempt::Reopen,
            Err(error) => Attempt::Done(Err(self.failed("read", error).into())),
        }
    }

    pub(super) fn write(&self, body: &mut dyn FnMut(&mut dyn WriteTxn) -> CoreResult<()>) -> CoreResult<Snapshot> {
        let _stay = self.enter()?;
        self.check_writable()?;
        let mut writer = self.writer();
        self.prepare(&mut writer)?;
        for _ in 0..MAX_ATTEMPTS {
            match self.try_write(body) {
                Attempt::Done(result) => return result,
                Attempt::Grow { full } => self.grow(full)?,
                Attempt::Reopen => self.reopen()?,
                Attempt::Wait => {}
            }
        }
        Err(Error::InUse { op: "write to", path: self.dir.clone() }.into())
    }

    fn try_write(&self, body: &mut dyn FnMut(&mut dyn WriteTxn) -> CoreResult<()>) -> Attempt<Snapshot> {
        let state = self.state();
        let Some(opened) = state.as_ref() else { return Attempt::Reopen };
        let txn = match opened.env.write_txn() {
            Ok(txn) => txn,
            Err(heed::Error::Mdb(MdbError::MapResized)) => return Attempt::Grow { full: false },
            Err(heed::Error::Mdb(MdbError::Panic)) => return Attempt::Reopen,
            Err(error) => return Attempt::Done(Err(self.failed("begin to write to", error).into())),
        };
        let mut txn = Writer::new(self, opened, txn);
        let result = body(&mut txn);
        if txn.full {
            return Attempt::Grow { full: true };
        }
        // The body may have met damage and gone on.
        if let Err(error) = result.and_then(|()| Ok(self.check_writable()?)) {
            return Attempt::Done(Err(error));
        }
        match txn.commit() {
            Ok(snapshot) => Attempt::Done(Ok(snapshot)),
            Err(error) if is_map_full(&error) => Attempt::Grow { full: true },
            Err(error) => {
                // At once, because another process may build on what is there at any moment.
                self.unsettle();
                let _ = self.settle(); // or before the next transaction
                Attempt::Done(Err(self.failed("commit to", error).into()))
            }
        }
    }

    /// Refuses use by a forked child and transactions inside each other.
    pub(super) fn enter(&self) -> Result<Stay> {
        let pid = std::process::id();
        if pid != self.pid {
            return Err(Error::Forked { path: self.dir.clone(), opened_by: self.pid, pid });
        }
        let me = std::ptr::from_ref(self).addr();
        ACTIVE.with_borrow_mut(|active| {
            if active.contains(&me) {
                return Err(Error::Nested { path: self.dir.clone() });
            }
            active.push(me);
            Ok(Stay)
        })
    }

    fn check_writable(&self) -> Result<()> {
        if self.read_only {
            return Err(Error::ReadOnlyStore { path: self.dir.clone() });
        }
        if self.damaged.load(Ordering::Relaxed) {
            let problem = "a damaged record was read; nothing is written until the store is checked".to_owned();
            return Err(Error::Damaged { path: self.dir.clone(), problem, count: 1 });
        }
        Ok(())
    }

    /// What comes before each write transaction.
    fn prepare(&self, writer: &mut WriterState) -> Result<()> {
        let free = platform::free_bytes(&self.dir).map_err(|error| Error::io("examine", &self.dir, error))?;
        if free < self.options.min_free_bytes {
            return Err(Error::StorageFull { path: self.dir.clone(), free, wanted: self.options.min_free_bytes });
        }
        self.settle()?;
        if writer.mark.is_none() {
            writer.mark = Some(Mark::set(&self.dir)?);
        }
        if writer.swept.elapsed() > SWEEP {
            writer.swept = Instant::now();
            if let Some(opened) = self.state().as_ref() {
                let _ = opened.env.clear_stale_readers(); // they only cost space
            }
        }
        Ok(())
    }

    /// Says that what is there may not be durable.
    pub(super) fn unsettle(&self) {
        self.settled.store(false, Ordering::Relaxed);
    }

    fn settle(&self) -> Result<()> {
        if !self.settled.load(Ordering::Relaxed) {
            files::settle(&self.dir)?;
            self.settled.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Opens LMDB again if it cannot be used: after a meta page could not be written it refuses everything.
    pub(super) fn heal(&self) -> Result<()> {
        let refuses = |opened: &Opened| matches!(opened.env.read_txn(), Err(heed::Error::Mdb(MdbError::Panic)));
        let lost = self.state().as_ref().is_none_or(refuses);
        if lost { self.reopen() } else { Ok(()) }
    }

    fn reopen(&self) -> Result<()> {
        let mut state = self.exclusive()?;
        *state = None; // LMDB closes
        if !self.read_only {
            // The meta page may be seen and not be on the disk, or the other way round.
            self.unsettle();
            self.settle()?;
        }
        open::check(&self.dir, &self.options, false, self.read_only)?;
        *state = Some(Opened::open(&self.dir, &self.options, self.read_only, self.format)?);
        Ok(())
    }

    /// Reserves more address space: twice as much if it was full, else what another process made of the file.
    fn grow(&self, full: bool) -> Result<()> {
        let mut state = self.exclusive()?;
        let opened = state.as_ref().ok_or_else(|| self.closed())?;
        let _ = opened.env.clear_stale_readers();
        let now = opened.env.info().map_size;
        let metas = verify::read_metas(&self.dir, &verify::open_data(&self.dir)?)?;
        let needed = env::map_size(now, metas.expected_len().unwrap_or(u64::MAX));
        let wanted = if full { needed.max(now.saturating_mul(2)) } else { needed };
        if wanted as u64 > platform::address_space_limit().unwrap_or(u64::MAX) {
            return Err(Error::AddressSpace { path: self.dir.clone(), wanted: wanted as u64 });
        }
        if env::resize(&opened.env, wanted).is_ok() {
            return Ok(());
        }
        // The old map is gone. Without one LMDB must not be touched again.
        if env::resize(&opened.env, now).is_err() {
            *state = None;
        }
        Err(Error::AddressSpace { path: self.dir.clone(), wanted: wanted as u64 })
    }

    /// For as long as a transaction runs.
    pub(super) fn state(&self) -> RwLockReadGuard<'_, Option<Opened>> {
        while self.waiting.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// While nobody is in a transaction.
    ///
    /// # Errors
    /// [`Error::InUse`] if a reader stays too long.
    pub(super) fn exclusive(&self) -> Result<RwLockWriteGuard<'_, Option<Opened>>> {
        struct Waiting<'a>(&'a AtomicBool);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Relaxed);
            }
        }
        let begun = Instant::now();
        let _waiting = Waiting(&self.waiting);
        loop {
            match self.state.try_write() {
                Ok(state) => return Ok(state),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
            if begun.elapsed() > GENTLE {
                self.waiting.store(true, Ordering::Relaxed);
            }
            if begun.elapsed() > self.options.lock_timeout {
                return Err(Error::InUse { op: "grow", path: self.dir.clone() });
            }
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// As the only writer of this process.
    pub(super) fn writer(&self) -> MutexGuard<'_, WriterState> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the store is held among processes.
    pub(super) fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn closed(&self) -> Error {
        Error::Closed { path: self.dir.clone() }
    }

    /// Leaves the store as whoever opens it next wants to find it.
    fn close(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        *state = None; // LMDB closes here
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        let presence = self.presence.get_mut().unwrap_or_else(PoisonError::into_inner);
        if self.read_only {
            return;
        }
        if *self.damaged.get_mut() {
            // A mark stays: whoever opens the store next checks all of it. Who only read has not made one yet.
            if writer.mark.is_none() {
                let _ = Mark::set(&self.dir);
            }
            return;
        }
        // What is noted has to be durable. Where that fails, the mark stays.
        if writer.mark.is_some() && !*self.settled.get_mut() && files::settle(&self.dir).is_err() {
            return;
        }
        if presence.try_alone().unwrap_or(false) {
            // Touched without a commit was not us: whoever opens it next looks at all of it.
            note_state_if(&self.dir, |anchor| anchor == Anchor::Unknown);
        }
        if let Some(mark) = writer.mark.take() {
            mark.clear();
        }
    }
}

/// Notes the state the store is left in, unless it is the one noted.
pub(super) fn note_state(dir: &Path) {
    note_state_if(dir, |anchor| anchor != Anchor::Same);
}

fn note_state_if(dir: &Path, wanted: impl FnOnce(Anchor) -> bool) {
    let Ok(file) = verify::open_data(dir) else { return };
    let (Ok(metas), Ok(metadata)) = (verify::read_metas(dir, &file), file.metadata()) else { return };
    // What a commit that failed left after the pages in use was never made durable, so it may be gone after a power cut.
    let mut state = FileState::of(&metadata);
    state.len = state.len.min(metas.expected_len().unwrap_or(u64::MAX));
    if shutdown::check_anchor(dir, &metas, state, true).is_ok_and(wanted) {
        shutdown::write_anchor(dir, &metas, state);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // In a forked child everything here is the parent's.
        if std::process::id() == self.pid {
            registry::forget(|| self.close());
        }
    }
}
