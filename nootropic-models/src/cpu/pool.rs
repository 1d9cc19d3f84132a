//! Threads that are quick to start work.
//!
//! A token takes a hundred operations of some ten microseconds each, so threads that wait for the next spin for a while before
//! they sleep: waking a sleeping one takes longer than most operations. An idle pool uses no processor time.
#![expect(unsafe_code, reason = "work borrows from the caller's stack, for as long as the caller waits")]

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// How long a thread spins before it sleeps.
const SPIN: Duration = Duration::from_micros(200);

/// Threads that share work cut into chunks.
pub struct Pool {
    shared: Arc<Shared>,
    /// Held while work is done: one at a time.
    turn: Mutex<()>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

struct Shared {
    state: State,
    /// The work; written only while it is closed and nobody is inside, read only by who is inside.
    work: UnsafeCell<Option<Work>>,
    /// The next chunk that nobody has claimed.
    next: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// How many sleep, or are about to.
    sleeping: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `work` is the only part that is not `Sync`. It is written while no thread is inside and read by threads that are, as
// `State` orders it; what it points to is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

/// A closure of the caller, which waits until nobody is inside.
#[derive(Clone, Copy)]
struct Work {
    chunks: usize,
    run: *const (dyn Fn(usize) + Sync),
}

/// Number of the work (upper half), whether it is open, whether the pool ends, and how many threads are inside.
struct State(AtomicU64);

impl State {
    const OPEN: u64 = 1 << 31;
    const END: u64 = 1 << 30;
    const INSIDE: u64 = Self::END - 1;
    const NUMBER: u64 = 1 << 32;

    fn load(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Opens the next work. Only while it is closed and nobody is inside.
    fn open(&self) {
        self.0.fetch_add(Self::NUMBER + Self::OPEN, Ordering::SeqCst);
    }

    /// Lets nobody in any more.
    fn close(&self) {
        self.0.fetch_and(!Self::OPEN, Ordering::SeqCst);
    }

    /// Goes inside if `seen` is still so.
    fn enter(&self, seen: u64) -> bool {
        self.0.compare_exchange(seen, seen + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

thread_local! {
    /// Whether this thread is doing a chunk: work inside work is done at once.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

impl Pool {
    /// A pool that does work with `threads` threads, of which the caller's is one; at least one.
    ///
    /// # Errors
    /// [`Error::Io`] if a thread cannot be started.
    pub fn new(threads: usize) -> Result<Self> {
        let shared = Arc::new(Shared {
            state: State(AtomicU64::new(0)),
            work: UnsafeCell::new(None),
            next: AtomicUsize::new(0),
            panic: Mutex::new(None),
            sleeping: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
        });
        let mut pool = Self { shared, turn: Mutex::new(()), threads: Vec::new() };
        for i in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new().name(format!("nootropic-cpu-{i}"));
            let started = thread.spawn(move || shared.serve());
            let io = |source| Error::Io { op: "start", name: format!("thread {i}"), source };
            pool.threads.push(started.map_err(io)?); // those that run end as the pool is dropped
        }
        Ok(pool)
    }

    /// A pool with a thread for each processor this process may use.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_all_processors() -> Result<Self> {
        Self::new(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// How many threads work, the caller's included.
    pub fn threads(&self) -> usize {
        self.threads.len() + 1
    }

    /// Calls `run` for each number below `chunks`, each once, on any thread and in any order, and returns when all are done.
    ///
    /// Callers on several threads take turns. Called by `run` itself, the work is done at once on that thread.
    ///
    /// # Panics
    /// If `run` panics, with the same payload; the chunks that were not yet claimed are left out.
    pub fn run(&self, chunks: usize, run: impl Fn(usize) + Sync) {
        if chunks <= 1 || self.threads.is_empty() || BUSY.get() {
            (0..chunks).for_each(run);
            return;
        }
        let turn = lock(&self.turn);
        let run: &(dyn Fn(usize) + Sync) = &run;
        // SAFETY: only the lifetime is changed; the closure outlives its use, as below.
        let run = unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync), *const (dyn Fn(usize) + Sync)>(run) };
        // SAFETY: the turn is ours, so the work is closed and nobody is inside.
        unsafe { *self.shared.work.get() = Some(Work { chunks, run }) };
        self.shared.next.store(0, Ordering::Relaxed);
        self.shared.state.open();
        self.shared.wake_sleepers();
        // Catches panics, so it does return, and the closure lives until nobody is inside.
        self.shared.claim(Work { chunks, run });
        self.shared.state.close();
        wait_until(|| self.shared.state.load() & State::INSIDE == 0);
        let panic = lock(&self.shared.panic).take();
        drop(turn);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Shared {
    /// A thread's life.
    fn serve(&self) {
        let mut done = 0;
        loop {
            let state = self.wait_for_work(done);
            if state & State::END != 0 {
                return;
            }
            if self.state.enter(state) {
                done = state / State::NUMBER;
                // SAFETY: inside, so nobody writes it.
                if let Some(work) = unsafe { *self.work.get() } {
                    self.claim(work);
                }
                self.state.leave();
            }
        }
    }

    /// Waits for work other than number `done`, or for the end.
    fn wait_for_work(&self, done: u64) -> u64 {
        let is_news = |state: u64| state & State::END != 0 || state & State::OPEN != 0 && state / State::NUMBER != done;
        let mut state = self.state.load();
        let start = Instant::now();
        while !is_news(state) && start.elapsed() < SPIN {
            for _ in 0..32 {
                std::hint::spin_loop();
            }
            state = self.state.load();
        }
        if is_news(state) {
            return state;
        }
        let mut guard = lock(&self.sleep);
        // Who opens work looks at this after; we look at the state after this: one of us sees the other.
        self.sleeping.fetch_add(1, Ordering::SeqCst);
        loop {
            state = self.state.load();
            if is_news(state) {
                break;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleeping.fetch_sub(1, Ordering::SeqCst);
        state
    }

    fn wake_sleepers(&self) {
        if self.sleeping.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.sleep)); // who has counted itself waits by now, or will see the work
            self.wake.notify_all();
        }
    }

    /// Does chunks until none is left. Keeps the first panic, and leaves the rest out after it.
    fn claim(&self, work: Work) {
        BUSY.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let chunk = self.next.fetch_add(1, Ordering::Relaxed);
                if chunk >= work.chunks {
                    break;
                }
                // SAFETY: the caller of `Pool::run` keeps the closure until the work is closed and nobody is inside.
                unsafe { (*work.run)(chunk) };
            }
        }));
        BUSY.set(false);
        if let Err(panic) = result {
            self.next.store(work.chunks, Ordering::Relaxed);
            lock(&self.panic).get_or_insert(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state.0.fetch_or(State::END, Ordering::SeqCst);
        self.shared.wake_sleepers();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // threads catch panics
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spins, then lets others run: a thread that is inside may have been interrupted.
fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        std::hint::spin_loop();
    }
    while !done() {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests;
