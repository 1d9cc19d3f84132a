//! A hub: what a repository holds, and how its answers are to be read.
//!
//! Source: the hub's API, `GET /api/models/{repository}/tree/{revision}?recursive=true` and
//! `GET /{repository}/resolve/{revision}/{path}`; <https://huggingface.co/docs/hub/api>.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nootropic_core::{CancelToken, EgressBroker, Endpoint, ErrorKind, Event, EventSink, HostRule};
use serde::Deserialize;

use super::digest::Digest;
use super::{HubModel, PullError};
use crate::error::printable;
use crate::http::{Headers, HttpClient, Patience, Response, encode, endpoint_of, proxy_endpoint};

/// Longest page of a listing, in bytes; a thousand files have some 300 KB.
const PAGE_BYTES: usize = 16 << 20;
/// How many pages are read.
const PAGES: usize = 50;
/// The longest wait that a server may ask for, in seconds; beyond that the user is asked to come back.
const LONGEST_WAIT: u64 = 60;
/// Other hosts that the usual hub gives its files from.
const USUAL: (&str, [&str; 2]) = ("https://huggingface.co", ["https://*.huggingface.co", "https://*.hf.co"]);

/// A file in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HubFile {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

/// A place that publishes models, with the interface of the Hugging Face hub.
///
/// Every connection, also each that a redirect leads to, is one that the egress broker allows.
pub struct Hub {
    url: String,
    endpoint: Endpoint,
    token: Option<String>,
    pub(super) client: HttpClient,
    pub(super) patience: Patience,
    pub(super) events: Arc<dyn EventSink>,
}

/// The token is not shown.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("url", &self.url).field("client", &self.client).finish_non_exhaustive()
    }
}

impl Hub {
    /// The usual hub.
    pub const USUAL: &str = USUAL.0;

    /// The hub at `url`; `broker` decides on its connections and `events` hears of them and of progress, as task `pull`. The
    /// `token` is shown to that hub alone, never to where it redirects.
    ///
    /// # Errors
    /// [`PullError::Url`] for anything but `https://`, or `http://` to this machine; [`PullError::Proxy`].
    pub fn new(
        url: &str,
        token: Option<String>,
        broker: Arc<dyn EgressBroker>,
        events: Arc<dyn EventSink>,
        patience: Patience,
    ) -> Result<Self, PullError> {
        let endpoint = endpoint_of(url)?;
        if url.contains(['?', '#']) {
            let problem = "the URL of a hub ends with its path".to_owned();
            return Err(PullError::Url { url: printable(url), problem });
        }
        let client = HttpClient::new(broker, Arc::clone(&events), patience)?;
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        Ok(Self { url: url.trim_end_matches('/').to_owned(), endpoint, token, client, patience, events })
    }

    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The hosts that fetching from the hub at `url` is known to need: for whoever opts in to the hub as a whole. It is the hub
    /// itself; of the usual hub also the hosts that it keeps files on; and the proxy that the environment names.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn hosts(url: &str) -> Result<Vec<HostRule>, PullError> {
        let bad = |error: nootropic_core::Error| PullError::Url { url: printable(url), problem: error.to_string() };
        let hub = endpoint_of(url)?;
        let mut rules = vec![hub.to_string()];
        if Self::USUAL.parse::<Endpoint>().is_ok_and(|usual| usual == hub) {
            rules.extend(USUAL.1.map(str::to_owned));
        }
        if let Some(proxy) = proxy_endpoint()?.filter(|_| !hub.host().is_loopback()) {
            rules.push(format!("{proxy} private"));
        }
        rules.iter().map(|rule| rule.parse().map_err(bad)).collect()
    }

    /// What a repository holds at a revision.
    pub(super) fn files(
        &self,
        model: &HubModel,
        revision: &str,
        cancel: &CancelToken,
    ) -> Result<Vec<HubFile>, PullError> {
        let mut next = format!(
            "{}/api/models/{}/tree/{}?recursive=true",
            self.url,
            model.repository(),
            encode(revision).replace('/', "%2F")
        );
        let mut files = Vec::new();
        for _ in 0..PAGES {
            let response = self.get(&next, &Headers::default(), cancel)?;
            if response.status() != 200 {
                return Err(self.refusal(response, model, ("revision", revision)));
            }
            let endpoint = response.endpoint.clone();
            let following = response.header("link").and_then(next_page).map(str::to_owned);
            let bytes = response.bytes(PAGE_BYTES)?;
            let page: Vec<Entry> = serde_json::from_slice(&bytes)
                .map_err(|error| PullError::bad_answer(&endpoint, format!("its list of files is none: {error}")))?;
            files.extend(page.into_iter().filter_map(Entry::file));
            match following {
                // Only the hub itself lists what it has.
                Some(url) if endpoint_of(&url)? == self.endpoint => next = url,
                Some(_) => return Err(PullError::bad_answer(&endpoint, "its list of files goes on elsewhere".into())),
                None => return Ok(files),
            }
        }
        Err(PullError::bad_answer(&self.endpoint, format!("its list of files has more than {PAGES} pages")))
    }

    /// Asks for a file, from byte `from` on; `etag` is that of the bytes before.
    pub(super) fn open(
        &self,
        model: &HubModel,
        revision: &str,
        path: &str,
        (from, etag): (u64, Option<&str>),
        cancel: &CancelToken,
    ) -> Result<Response, PullError> {
        let (repository, revision) = (model.repository(), encode(revision).replace('/', "%2F"));
        let url = format!("{}/{repository}/resolve/{revision}/{}", self.url, encode(path));
        let range = format!("bytes={from}-");
        let mut headers = Headers { plain: vec![("accept-encoding", "identity")], ..Headers::default() };
        if from > 0 {
            headers.plain.push(("range", &range));
            headers.plain.extend(etag.map(|etag| ("if-range", etag)));
        }
        self.get(&url, &headers, cancel)
    }

    /// Gets, and tries again where the server says that it may come right.
    fn get(&self, url: &str, headers: &Headers<'_>, cancel: &CancelToken) -> Result<Response, PullError> {
        let bearer = self.token.as_deref().map(|token| (&self.endpoint, token));
        let headers = Headers { plain: headers.plain.clone(), bearer };
        let mut wait = self.patience.first_wait;
        let mut attempt = 0;
        loop {
            let response = self.client.get(url, &headers, cancel)?;
            let status = response.status();
            if !matches!(status, 429 | 500 | 502 | 503 | 504) {
                return Ok(response);
            }
            let asked = response.header("retry-after").and_then(|text| text.trim().parse::<u64>().ok());
            if attempt >= self.patience.retries || asked.is_some_and(|seconds| seconds > LONGEST_WAIT) {
                return if status == 429 || asked.is_some() {
                    Err(PullError::Busy { endpoint: response.endpoint.clone(), seconds: asked })
                } else {
                    Ok(response)
                };
            }
            if let Some(seconds) = asked {
                let busy = PullError::Busy { endpoint: response.endpoint.clone(), seconds: asked };
                self.warn(ErrorKind::Busy, format!("{busy}: waiting"));
                wait = wait.max(Duration::from_secs(seconds));
            }
            drop(response);
            pause(wait, cancel)?;
            attempt += 1;
            wait = self.patience.first_wait.saturating_mul(1 << attempt.min(6));
        }
    }

    pub(super) fn warn(&self, kind: ErrorKind, message: String) {
        self.events.emit(&Event::Warning { task: super::TASK.into(), kind, message, hint: None });
    }

    /// What an answer without the wanted thing means; `what` was asked for of the model.
    pub(super) fn refusal(
        &self,
        response: Response,
        model: &HubModel,
        (what, name): (&'static str, &str),
    ) -> PullError {
        let (endpoint, status) = (response.endpoint.clone(), response.status());
        if endpoint != self.endpoint {
            return PullError::Status { endpoint, status, text: response.beginning() };
        }
        let repository = model.repository();
        let missing =
            |what, name: String| PullError::NotFound { hub: endpoint.to_string(), what, name, near: Vec::new() };
        let with_token = self.token.is_some();
        let gated = || PullError::Gated { page: format!("{}/{repository}", self.url), with_token };
        let code = response.header("x-error-code").unwrap_or_default().to_owned();
        match (status, code.as_str()) {
            (401 | 403 | 404, "RepoNotFound") => missing("model", repository.clone()),
            (404, "RevisionNotFound") => missing("revision", format!("{} of {repository}", printable(name))),
            (404, "EntryNotFound") => missing(what, format!("{} in {repository}", printable(name))),
            (401 | 403, "GatedRepo") | (403, _) => gated(),
            (401, _) if self.token.is_some() => gated(), // perhaps it does not know the token
            // To those it does not know, the hub does not say whether a private model is there.
            (401 | 404, _) => missing("model", repository.clone()),
            _ => PullError::Status { endpoint, status, text: response.beginning() },
        }
    }
}

/// Waits, unless somebody cancels.
pub(super) fn pause(wait: Duration, cancel: &CancelToken) -> Result<(), PullError> {
    let end = Instant::now() + wait;
    while !cancel.is_cancelled() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
    Err(PullError::Cancelled)
}

/// The URL of the page that follows, in a `Link` header (RFC 8288).
fn next_page(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, link)) = rest.split_once('<') {
        let (url, after) = link.split_once('>')?;
        let parameters = after.split('<').next().unwrap_or_default();
        let is_next = |parameter: &str| matches!(parameter.trim(), "rel=\"next\"" | "rel=next");
        if parameters.split([';', ',']).any(is_next) {
            return Some(url);
        }
        rest = after;
    }
    None
}

/// An entry of a listing.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    oid: String,
    lfs: Option<Lfs>,
}

/// A large file, which git only keeps a pointer to.
#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

impl Entry {
    /// The file, if it is one and can be checked once it has come.
    fn file(self) -> Option<HubFile> {
        let (size, digest) = match &self.lfs {
            Some(lfs) => (lfs.size, Digest::sha256(lfs.oid.strip_prefix("sha256:").unwrap_or(&lfs.oid))?),
            None => (self.size, Digest::git_blob(&self.oid)?),
        };
        (self.kind == "file").then_some(HubFile { path: self.path, size, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_names_its_next_page() {
        let header = "<https://hub.example/api?cursor=a,b>; rel=\"next\"";
        assert_eq!(
            next_page("<https://hub.example/a>; rel=\"prev\", <https://hub.example/b>; rel=\"next\""),
            Some("https://hub.example/b")
        );
        assert_eq!(next_page(header), Some("https://hub.example/api?cursor=a,b"));
        assert_eq!(next_page("<x>; rel=prev"), None);
    }

    #[test]
    fn only_what_can_be_checked_is_a_file() {
        let read = |text: &str| serde_json::from_str::<Entry>(text).unwrap().file();
        let sha = "a".repeat(64);
        let large =
            read(&format!(r#"{{"type":"file","path":"m.gguf","size":9,"oid":"x","lfs":{{"oid":"{sha}","size":7}}}}"#));
        assert_eq!(large.unwrap().size, 7);
        assert!(read(&format!(r#"{{"type":"file","path":"c","size":3,"oid":"{}"}}"#, "b".repeat(40))).is_some());
        assert!(read(&format!(r#"{{"type":"directory","path":"d","size":0,"oid":"{}"}}"#, "b".repeat(40))).is_none());
        assert!(read(r#"{"type":"file","path":"c","size":3,"oid":"short"}"#).is_none());
    }

    #[test]
    fn the_usual_hub_is_more_than_one_host() {
        let rules: Vec<String> = Hub::hosts(Hub::USUAL).unwrap().iter().map(ToString::to_string).collect();
        assert!(
            rules.contains(&"https://*.hf.co".to_owned()) && rules.contains(&"https://huggingface.co:443".to_owned()),
            "{rules:?}"
        );
        assert_eq!(Hub::hosts("http://127.0.0.1:9").unwrap().len(), 1);
        assert!(Hub::hosts("http://hub.example").is_err());
    }
}
