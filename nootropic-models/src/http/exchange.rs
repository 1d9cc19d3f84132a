//! One request and its answer, on a thread of its own so that whoever waits can be cancelled at any time.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use nootropic_core::{CancelToken, Endpoint};
use ureq::Agent;
use ureq::http::{HeaderMap, Request, StatusCode};

use super::resolver::denial;
use crate::error::printable_up_to;
use crate::pull::PullError;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;
/// Chunks that may wait for whoever reads.
const WAITING: usize = 16;
/// How often to look whether somebody cancelled.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the thread sends.
enum Part {
    Head(StatusCode, HeaderMap),
    Data(Vec<u8>),
    End,
    Failed(ureq::Error),
}

/// An answer whose body is read piece by piece. Dropping it ends the request.
pub(crate) struct Response {
    pub(crate) endpoint: Endpoint,
    status: StatusCode,
    headers: HeaderMap,
    parts: Receiver<Part>,
    agent: Agent,
    cancel: CancelToken,
}

/// Sends a request and waits for the head of its answer.
pub(super) fn start(
    agent: &Agent,
    request: Request<()>,
    endpoint: Endpoint,
    cancel: &CancelToken,
) -> Result<Response, PullError> {
    let (sender, parts) = sync_channel(WAITING);
    let (worker, cancel) = (agent.clone(), cancel.clone());
    let thread = std::thread::Builder::new().name("http".into()).spawn(move || work(&worker, request, &sender));
    thread.map_err(|source| PullError::Unreachable { endpoint: endpoint.clone(), source: source.into() })?;
    let (status, headers) = (StatusCode::OK, HeaderMap::new());
    let mut response = Response { endpoint, status, headers, parts, agent: agent.clone(), cancel };
    match response.part()? {
        Part::Head(status, headers) => Ok(Response { status, headers, ..response }),
        Part::Failed(error) => Err(response.failed(error)),
        Part::Data(_) | Part::End => Err(response.ended()),
    }
}

fn work(agent: &Agent, request: Request<()>, parts: &SyncSender<Part>) {
    // Where nobody receives any more, the request was dropped.
    let body = match agent.run(request) {
        Ok(response) => {
            let (head, body) = response.into_parts();
            if parts.send(Part::Head(head.status, head.headers)).is_err() {
                return;
            }
            body
        }
        Err(error) => return drop(parts.send(Part::Failed(error))),
    };
    let mut reader = body.into_reader();
    loop {
        let mut chunk = vec![0; CHUNK];
        let part = match reader.read(&mut chunk) {
            Ok(0) => Part::End,
            Ok(length) => {
                chunk.truncate(length);
                Part::Data(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Part::Failed(error.into()),
        };
        let goes_on = matches!(part, Part::Data(_));
        if parts.send(part).is_err() || !goes_on {
            return;
        }
    }
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// A header that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the body is, if that is said and is a number.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// Where it redirects to.
    pub(super) fn redirect(&self) -> Option<&str> {
        matches!(self.status(), 301 | 302 | 303 | 307 | 308).then(|| self.header("location"))?
    }

    /// The next piece of the body, none after the last.
    pub(crate) fn chunk(&mut self) -> Result<Option<Vec<u8>>, PullError> {
        match self.part()? {
            Part::Data(data) => Ok(Some(data)),
            Part::End => Ok(None),
            Part::Failed(error) => Err(self.failed(error)),
            Part::Head(..) => Err(self.ended()),
        }
    }

    /// The whole body, of at most `most` bytes.
    pub(crate) fn bytes(mut self, most: usize) -> Result<Vec<u8>, PullError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk()? {
            if bytes.len() + chunk.len() > most {
                let problem = format!("its answer has more than {most} bytes");
                return Err(PullError::bad_answer(&self.endpoint, problem));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// The beginning of a body that says what went wrong, fit for a message; empty if it cannot be read.
    pub(crate) fn beginning(mut self) -> String {
        const LONGEST: usize = 200;
        let mut text = Vec::new();
        while text.len() < LONGEST
            && let Ok(Some(chunk)) = self.chunk()
        {
            text.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&text);
        // A page for browsers says nothing in its first words.
        if text.trim_start().starts_with('<') { String::new() } else { printable_up_to(text.trim(), LONGEST) }
    }

    fn part(&mut self) -> Result<Part, PullError> {
        loop {
            if self.cancel.is_cancelled() {
                self.agent.clone().shutdown(); // wakes the thread, wherever it waits
                return Err(PullError::Cancelled);
            }
            match self.parts.recv_timeout(LOOK_EVERY) {
                Ok(part) => return Ok(part),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
            }
        }
    }

    fn ended(&self) -> PullError {
        let source = io::Error::from(io::ErrorKind::UnexpectedEof).into();
        PullError::Unreachable { endpoint: self.endpoint.clone(), source }
    }

    fn failed(&self, error: ureq::Error) -> PullError {
        let endpoint = self.endpoint.clone();
        match denial(error) {
            Ok(denied) => PullError::Refused { endpoint, source: Box::new(denied) },
            Err(ureq::Error::Protocol(error)) => {
                PullError::bad_answer(&endpoint, format!("it does not speak HTTP: {error}"))
            }
            Err(ureq::Error::LargeResponseHeader(..)) => {
                PullError::bad_answer(&endpoint, "the head of its answer is too long".into())
            }
            Err(error) => PullError::Unreachable { endpoint, source: error.into() },
        }
    }
}
