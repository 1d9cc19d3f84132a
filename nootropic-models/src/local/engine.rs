//! The thread that computes: all generations under way, a step of each in every pass.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use futures_channel::mpsc;
use nootropic_core::{ModelEvent, Result as CoreResult};

use super::lookup::Lookup;
use super::prefixes::Prefixes;
use super::sequence::{Reader, Sequence};
use crate::forward::{Step, step};
use crate::generate::{Sampler, StopStrings};
use crate::grammar::Constraint;
use crate::tokens::Tokenizer;
use crate::{Error, Logits, Result, Session, Transformer};

/// How many generations run at once; the others wait.
const AT_ONCE: usize = 16;
/// How many tokens of prompts go into one pass: enough to make good use of the weights, few enough that others do not wait.
const CHUNK: usize = 256;

/// How many guessed tokens go into one pass.
const GUESSES: usize = 8;

/// A generation that is asked for.
pub(super) struct Job {
    /// At least one, and at least one fewer than the context.
    pub(super) prompt: Vec<u32>,
    pub(super) max_tokens: usize,
    pub(super) sampler: Sampler,
    /// How many alternatives are told with each token, if log-probabilities are.
    pub(super) logprobs: Option<usize>,
    pub(super) constraint: Option<Constraint>,
    pub(super) stop: StopStrings,
    pub(super) reader: Reader,
    pub(super) sender: mpsc::Sender<CoreResult<ModelEvent>>,
}

/// The thread, and what it is asked for.
pub(super) struct Engine {
    shared: Handle,
    thread: Option<JoinHandle<()>>,
}

/// What the thread shares with those who ask and read.
#[derive(Clone)]
pub(super) struct Handle(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something to do: a job, a reader that read, or the end.
    changed: Condvar,
    running: AtomicUsize,
    over: AtomicBool,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    woken: bool,
}

impl Engine {
    /// Starts the thread.
    pub(super) fn start(model: Transformer, tokenizer: Arc<Tokenizer>) -> Result<Self> {
        let shared = Handle(Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            running: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }));
        let worker =
            Worker { shared: shared.clone(), model, tokenizer, active: Vec::new(), prefixes: Prefixes::default() };
        let thread = std::thread::Builder::new().name("nootropic-model".into()).spawn(move || worker.run());
        let io = |source| Error::Io { op: "start", name: "the thread of the model".into(), source };
        Ok(Self { shared, thread: Some(thread.map_err(io)?) })
    }

    /// Asks for a generation.
    pub(super) fn submit(&self, job: Job) {
        self.shared.0.running.fetch_add(1, Ordering::SeqCst);
        self.shared.state().jobs.push_back(job);
        self.shared.wake();
    }

    /// How many generations are neither over nor dropped.
    pub(super) fn running(&self) -> usize {
        self.shared.0.running.load(Ordering::SeqCst)
    }

    pub(super) fn handle(&self) -> Handle {
        self.shared.clone()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.0.over.store(true, Ordering::SeqCst);
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it has nothing to say that its readers were not told
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("running", &self.running()).finish_non_exhaustive()
    }
}

impl Handle {
    /// Makes the thread look again.
    pub(super) fn wake(&self) {
        self.state().woken = true;
        self.0.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.0.over.load(Ordering::SeqCst)
    }
}

struct Worker {
    shared: Handle,
    model: Transformer,
    tokenizer: Arc<Tokenizer>,
    active: Vec<Sequence>,
    prefixes: Prefixes,
}

impl Worker {
    fn run(mut self) {
        while !self.shared.is_over() {
            self.take_jobs();
            self.deliver();
            self.retire();
            if self.active.iter().any(|sequence| !sequence.waits()) {
                self.pass();
            } else {
                self.wait();
            }
        }
    }

    /// Sleeps until someone asks or reads.
    fn wait(&self) {
        let idle = |state: &mut State| !state.woken;
        let state = self.shared.state();
        let state = self.shared.0.changed.wait_while(state, idle);
        state.unwrap_or_else(PoisonError::into_inner).woken = false;
    }

    fn take_jobs(&mut self) {
        while self.active.len() < AT_ONCE {
            let Some(job) = self.shared.state().jobs.pop_front() else { return };
            let known = self.prefixes.fork(&job.prompt);
            let session = match known {
                Some(session) => Ok(session),
                None => self.model.session(self.model.context()),
            };
            match session {
                Ok(session) => self.active.push(sequence(job, session)),
                Err(error) => {
                    let mut sender = job.sender;
                    let _ = sender.try_send(Err(error.into())); // who does not listen does not care
                    self.shared.0.running.fetch_sub(1, Ordering::SeqCst);
                }
            }
        }
    }

    /// Gives out events. Who reads the last one finds that the generation no longer runs.
    fn deliver(&mut self) {
        for sequence in &mut self.active {
            if sequence.finished && std::mem::take(&mut sequence.counted) {
                self.shared.0.running.fetch_sub(1, Ordering::SeqCst);
            }
            sequence.deliver();
        }
    }

    /// Lets go of what is over or not read any more, and keeps what it knows.
    fn retire(&mut self) {
        let mut index = 0;
        while let Some(sequence) = self.active.get(index) {
            if sequence.is_dropped() || sequence.finished && !sequence.waits() {
                let Sequence { tokens, session, counted, .. } = self.active.swap_remove(index);
                self.prefixes.keep(tokens, session);
                self.shared.0.running.fetch_sub(usize::from(counted), Ordering::SeqCst);
            } else {
                index += 1;
            }
        }
    }

    /// One pass: a token of each generation, and a chunk of the prompts.
    fn pass(&mut self) {
        let mut room = CHUNK;
        // Many texts fill a pass by themselves.
        let guesses = GUESSES / self.active.len().max(1);
        let mut steps = Vec::new();
        let mut wanted = Vec::new();
        for (index, sequence) in self.active.iter_mut().enumerate() {
            if sequence.waits() || sequence.finished || room == 0 {
                continue;
            }
            let logits = sequence.next(room, guesses);
            let Sequence { session, fed, .. } = sequence;
            room = room.saturating_sub(fed.len());
            wanted.push((index, logits));
            steps.push(Step { session, tokens: fed, logits });
        }
        let result = step(&mut steps);
        drop(steps);
        match result {
            Ok(all) => {
                for ((index, logits), mut numbers) in wanted.into_iter().zip(all) {
                    if let (Logits::Last | Logits::All, Some(sequence)) = (logits, self.active.get_mut(index)) {
                        sequence.advance(&mut numbers, &self.tokenizer);
                    }
                }
            }
            Err(error) => self.fail(&error, wanted.into_iter().map(|(index, _)| index).collect()),
        }
    }

    /// A pass failed: all that were in it end.
    fn fail(&mut self, error: &Error, indices: Vec<usize>) {
        for index in indices {
            if let Some(sequence) = self.active.get_mut(index) {
                let (device, problem) = ("this device".into(), crate::error::printable(&error.to_string()));
                sequence.fail(Error::Device { device, op: "a forward pass", problem });
            }
        }
    }
}

fn sequence(job: Job, session: Session) -> Sequence {
    Sequence {
        cached: session.len(),
        lookup: session.is_exact().then(Lookup::default),
        fed: Vec::new(),
        guessed: 0,
        prompt: job.prompt.len(),
        tokens: job.prompt,
        session,
        max_tokens: job.max_tokens,
        sampler: job.sampler,
        logprobs: job.logprobs,
        constraint: job.constraint,
        stop: job.stop,
        reader: job.reader,
        sender: job.sender,
        outbox: VecDeque::new(),
        finished: false,
        called: false,
        counted: true,
    }
}
