//! `models pull` as it is typed, against a hub in the test's own process.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
#[cfg(unix)]
use std::process::{Child, Command, Stdio};
#[cfg(unix)]
use std::time::Duration;

use nootropic::models::{FileType, Precision, SyntheticModel};
use serde_json::json;

use crate::hub_server::{AUTHORITY, Fault, HubServer, read_request};
use crate::{Repository, Run};

const FILE: &str = "tiny-Q8_0.gguf";

/// A hub with a model that runs, and its bytes.
fn hub() -> (HubServer, Vec<u8>) {
    let model = SyntheticModel { precision: Precision::Mix(FileType::Q8_0), ..SyntheticModel::tiny() };
    let bytes = model.to_bytes().unwrap();
    (
        HubServer::start(&[(FILE, bytes.clone()), ("tiny-F16.gguf", vec![1; 200]), ("README.md", b"# tiny".to_vec())]),
        bytes,
    )
}

fn ours(repository: &Repository) -> PathBuf {
    repository.home().join(".local/share/nootropic/models/owner/name")
}

/// `models pull MODEL` with this hub, and with its host of large files allowed.
fn pull(hub: &HubServer, model: &str) -> Vec<String> {
    let settings = [format!("models.hub={}", hub.url()), format!("network.allow={}", hub.cdn_url())];
    let mut arguments = vec!["models".to_owned(), "pull".into(), model.into()];
    arguments.extend(settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]));
    arguments
}

#[test]
fn a_model_is_fetched_listed_and_opened() {
    let (repository, (hub, bytes)) = (Repository::sample(), hub());
    let run = repository.run(pull(&hub, "owner/name"));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.out.contains(FILE) && run.out.contains("There are also F16") && run.out.contains("owner/name:F16"),
        "{run:?}"
    );
    for place in [hub.url(), hub.cdn_url()] {
        assert!(run.err.contains(&format!("Connecting to {place}\n")), "{run:?}");
    }
    assert_eq!(fs::read(ours(&repository).join(FILE)).unwrap(), bytes);
    let list = repository.json(["models", "list"]);
    assert_eq!(list["models"][0]["name"], "owner/name/tiny-Q8_0");
    assert_eq!(repository.json(["models", "info", "owner/name/tiny-q8_0"])["quantization"], "Q8_0");

    let again = repository.json(pull(&hub, "owner/name:Q8_0"));
    assert_eq!((&again["fetched"], &again["files"][0]["state"]), (&json!(0), &json!("present")));
    assert_eq!(again["connected"], json!([hub.url()]));
    assert!(repository.run(pull(&hub, "owner/name")).out.contains("was there already"));
}

#[test]
fn models_go_where_the_variable_says() {
    let (repository, (hub, _)) = (Repository::sample(), hub());
    let elsewhere = repository.home().join("models of mine");
    let run = |arguments: &[String]| {
        let mut command = repository.command(arguments);
        let run = Run::of({
            command.arg("--json").env("NOOTROPIC_MODELS", &elsewhere);
            command
        });
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
        serde_json::from_str::<serde_json::Value>(&run.out).unwrap()
    };
    assert_eq!(run(&pull(&hub, "owner/name"))["path"], json!(elsewhere.join("owner/name").join(FILE)));
    assert_eq!(run(&["models".into(), "list".into()])["models"][0]["name"], "owner/name/tiny-Q8_0");
    assert_eq!(repository.json(["models", "list"])["models"], json!([]));
}

#[test]
fn only_hosts_that_were_opted_in_to_are_connected_to() {
    let (repository, (hub, _)) = (Repository::sample(), hub());
    let hub_setting = format!("models.hub={}", hub.url());
    let error = repository.error(["models", "pull", "owner/name", "--set", &hub_setting], 11);
    assert_eq!(error["kind"], "denied");
    assert!(error["message"].as_str().unwrap().contains(&hub.cdn_url()), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--set network.allow=127.0.0.1"), "{error}");
    assert!(hub.cdn_log().is_empty());
    let asked = hub.hub_log().len();

    let mut sealed = pull(&hub, "owner/name");
    sealed.extend(["--set".into(), "network.sealed=true".into()]);
    let error = repository.error(sealed, 11);
    assert!(error["hint"].as_str().unwrap().contains("network.sealed"), "{error}");
    assert_eq!(hub.hub_log().len(), asked);
    assert!(!ours(&repository).join(FILE).exists());

    repository.write("nootropic.toml", format!("[network]\nallow = [\"{}\"]\n", hub.cdn_url()));
    let error = repository.error(["models", "pull", "owner/name"], 2);
    assert!(error["message"].as_str().unwrap().contains("cannot be set by a repository"), "{error}");
}

#[test]
fn the_variables_of_other_programs_count() {
    let (repository, (hub, _)) = (Repository::sample(), hub());
    let mut command = repository.command(["models", "pull", "owner/name", "--json", "--set"]);
    command.arg(format!("network.allow={}", hub.cdn_url()));
    command.env("HF_ENDPOINT", hub.url()).env("HF_TOKEN", "hf_secret");
    let run = Run::of(command);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(!format!("{run:?}").contains("hf_secret"));
    assert_eq!(hub.hub_log()[0].header("authorization"), Some("Bearer hf_secret"));
    assert_eq!(hub.cdn_log()[0].header("authorization"), None);
}

#[cfg(target_os = "linux")] // elsewhere the system alone says whom it trusts
#[test]
fn only_servers_that_an_authority_vouches_for_are_believed() {
    let (repository, (hub, bytes)) = (Repository::sample(), hub());
    let url = hub.secret_url();
    let pull = |authority: Option<&str>| {
        let mut command = repository.command(["models", "pull", "owner/name", "--json"]);
        command.args(["--set", &format!("models.hub={url}"), "--set", &format!("network.allow={}", hub.cdn_url())]);
        command.env_remove("SSL_CERT_DIR").env_remove("SSL_CERT_FILE");
        command.envs(authority.map(|file| ("SSL_CERT_FILE", file)));
        Run::of(command)
    };
    let run = pull(None);
    assert_eq!(run.code, Some(15), "{run:?}");
    assert!(run.err.contains("certificate") && hub.hub_log().is_empty(), "{run:?}");
    let run = pull(Some(AUTHORITY));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(fs::read(ours(&repository).join(FILE)).unwrap(), bytes);
}

#[test]
fn mistakes_say_what_to_write() {
    let (repository, (hub, _)) = (Repository::sample(), hub());
    for (model, code, message) in [
        ("gpt2", 2, "OWNER/NAME"),
        ("owner/name:Q3_K_S", 3, "it has: Q8_0, F16"),
        ("owner/other", 3, "no model owner/other"),
    ] {
        let error = repository.error(pull(&hub, model), code);
        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
    }
    let url = repository.error(["models", "pull", "a/b", "--set", "models.hub=http://hub.example"], 2);
    assert!(url["message"].as_str().unwrap().contains("https://"), "{url}");
    let url = repository.error(["models", "pull", "a/b", "--set", "models.hub=hub"], 2);
    assert!(url["message"].as_str().unwrap().contains("models.hub"), "{url}");
    let host = repository.error(["models", "pull", "a/b", "--set", "network.allow=a..b"], 2);
    assert!(host["message"].as_str().unwrap().contains("network.allow"), "{host}");
}

/// Answers one request with a refusal, and gives its first line.
fn refusing_proxy() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:secret@{}", listener.local_addr().unwrap());
    let answered = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_request(&stream).unwrap();
        stream.write_all(b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n").unwrap();
        format!("{} {}", request.method, request.path)
    });
    (url, answered)
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let repository = Repository::sample();
    let (url, answered) = refusing_proxy();
    let mut command =
        repository.command(["models", "pull", "a/b", "--json", "--set", "models.hub=https://hub.example"]);
    command.env("HTTPS_PROXY", url);
    let run = Run::of(command);
    assert_eq!(run.code, Some(15), "{run:?}");
    assert!(!run.err.contains("secret"), "{run:?}");
    assert_eq!(answered.join().unwrap(), "CONNECT hub.example:443");

    let mut command =
        repository.command(["models", "pull", "a/b", "--json", "--set", "models.hub=https://hub.example"]);
    command.env("ALL_PROXY", "socks5://user:secret@127.0.0.1:1");
    let run = Run::of(command);
    assert!(run.code == Some(2) && run.err.contains("ALL_PROXY") && !run.err.contains("secret"), "{run:?}");
}

#[test]
fn a_sealed_program_does_not_speak_to_the_proxy_either() {
    let repository = Repository::sample();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let mut command = repository.command(["models", "pull", "a/b", "--json", "--set", "network.sealed=true"]);
    command.env("HTTPS_PROXY", proxy);
    let run = Run::of(command);
    assert_eq!(run.code, Some(11), "{run:?}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody connected");
}

/// Starts a pull that the server lets stand still, and waits until so much has come.
#[cfg(unix)]
fn stalled(repository: &Repository, hub: &HubServer, came: u64) -> Child {
    hub.fault(FILE, Fault::StallAfter(came as usize));
    let mut command = repository.command(pull(hub, "owner/name"));
    let child = command.arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let part = ours(repository).join(format!("{FILE}.part"));
    while fs::metadata(&part).map_or(0, |metadata| metadata.len()) < came {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[cfg(unix)]
#[test]
fn a_killed_or_interrupted_pull_goes_on_where_it_was() {
    let (repository, (hub, bytes)) = (Repository::sample(), hub());
    let mut killed = stalled(&repository, &hub, 5_000);
    killed.kill().unwrap();
    killed.wait().unwrap();

    let interrupted = stalled(&repository, &hub, 10_000);
    assert!(Command::new("kill").args(["-INT", &interrupted.id().to_string()]).status().unwrap().success());
    let output = interrupted.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(!ours(&repository).join(FILE).exists(), "half a model is none");
    assert_eq!(repository.json(["models", "list"])["models"], json!([]));

    let report = repository.json(pull(&hub, "owner/name"));
    assert_eq!(report["files"][0]["state"], "resumed");
    assert_eq!(report["fetched"], json!(bytes.len() - 15_000));
    assert_eq!(fs::read(ours(&repository).join(FILE)).unwrap(), bytes);
    let ranges: Vec<_> = hub.cdn_log().iter().map(|request| request.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=5000-".into()), Some("bytes=15000-".into())]);
}

#[test]
fn a_connection_that_is_no_http_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("models.hub=http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _): (TcpStream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n").unwrap();
    });
    let error = Repository::sample().error(["models", "pull", "a/b", "--set", &url], 15);
    assert!(error["message"].as_str().unwrap().contains("127.0.0.1"), "{error}");
    server.join().unwrap();
}
