//! Other programs that run the same files: a program of ours that links them times them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nootropic_core::{Error as CoreError, ErrorKind};
use serde::Deserialize;

use super::{BenchPhase, ModelsBench};
use crate::{Error, Result};

/// Where the program is, if it does not lie beside us.
const VARIABLE: &str = "NOOTROPIC_MODEL_PEERS";
const PROGRAM: &str = "model_peers";
const NAMES: [&str; 2] = ["llama.cpp", "candle"];

/// What is compared with.
#[derive(Debug)]
pub(super) struct Peers(Option<PathBuf>);

/// A peer's speeds on a file, in tokens a second; a phase that it cannot do has none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PeerSpeeds {
    /// Its name with its version.
    pub(super) peer: String,
    pub(super) prompt: Option<f64>,
    pub(super) generate: Option<f64>,
}

/// A line of the program.
#[derive(Debug, Deserialize)]
struct Line {
    peer: String,
    version: String,
    phase: BenchPhase,
    tokens_per_second: f64,
}

impl Peers {
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// The program.
    pub(super) fn find() -> Result<Self> {
        let beside = || std::env::current_exe().ok().map(|path| path.with_file_name(PROGRAM));
        let path = std::env::var_os(VARIABLE).map(PathBuf::from).or_else(beside);
        path.filter(|path| path.is_file()).map(|path| Self(Some(path))).ok_or_else(|| Error::NotFound {
            what: "program",
            name: PROGRAM.into(),
            hint: Some(format!("`make bench` builds it; {VARIABLE} says where it is")),
        })
    }

    /// Times each peer on a file. One that cannot read it is left out.
    pub(super) fn time(&self, file: &Path, ask: &ModelsBench, threads: usize) -> Result<Vec<PeerSpeeds>> {
        let Some(program) = &self.0 else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for name in NAMES {
            let mut command = Command::new(program);
            command.arg(name).arg(file).args(["--threads", &threads.to_string()]);
            command.args(["--prompt", &ask.prompt.to_string(), "--generate", &ask.generate.to_string(), "--runs", "1"]);
            let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
            let output = output.map_err(Error::io("start", program))?;
            if output.status.success() {
                all.extend(speeds(&output.stdout)?);
            }
        }
        Ok(all)
    }
}

fn speeds(output: &[u8]) -> Result<Option<PeerSpeeds>> {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<Line> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(|error| CoreError::failed("read what a peer says", ErrorKind::InvalidInput, error))?;
    let Some(first) = lines.first() else { return Ok(None) };
    let of = |phase| lines.iter().find(|line| line.phase == phase).map(|line| line.tokens_per_second);
    let peer = format!("{} ({})", first.peer, first.version);
    Ok(Some(PeerSpeeds { peer, prompt: of(BenchPhase::Prompt), generate: of(BenchPhase::Generate) }))
}

#[cfg(test)]
mod tests {
    use super::{PeerSpeeds, speeds};

    #[test]
    fn what_a_peer_says_is_read() {
        let output =
            br#"{"peer":"candle","version":"0.11","model":"m","phase":"generate","tokens_per_second":2.5,"runs":3}"#;
        let found = speeds(output).unwrap().unwrap();
        assert_eq!(found, PeerSpeeds { peer: "candle (0.11)".into(), prompt: None, generate: Some(2.5) });
        assert!(speeds(b"").unwrap().is_none());
        assert!(speeds(b"segmentation fault").is_err());
    }
}
