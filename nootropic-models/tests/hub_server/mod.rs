//! A hub in the test's own process: it speaks the hub's interface over real sockets, keeps its large files on a second port, as
//! hubs keep them on another host, and misbehaves as it is told.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What to do instead of what was asked for, once.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Announce all, send this many bytes, and hang up.
    HangUpAfter(usize),
    /// Announce all, send this many bytes, and then nothing, with the connection open.
    StallAfter(usize),
    /// Send all bytes, the first of them another one.
    WrongBytes,
    /// Send without end, without saying how much.
    Endless,
    /// Announce this many bytes.
    Announce(u64),
    /// Say that another part comes than the one asked for.
    WrongRange,
    /// Answer with a status and headers.
    Status(u16, Vec<(&'static str, String)>),
    /// Redirect to here.
    Redirect(String),
    /// Have other bytes under another etag from now on.
    NewEtag,
}

/// A file of the hub.
#[derive(Debug, Clone)]
struct Stored {
    bytes: Arc<Vec<u8>>,
    large: bool,
    listed_size: u64,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Stored>,
    /// By path of a file, or by the beginning of a request's path on the hub.
    faults: HashMap<String, VecDeque<Fault>>,
    etags: HashMap<String, u32>,
    hub_log: Vec<Request>,
    cdn_log: Vec<Request>,
    page: usize,
    foreign_page: bool,
}

/// The hub.
pub(crate) struct HubServer {
    pub(crate) hub: u16,
    pub(crate) cdn: u16,
    state: Arc<Mutex<State>>,
}

impl HubServer {
    /// A hub that has the model `owner/name` with these files; those over 100 bytes are large ones.
    pub(crate) fn start(files: &[(&str, Vec<u8>)]) -> Self {
        let (hub, cdn) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (hub_port, cdn_port) = (hub.local_addr().unwrap().port(), cdn.local_addr().unwrap().port());
        let mut state = State { page: 1000, ..State::default() };
        for (path, bytes) in files {
            let (large, listed_size) = (bytes.len() > 100, bytes.len() as u64);
            state.files.insert((*path).into(), Stored { bytes: Arc::new(bytes.clone()), large, listed_size });
        }
        let state = Arc::new(Mutex::new(state));
        serve(hub, Arc::clone(&state), move |state, request, stream| {
            hub_answer(state, hub_port, cdn_port, request, stream)
        });
        serve(cdn, Arc::clone(&state), |state, request, stream| {
            state.lock().unwrap().cdn_log.push(request.clone());
            let path = request.path.strip_prefix("/blob/").unwrap_or_default().to_owned();
            send_file(state, &path, request, stream)
        });
        Self { hub: hub_port, cdn: cdn_port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.hub)
    }

    /// The hub over TLS, as `localhost`; only [`AUTHORITY`] vouches for it.
    pub(crate) fn secret_url(&self) -> String {
        format!("https://localhost:{}", over_tls(self.hub))
    }

    pub(crate) fn cdn_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.cdn)
    }

    /// Misbehaves so, the next time that `what` is asked for: a file's path, or the beginning of a path on the hub.
    pub(crate) fn fault(&self, what: &str, fault: Fault) {
        self.state.lock().unwrap().faults.entry(what.into()).or_default().push_back(fault);
    }

    /// Lists a file with another size than it has.
    pub(crate) fn list_size(&self, path: &str, size: u64) {
        self.state.lock().unwrap().files.get_mut(path).unwrap().listed_size = size;
    }

    /// Lists so many files on a page; `foreign` puts the second page on another host.
    pub(crate) fn pages_of(&self, files: usize, foreign: bool) {
        let mut state = self.state.lock().unwrap();
        (state.page, state.foreign_page) = (files, foreign);
    }

    /// What the hub was asked.
    pub(crate) fn hub_log(&self) -> Vec<Request> {
        self.state.lock().unwrap().hub_log.clone()
    }

    /// What the host of large files was asked.
    pub(crate) fn cdn_log(&self) -> Vec<Request> {
        self.state.lock().unwrap().cdn_log.clone()
    }
}

fn serve(
    listener: TcpListener,
    state: Arc<Mutex<State>>,
    answer: impl Fn(&Mutex<State>, &Request, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) {
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (state, answer) = (Arc::clone(&state), Arc::clone(&answer));
            std::thread::spawn(move || {
                let mut stream = stream;
                if let Some(request) = read_request(&stream) {
                    let _ = answer(&state, &request, &mut stream); // the other side may have hung up
                }
            });
        }
    });
}

/// Reads the head of a request; ours have no body.
pub(crate) fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request { method, path, headers })
}

fn hub_answer(
    state: &Mutex<State>,
    own: u16,
    cdn: u16,
    request: &Request,
    stream: &mut TcpStream,
) -> std::io::Result<()> {
    let fault = {
        let mut state = state.lock().unwrap();
        state.hub_log.push(request.clone());
        let key = state.faults.keys().find(|key| key.starts_with('/') && request.path.starts_with(*key)).cloned();
        key.and_then(|key| state.faults.get_mut(&key)?.pop_front())
    };
    match fault {
        Some(Fault::Status(status, headers)) => return head(stream, status, &headers, Some(0)),
        Some(Fault::Redirect(to)) => return head(stream, 302, &[("location", to)], Some(0)),
        _ => {}
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    if let Some(rest) = path.strip_prefix("/api/models/owner/name/tree/") {
        return match rest {
            "main" | "v1%2F2" => list(state, own, query, stream),
            _ => head(stream, 404, &[("x-error-code", "RevisionNotFound".into())], Some(0)),
        };
    }
    let file = path
        .strip_prefix("/owner/name/resolve/")
        .and_then(|rest| rest.split_once('/'))
        .map(|(_, file)| file.to_owned());
    let stored = file.as_ref().and_then(|file| state.lock().unwrap().files.get(file).cloned());
    match (file, stored) {
        (Some(file), Some(stored)) if stored.large => {
            head(stream, 302, &[("location", format!("http://127.0.0.1:{cdn}/blob/{file}"))], Some(0))
        }
        (Some(file), Some(_)) => send_file(state, &file, request, stream),
        (Some(_), None) => head(stream, 404, &[("x-error-code", "EntryNotFound".into())], Some(0)),
        (None, _) => head(stream, 401, &[("x-error-code", "RepoNotFound".into())], Some(0)),
    }
}

fn list(state: &Mutex<State>, own: u16, query: &str, stream: &mut TcpStream) -> std::io::Result<()> {
    let state = state.lock().unwrap();
    let from: usize = query.split('&').find_map(|pair| pair.strip_prefix("cursor=")?.parse().ok()).unwrap_or(0);
    let entries: Vec<String> = state.files.iter().skip(from).take(state.page).map(|(path, stored)| {
        let (size, path) = (stored.listed_size, path.replace('\\', "\\\\"));
        if stored.large {
            let oid = hex(digest(&SHA256, &stored.bytes).as_ref());
            format!(r#"{{"type":"file","oid":"{}","size":{size},"lfs":{{"oid":"{oid}","size":{size},"pointerSize":134}},"path":"{path}"}}"#, "0".repeat(40))
        } else {
            let blob = [format!("blob {}\0", stored.bytes.len()).as_bytes(), &stored.bytes].concat();
            format!(r#"{{"type":"file","oid":"{}","size":{size},"path":"{path}"}}"#, hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, &blob).as_ref()))
        }
    }).collect();
    let folder = format!(r#"{{"type":"directory","oid":"{}","size":0,"path":"folder"}}"#, "0".repeat(40));
    let body = format!("[{}]", [vec![folder], entries].concat().join(","));
    let mut headers = vec![("content-type", "application/json".to_owned())];
    let next = from + state.page;
    if next < state.files.len() {
        let host = if state.foreign_page { "localhost" } else { "127.0.0.1" };
        headers.push((
            "link",
            format!("<http://{host}:{own}/api/models/owner/name/tree/main?recursive=true&cursor={next}>; rel=\"next\""),
        ));
    }
    head(stream, 200, &headers, Some(body.len() as u64))?;
    stream.write_all(body.as_bytes())
}

fn send_file(state: &Mutex<State>, path: &str, request: &Request, stream: &mut TcpStream) -> std::io::Result<()> {
    let (stored, fault, version) = {
        let mut state = state.lock().unwrap();
        let fault = state.faults.get_mut(path).and_then(VecDeque::pop_front);
        if matches!(fault, Some(Fault::NewEtag)) {
            *state.etags.entry(path.into()).or_default() += 1;
        }
        (state.files.get(path).cloned(), fault, state.etags.get(path).copied().unwrap_or(0))
    };
    let Some(stored) = stored else { return head(stream, 404, &[], Some(0)) };
    let etag = format!("\"{path}-{version}\"");
    let bytes = stored.bytes.as_slice();
    let unchanged = request.header("if-range").is_none_or(|known| known == etag);
    let range = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let from = range.filter(|from| unchanged && *from < bytes.len());
    let status = if from.is_some() { 206 } else { 200 };
    let from = from.unwrap_or(0);
    let body = bytes.get(from..).unwrap_or_default();
    let start = if matches!(fault, Some(Fault::WrongRange)) { 0 } else { from };
    let mut headers = vec![("etag", etag)];
    if status == 206 {
        headers.push(("content-range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len())));
    }
    let length = body.len() as u64;
    match fault {
        Some(Fault::Status(status, headers)) => head(stream, status, &headers, Some(0)),
        Some(Fault::Redirect(to)) => head(stream, 302, &[("location", to)], Some(0)),
        Some(Fault::HangUpAfter(sent)) => {
            head(stream, status, &headers, Some(length))?;
            stream.write_all(&body[..sent.min(body.len())])
        }
        Some(Fault::StallAfter(sent)) => {
            head(stream, status, &headers, Some(length))?;
            stream.write_all(&body[..sent.min(body.len())])?;
            std::thread::sleep(Duration::from_secs(600));
            Ok(())
        }
        Some(Fault::WrongBytes) => {
            head(stream, status, &headers, Some(length))?;
            let mut wrong = body.to_vec();
            wrong[0] ^= 1;
            stream.write_all(&wrong)
        }
        Some(Fault::Endless) => {
            head(stream, status, &headers, None)?;
            loop {
                stream.write_all(&[7; 4096])?;
            }
        }
        Some(Fault::Announce(length)) => {
            head(stream, status, &headers, Some(length))?;
            stream.write_all(body)
        }
        None | Some(Fault::WrongRange | Fault::NewEtag) => {
            head(stream, status, &headers, Some(length))?;
            stream.write_all(body)
        }
    }
}

fn head(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], length: Option<u64>) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Status\r\nconnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if let Some(length) = length {
        let _ = write!(text, "content-length: {length}\r\n");
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes())
}

/// The authority that vouches for [`HubServer::secret_url`], in PEM.
pub(crate) const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nootropic-models/tests/hub_server/ca.pem");

/// Gives what comes over TLS to `plain`, one request a connection, and its answer back.
fn over_tls(plain: u16) -> u16 {
    let certificate = CertificateDer::from(include_bytes!("localhost.cert.der").as_slice());
    let key = PrivatePkcs8KeyDer::from(include_bytes!("localhost.key.der").as_slice()).into();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || pass_on(stream, config, plain));
        }
    });
    port
}

fn pass_on(stream: TcpStream, config: Arc<ServerConfig>, plain: u16) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let mut hub = TcpStream::connect(("127.0.0.1", plain))?;
    hub.write_all(&head)?;
    std::io::copy(&mut hub, &mut stream)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
