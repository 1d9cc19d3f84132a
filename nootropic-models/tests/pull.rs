//! Models fetched over real sockets, from a hub that does what hubs and networks do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod hub_server;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hub_server::{Fault, HubServer};
use nootropic_core::{
    AllowListBroker, CancelToken, EgressBroker, Endpoint, Error, ErrorKind, Event, EventSink, SealedBroker,
};
use nootropic_models::{Hub, ModelLibrary, ModelSource, Patience, Pull, PullError, PullReport, PullState};

/// Bytes that are nowhere the same.
fn bytes(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .collect()
}

/// Keeps every event.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Event>>);

impl EventSink for Heard {
    fn emit(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Heard {
    fn warnings(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        events
            .iter()
            .filter_map(|event| if let Event::Warning { message, .. } = event { Some(message.clone()) } else { None })
            .collect()
    }

    fn progress(&self) -> Vec<u64> {
        let events = self.0.lock().unwrap();
        events
            .iter()
            .filter_map(|event| if let Event::Progress { done, .. } = event { Some(*done) } else { None })
            .collect()
    }
}

/// A hub, and a home to fetch into.
struct Test {
    server: HubServer,
    home: tempfile::TempDir,
    heard: Arc<Heard>,
    cancel: CancelToken,
    token: Option<String>,
    silence: Duration,
}

impl Test {
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let (server, home) = (HubServer::start(files), tempfile::tempdir().unwrap());
        let (heard, cancel) = (Arc::default(), CancelToken::new());
        Self { server, home, heard, cancel, token: None, silence: Duration::from_secs(60) }
    }

    fn ours(&self) -> PathBuf {
        self.home.path().join("ours")
    }

    /// Where a file of the model belongs.
    fn at(&self, file: &str) -> PathBuf {
        self.ours().join("owner/name").join(file)
    }

    fn broker(&self, rules: &[&str]) -> Arc<dyn EgressBroker> {
        Arc::new(AllowListBroker::new(rules.iter().map(|rule| rule.parse().unwrap())))
    }

    fn pull_with(&self, broker: Arc<dyn EgressBroker>, model: &str, revision: &str) -> Result<PullReport, PullError> {
        let patience = Patience { retries: 2, first_wait: Duration::from_millis(1), silence: self.silence };
        let events = Arc::clone(&self.heard) as Arc<dyn EventSink>;
        let hub = Hub::new(&self.server.url(), self.token.clone(), broker, events, patience)?;
        let library = ModelLibrary::new(self.ours())
            .with(ModelSource::Ollama, self.home.path().join("ollama"))
            .with(ModelSource::LmStudio, self.home.path().join("lmstudio"));
        let folder = self.ours();
        hub.pull(&Pull { model: model.parse()?, revision, folder: &folder, library: &library }, &self.cancel)
    }

    /// Pulls with the hub and its host of large files allowed.
    fn pull(&self, model: &str) -> Result<PullReport, PullError> {
        self.pull_with(self.broker(&[&self.server.url(), &self.server.cdn_url()]), model, "main")
    }

    /// Every file in our folder.
    fn files(&self) -> Vec<String> {
        fn walk(root: &Path, folder: &Path, files: &mut Vec<String>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(root, &path, files);
                } else {
                    files.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let mut files = Vec::new();
        walk(&self.ours(), &self.ours(), &mut files);
        files.sort();
        files
    }
}

const SIZE: usize = 3_000_000;

fn one_file() -> Test {
    Test::new(&[("m-Q4_K_M.gguf", bytes(SIZE, 1)), ("m-Q8_0.gguf", bytes(500, 2)), ("README.md", b"# m".to_vec())])
}

#[test]
fn a_model_is_chosen_fetched_through_a_redirect_and_checked() {
    let test = one_file();
    let report = test.pull("owner/name").unwrap();
    assert_eq!(report.path, test.at("m-Q4_K_M.gguf"));
    assert_eq!(fs::read(&report.path).unwrap(), bytes(SIZE, 1));
    assert_eq!((report.bytes, report.fetched, report.source), (SIZE as u64, SIZE as u64, ModelSource::Nootropic));
    assert_eq!(report.files[0].state, PullState::Fetched);
    assert!(report.files[0].checksum.starts_with("sha256:"));
    assert_eq!(report.others.iter().map(|other| other.choice.as_str()).collect::<Vec<_>>(), ["Q8_0"]);
    let connected: Vec<String> = report.connected.iter().map(ToString::to_string).collect();
    assert_eq!(connected, [test.server.url(), test.server.cdn_url()]);
    assert_eq!(test.files(), ["owner/name/m-Q4_K_M.gguf"], "nothing else stays");
    let progress = test.heard.progress();
    assert!(progress.is_sorted() && progress.last() == Some(&(SIZE as u64)), "{progress:?}");

    let other = test.pull("owner/name:q8_0").unwrap();
    assert_eq!(fs::read(other.path).unwrap(), bytes(500, 2));
}

#[test]
fn a_revision_and_small_files_are_had_too() {
    let test = one_file();
    let broker = || test.broker(&[&test.server.url(), &test.server.cdn_url()]);
    assert!(test.pull_with(broker(), "owner/name", "v1/2").is_ok());
    let missing = test.pull_with(broker(), "owner/name", "v9").unwrap_err();
    assert!(missing.to_string().contains("no revision v9 of owner/name"), "{missing}");
}

#[test]
fn without_an_opt_in_no_byte_leaves() {
    let test = one_file();
    let error = test.pull_with(Arc::new(SealedBroker), "owner/name", "main").unwrap_err();
    assert!(matches!(&error, PullError::Refused { endpoint, .. } if endpoint.port() == test.server.hub), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(test.server.hub_log().is_empty() && test.files().is_empty());
}

#[test]
fn a_redirect_to_a_host_that_is_not_allowed_is_not_followed() {
    let test = one_file();
    let error = test.pull_with(test.broker(&[&test.server.url()]), "owner/name", "main").unwrap_err();
    assert!(matches!(&error, PullError::Refused { endpoint, .. } if endpoint.port() == test.server.cdn), "{error:?}");
    assert!(test.server.cdn_log().is_empty());
    assert!(!test.files().iter().any(|file| file.contains(".part")), "{:?}", test.files());
    for (to, denied) in [
        ("http://10.0.0.1/x", false),
        ("https://10.0.0.1/x", true),
        ("https://192.168.1.1:8443/x", true),
        ("ftp://hub.example/x", false),
    ] {
        test.server.fault("/owner/name/resolve/", Fault::Redirect(to.into()));
        let error = test.pull_with(test.broker(&[&test.server.url(), "*"]), "owner/name", "main").unwrap_err();
        assert_eq!(matches!(error, PullError::Refused { .. }), denied, "{to}: {error:?}");
        assert_eq!(matches!(error, PullError::Url { .. }), !denied, "{to}: {error:?}");
    }
    for _ in 0..9 {
        test.server.fault("/owner/name/resolve/", Fault::Redirect("/owner/name/resolve/main/m-Q4_K_M.gguf".into()));
    }
    let error = test.pull("owner/name").unwrap_err();
    assert!(error.to_string().contains("redirects"), "{error}");
}

/// Allows every name and no address: what a name that was made to point inside comes to.
#[derive(Debug)]
struct NoAddress;

impl EgressBroker for NoAddress {
    fn decide(&self, _: &Endpoint) -> nootropic_core::Result<()> {
        Ok(())
    }

    fn decide_address(&self, endpoint: &Endpoint, address: IpAddr) -> nootropic_core::Result<()> {
        Err(Error::Denied { effect: format!("connect {endpoint}"), reason: format!("it resolved to {address}") })
    }
}

#[test]
fn the_address_that_a_name_resolves_to_is_asked_about() {
    let test = one_file();
    let error = test.pull_with(Arc::new(NoAddress), "owner/name", "main").unwrap_err();
    let PullError::Refused { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("resolved to 127.0.0.1"), "{source}");
    assert!(test.server.hub_log().is_empty());
}

#[test]
fn a_token_is_shown_to_the_hub_alone() {
    let test = Test { token: Some("hf_secret\n".into()), ..one_file() };
    test.pull("owner/name").unwrap();
    assert!(test.server.hub_log().iter().all(|request| request.header("authorization") == Some("Bearer hf_secret")));
    assert!(!test.server.cdn_log().is_empty());
    for request in test.server.cdn_log() {
        assert!(!format!("{request:?}").contains("hf_secret"), "{request:?}");
    }
}

#[test]
fn a_connection_that_breaks_off_is_resumed() {
    let test = one_file();
    test.server.fault("m-Q4_K_M.gguf", Fault::HangUpAfter(1_000_000));
    test.server.fault("m-Q4_K_M.gguf", Fault::HangUpAfter(700_000));
    let report = test.pull("owner/name").unwrap();
    assert_eq!(fs::read(&report.path).unwrap(), bytes(SIZE, 1));
    assert_eq!(report.fetched, SIZE as u64, "nothing comes twice");
    let ranges: Vec<_> =
        test.server.cdn_log().iter().map(|request| request.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=1000000-".into()), Some("bytes=1700000-".into())]);
    assert_eq!(test.server.cdn_log()[1].header("if-range"), Some("\"m-Q4_K_M.gguf-0\""));
    assert_eq!(test.heard.warnings().len(), 2);
}

#[test]
fn what_an_earlier_run_fetched_is_not_fetched_again() {
    let test = one_file();
    for _ in 0..3 {
        test.server.fault("m-Q4_K_M.gguf", Fault::HangUpAfter(10_000)); // less than a connection is worth
    }
    let error = test.pull("owner/name").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(test.at("m-Q4_K_M.gguf.part").is_file() && !test.at("m-Q4_K_M.gguf").exists());
    let report = test.pull("owner/name").unwrap();
    assert_eq!((report.files[0].state, report.fetched), (PullState::Resumed, SIZE as u64 - 30_000));
    assert_eq!(fs::read(&report.path).unwrap(), bytes(SIZE, 1));
    assert_eq!(test.files(), ["owner/name/m-Q4_K_M.gguf"]);
}

#[test]
fn a_part_of_other_bytes_is_thrown_away() {
    let test = one_file();
    fs::create_dir_all(test.at("")).unwrap();
    // As another version of the file would have left it.
    fs::write(test.at("m-Q4_K_M.gguf.part"), bytes(1000, 9)).unwrap();
    fs::write(
        test.at("m-Q4_K_M.gguf.part.json"),
        format!("{{\"digest\":\"sha256:{}\",\"etag\":null}}", "a".repeat(64)),
    )
    .unwrap();
    assert_eq!(test.pull("owner/name").unwrap().fetched, SIZE as u64);
    // One with no note, and one that is too long.
    fs::write(test.at("m-Q8_0.gguf.part"), bytes(10, 9)).unwrap();
    assert_eq!(test.pull("owner/name:Q8_0").unwrap().fetched, 500);
}

#[test]
fn bytes_that_change_on_the_server_begin_anew() {
    let test = one_file();
    test.server.fault("m-Q4_K_M.gguf", Fault::HangUpAfter(1_000_000));
    test.server.fault("m-Q4_K_M.gguf", Fault::NewEtag);
    let report = test.pull("owner/name").unwrap();
    assert_eq!(fs::read(&report.path).unwrap(), bytes(SIZE, 1));
    assert_eq!(report.fetched, SIZE as u64 + 1_000_000, "the second answer was whole");
    assert!(test.heard.progress().is_sorted());
}

#[test]
fn a_cancelled_pull_ends_and_can_be_resumed() {
    let test = one_file();
    test.server.fault("m-Q4_K_M.gguf", Fault::StallAfter(1_500_000));
    let error = std::thread::scope(|scope| {
        let pull = scope.spawn(|| test.pull("owner/name"));
        while fs::metadata(test.at("m-Q4_K_M.gguf.part")).map_or(0, |metadata| metadata.len()) < 1_500_000 {
            std::thread::sleep(Duration::from_millis(5));
        }
        test.cancel.cancel(); // the server sends nothing and keeps the connection open
        pull.join().unwrap().unwrap_err()
    });
    assert!(matches!(error, PullError::Cancelled), "{error:?}");
    let again = Test { cancel: CancelToken::new(), ..test };
    let report = again.pull("owner/name").unwrap();
    assert_eq!((report.files[0].state, report.fetched), (PullState::Resumed, 1_500_000));
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let test = Test { silence: Duration::from_millis(500), ..one_file() };
    for _ in 0..3 {
        test.server.fault("m-Q4_K_M.gguf", Fault::StallAfter(0));
    }
    let error = test.pull("owner/name").unwrap_err();
    assert!(matches!(error, PullError::Unreachable { .. }), "{error:?}");
    assert!(test.pull("owner/name").is_ok());
}

#[test]
fn a_wrong_checksum_leaves_nothing_behind() {
    let test = one_file();
    test.server.fault("m-Q4_K_M.gguf", Fault::WrongBytes);
    let error = test.pull("owner/name").unwrap_err();
    assert!(matches!(error, PullError::Checksum { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!test.files().iter().any(|file| file.contains(".part") || file.ends_with(".gguf")), "{:?}", test.files());
    assert!(test.pull("owner/name").is_ok());
}

#[test]
fn a_server_that_lies_is_not_believed() {
    for fault in [Fault::Endless, Fault::Announce(1), Fault::Announce(u64::MAX), Fault::Announce(SIZE as u64 + 1)] {
        let test = one_file();
        test.server.fault("m-Q4_K_M.gguf", fault.clone());
        let error = test.pull("owner/name").unwrap_err();
        assert!(matches!(error, PullError::BadAnswer { .. }), "{fault:?}: {error:?}");
        assert!(!test.files().iter().any(|file| file.contains(".part")), "{fault:?}");
    }
    let test = one_file();
    test.server.fault("m-Q4_K_M.gguf", Fault::HangUpAfter(1_000_000));
    test.server.fault("m-Q4_K_M.gguf", Fault::WrongRange);
    let error = test.pull("owner/name").unwrap_err();
    assert!(error.to_string().contains("bytes 0-2999999/3000000"), "{error}");
}

#[test]
fn refusals_say_what_is_to_be_done() {
    let test = one_file();
    let code = |code: &str| vec![("x-error-code", code.to_owned())];
    let error = test.pull("owner/other").unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("has no model owner/other")), (ErrorKind::NotFound, true));
    for (status, headers, kind) in [
        (403, code("GatedRepo"), ErrorKind::PermissionDenied),
        (401, code("GatedRepo"), ErrorKind::PermissionDenied),
        (401, vec![], ErrorKind::NotFound),
        (404, vec![], ErrorKind::NotFound),
        (404, code("EntryNotFound"), ErrorKind::NotFound),
        (418, vec![], ErrorKind::Unavailable),
        (429, vec![("retry-after", "3600".to_owned())], ErrorKind::Busy),
    ] {
        test.server.fault("/owner/name/resolve/", Fault::Status(status, headers));
        let error = test.pull("owner/name").unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error:?}");
        assert!(error.hint().is_some() || matches!(error, PullError::NotFound { what: "file", .. }), "{error}");
    }
    test.server.fault("m-Q4_K_M.gguf", Fault::Status(403, vec![]));
    let error = test.pull("owner/name").unwrap_err();
    assert!(matches!(error, PullError::Status { status: 403, .. }), "a host of files knows no terms: {error:?}");
    let with_token = Test { token: Some("hf_x".into()), ..test };
    with_token.server.fault("/owner/name/resolve/", Fault::Status(403, code("GatedRepo")));
    let error = with_token.pull("owner/name").unwrap_err();
    assert!(error.to_string().contains("the token's may not") && !format!("{error:?}").contains("hf_x"), "{error:?}");
}

#[test]
fn a_busy_server_is_waited_for_and_not_for_ever() {
    let test = one_file();
    test.server.fault("/api/", Fault::Status(429, vec![("retry-after", "0".into())]));
    test.server.fault("/api/", Fault::Status(503, vec![]));
    test.server.fault("/owner/", Fault::Status(500, vec![]));
    assert!(test.pull("owner/name").is_ok());
    assert!(
        test.heard.warnings().iter().any(|warning| warning.contains("asks to wait")),
        "{:?}",
        test.heard.warnings()
    );
    for _ in 0..3 {
        test.server.fault("/api/", Fault::Status(503, vec![]));
    }
    let error = test.pull("owner/name").unwrap_err();
    assert!(matches!(error, PullError::Status { status: 503, .. }), "{error:?}");
}

#[test]
fn what_is_no_listing_is_refused() {
    let test = one_file();
    test.server.fault("/api/", Fault::Redirect("/owner/name/resolve/main/README.md".into()));
    let error = test.pull("owner/name").unwrap_err();
    assert!(error.to_string().contains("list of files"), "{error}");
    test.server.pages_of(1, false);
    assert!(test.pull("owner/name").is_ok(), "a listing has pages");
    test.server.pages_of(1, true);
    let error = test.pull("owner/name").unwrap_err();
    assert!(error.to_string().contains("goes on elsewhere"), "{error}");
}

#[test]
fn nobody_there_is_said_so() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{unused}");
    let test = one_file();
    let hub = Hub::new(&url, None, test.broker(&[&url]), Arc::clone(&test.heard) as _, Patience::default()).unwrap();
    let folder = test.ours();
    let library = ModelLibrary::new(&folder);
    let model = "owner/name".parse().unwrap();
    let error =
        hub.pull(&Pull { model, revision: "main", folder: &folder, library: &library }, &test.cancel).unwrap_err();
    assert!(matches!(error, PullError::Unreachable { .. }), "{error:?}");
}

#[test]
fn paths_that_lead_out_are_refused() {
    for path in
        ["../../evil.gguf", "a/../../../evil.gguf", "..\\evil.gguf", "/tmp/evil.gguf", "C:evil.gguf", "a/nul.gguf"]
    {
        let test = Test::new(&[(path, bytes(200, 1))]);
        let error = test.pull("owner/name").unwrap_err();
        assert!(matches!(error, PullError::Name { .. }), "{path}: {error:?}");
        assert_eq!(fs::read_dir(test.home.path()).unwrap().count(), 0, "{path}");
    }
}

#[cfg(unix)]
#[test]
fn a_model_that_does_not_fit_is_not_begun() {
    let test = one_file();
    test.server.list_size("m-Q4_K_M.gguf", 1 << 60);
    let error = test.pull("owner/name").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
    assert!(test.server.cdn_log().is_empty());
}

#[test]
fn split_models_and_safetensors_come_whole() {
    let test = Test::new(&[
        ("Q8_0/m-Q8_0-00001-of-00002.gguf", bytes(300, 1)),
        ("Q8_0/m-Q8_0-00002-of-00002.gguf", bytes(200, 2)),
        ("model.safetensors", bytes(400, 3)),
        ("config.json", b"{}".to_vec()),
        ("tokenizer.json", b"{\"a\":1}".to_vec()),
    ]);
    let report = test.pull("owner/name").unwrap();
    assert_eq!(report.path, test.at("Q8_0/m-Q8_0-00001-of-00002.gguf"));
    assert_eq!((report.files.len(), report.bytes), (2, 500));
    let folder = test.pull("owner/name:safetensors").unwrap();
    assert_eq!(folder.path, test.at("").components().collect::<PathBuf>());
    assert_eq!(folder.files.last().map(|file| file.path.clone()), Some(test.at("config.json")));
    assert!(folder.files[1].checksum.starts_with("git:"));
    assert_eq!(fs::read(test.at("tokenizer.json")).unwrap(), b"{\"a\":1}");
    let mut listed: Vec<String> = ModelLibrary::new(test.ours()).list().into_iter().map(|model| model.name).collect();
    listed.sort();
    assert_eq!(listed[0], "owner/name");
}

#[test]
fn a_small_file_is_checked_too() {
    let test = Test::new(&[("model.safetensors", bytes(400, 3)), ("config.json", b"{\"x\":1}".to_vec())]);
    test.server.fault("config.json", Fault::WrongBytes);
    let error = test.pull("owner/name").unwrap_err();
    assert!(matches!(error, PullError::Checksum { .. }), "{error:?}");
    let report = test.pull("owner/name").unwrap();
    assert_eq!((report.files[0].state, report.fetched), (PullState::Present, 7), "what was right is kept");
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let test = one_file();
    test.pull("owner/name").unwrap();
    let before = test.server.cdn_log().len();
    let report = test.pull("owner/name").unwrap();
    assert_eq!((report.fetched, report.files[0].state), (0, PullState::Present));
    assert_eq!(test.server.cdn_log().len(), before);
    fs::write(test.at("m-Q4_K_M.gguf"), bytes(SIZE, 5)).unwrap();
    assert_eq!(test.pull("owner/name").unwrap().fetched, SIZE as u64, "of the right length, and other bytes");
}

#[test]
fn other_programs_files_are_found_by_their_bytes() {
    let test = one_file();
    let lmstudio = test.home.path().join("lmstudio/somebody/called-otherwise/x.gguf");
    fs::create_dir_all(lmstudio.parent().unwrap()).unwrap();
    fs::write(&lmstudio, bytes(SIZE, 1)).unwrap();
    let report = test.pull("owner/name").unwrap();
    assert_eq!((report.path.as_path(), report.source, report.fetched), (lmstudio.as_path(), ModelSource::LmStudio, 0));
    assert!(test.server.cdn_log().is_empty() && test.files().is_empty());
    fs::write(&lmstudio, bytes(SIZE, 6)).unwrap();
    assert_eq!(
        test.pull("owner/name").unwrap().source,
        ModelSource::Nootropic,
        "the same length is not the same bytes"
    );

    let blob =
        format!("sha256-{}", hub_server::hex(ring::digest::digest(&ring::digest::SHA256, &bytes(500, 2)).as_ref()));
    let ollama = test.home.path().join("ollama");
    let manifest = ollama.join("manifests/registry.ollama.ai/library/m/latest");
    fs::create_dir_all(manifest.parent().unwrap()).unwrap();
    fs::create_dir_all(ollama.join("blobs")).unwrap();
    fs::write(ollama.join("blobs").join(&blob), bytes(500, 2)).unwrap();
    let layer = format!(
        r#"{{"mediaType":"application/vnd.ollama.image.model","digest":"{}","size":500}}"#,
        blob.replace('-', ":")
    );
    fs::write(manifest, format!(r#"{{"layers":[{layer}]}}"#)).unwrap();
    let report = test.pull("owner/name:Q8_0").unwrap();
    assert_eq!((report.path, report.source), (ollama.join("blobs").join(blob), ModelSource::Ollama));
}

#[test]
fn two_pulls_of_one_file_take_turns() {
    let test = one_file();
    test.server.fault("m-Q4_K_M.gguf", Fault::StallAfter(1_000_000));
    let heard = Arc::new(Heard::default());
    let second = std::thread::scope(|scope| {
        let first = scope.spawn(|| test.pull("owner/name"));
        while fs::metadata(test.at("m-Q4_K_M.gguf.part")).map_or(0, |metadata| metadata.len()) < 1_000_000 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let second = scope.spawn(|| {
            let events = Arc::clone(&heard) as Arc<dyn EventSink>;
            let broker = test.broker(&[&test.server.url(), &test.server.cdn_url()]);
            let hub = Hub::new(&test.server.url(), None, broker, events, Patience::default())?;
            let (folder, library) = (test.ours(), ModelLibrary::new(test.ours()));
            let model = "owner/name".parse()?;
            hub.pull(&Pull { model, revision: "main", folder: &folder, library: &library }, &CancelToken::new())
        });
        while !heard.warnings().iter().any(|warning| warning.contains("another process")) {
            std::thread::sleep(Duration::from_millis(5));
        }
        test.cancel.cancel();
        assert!(first.join().unwrap().is_err());
        second.join().unwrap().unwrap()
    });
    assert_eq!((second.files[0].state, second.fetched), (PullState::Resumed, SIZE as u64 - 1_000_000));
    assert_eq!(fs::read(second.path).unwrap(), bytes(SIZE, 1));
}
