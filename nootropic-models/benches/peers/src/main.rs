//! Other projects' decoders on a GGUF file: how fast they are, and what logits they give.
//!
//! ```text
//! model_peers llama.cpp|candle FILE.gguf [--threads 2] [--prompt 512] [--generate 64] [--sequences 1] [--runs 5]
//! model_peers logits FILE.gguf --tokens IDS.json --out LOGITS.f32 [--exact] [--threads 2]
//! ```
//!
//! The first prints a line of JSON for the prompt and one for the generation that follows it: the medians and the best of the runs,
//! after one that warms up. The second writes what llama.cpp has for each position of a text: numbers of four bytes, little-endian,
//! `[positions, vocabulary]`. With `--exact` keys and values are not rounded, so that a file of type F32 gives a reference.
//!
//! Build it for the machine, as their users would: `RUSTFLAGS="-C target-cpu=native" cargo build --release --locked`. It needs CMake, a
//! C++ compiler and libclang.

mod candle;
mod llama;
mod measure;
mod options;

use options::{Command, Peer};

type Problem = Box<dyn std::error::Error>;
type Result<T> = std::result::Result<T, Problem>;

fn main() -> Result<()> {
    match Command::parse(std::env::args().skip(1))? {
        Command::Measure(peer, options) => {
            set_threads(options.threads);
            match peer {
                Peer::Llama => llama::measure(&options),
                Peer::Candle => candle::measure(&options),
            }
        }
        Command::Logits(options) => llama::write_logits(&options),
    }
}

/// candle asks the environment how many threads it may use.
fn set_threads(threads: usize) {
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", threads.to_string()) };
}
