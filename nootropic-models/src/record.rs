//! Writing down what a model is asked and answers.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_core::Stream;
use nootropic_core::{Capability, GenerateRequest, Model, ModelEvent, ModelInfo, ModelStream};
use serde::Serialize;

use crate::cassette::{Answer, End, Exchange, FORMAT, Header};
use crate::{Error, Result};

/// A model that is recorded: it answers as `M` does, and every exchange becomes a line of a cassette.
///
/// A line is written when its exchange ends, or is dropped. The cassette holds prompts and answers in plain text.
///
/// ```
/// use nootropic_core::{GenerateRequest, ModelExt, reference::ScriptedModel};
/// use nootropic_models::{Recorder, Replay};
/// # futures_executor::block_on(async {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("hello.jsonl");
/// let recorder = Recorder::create(ScriptedModel::echo(), &path)?;
/// let answer = recorder.complete(GenerateRequest::text("Hello")).await?;
/// recorder.finish()?;
///
/// let replay = Replay::open(&path)?;
/// assert_eq!(replay.complete(GenerateRequest::text("Hello")).await?, answer);
/// assert!(replay.complete(GenerateRequest::text("Goodbye")).await.is_err());
/// # Ok::<(), nootropic_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Recorder<M> {
    model: M,
    tape: Arc<Tape>,
}

/// Where lines go.
struct Tape {
    name: String,
    next: AtomicU64,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    /// The first failure; nothing is written after it.
    failed: Option<std::io::Error>,
}

impl<M: Model> Recorder<M> {
    /// Records to a new file, replacing one that is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(model: M, path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        match File::create(path) {
            Ok(file) => Self::new(model, name, file),
            Err(source) => Err(Error::Io { op: "open", name, source }),
        }
    }

    /// Records to `out`; `name` stands for it in errors.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(model: M, name: impl Into<String>, out: impl Write + Send + 'static) -> Result<Self> {
        let state = Mutex::new(State { out: Box::new(out), failed: None });
        let tape = Arc::new(Tape { name: name.into(), next: AtomicU64::new(0), state });
        tape.write(&Header { cassette: FORMAT, model: model.info().clone() });
        tape.check()?;
        Ok(Self { model, tape })
    }

    /// Whether everything so far was written. Generations that still run are not on the cassette yet.
    ///
    /// # Errors
    /// [`Error::Io`] with the first failure.
    pub fn finish(&self) -> Result<()> {
        self.tape.check()
    }
}

impl Tape {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line, whole and at once.
    fn write(&self, line: &impl Serialize) {
        let mut state = self.state();
        if state.failed.is_some() {
            return;
        }
        let mut write = || {
            let mut bytes = serde_json::to_vec(line)?;
            bytes.push(b'\n');
            state.out.write_all(&bytes)?;
            state.out.flush()
        };
        if let Err(error) = write() {
            state.failed = Some(error);
        }
    }

    /// The first failure, as often as one asks.
    fn check(&self) -> Result<()> {
        match &self.state().failed {
            None => Ok(()),
            Some(error) => {
                let source = std::io::Error::new(error.kind(), error.to_string());
                Err(Error::Io { op: "write", name: self.name.clone(), source })
            }
        }
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl<M: Model> Model for Recorder<M> {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    async fn count_tokens(&self, request: &GenerateRequest) -> nootropic_core::Result<usize> {
        request.check(&self.info().features)?;
        let n = self.tape.next.fetch_add(1, Ordering::SeqCst);
        let count = self.model.count_tokens(request).await?;
        self.tape.write(&Exchange { n, request: request.clone(), answer: Answer::Count { count } });
        self.tape.check()?;
        Ok(count)
    }

    async fn generate(&self, request: GenerateRequest) -> nootropic_core::Result<ModelStream> {
        // What cannot be answered by any model is not worth a line, and may not even be JSON (a NaN).
        request.check(&self.info().features)?;
        self.tape.check()?;
        let n = self.tape.next.fetch_add(1, Ordering::SeqCst);
        let mut recording = Recording {
            stream: None,
            line: Some(Exchange {
                n,
                request: request.clone(),
                answer: Answer::Events { events: Vec::new(), end: End::Dropped },
            }),
            tape: Arc::clone(&self.tape),
        };
        match self.model.generate(request).await {
            Ok(stream) => {
                recording.stream = Some(stream);
                Ok(Box::pin(recording))
            }
            Err(error) => {
                recording.end(End::Failed((&error).into()));
                Err(error)
            }
        }
    }

    fn describe(&self) -> Capability {
        self.model.describe()
    }
}

/// A generation that is being recorded.
struct Recording {
    stream: Option<ModelStream>,
    /// None once it is written.
    line: Option<Exchange>,
    tape: Arc<Tape>,
}

impl Recording {
    fn end(&mut self, how: End) {
        if let Some(mut line) = self.line.take() {
            if let Answer::Events { end, .. } = &mut line.answer {
                *end = how;
            }
            self.tape.write(&line);
        }
    }
}

impl Stream for Recording {
    type Item = nootropic_core::Result<ModelEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let Poll::Ready(item) = stream.as_mut().poll_next(cx) else { return Poll::Pending };
        match &item {
            None => self.end(End::Complete),
            Some(Err(error)) => {
                let failure = error.into();
                self.end(End::Failed(failure));
            }
            Some(Ok(event)) => {
                if let Some(Answer::Events { events, .. }) = self.line.as_mut().map(|line| &mut line.answer) {
                    events.push(event.clone());
                }
                if matches!(event, ModelEvent::Finished { .. }) {
                    self.end(End::Complete); // readers stop here, most of them
                }
            }
        }
        Poll::Ready(item)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.end(End::Dropped);
    }
}
