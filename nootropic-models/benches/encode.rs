//! How fast an encoder reads texts, beside onnxruntime where that is there: all take turns.
//!
//! ```sh
//! NOOTROPIC_ONNX_PYTHON=python cargo bench -p nootropic-models --bench encode -- all-MiniLM-L6-v2 [THREADS]
//! ```
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use nootropic_core::EmbedRole;
use nootropic_models::{EncoderPrecision, LocalEmbedder, OpenDevice};

const BATCH: usize = 32;
const ROUNDS: usize = 9;
const SECONDS: f64 = 1.0;

/// onnxruntime, in a process of its own.
struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    /// None where no Python is named that has it.
    fn start(model: &str, threads: usize) -> Option<Self> {
        let python = std::env::var_os("NOOTROPIC_ONNX_PYTHON")?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/onnx/encode.py");
        let folder = std::env::temp_dir().join("nootropic-onnx");
        let mut command = Command::new(python);
        command.arg(script).arg(model).arg(folder).arg(threads.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut peer = Self { child, to, from };
        println!("beside {}", peer.line());
        Some(peer)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn time(&mut self, tokens: usize, kind: &str) -> f64 {
        writeln!(self.to, "{tokens} {kind}").unwrap();
        self.line().parse().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn time(embedder: &LocalEmbedder, tokens: usize) -> f64 {
    // A word of one token, and room for what begins and ends a text.
    let text = "the ".repeat(tokens - 2);
    let texts = [text.as_str(); BATCH];
    embedder.embed_now(&texts, EmbedRole::Document).unwrap();
    let (begun, mut times) = (Instant::now(), 0);
    while begun.elapsed().as_secs_f64() < SECONDS {
        embedder.embed_now(&texts, EmbedRole::Document).unwrap();
        times += 1;
    }
    (BATCH * times) as f64 / begun.elapsed().as_secs_f64()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some(model) = arguments.first() else {
        println!("skipped: name a folder with an encoder");
        return;
    };
    let threads = arguments.get(1).map_or(2, |threads| threads.parse().unwrap());
    let device = OpenDevice::cpu_with_threads(threads).unwrap();
    let open = |precision| LocalEmbedder::open_on(model, &device, precision).unwrap();
    let ours = [("f32", open(EncoderPrecision::F32)), ("int8", open(EncoderPrecision::Int8))];
    let mut peer = Peer::start(model, threads);
    for tokens in [64, 256] {
        for (kind, embedder) in &ours {
            let (mut mine, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                mine.push(time(embedder, tokens));
                theirs.extend(peer.as_mut().map(|peer| peer.time(tokens, kind)));
            }
            // Of neighbours in time, which had the same of a machine that others use too.
            let mut ratios: Vec<f64> = mine.iter().zip(&theirs).map(|(mine, theirs)| mine / theirs).collect();
            ratios.sort_by(f64::total_cmp);
            let mine = median(mine);
            match theirs.is_empty() {
                true => println!("{tokens} tokens, {kind}: {mine:.0} texts/s"),
                false => {
                    println!(
                        "{tokens} tokens, {kind}: {mine:.0} texts/s, onnxruntime {:.0}, ratio {:.2} ({:.2} to {:.2})",
                        median(theirs),
                        ratios[ratios.len() / 2],
                        ratios[0],
                        ratios[ratios.len() - 1],
                    );
                }
            }
        }
    }
}
